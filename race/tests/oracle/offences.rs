//! From offences to penalties: the price by the closest table, ordinals, and what persons decided.

use std::collections::{BTreeMap, BTreeSet};

use race::course::tables::{BelongsTo, CountsFor, Operator, OverrideAction, OverrideTarget, PenaltyFormula};
use race::record::PenaltyStatus;
use serde_json::Value;
use uuid::Uuid;

use crate::formulas::{Measure, Verdict, closest, verdict};
use crate::overrides::{Row, gives, stage_of};
use crate::segments::{Ridden, RiddenStage, Ride, ms};

/// What is priced.
#[derive(Debug, Clone)]
pub(crate) enum Measures {
    /// Each has its bracket and its unit; what they cost adds up.
    Sum(Vec<(Measure, Measure)>),
    /// The how-manieth of its evaluator; what is paid by unit.
    Ordinal(Measure),
    /// Milliseconds that a person gives.
    Given(i64, Uuid),
}

/// Something that a table puts a price on.
#[derive(Debug, Clone)]
pub(crate) struct Offence<'a> {
    /// The number of its stage.
    pub(crate) stage: usize,
    pub(crate) stage_id: Uuid,
    pub(crate) segment: Option<Uuid>,
    pub(crate) evaluator: &'static str,
    pub(crate) place: Uuid,
    pub(crate) table: Option<Vec<&'a PenaltyFormula>>,
    /// From when to when, epoch milliseconds.
    pub(crate) window: Option<(i64, i64)>,
    pub(crate) measures: Measures,
    /// A person should look; none where this is not asked of this oracle.
    pub(crate) review: Option<bool>,
}

/// A penalty.
#[derive(Debug, Clone)]
pub(crate) struct Charge {
    pub(crate) stage: Uuid,
    pub(crate) segment: Option<Uuid>,
    pub(crate) evaluator: &'static str,
    pub(crate) place: Uuid,
    /// The how-manieth of its evaluator, where that counts.
    pub(crate) ordinal: i64,
    pub(crate) kind: Option<String>,
    pub(crate) formula: Option<Uuid>,
    pub(crate) operator: Option<Operator>,
    pub(crate) ms: i64,
    /// What it would be had no person decided.
    pub(crate) computed_ms: i64,
    pub(crate) status: PenaltyStatus,
    pub(crate) counts_for: Vec<CountsFor>,
    pub(crate) window: Option<(i64, i64)>,
    /// Of one that is priced by one measure: that, and the table.
    pub(crate) measured: Option<(Measure, Vec<PenaltyFormula>)>,
    pub(crate) review: Option<bool>,
}

/// Where a table is looked for.
pub(crate) struct Place<'a, 's> {
    pub(crate) stage: &'s RiddenStage<'a>,
    pub(crate) segment: Option<&'s Ridden<'a>>,
    /// A waypoint, zone or geofence before the segment.
    pub(crate) within: Option<(BelongsTo, Uuid)>,
    pub(crate) kind: Option<&'s str>,
    pub(crate) at: i64,
}

impl<'a> Ride<'a> {
    pub(crate) fn class(&self) -> Option<Uuid> {
        self.tables.entries.iter().find(|e| e.id == self.entry).and_then(|e| e.class_id)
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

    /// The closest table of an evaluator.
    pub(crate) fn table(&self, evaluator: &str, place: &Place<'a, '_>) -> Option<Vec<&'a PenaltyFormula>> {
        let mut scopes: Vec<(BelongsTo, Uuid)> = place.within.into_iter().collect();
        scopes.extend(self.wide(place.stage, place.segment));
        closest(self.tables, self.event, evaluator, &scopes, self.class(), place.kind, place.at)
    }
}

/// When what is missing at the end of a segment began to be missing.
pub(crate) fn decided_at(segment: &Ridden<'_>) -> Option<i64> {
    segment.started.or(segment.closed).or(segment.finished).filter(|_| segment.decided)
}

/// What the parts of an offence cost; those in no bracket cost nothing and are none.
fn verdicts(offence: &Offence<'_>, ordinal: i64) -> Vec<Verdict> {
    let Some(table) = &offence.table else { return Vec::new() };
    let seconds = |ms: i64| Measure { parts: ms.abs(), of: 1_000 };
    let asked = match &offence.measures {
        Measures::Sum(asked) => asked.clone(),
        Measures::Ordinal(unit) => vec![(Measure::whole(ordinal), *unit)],
        Measures::Given(ms, _) => vec![(seconds(*ms), seconds(*ms))],
    };
    asked.iter().filter_map(|(bracket_by, unit)| verdict(table, *bracket_by, *unit)).collect()
}

/// The charge for an offence; none where nothing puts a price on it.
fn charge(offence: &Offence<'_>, ordinal: i64) -> Option<Charge> {
    let verdicts = verdicts(offence, ordinal);
    let by_person = matches!(offence.measures, Measures::Given(..));
    if verdicts.is_empty() && !(by_person && offence.table.is_none()) {
        return None;
    }
    let total: i64 = verdicts.iter().map(|v| v.ms).sum();
    let ms = match (&offence.measures, &offence.table) {
        (Measures::Given(ms, _), None) => *ms,
        (Measures::Given(ms, _), Some(_)) => total * ms.signum(),
        _ => total,
    };
    // The row of the highest bracket stands for all.
    let rows = offence.table.as_deref().unwrap_or_default();
    let bracket = |v: &&Verdict| rows.iter().position(|row| row.id == v.formula);
    let worst = verdicts.iter().max_by_key(bracket);
    let every = vec![CountsFor::Stage, CountsFor::Overall, CountsFor::StartOrder];
    let measured = match &offence.measures {
        Measures::Sum(asked) if asked.len() == 1 => {
            Some((asked[0].0, rows.iter().map(|row| (*row).clone()).collect()))
        }
        Measures::Ordinal(unit) => Some((*unit, rows.iter().map(|row| (*row).clone()).collect())),
        _ => None,
    };
    Some(Charge {
        stage: offence.stage_id,
        segment: offence.segment,
        evaluator: offence.evaluator,
        place: offence.place,
        ordinal: if matches!(offence.measures, Measures::Ordinal(_)) { ordinal } else { 0 },
        kind: rows.first().and_then(|row| row.kind.clone()),
        formula: worst.map(|v| v.formula),
        operator: worst.map(|v| v.operator),
        ms,
        computed_ms: ms,
        status: if by_person { PenaltyStatus::Confirmed } else { PenaltyStatus::Computed },
        counts_for: worst.map_or(every, |v| v.counts_for.clone()),
        window: offence.window,
        measured,
        review: offence.review,
    })
}

