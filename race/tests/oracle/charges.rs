//! What an entry is charged with for waypoints and neutralisations, and the list of all evaluators.

use std::collections::{BTreeMap, BTreeSet};

use race::course::tables::{BelongsTo, PenaltyFormula, Waypoint};
use uuid::Uuid;

use crate::formulas::Measure;
use crate::offences::{self, Charge, Measures, Offence, Place, decided_at};
use crate::segments::{Ridden, RiddenStage, Ride};
use crate::{absences, controls, speeds};

/// What names a table beside its evaluator.
type TableName = (BelongsTo, Uuid, Option<Uuid>, Option<String>);

fn name(rows: &[&PenaltyFormula]) -> TableName {
    let row = rows[0];
    (row.belongs_to_type, row.belongs_to_id, row.class_id, row.kind.clone())
}

/// Things that are missing in a segment, by the table that prices them: those of one table are counted together.
pub(crate) fn counted<'a, 's>(
    ride: &Ride<'a>,
    evaluator: &'static str,
    (n, stage, segment): (usize, &'s RiddenStage<'a>, &'s Ridden<'a>),
    missing: impl Iterator<Item = ((BelongsTo, Uuid), Option<&'s str>)>,
    out: &mut Vec<Offence<'a>>,
) where
    'a: 's,
{
    let Some(at) = decided_at(segment) else { return };
    let mut of_table: BTreeMap<TableName, (i64, Vec<&'a PenaltyFormula>)> = BTreeMap::new();
    for (within, kind) in missing {
        let place = Place { stage, segment: Some(segment), within: Some(within), kind, at };
        if let Some(rows) = ride.table(evaluator, &place) {
            of_table.entry(name(&rows)).or_insert((0, rows)).0 += 1;
        }
    }
    for (count, rows) in of_table.into_values() {
        out.push(Offence {
            stage: n,
            stage_id: stage.row.id,
            segment: Some(segment.row.id),
            evaluator,
            place: segment.row.id,
            table: Some(rows),
            window: None,
            measures: Measures::Sum(vec![(Measure::whole(count), Measure::whole(count))]),
            review: None,
        });
    }
}

fn missed_waypoint<'a>(
    ride: &Ride<'a>,
    at: (usize, &RiddenStage<'a>, &Ridden<'a>),
    out: &mut Vec<Offence<'a>>,
) {
    let missed = at.2.missed.iter().map(|w| ((BelongsTo::Waypoint, w.id), Some(w.kind.as_str())));
    counted(ride, "missed_waypoint", at, missed, out);
}

fn early_neutralisation<'a>(
    ride: &Ride<'a>,
    (n, stage, segment): (usize, &RiddenStage<'a>, &Ridden<'a>),
    out: &mut Vec<Offence<'a>>,
) {
    let evaluator = "early_neutralisation";
    for pair in segment.pairs.iter().filter(|_| segment.decided) {
        let short = pair.allowed_ms - (pair.to - pair.from);
        let place = Place { stage, segment: Some(segment), within: None, kind: None, at: pair.from };
        let seconds = Measure { parts: short, of: 1_000 };
        if let Some(table) = ride.table(evaluator, &place).filter(|_| short > 0) {
            out.push(Offence {
                stage: n,
                stage_id: stage.row.id,
                segment: Some(segment.row.id),
                evaluator,
                place: pair.id,
                table: Some(table),
                window: Some((pair.from, pair.to)),
                measures: Measures::Sum(vec![(seconds, seconds)]),
                review: Some(pair.review),
            });
        }
    }
}

