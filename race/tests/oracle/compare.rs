//! Where engine and oracle differ, in words.

use race::course::tables::{Event, Tables, WaypointOrder};
use race::judge::EventOutcome;
use race::judge::stage::{SegmentEvaluation, StageEvaluation};
use race::time::Timestamp;

use crate::results::{Outcome, StageOutcome};
use crate::segments::{Ridden, official};
use crate::{compare_charges, compare_places};

/// Milliseconds by which instants may differ; durations are two of them apart.
const INSTANT_MS: i64 = 2;
const DURATION_MS: i64 = 2 * INSTANT_MS;
/// 0.02 km/h.
const SPEED_CKMH: i64 = 2;
/// Degrees; about 2 cm.
const DEGREES: f64 = 2e-7;

/// Collects differences, each with where it is.
#[derive(Debug, Default)]
pub(crate) struct Differences(pub(crate) Vec<String>);

impl Differences {
    pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, engine: &T, oracle: &T) {
        if engine != oracle {
            self.0.push(format!("{what}: engine {engine:?}, oracle {oracle:?}"));
        }
    }

    pub(crate) fn near(&mut self, what: &str, engine: i64, oracle: i64, by: i64) {
        if (engine - oracle).abs() > by {
            self.0.push(format!("{what}: engine {engine}, oracle {oracle}"));
        }
    }

    fn instant(&mut self, what: &str, engine: Option<Timestamp>, oracle: Option<i64>, by: i64) {
        let engine = engine.map(ms);
        match (engine, oracle) {
            (Some(e), Some(o)) => self.near(what, e, o, by),
            (None, None) => {}
            _ => self.0.push(format!("{what}: engine {engine:?}, oracle {oracle:?}")),
        }
    }

    fn duration(&mut self, what: &str, engine: Option<i64>, oracle: Option<i64>, by: i64) {
        match (engine, oracle) {
            (Some(e), Some(o)) => self.near(what, e, o, by),
            (None, None) => {}
            _ => self.0.push(format!("{what}: engine {engine:?}, oracle {oracle:?}")),
        }
    }
}

pub(crate) fn ms(t: Timestamp) -> i64 {
    t.micros().div_euclid(1_000)
}

