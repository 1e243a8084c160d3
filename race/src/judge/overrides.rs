//! A person's last word: which computed row an override speaks of.
//!
//! Overrides do not hang on ids, which change with every fix that moves an instant. An override holds the key of a row
//! without its instant, and the interval it was given for; it binds to the row of that key that overlaps it most, the
//! earlier on a tie.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::course::plan::{EventPlan, StagePlan};
use crate::course::tables::{Override, OverrideAction, OverrideTarget};
use crate::time::Timestamp;

/// A computed row that an override may bind to.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Its id.
    pub(super) id: Uuid,
    /// What it is, without its instant: an object.
    pub(super) key: Value,
    /// From when to when; none for what was all the time.
    pub(super) window: Option<[Timestamp; 2]>,
}

/// What overrides bound to: the row, by override.
pub(super) type Bound = BTreeMap<Uuid, Uuid>;

/// What became of an override.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverrideOutcome {
    /// The row of `overrides`.
    pub override_id: Uuid,
    /// What it speaks of.
    pub target: OverrideTarget,
    /// What it does.
    pub action: OverrideAction,
    /// The value it sets.
    pub value_ms: Option<i64>,
    /// Why.
    pub reason: String,
    /// Who gave it.
    pub user_id: Option<Uuid>,
    /// The crossing, penalty or segment that it decides; null when there is none any more.
    pub bound_to: Option<Uuid>,
    /// It binds to nothing: a person should look.
    pub needs_review: bool,
}

/// The override that decides each candidate: of several the one given last, which is the last in `overrides`.
pub(super) fn decide<'a>(
    overrides: &'a [Override],
    target: OverrideTarget,
    candidates: &[Candidate],
    bound: &mut Bound,
) -> BTreeMap<usize, &'a Override> {
    let mut decided = BTreeMap::new();
    for row in overrides.iter().filter(|row| row.target == target && !gives(row)) {
        let Some(n) = bind(row, candidates) else { continue };
        bound.insert(row.id, candidates[n].id);
        decided.insert(n, row);
    }
    decided
}

fn bind(row: &Override, candidates: &[Candidate]) -> Option<usize> {
    let of_key = candidates.iter().enumerate().filter(|(_, candidate)| is_of(&row.key, &candidate.key));
    let overlapping = of_key.filter_map(|(n, candidate)| {
        let [from, to] = candidate.window.unwrap_or([MIN, MAX]);
        let overlap = match (row.from, row.to) {
            (None, None) => 0,
            (given_from, given_to) => {
                let (from, to) = (from.max(given_from.unwrap_or(MIN)), to.min(given_to.unwrap_or(MAX)));
                i128::from(to.micros()) - i128::from(from.micros())
            }
        };
        (overlap >= 0).then_some((overlap, from, n))
    });
    overlapping.min_by_key(|&(overlap, from, n)| (-overlap, from, n)).map(|(_, _, n)| n)
}

const MIN: Timestamp = Timestamp::from_micros(i64::MIN);
const MAX: Timestamp = Timestamp::from_micros(i64::MAX);

/// Whether a row is what a key names: every field of the key is the row's. A key that names nothing names no row.
fn is_of(key: &Value, row: &Value) -> bool {
    let same = |(field, wanted): (&String, &Value)| {
        row.get(field)
            .is_some_and(|is| is == wanted || uuid_of(is).is_some_and(|id| uuid_of(wanted) == Some(id)))
    };
    key.as_object().is_some_and(|fields| !fields.is_empty() && fields.iter().all(same))
}

fn uuid_of(value: &Value) -> Option<Uuid> {
    value.as_str()?.parse().ok()
}

/// The key of a crossing.
pub(super) fn crossing_key(geofence: Uuid, direction: &str) -> Value {
    json!({ "geofence": geofence, "direction": direction })
}

/// The key of a penalty.
pub(super) fn penalty_key(
    evaluator: &str,
    scope: Option<Uuid>,
    kind: Option<&str>,
    place: Option<Uuid>,
) -> Value {
    json!({ "type": evaluator, "scope": scope, "kind": kind, "place": place })
}

/// The overrides of the start of a segment; the last one decides.
pub(super) fn of_start(overrides: &[Override], segment: Uuid) -> impl DoubleEndedIterator<Item = &Override> {
    let key = json!({ "segment": segment });
    overrides.iter().filter(move |row| row.target == OverrideTarget::Start && is_of(&row.key, &key))
}

/// Evaluators whose offences are overrides.
const GIVEN: [&str; 2] = ["bonus", "manual"];

/// Whether an override is a penalty of its own, and decides none that was computed.
fn gives(row: &Override) -> bool {
    GIVEN.iter().any(|evaluator| is_given(row, evaluator))
}

fn is_given(row: &Override, evaluator: &str) -> bool {
    row.target == OverrideTarget::Penalty
        && row.action == OverrideAction::Set
        && row.key.get("type").and_then(Value::as_str) == Some(evaluator)
}

/// The seconds that overrides give as a bonus or a penalty of their own.
pub(super) fn given<'a>(
    overrides: &'a [Override],
    evaluator: &str,
) -> impl Iterator<Item = (&'a Override, i64)> {
    let given = overrides.iter().filter(move |row| is_given(row, evaluator));
    given.filter_map(|row| Some((row, row.value_ms?)))
}

/// The stage, by its number, that an override names by anything that belongs to it.
pub(super) fn stage_of(event: &EventPlan, row: &Override) -> Option<usize> {
    let named: Vec<Uuid> = row.key.as_object()?.values().filter_map(uuid_of).collect();
    let has = |stage: &StagePlan| named.iter().any(|&id| belongs(stage, id));
    event.stages.iter().position(has)
}

fn belongs(stage: &StagePlan, id: Uuid) -> bool {
    stage.row.id == id
        || stage.segments.iter().any(|segment| {
            segment.row.id == id
                || [segment.row.entry_geofence_id, segment.row.exit_geofence_id].contains(&Some(id))
                || segment.zones.iter().any(|zone| zone.row.id == id)
                || segment.waypoints.iter().any(|waypoint| waypoint.row.id == id)
                || segment.neutralisations.iter().any(|row| row.id == id)
        })
}

/// What became of all overrides of an entry.
pub(super) fn outcomes(overrides: &[Override], bound: &Bound) -> Vec<OverrideOutcome> {
    let outcome = |row: &Override| {
        let bound_to = bound.get(&row.id).copied();
        OverrideOutcome {
            override_id: row.id,
            target: row.target,
            action: row.action,
            value_ms: row.value_ms,
            reason: row.reason.clone(),
            user_id: row.user_id,
            bound_to,
            needs_review: bound_to.is_none(),
        }
    };
    overrides.iter().map(outcome).collect()
}
