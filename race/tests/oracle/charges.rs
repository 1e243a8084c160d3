//! What an entry is charged with: the evaluators of segments.

use std::collections::BTreeMap;

use race::course::tables::{BelongsTo, CountsFor, Operator};
use uuid::Uuid;

use crate::formulas::{Measure, Verdict, closest, verdict};
use crate::segments::{Ridden, RiddenStage, Ride, ms};

/// A penalty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Charge {
    pub(crate) stage: Uuid,
    pub(crate) segment: Option<Uuid>,
    pub(crate) evaluator: &'static str,
    pub(crate) kind: Option<String>,
    pub(crate) formula: Uuid,
    pub(crate) operator: Operator,
    pub(crate) ms: i64,
    pub(crate) counts_for: Vec<CountsFor>,
    /// When the offence began, epoch milliseconds, where it has an instant of its own.
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    pub(crate) cancelled: bool,
}

/// What is charged where.
pub(crate) struct Place<'a> {
    pub(crate) stage: Uuid,
    pub(crate) segment: Option<Uuid>,
    pub(crate) evaluator: &'static str,
    pub(crate) scopes: &'a [(BelongsTo, Uuid)],
    pub(crate) kind: Option<&'a str>,
    pub(crate) at: i64,
}

impl Ride<'_> {
    pub(crate) fn class(&self) -> Option<Uuid> {
        self.tables.entries.iter().find(|e| e.id == self.entry).and_then(|e| e.class_id)
    }

    pub(crate) fn table(&self, place: &Place<'_>) -> Option<Vec<&race::course::tables::PenaltyFormula>> {
        closest(self.tables, self.event, place.evaluator, place.scopes, self.class(), place.kind, place.at)
    }

    /// The charge for a measure by the closest table, where it has a bracket for it.
    pub(crate) fn charge(&self, place: &Place<'_>, bracket_by: Measure, unit: Measure) -> Option<Charge> {
        let rows = self.table(place)?;
        let kind = rows[0].kind.clone();
        verdict(&rows, bracket_by, unit).map(|v| charged(place, kind, v))
    }

    pub(crate) fn wide(
        &self,
        stage: &RiddenStage<'_>,
        segment: Option<&Ridden<'_>>,
    ) -> Vec<(BelongsTo, Uuid)> {
        let mut scopes = Vec::new();
        scopes.extend(segment.map(|s| (BelongsTo::Segment, s.row.id)));
        scopes.push((BelongsTo::Stage, stage.row.id));
        scopes.push((BelongsTo::Event, self.event.id));
        scopes
    }
}

pub(crate) fn charged(place: &Place<'_>, kind: Option<String>, v: Verdict) -> Charge {
    Charge {
        stage: place.stage,
        segment: place.segment,
        evaluator: place.evaluator,
        kind,
        formula: v.formula,
        operator: v.operator,
        ms: v.ms,
        counts_for: v.counts_for,
        from: None,
        to: None,
        cancelled: false,
    }
}

/// When what is missing at the end of a segment began to be missing.
pub(crate) fn decided_at(stage: &RiddenStage<'_>, segment: &Ridden<'_>) -> Option<i64> {
    segment.started.or(stage.row.closed_at.map(ms)).or(segment.finished).filter(|_| segment.decided)
}

/// Scope and kind of a table.
type TableName = (BelongsTo, Uuid, Option<String>);

pub(crate) fn missed_waypoint(
    ride: &Ride<'_>,
    stage: &RiddenStage<'_>,
    segment: &Ridden<'_>,
    out: &mut Vec<Charge>,
) {
    let Some(at) = decided_at(stage, segment) else { return };
    // By the table that prices them, those of one table counted together.
    let mut counted: BTreeMap<TableName, (i64, Vec<(BelongsTo, Uuid)>)> = BTreeMap::new();
    for waypoint in &segment.missed {
        let mut scopes = vec![(BelongsTo::Waypoint, waypoint.id)];
        scopes.extend(ride.wide(stage, Some(segment)));
        let place = Place {
            stage: stage.row.id,
            segment: Some(segment.row.id),
            evaluator: "missed_waypoint",
            scopes: &scopes,
            kind: Some(&waypoint.kind),
            at,
        };
        if let Some(rows) = ride.table(&place) {
            let table = (rows[0].belongs_to_type, rows[0].belongs_to_id, rows[0].kind.clone());
            counted.entry(table).or_insert((0, scopes)).0 += 1;
        }
    }
    for ((_, _, kind), (count, scopes)) in counted {
        // The same table is found by its own kind, or by one that no row names.
        let unnamed = "\u{0}";
        let place = Place {
            stage: stage.row.id,
            segment: Some(segment.row.id),
            evaluator: "missed_waypoint",
            scopes: &scopes,
            kind: Some(kind.as_deref().unwrap_or(unnamed)),
            at,
        };
        out.extend(ride.charge(&place, Measure::whole(count), Measure::whole(count)));
    }
}