/// Prices offences; without the numbers of those that a person cancelled when they are counted.
fn price(offences: &[Offence<'_>], cancelled: &[bool]) -> Vec<Option<Charge>> {
    let mut counted: BTreeMap<&str, i64> = BTreeMap::new();
    let each = offences.iter().zip(cancelled).map(|(offence, cancelled)| {
        let before = counted.entry(offence.evaluator).or_default();
        let charge = charge(offence, *before + 1);
        *before += i64::from(!cancelled);
        charge
    });
    each.collect()
}

/// All penalties, and the decisions of persons that speak of none.
pub(crate) fn penalties(ride: &Ride<'_>, mut offences: Vec<Offence<'_>>) -> (Vec<Charge>, BTreeSet<Uuid>) {
    offences.sort_by_key(|o| (o.stage, o.window.map(|w| w.0), o.place));
    // A decision speaks of a row, and a row is what has a price.
    let nobody = vec![false; offences.len()];
    let is_row: Vec<bool> = price(&offences, &nobody).iter().map(Option::is_some).collect();
    let rows: Vec<Row<'_>> = offences.iter().zip(&is_row).map(|(o, is_row)| row_of(o, *is_row)).collect();
    let mut unbound = ride.decisions.unbound(OverrideTarget::Penalty, &rows);
    let decided = ride.decisions.on(OverrideTarget::Penalty, &rows);
    let cancels = |action| matches!(action, OverrideAction::Cancel | OverrideAction::Reject);
    let cancelled: Vec<bool> = decided.iter().map(|d| d.is_some_and(|d| cancels(d.action))).collect();
    let mut charges = Vec::new();
    for ((charge, decision), offence) in price(&offences, &cancelled).into_iter().zip(decided).zip(&offences)
    {
        if let (Measures::Given(_, by), None) = (&offence.measures, &charge) {
            unbound.insert(*by);
        }
        let Some(mut charge) = charge else { continue };
        if let Some(decision) = decision {
            charge.review = Some(false);
            match decision.action {
                OverrideAction::Confirm => charge.status = PenaltyStatus::Confirmed,
                OverrideAction::Set => {
                    charge.status = PenaltyStatus::Overridden;
                    charge.ms = decision.value_ms.unwrap();
                }
                OverrideAction::Cancel | OverrideAction::Reject => {
                    charge.status = PenaltyStatus::Cancelled;
                    charge.ms = 0;
                }
            }
        }
        charges.push(charge);
    }
    let given = ride.decisions.0.iter().filter(|o| gives(o));
    let is_priced =
        |id: Uuid| offences.iter().any(|o| matches!(o.measures, Measures::Given(_, by) if by == id));
    unbound.extend(given.map(|o| o.id).filter(|id| !is_priced(*id)));
    (charges, unbound)
}

fn row_of(offence: &Offence<'_>, is_row: bool) -> Row<'static> {
    let first = offence.table.as_ref().and_then(|table| table.first());
    let fields = vec![
        ("type", Some(offence.evaluator.to_owned())),
        ("scope", first.map(|row| row.belongs_to_id.to_string())),
        ("kind", first.and_then(|row| row.kind.clone())),
        ("place", Some(offence.place.to_string())),
    ];
    Row {
        // What is no row has no key.
        fields: if is_row { fields } else { Vec::new() },
        window: offence.window.map(|(from, to)| (from * 1_000, to * 1_000)),
        slack_us: 9_000,
    }
}

/// What persons give: a bonus is taken off.
pub(crate) fn given<'a>(ride: &Ride<'a>, stages: &[RiddenStage<'a>], out: &mut Vec<Offence<'a>>) {
    for decision in ride.decisions.0.iter().filter(|o| gives(o)) {
        let named = stage_of(ride.tables, ride.event, decision);
        let n = stages.iter().position(|s| Some(s.row.id) == named).unwrap_or(0);
        let stage = &stages[n];
        let values: Vec<&str> =
            decision.key.as_object().unwrap().values().filter_map(Value::as_str).collect();
        let segment = stage.segments.iter().find(|s| values.contains(&s.row.id.to_string().as_str()));
        let value = decision.value_ms.unwrap();
        let (evaluator, value) =
            if decision.key["type"] == "bonus" { ("bonus", -value.abs()) } else { ("manual", value.abs()) };
        let at = decision.from.or(decision.created_at).map_or(0, ms);
        let place = Place { stage, segment, within: None, kind: decision.key["kind"].as_str(), at };
        out.push(Offence {
            stage: n,
            stage_id: stage.row.id,
            segment: segment.map(|s| s.row.id),
            evaluator,
            place: decision.id,
            table: ride.table(evaluator, &place),
            window: decision.from.zip(decision.to).map(|(from, to)| (ms(from), ms(to))),
            measures: Measures::Given(value, decision.id),
            review: Some(false),
        });
    }
}
