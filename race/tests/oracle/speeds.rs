//! What was driven too fast where a limit was enforced.

use race::course::tables::{BelongsTo, PenaltyFormula, SpeedLimitZone};
use uuid::Uuid;

use crate::doubt;
use crate::fences::Span;
use crate::formulas::Measure;
use crate::offences::{Measures, Offence, Place};
use crate::segments::{Mark, Ridden, RiddenStage, Ride, ms};
use crate::zones::{Enforced, Visited, clip, without};

/// A visit of a zone within a segment.
struct Passage<'a> {
    zone: &'a SpeedLimitZone,
    speeding: Option<Speeding>,
    mean: Option<Mean>,
}

/// What was driven too fast in one visit.
struct Speeding {
    from: i64,
    to: i64,
    peak_over: i64,
    gained_ms: i64,
    impulses: Vec<i64>,
}

/// How fast all that was enforced was driven, hundredths of km/h.
struct Mean {
    from: i64,
    to: i64,
    ckmh: i64,
}

/// A movement's part in a zone: its number, the speed over the limit, milliseconds, metres, where.
type Driven = (usize, i64, i64, f64, Span);

impl Ride<'_> {
    fn passages<'a>(&'a self, segment: &Ridden<'_>) -> Vec<Passage<'a>> {
        let Some(start) = segment.begin.filter(|_| self.line.movements.len() > 1) else {
            return Vec::new();
        };
        let until = segment.finished.or(segment.closed).or(self.end).unwrap_or(0);
        let within = (self.place_at(start), self.place_at(until));
        let mut found = Vec::new();
        let mut taken: Vec<Span> = Vec::new();
        for enforced in self.enforced(segment, within) {
            let parts = without(enforced.parts.clone(), &taken);
            for visit in &enforced.visits {
                let own = clip(&parts, visit.span);
                let mean = self.mean(segment, &enforced, *visit, within, &own);
                let speeding = self.speeding(enforced.zone, &parts, &own);
                found.push(Passage { zone: enforced.zone, speeding, mean });
            }
            taken.extend(enforced.parts);
        }
        found
    }

    /// The mean speed of a visit whose enforced part was begun and ended, within the segment, by what the track shows.
    fn mean(
        &self,
        segment: &Ridden<'_>,
        enforced: &Enforced<'_>,
        visit: Visited,
        within: Span,
        own: &[Span],
    ) -> Option<Mean> {
        let (zone, whole) = (enforced.zone, clip(&enforced.anywhere, visit.span));
        let (first, last) = (own.first()?.0, own.last()?.1);
        let seen = |mark: Option<Mark>| mark.is_some_and(|mark| mark.seen);
        let row_holds = zone.valid_from.is_none_or(|t| self.place_at(ms(t)) <= whole[0].0)
            && zone.valid_to.is_none_or(|t| self.place_at(ms(t)) > last);
        let begun = visit.begun && whole[0].1 > within.0 && (whole[0].0 >= within.0 || seen(segment.start));
        // Of the whole visit, whatever lower limits take of it: what the close ends is not over.
        let until = clip(&enforced.parts, visit.span).last()?.1;
        let cut = until >= within.1 && !seen(segment.finish);
        let ended = (visit.ended || segment.finish.is_some()) && !cut;
        // Where a row begins or ceases to hold, the clock says when, and nothing says where.
        let of_segment = self.tables.speed_limit_zones.iter().filter(|z| z.segment_id == zone.segment_id);
        let clock: Vec<f64> = of_segment
            .flat_map(|z| [z.valid_from, z.valid_to])
            .flatten()
            .map(|t| self.place_at(ms(t)))
            .collect();
        let edges: Vec<f64> = match zone.length_meters {
            Some(_) => vec![first, last],
            None => own.iter().flat_map(|part| [part.0, part.1]).collect(),
        };
        if !(row_holds && begun && ended) || edges.iter().any(|edge| clock.contains(edge)) {
            return None;
        }
        let (mut metres, mut us) = (0.0, 0.0);
        for (m, movement) in self.line.movements.iter().enumerate().filter(|(_, movement)| !movement.weak) {
            let duration = (self.line.fixes[m + 1].us - self.line.fixes[m].us) as f64;
            for part in clip(own, (m as f64, (m + 1) as f64)) {
                metres += movement.metres * (part.1 - part.0);
                us += duration * (part.1 - part.0);
            }
        }
        if let Some(length) = zone.length_meters {
            (metres, us) = (length, self.line.us(last) - self.line.us(first));
        }
        if us < 1e6 {
            doubt::always("a mean over less than a second", us);
        }
        let ckmh = (metres * 360e6 / us).round();
        (us > 0.0).then(|| Mean { from: self.line.ms(first), to: self.line.ms(last), ckmh: ckmh as i64 })
    }

    /// The speed of a movement in a zone that is enforced on these parts, hundredths of km/h.
    fn speed(&self, m: usize, parts: &[Span]) -> i64 {
        let (own, implied) = (&self.line.fixes, self.line.movements[m].ckmh);
        let of = |fix: usize| if own[fix].ckmh > 0 { own[fix].ckmh } else { implied };
        let strictly = |p: f64| p > m as f64 + 1e-9 && p < (m + 1) as f64 - 1e-9;
        if parts.iter().any(|p| strictly(p.0) || strictly(p.1)) { of(m).min(of(m + 1)) } else { of(m + 1) }
    }

    fn speeding(&self, zone: &SpeedLimitZone, all: &[Span], parts: &[Span]) -> Option<Speeding> {
        let limit = (zone.limit_kmh * 100.0).round() as i64;
        let tolerance = tolerance(zone);
        // Movement, speed over the limit, milliseconds, metres.
        let mut runs: Vec<Vec<Driven>> = vec![Vec::new()];
        for (m, movement) in self.line.movements.iter().enumerate() {
            if movement.weak {
                continue;
            }
            let inside = clip(parts, (m as f64, (m + 1) as f64));
            for part in &inside {
                let ms = self.line.ms(part.1) - self.line.ms(part.0);
                let moved = movement.cm as f64 / 100.0 * (part.1 - part.0);
                let over = self.speed(m, all) - limit;
                if ms <= 2 {
                    doubt::always("a movement that is hardly in a zone", ms as f64);
                }
                let is_over = doubt::faster("over the limit", over, tolerance, 1) && ms > 0;
                let last = runs.last_mut().unwrap();
                let goes_on = last.last().is_none_or(|l| l.4.1 == (l.0 + 1) as f64 && part.0 == m as f64);
                if !is_over {
                    runs.push(Vec::new());
                } else if goes_on {
                    last.push((m, over, ms, moved, *part));
                } else {
                    runs.push(vec![(m, over, ms, moved, *part)]);
                }
            }
            if inside.is_empty() {
                runs.push(Vec::new());
            }
        }
        let long = |run: &Vec<Driven>| {
            let total: i64 = run.iter().map(|r| r.2).sum();
            run.len() >= 2 && doubt::reaches("duration of an episode", total, zone.min_duration_ms + 1)
        };
        let episodes: Vec<_> = runs.into_iter().filter(long).flatten().collect();
        let (first, last) = (episodes.first()?, episodes.last()?);
        let weighed: i128 = episodes.iter().map(|e| i128::from(e.2) * i128::from(e.1)).sum();
        let gained_ms = crate::line::div_half_away(weighed, i128::from(limit));
        let mut impulses = Vec::new();
        let (mut seconds, mut length) = (0.0, 0.0);
        for &(_, over, ms, moved, _) in &episodes {
            let mut rest = 1.0;
            loop {
                let by_time = (zone.impulse_seconds - seconds) / (ms as f64 / 1_000.0);
                let by_length =
                    if moved > 0.0 { (zone.impulse_meters - length) / moved } else { f64::INFINITY };
                let part = by_time.min(by_length);
                if (part - rest).abs() * moved.max(1.0) < 0.02 {
                    doubt::always("an impulse at the end of a movement", part);
                }
                if part > rest {
                    seconds += rest * ms as f64 / 1_000.0;
                    length += rest * moved;
                    break;
                }
                rest -= part;
                (seconds, length) = (0.0, 0.0);
                impulses.push(over);
            }
        }
        let peak_over = episodes.iter().map(|e| e.1).max()?;
        if impulses.is_empty() {
            impulses.push(peak_over);
        }
        Some(Speeding {
            from: self.line.ms(first.4.0),
            to: self.line.ms(last.4.1),
            peak_over,
            gained_ms,
            impulses,
        })
    }
}

