//! Time controls: check-ins of liaisons, starts by the clock, and how long a segment may take.

use race::course::tables::{PenaltyFormula, SegmentType};

use crate::charges::{of_scope, scoped};
use crate::formulas::Measure;
use crate::offences::{Measures, Offence, Place, decided_at};
use crate::segments::{Ridden, RiddenStage, Ride, seconds_ms};

/// A segment with its stage and the number of that.
pub(crate) type At<'a, 's> = (usize, &'s RiddenStage<'a>, &'s Ridden<'a>);

fn table<'a>(
    ride: &Ride<'a>,
    evaluator: &str,
    (_, stage, segment): At<'a, '_>,
) -> Option<Vec<&'a PenaltyFormula>> {
    let at = decided_at(segment)?;
    ride.table(evaluator, &Place { stage, segment: Some(segment), within: None, kind: None, at })
}

fn of_segment<'a>(
    ride: &Ride<'a>,
    (n, stage, segment): At<'a, '_>,
    evaluator: &'static str,
    table: Option<Vec<&'a PenaltyFormula>>,
    window: (i64, i64),
    measures: Measures,
    review: bool,
) -> Offence<'a> {
    Offence {
        stage: n,
        stage_id: stage.row.id,
        segment: Some(segment.row.id),
        evaluator,
        place: segment.row.id,
        table,
        window: Some(window),
        measures,
        review: Some(review || segment.awaits(ride)),
    }
}

fn by_itself(parts: i64, of: i64) -> Measures {
    Measures::Sum(vec![(Measure { parts, of }, Measure { parts, of })])
}

/// Milliseconds from one instant to another, each cut to what minutes are counted in.
fn counted_ms(ride: &Ride<'_>, from: i64, to: i64) -> i64 {
    let cut = |at: i64| {
        if ride.event.minute_truncation { at.div_euclid(60_000) * 60_000 } else { ride.truncated(at) }
    };
    cut(to) - cut(from)
}

/// What a liaison is counted from, to be reviewed: its slot, else the finish before it.
fn counted_from(ride: &Ride<'_>, segment: &Ridden<'_>) -> Option<(i64, bool)> {
    if segment.row.kind != SegmentType::Liaison {
        return None;
    }
    let before = segment.previous_finish().map(|f| (f.at, f.review));
    ride.target_at(segment.row.id).map(|slot| (slot, false)).or(before)
}

/// When a liaison was due, and when it was arrived at, to be reviewed.
fn arrival(ride: &Ride<'_>, segment: &Ridden<'_>) -> Option<(i64, i64, bool)> {
    let (from, review) = counted_from(ride, segment)?;
    let may_take = segment.row.target_duration_seconds.map(seconds_ms);
    // A slot without a duration is itself the time of arrival.
    let due = match (may_take, ride.target_at(segment.row.id)) {
        (Some(may_take), _) => from + may_take,
        (None, Some(slot)) => slot,
        (None, None) => return None,
    };
    let finish = segment.finish?;
    Some((due, finish.at, review || finish.review))
}

pub(crate) fn check_in<'a>(ride: &Ride<'a>, at: At<'a, '_>, out: &mut Vec<Offence<'a>>) {
    let Some((due, arrived, review)) = arrival(ride, at.2) else { return };
    let late = counted_ms(ride, due, arrived);
    let evaluator = if late > 0 { "late_check_in" } else { "early_check_in" };
    if let Some(table) = table(ride, evaluator, at).filter(|_| late != 0) {
        let window = (due.min(arrived), due.max(arrived));
        out.push(of_segment(ride, at, evaluator, Some(table), window, by_itself(late.abs(), 60_000), review));
    }
}

pub(crate) fn late_total<'a>(ride: &Ride<'a>, stages: &[RiddenStage<'a>], out: &mut Vec<Offence<'a>>) {
    let evaluator = "late_total";
    let liaisons = |s: &Ridden<'a>| vec![None; usize::from(s.row.kind == SegmentType::Liaison)];
    for (stage, rows, segments) in scoped(ride, evaluator, stages, liaisons) {
        let late =
            |s: &&Ridden<'a>| arrival(ride, s).map_or(0, |(due, at, _)| counted_ms(ride, due, at).max(0));
        let total: i64 = segments.iter().map(late).sum();
        if total > 0 {
            let minutes = Measure { parts: total, of: 60_000 };
            out.push(of_scope(stages, evaluator, stage, rows, (minutes, minutes)));
        }
    }
}

/// False starts and late ones.
pub(crate) fn departure<'a>(ride: &Ride<'a>, at: At<'a, '_>, out: &mut Vec<Offence<'a>>) {
    let segment = at.2;
    let (Some(slot), Some(left)) = (segment.started, segment.departure(ride)) else { return };
    if !segment.decided {
        return;
    }
    let early = slot - left.at;
    if early > 0 {
        let measures = Measures::Ordinal(Measure { parts: early, of: 1_000 });
        let table = table(ride, "false_start", at);
        out.push(of_segment(ride, at, "false_start", table, (left.at, slot), measures, left.review));
    }
    let late = counted_ms(ride, slot, left.at);
    if let Some(table) = table(ride, "late_start", at).filter(|_| late > 0) {
        let measures = by_itself(late, 60_000);
        out.push(of_segment(ride, at, "late_start", Some(table), (slot, left.at), measures, left.review));
    }
}

pub(crate) fn segment_over_time<'a>(ride: &Ride<'a>, at: At<'a, '_>, out: &mut Vec<Offence<'a>>) {
    let segment = at.2;
    let Some(finish) = segment.finish else { return };
    let taken = match segment.row.kind {
        SegmentType::SpecialStage => {
            let neutral = segment.pairs_review;
            let start = segment.start;
            segment.driven_ms(ride).zip(start).map(|(ms, start)| (ms, start.at, start.review || neutral))
        }
        SegmentType::Liaison => counted_from(ride, segment)
            .map(|(from, review)| (ride.truncated(finish.at) - ride.truncated(from), from, review)),
        SegmentType::ParcFerme => None,
    };
    let allowed = segment.row.maximum_seconds.or(segment.row.target_duration_seconds).map(seconds_ms);
    let (Some((taken, from, review)), Some(allowed)) = (taken, allowed) else { return };
    if let Some(table) = table(ride, "segment_over_time", at).filter(|_| taken > allowed) {
        let measures = by_itself(taken - allowed, 1_000);
        let review = review || finish.review;
        out.push(of_segment(ride, at, "segment_over_time", Some(table), (from, finish.at), measures, review));
    }
}
