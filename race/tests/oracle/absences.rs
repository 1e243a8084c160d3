//! Who was not where the rules want him: absent from parc ferme, past a geofence, out of sight, not there at all.

use race::course::tables::{BelongsTo, GeofenceKind, SegmentType};
use race::record::Direction;
use uuid::Uuid;

use crate::charges::counted;
use crate::controls::At;
use crate::doubt;
use crate::fences::{area_of, drawn, stays};
use crate::formulas::Measure;
use crate::offences::{Measures, Offence, Place, decided_at};
use crate::segments::{Ridden, RiddenStage, Ride, admits, holds, ms, seconds_ms};

/// The entry's slot in the segment after this one, also of the next stage.
fn next_slot(ride: &Ride<'_>, stages: &[RiddenStage<'_>], segment: Uuid) -> Option<i64> {
    let mut all = stages.iter().flat_map(|stage| &stage.segments);
    all.find(|s| s.row.id == segment);
    all.next().and_then(|next| ride.target_at(next.row.id))
}

/// The absences from a parc ferme that count, epoch milliseconds, each to be reviewed.
fn absences(ride: &Ride<'_>, stages: &[RiddenStage<'_>], segment: &Ridden<'_>) -> Vec<(i64, i64, bool)> {
    let line = &ride.line;
    let fence = ride.tables.geofences.iter().find(|f| Some(f.id) == segment.row.entry_geofence_id);
    let (Some(started), Some(end), Some(fence)) = (segment.started, ride.end, fence) else {
        return Vec::new();
    };
    if segment.row.kind != SegmentType::ParcFerme || fence.kind != GeofenceKind::Area || line.fixes.len() < 2
    {
        return Vec::new();
    }
    let released = next_slot(ride, stages, segment.row.id).or(segment.closed);
    let (plane, shape) = area_of(fence);
    let stays = stays(&drawn(line, &plane), &shape, segment.row.absence_meters);
    let weak = |m: usize| line.movements[m].weak;
    let mut found = Vec::new();
    for (n, ((_, left), ended)) in stays.iter().enumerate() {
        if !ended || line.ms(*left) < started {
            continue;
        }
        let back = stays.get(n + 1).map(|next| next.0.0);
        let back = back.filter(|p| released.is_none_or(|r| doubt::later("back in time", r, line.ms(*p))));
        let review = line.weak_at(*left) || back.is_some_and(|p| line.weak_at(p));
        let over = back.map(|p| line.ms(p)).or(released.filter(|r| *r <= end));
        // What is surely out: without the weak movements at either end.
        let (mut from, mut to) = (line.ms(*left), over.unwrap_or(end));
        let mut m = line.movement_at(*left);
        while m < line.movements.len() && weak(m) {
            m += 1;
            from = line.ms(m as f64);
        }
        let place = back.unwrap_or_else(|| ride.place_at(to));
        let mut m = line.movement_at(place);
        while weak(m) {
            to = line.ms(m as f64);
            if m == 0 {
                break;
            }
            m -= 1;
        }
        let least = seconds_ms(segment.row.min_absence_seconds);
        if doubt::reaches("an absence", to - from, least + 1) {
            found.push((from, if over.is_some() { to } else { from }, review));
        }
    }
    found
}

pub(crate) fn left_parc_ferme<'a>(
    ride: &Ride<'a>,
    stages: &[RiddenStage<'a>],
    (n, stage, segment): At<'a, '_>,
    out: &mut Vec<Offence<'a>>,
) {
    let absences = absences(ride, stages, segment);
    let (Some(first), Some(last)) = (absences.first(), absences.last()) else { return };
    let evaluator = "left_parc_ferme";
    let place = Place { stage, segment: Some(segment), within: None, kind: None, at: first.0 };
    let Some(table) = ride.table(evaluator, &place) else { return };
    let count = Measure::whole(absences.len() as i64);
    out.push(Offence {
        stage: n,
        stage_id: stage.row.id,
        segment: Some(segment.row.id),
        evaluator,
        place: segment.row.id,
        table: Some(table),
        window: Some((first.0, last.1)),
        measures: Measures::Sum(vec![(count, count)]),
        review: Some(segment.start.is_some_and(|s| s.review) || absences.iter().any(|a| a.2)),
    });
}