pub(crate) fn event(tables: &Tables, engine: &EventOutcome, oracle: &[Outcome<'_>]) -> Vec<String> {
    let mut d = Differences::default();
    // Truncated to the second, a millisecond can be worth one.
    let by = match tables.events[0].truncation {
        race::course::tables::Truncation::Millisecond => DURATION_MS,
        race::course::tables::Truncation::Second => 1_000,
    };
    for (n, (e, o)) in engine.evaluations.iter().zip(oracle).enumerate() {
        let f = e.fixes;
        d.equal(
            &format!("entry {n} fixes"),
            &[f.used, f.faulty, f.no_fix, f.outside_event, f.spike],
            &o.counts,
        );
        crossings(&mut d, &format!("entry {n}"), e, o);
        for outcome in &e.overrides {
            let at = format!("entry {n} override {} speaks of nothing", outcome.override_id.as_u128());
            d.equal(&at, &outcome.needs_review, &o.unbound.contains(&outcome.override_id));
            d.equal(&at, &outcome.bound_to.is_none(), &outcome.needs_review);
        }
        for (s, (e, o)) in e.stages.iter().zip(&o.stages).enumerate() {
            stage(&mut d, &tables.events[0], &format!("entry {n} stage {s}"), e, o, by);
        }
    }
    compare_places::all(&mut d, tables, engine);
    d.0
}

fn crossings(d: &mut Differences, at: &str, e: &race::judge::EntryEvaluation, o: &Outcome<'_>) {
    let words = |list: Vec<(i64, String)>| list;
    let engine = words(
        e.crossings
            .iter()
            .map(|c| (ms(c.ts), format!("{} {}", c.geofence_id.as_u128(), c.direction.as_str())))
            .collect(),
    );
    let oracle = words(
        o.crossings
            .iter()
            .map(|c| (c.ms, format!("{} {}", c.geofence.as_u128(), c.direction.as_str())))
            .collect(),
    );
    if engine.len() != oracle.len() {
        let only = |these: &[(i64, String)], those: &[(i64, String)]| -> Vec<(i64, String)> {
            let unmatched =
                |c: &&(i64, String)| !those.iter().any(|o| o.1 == c.1 && (o.0 - c.0).abs() <= INSTANT_MS);
            these.iter().filter(unmatched).cloned().collect()
        };
        let (of_engine, of_oracle) = (only(&engine, &oracle), only(&oracle, &engine));
        d.0.push(format!("{at}: crossings of engine only {of_engine:?}, of oracle only {of_oracle:?}"));
        return;
    }
    // In one order, whatever instants a millisecond apart do to it.
    let mut of_engine: Vec<_> = e.crossings.iter().collect();
    let mut of_oracle: Vec<_> = o.crossings.iter().collect();
    of_engine.sort_by_key(|c| (c.geofence_id, c.direction, c.ts));
    of_oracle.sort_by_key(|c| (c.geofence, c.direction, c.ms));
    for (e, o) in of_engine.into_iter().zip(of_oracle) {
        let at = format!("{at} crossing {} {} {}", o.geofence.as_u128(), o.direction.as_str(), o.ms);
        d.equal(&at, &(e.geofence_id, e.direction), &(o.geofence, o.direction));
        d.near(&format!("{at} ts"), ms(e.ts), o.ms, INSTANT_MS);
        d.near(&format!("{at} last touch"), ms(e.last_touch_at.unwrap_or(e.ts)), o.last_ms, INSTANT_MS);
        // What is faster than a vehicle comes from a spike; there chord and geodesic differ.
        let by = if o.ckmh > 100_000 { o.ckmh / 50_000 } else { SPEED_CKMH };
        // And what a centimetre makes of it between two fixes that follow each other soon.
        let by = by + 3_600_000 / (o.fixes_us[1] - o.fixes_us[0]).max(1);
        d.near(&format!("{at} speed"), (e.speed * 100.0).round() as i64, o.ckmh, by);
        d.equal(&format!("{at} review"), &e.needs_review, &o.review);
        d.equal(&format!("{at} status"), &e.status, &o.status);
        d.equal(&format!("{at} set"), &e.set_at.map(ms), &o.set_ms);
        d.equal(&format!("{at} fixes"), &e.fixes.map(Timestamp::micros), &o.fixes_us);
        d.near(&format!("{at} uncertainty"), e.uncertainty_ms, (o.fixes_us[1] - o.fixes_us[0]) / 1_000, 1);
        let lon = (e.longitude - o.lat_lon.1).abs().min(360.0 - (e.longitude - o.lat_lon.1).abs());
        if o.moved_cm < 2_000_000
            && ((e.latitude - o.lat_lon.0).abs() > DEGREES || lon * o.lat_lon.0.to_radians().cos() > DEGREES)
        {
            d.0.push(format!("{at}: place engine {:?}, oracle {:?}", (e.latitude, e.longitude), o.lat_lon));
        }
    }
}

fn stage(d: &mut Differences, event: &Event, at: &str, e: &StageEvaluation, o: &StageOutcome<'_>, by: i64) {
    d.equal(&format!("{at} status"), &e.status, &o.status);
    d.instant(&format!("{at} started"), e.started_at, o.started.map(|t| official(event, t)), by);
    d.instant(&format!("{at} finished"), e.finished_at, o.finished.map(|t| official(event, t)), by);
    d.equal(&format!("{at} laps"), &e.laps, &o.laps);
    let parts = o.ridden.segments.len() as i64 + 1;
    d.duration(&format!("{at} elapsed"), e.elapsed_ms, o.elapsed, by * parts);
    d.duration(&format!("{at} clean"), e.clean_ms, o.elapsed, by * parts);
    d.near(&format!("{at} neutralised"), e.neutralised_ms, o.neutralised, by * parts);
    for (n, (e, o)) in e.segments.iter().zip(&o.ridden.segments).enumerate() {
        segment(d, event, &format!("{at} segment {n}"), e, o, by);
    }
    // What the engine measured otherwise, within the tolerance, and priced by that.
    let more = compare_charges::stage(d, at, &e.penalties, &o.charges, by);
    d.equal(&format!("{at} penalty"), &e.penalty_ms, &(o.penalty + more.stage));
    d.equal(&format!("{at} overall penalty"), &e.overall_penalty_ms, &(o.overall_penalty + more.overall));
    let start_order = o.start_order_penalty + more.start_order;
    d.equal(&format!("{at} start order penalty"), &e.start_order_penalty_ms, &start_order);
    d.duration(&format!("{at} total"), e.total_ms, o.total.map(|t| t + more.stage), by * parts);
    let open = o.ridden.row.closed_at.is_none();
    if (open || o.review || o.unbound) && !e.provisional {
        let why = format!("open ({open}), to be reviewed ({}), unbound ({})", o.review, o.unbound);
        d.0.push(format!("{at}: not provisional, but {why}"));
    }
    let clear = !open && !o.review && !o.unbound && o.ridden.segments.iter().all(|s| !s.weak_inside);
    let all_started = o.ridden.segments.iter().all(|s| s.started.is_some());
    if clear && all_started && e.provisional && e.penalties.iter().all(|p| !p.needs_review) && !o.withholds {
        d.0.push(format!("{at}: provisional without a reason"));
    }
}

fn segment(d: &mut Differences, event: &Event, at: &str, e: &SegmentEvaluation, o: &Ridden<'_>, by: i64) {
    d.instant(&format!("{at} started"), e.started_at, o.started.map(|t| official(event, t)), by);
    d.instant(&format!("{at} finished"), e.finished_at, o.finished.map(|t| official(event, t)), by);
    d.duration(&format!("{at} time"), e.time_ms, o.time, by * 2);
    d.near(&format!("{at} neutralised"), e.neutralised_ms, o.neutralised, by * (1 + o.pairs.len() as i64));
    let numbers: Vec<i64> = e.validated.iter().map(|v| v.number).collect();
    let expected: Vec<i64> = o.validated.iter().map(|v| v.number).collect();
    d.equal(&format!("{at} validated"), &numbers, &expected);
    let in_sequence = o.row.waypoint_order == WaypointOrder::Sequence;
    if numbers == expected {
        // In sequence one that is left open leaves the later ones open.
        let mut whenever = false;
        for (e, o) in e.validated.iter().zip(&o.validated) {
            whenever = o.whenever || (whenever && in_sequence);
            if !whenever {
                d.near(&format!("{at} waypoint {} at", o.number), ms(e.at), o.at, INSTANT_MS);
                d.equal(&format!("{at} waypoint {} review", o.number), &e.needs_review, &o.review);
            }
        }
    }
    d.equal(&format!("{at} missed"), &e.missed, &o.missed.iter().map(|w| w.number).collect());
    d.equal(&format!("{at} outstanding"), &e.outstanding, &o.outstanding.iter().map(|w| w.number).collect());
    if o.started.is_some() && o.finished.is_some() && !o.weak_inside {
        d.equal(&format!("{at} doubtful"), &e.doubtful, &vec![]);
    }
}