/// The tables that speak for more than one segment, with the first place that each is closest to. One of the event is
/// judged once, in the last stage that has something decided.
pub(crate) fn scoped<'a, 's>(
    ride: &Ride<'a>,
    evaluator: &str,
    stages: &'s [RiddenStage<'a>],
    kinds: impl Fn(&Ridden<'a>) -> Vec<Option<String>>,
) -> Vec<(usize, Vec<&'a PenaltyFormula>, Vec<&'s Ridden<'a>>)> {
    let last = stages.iter().rposition(|stage| stage.segments.iter().any(|s| s.decided));
    let mut found: BTreeMap<TableName, (usize, Vec<&'a PenaltyFormula>)> = BTreeMap::new();
    for (n, stage) in stages.iter().enumerate() {
        for segment in stage.segments.iter().filter(|s| s.decided) {
            for kind in kinds(segment) {
                let at = decided_at(segment).unwrap();
                let place = Place { stage, segment: Some(segment), within: None, kind: kind.as_deref(), at };
                if let Some(rows) = ride.table(evaluator, &place) {
                    let whole = rows[0].belongs_to_type == BelongsTo::Event;
                    let stage = if whole { last.unwrap() } else { n };
                    found.entry(name(&rows)).or_insert((stage, rows));
                }
            }
        }
    }
    let over = |(scope, id): (BelongsTo, Uuid)| -> Vec<&'s Ridden<'a>> {
        let all = stages.iter().flat_map(|stage| stage.segments.iter().map(move |s| (stage, s)));
        all.filter(|(stage, s)| ride.wide(stage, Some(s)).contains(&(scope, id))).map(|(_, s)| s).collect()
    };
    found.into_iter().map(|((scope, id, ..), (stage, rows))| (stage, rows, over((scope, id)))).collect()
}

/// The offence that a table is for that speaks for more than one segment.
pub(crate) fn of_scope<'a>(
    stages: &[RiddenStage<'a>],
    evaluator: &'static str,
    stage: usize,
    rows: Vec<&'a PenaltyFormula>,
    asked: (Measure, Measure),
) -> Offence<'a> {
    let (scope, id) = (rows[0].belongs_to_type, rows[0].belongs_to_id);
    Offence {
        stage,
        stage_id: stages[stage].row.id,
        segment: (scope == BelongsTo::Segment).then_some(id),
        evaluator,
        place: id,
        table: Some(rows),
        window: None,
        measures: Measures::Sum(vec![asked]),
        review: None,
    }
}

fn missed_waypoint_ratio<'a>(ride: &Ride<'a>, stages: &[RiddenStage<'a>], out: &mut Vec<Offence<'a>>) {
    let evaluator = "missed_waypoint_ratio";
    let kinds = |s: &Ridden<'a>| s.waypoints.iter().map(|w| Some(w.kind.clone())).collect();
    for (stage, rows, segments) in scoped(ride, evaluator, stages, kinds) {
        let of_kind = |w: &&&Waypoint| rows[0].kind.as_ref().is_none_or(|kind| *kind == w.kind);
        let count = |of: &dyn Fn(&Ridden<'a>) -> usize| segments.iter().map(|s| of(s)).sum::<usize>() as i64;
        let missed = count(&|s| s.missed.iter().filter(of_kind).count());
        let total = count(&|s| s.waypoints.iter().filter(of_kind).count());
        if missed > 0 {
            // Percent: exactly so many hundredths.
            let asked = (Measure { parts: missed * 100, of: total }, Measure::ONE);
            out.push(of_scope(stages, evaluator, stage, rows, asked));
        }
    }
}

/// All penalties of an entry, and the decisions of persons that speak of none.
pub(crate) fn all(ride: &Ride<'_>, stages: &[RiddenStage<'_>]) -> (Vec<Charge>, BTreeSet<Uuid>) {
    let mut found = Vec::new();
    for (n, stage) in stages.iter().enumerate() {
        for segment in &stage.segments {
            let at = (n, stage, segment);
            missed_waypoint(ride, at, &mut found);
            early_neutralisation(ride, at, &mut found);
            controls::check_in(ride, at, &mut found);
            controls::departure(ride, at, &mut found);
            controls::segment_over_time(ride, at, &mut found);
            absences::left_parc_ferme(ride, stages, at, &mut found);
            absences::missed_geofence(ride, at, &mut found);
            absences::no_evidence(ride, at, &mut found);
        }
        absences::stage_not_driven(ride, (n, stage), &mut found);
    }
    missed_waypoint_ratio(ride, stages, &mut found);
    controls::late_total(ride, stages, &mut found);
    speeds::offences(ride, stages, &mut found);
    offences::given(ride, stages, &mut found);
    offences::penalties(ride, found)
}