pub(crate) fn missed_geofence<'a>(ride: &Ride<'a>, at: At<'a, '_>, out: &mut Vec<Offence<'a>>) {
    let segment = at.2;
    let Some(judged_at) = decided_at(segment) else { return };
    let until = segment.finished.or(segment.closed);
    let mut fences: Vec<Uuid> =
        [segment.row.entry_geofence_id, segment.row.exit_geofence_id].into_iter().flatten().collect();
    fences.dedup();
    let is_there = |id: &Uuid| {
        let fence = ride.tables.geofences.iter().find(|f| f.id == *id).unwrap();
        holds((fence.valid_from, fence.valid_to), judged_at)
    };
    let is_missed = |id: &Uuid| {
        !ride.crossings.iter().any(|c| {
            let crossed_at = c.set_ms.unwrap_or(c.ms);
            c.geofence == *id
                && c.direction != Direction::Reverse
                && !c.withheld
                && admits(segment.cursor, crossed_at)
                && until.is_none_or(|u| !doubt::later("a crossing before the end", crossed_at, u))
        })
    };
    let missed = fences.into_iter().filter(is_there).filter(is_missed);
    counted(ride, "missed_geofence", at, missed.map(|id| ((BelongsTo::Geofence, id), None)), out);
}

/// Stretches of a started segment without a used fix, longer than the event's greatest gap.
pub(crate) fn no_evidence<'a>(ride: &Ride<'a>, (n, stage, segment): At<'a, '_>, out: &mut Vec<Offence<'a>>) {
    let (Some(from), Some(end), Some(at)) = (segment.started, ride.end, decided_at(segment)) else { return };
    let until = segment.finished.or(segment.closed).unwrap_or(end);
    let mut seen: Vec<i64> = (0..ride.line.fixes.len()).map(|n| ride.line.ms(n as f64)).collect();
    seen.retain(|at| from < *at && *at < until);
    seen.insert(0, from);
    seen.push(until);
    let greatest = seconds_ms(ride.event.max_gap_seconds);
    let silences: Vec<&[i64]> =
        seen.windows(2).filter(|w| doubt::reaches("a silence", w[1] - w[0], greatest + 1)).collect();
    let (Some(first), Some(last)) = (silences.first(), silences.last()) else { return };
    let evaluator = "no_evidence";
    let place = Place { stage, segment: Some(segment), within: None, kind: None, at };
    let Some(table) = ride.table(evaluator, &place) else { return };
    let count = Measure::whole(silences.len() as i64);
    out.push(Offence {
        stage: n,
        stage_id: stage.row.id,
        segment: Some(segment.row.id),
        evaluator,
        place: segment.row.id,
        table: Some(table),
        window: Some((first[0], last[1])),
        measures: Measures::Sum(vec![(count, count)]),
        review: None,
    });
}

/// A stage that was closed before it was started, or finished, whatever penalties make of that.
pub(crate) fn stage_not_driven<'a>(
    ride: &Ride<'a>,
    (n, stage): (usize, &RiddenStage<'a>),
    out: &mut Vec<Offence<'a>>,
) {
    let Some(closed) = stage.row.closed_at.map(ms) else { return };
    let must_finish = |s: &&Ridden<'_>| match s.row.kind {
        SegmentType::SpecialStage => true,
        SegmentType::Liaison => s.row.exit_geofence_id.is_some(),
        SegmentType::ParcFerme => false,
    };
    let unfinished = stage.segments.iter().filter(must_finish).find(|s| s.finish.is_none());
    let Some(segment) = unfinished else { return };
    let was_there = stage.segments.iter().any(|s| s.start.is_some() || s.finish.is_some());
    let evaluator = if was_there { "did_not_finish" } else { "did_not_start" };
    let place = Place { stage, segment: Some(segment), within: None, kind: None, at: closed };
    let table = ride.table(evaluator, &place);
    let of_segment = table.as_ref().is_some_and(|rows| rows[0].belongs_to_type == BelongsTo::Segment);
    out.push(Offence {
        stage: n,
        stage_id: stage.row.id,
        segment: of_segment.then_some(segment.row.id),
        evaluator,
        place: stage.row.id,
        table,
        window: None,
        measures: Measures::Ordinal(Measure::ONE),
        review: None,
    });
}