pub(crate) fn early_neutralisation(
    ride: &Ride<'_>,
    stage: &RiddenStage<'_>,
    segment: &Ridden<'_>,
    out: &mut Vec<Charge>,
) {
    for pair in &segment.pairs {
        let short = pair.allowed_ms - pair.ms;
        let scopes = ride.wide(stage, Some(segment));
        let place = Place {
            stage: stage.row.id,
            segment: Some(segment.row.id),
            evaluator: "early_neutralisation",
            scopes: &scopes,
            kind: None,
            at: pair.enter,
        };
        if short > 0 && segment.decided {
            let seconds = Measure { parts: short, of: 1_000 };
            out.extend(ride.charge(&place, seconds, seconds));
        }
    }
}

/// Judged once for each table, over all waypoints of its scope, in the last stage that has something decided.
pub(crate) fn missed_waypoint_ratio(ride: &Ride<'_>, stages: &[RiddenStage<'_>], out: &mut Vec<Charge>) {
    let evaluator = "missed_waypoint_ratio";
    let mut scopes: Vec<(BelongsTo, Uuid)> = vec![(BelongsTo::Event, ride.event.id)];
    for stage in stages {
        scopes.push((BelongsTo::Stage, stage.row.id));
        scopes.extend(stage.segments.iter().map(|s| (BelongsTo::Segment, s.row.id)));
    }
    let mut kinds: Vec<Option<String>> = ride
        .tables
        .penalty_formulas
        .iter()
        .filter(|f| f.evaluator == evaluator)
        .map(|f| f.kind.clone())
        .collect();
    kinds.sort();
    kinds.dedup();
    for scope in scopes {
        for kind in &kinds {
            let (mut missed, mut total, mut last) = (0, 0, None);
            for stage in stages {
                for segment in &stage.segments {
                    if !ride.wide(stage, Some(segment)).contains(&scope) {
                        continue;
                    }
                    let of_kind =
                        |w: &&&race::course::tables::Waypoint| kind.as_ref().is_none_or(|k| *k == w.kind);
                    missed += segment.missed.iter().filter(of_kind).count() as i64;
                    total += segment.waypoints.iter().filter(of_kind).count() as i64;
                    if segment.decided {
                        last = Some((stage, segment));
                    }
                }
            }
            let Some((stage, segment)) = last else { continue };
            let place = Place {
                stage: stage.row.id,
                segment: (scope.0 == BelongsTo::Segment).then_some(segment.row.id),
                evaluator,
                scopes: &[scope],
                kind: kind.as_deref(),
                at: decided_at(stage, segment).unwrap(),
            };
            // Percent: exactly so many hundredths.
            if let Some(rows) = ride.table(&place)
                && rows[0].kind == *kind
                && total > 0
            {
                out.extend(ride.charge(&place, Measure { parts: missed * 100, of: total }, Measure::ONE));
            }
        }
    }
}

/// All penalties of an entry.
pub(crate) fn all(ride: &Ride<'_>, stages: &[RiddenStage<'_>]) -> Vec<Charge> {
    let mut charges = Vec::new();
    for stage in stages {
        for segment in &stage.segments {
            missed_waypoint(ride, stage, segment, &mut charges);
            early_neutralisation(ride, stage, segment, &mut charges);
        }
    }
    missed_waypoint_ratio(ride, stages, &mut charges);
    crate::zones::speeding(ride, stages, &mut charges);
    charges
}