/// The offences of the speeding evaluators.
pub(crate) fn offences<'a>(ride: &Ride<'a>, stages: &[RiddenStage<'a>], out: &mut Vec<Offence<'a>>) {
    for (n, stage) in stages.iter().enumerate() {
        for segment in &stage.segments {
            for passage in ride.passages(segment) {
                let zone = passage.zone;
                let within = Some((BelongsTo::SpeedLimitZone, zone.id));
                let offence = |evaluator, (from, to): (i64, i64), measures| {
                    let place = Place { stage, segment: Some(segment), within, kind: None, at: from };
                    let table = ride.table(evaluator, &place);
                    of_zone((n, stage.row.id, segment.row.id), evaluator, zone, (from, to), (table, measures))
                };
                let over = |ckmh: i64| Measure { parts: ckmh, of: 100 };
                let limit = (zone.limit_kmh * 100.0).round() as i64;
                if let Some(mean) = &passage.mean
                    && doubt::faster("the mean over the limit", mean.ckmh - limit, tolerance(zone), 2)
                {
                    let measures = Measures::Sum(vec![(over(mean.ckmh - limit), over(mean.ckmh - limit))]);
                    out.push(offence("speeding_average", (mean.from, mean.to), measures));
                }
                let Some(s) = passage.speeding else { continue };
                let window = (s.from, s.to);
                let peak = over(s.peak_over);
                let gained = Measure { parts: s.gained_ms, of: 1_000 };
                let each = s.impulses.iter().map(|i| (over(*i), Measure::ONE)).collect();
                out.push(offence("speeding_peak", window, Measures::Sum(vec![(peak, peak)])));
                out.push(offence("speeding_time_gained", window, Measures::Sum(vec![(gained, gained)])));
                out.push(offence("speeding_ordinal", window, Measures::Ordinal(peak)));
                out.push(offence("speeding_impulse", window, Measures::Sum(each)));
            }
        }
    }
}

fn of_zone<'a>(
    (n, stage, segment): (usize, Uuid, Uuid),
    evaluator: &'static str,
    zone: &SpeedLimitZone,
    window: (i64, i64),
    (table, measures): (Option<Vec<&'a PenaltyFormula>>, Measures),
) -> Offence<'a> {
    Offence {
        stage: n,
        stage_id: stage,
        segment: Some(segment),
        evaluator,
        place: zone.id,
        table,
        window: Some(window),
        measures,
        review: None,
    }
}

/// By how much a limit may be exceeded, hundredths of km/h.
fn tolerance(zone: &SpeedLimitZone) -> i64 {
    (zone.tolerance_kmh * 100.0).round() as i64 + (zone.limit_kmh * zone.tolerance_percent).round() as i64
}
