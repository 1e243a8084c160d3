//! The penalties of an entry: what the evaluators found, priced by the closest tables, and what a person made of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::evaluators::{self, Case, Measures, Offence};
use super::overrides::{self, Bound, Candidate};
use super::segments::StageView;
use crate::course::formulas::{Assessment, Measure};
use crate::course::plan::{EntryPlan, EventPlan};
use crate::course::tables::{CountsFor, Operator, Override, OverrideAction, OverrideTarget};
use crate::ids::{Key, row_id};
use crate::record::{Penalty, PenaltyStatus};

/// The penalties of one stage.
#[derive(Debug, Default)]
pub struct StagePenalties {
    /// By id.
    pub rows: Vec<Penalty>,
    /// Exclusions and the like.
    pub effects: Vec<Operator>,
}

/// An offence of an evaluator in a stage.
struct Found<'a> {
    stage: usize,
    evaluator: &'static str,
    offence: Offence<'a>,
}

/// The penalties of each stage.
pub(super) fn of_stages(
    event: &EventPlan,
    entry: &EntryPlan,
    views: &[StageView<'_>],
    bound: &mut Bound,
) -> Vec<StagePenalties> {
    let mut found = Vec::new();
    for stage in 0..views.len() {
        let case = Case { event, entry, stages: views, stage };
        for evaluator in evaluators::REGISTRY {
            let mut offences = Vec::new();
            (evaluator.find)(&case, &mut offences);
            let begin = |offence: &Offence<'_>| offence.start.or(offence.window.map(|[from, _]| from));
            offences.sort_by_key(|offence| (begin(offence), offence.place));
            let named =
                offences.into_iter().map(|offence| Found { stage, evaluator: evaluator.name, offence });
            found.extend(named);
        }
    }
    // A person decides on a row, and what costs nothing is none.
    let mut ordinals = Ordinals::default();
    let rows: Vec<usize> =
        (0..found.len()).filter(|&n| found[n].has_price(ordinals.next(&found[n], true))).collect();
    let candidates: Vec<Candidate> = rows.iter().map(|&n| found[n].candidate(entry)).collect();
    let decided = overrides::decide(&entry.overrides, OverrideTarget::Penalty, &candidates, bound);
    let decided: BTreeMap<usize, &Override> = decided.into_iter().map(|(row, by)| (rows[row], by)).collect();
    let mut penalties: Vec<StagePenalties> = views.iter().map(|_| StagePenalties::default()).collect();
    let mut ordinals = Ordinals::default();
    for (n, found) in found.into_iter().enumerate() {
        let decision = decided.get(&n).copied();
        let ordinal = ordinals.next(&found, !decision.is_some_and(cancels));
        let (stage, id) = (found.stage, found.id(entry));
        let Some(priced) = found.price(ordinal) else { continue };
        let stage_id = views[stage].plan.row.id;
        let mut row = priced.row;
        (row.id, row.entry_id, row.stage_id) = (id, entry.row.id, stage_id);
        let mut effects = priced.effects;
        if let Some(given) = row.override_id {
            bound.insert(given, id);
        }
        if let Some(decision) = decision {
            apply(decision, &mut row, &mut effects);
        }
        penalties[stage].rows.push(row);
        penalties[stage].effects.extend(effects);
    }
    for stage in &mut penalties {
        stage.rows.sort_by_key(|row| row.id);
    }
    penalties
}

/// How many offences of an evaluator the entry has had in the event so far.
#[derive(Debug, Default)]
struct Ordinals(BTreeMap<&'static str, i64>);

impl Ordinals {
    /// The number of an offence; the next one has a higher number only if this one `counts`.
    fn next(&mut self, found: &Found<'_>, counts: bool) -> i64 {
        let before = self.0.entry(found.evaluator).or_default();
        let ordinal = *before + 1;
        *before += i64::from(counts);
        ordinal
    }
}

fn cancels(decision: &Override) -> bool {
    matches!(decision.action, OverrideAction::Cancel | OverrideAction::Reject)
}

/// What a person made of a penalty; the computed value stays beside it.
fn apply(decision: &Override, row: &mut Penalty, effects: &mut Vec<Operator>) {
    row.override_id = Some(decision.id);
    row.needs_review = false;
    let value_ms = match decision.action {
        OverrideAction::Confirm => {
            row.status = PenaltyStatus::Confirmed;
            return;
        }
        OverrideAction::Set => {
            row.status = PenaltyStatus::Overridden;
            decision.value_ms.unwrap_or(row.penalty_ms)
        }
        OverrideAction::Cancel | OverrideAction::Reject => {
            row.status = PenaltyStatus::Cancelled;
            0
        }
    };
    row.inputs["computed_ms"] = row.penalty_ms.into();
    row.penalty_ms = value_ms;
    effects.clear();
}

struct Priced {
    row: Penalty,
    effects: Vec<Operator>,
}

impl<'a> Found<'a> {
    /// What its table belongs to, and the kind that it is for.
    fn scope(&self) -> (Option<Uuid>, Option<&str>) {
        self.offence
            .table
            .as_ref()
            .map_or((None, None), |table| (Some(table.key.scope_id), table.key.kind.as_deref()))
    }

    fn id(&self, entry: &EntryPlan) -> Uuid {
        let (scope, kind) = self.scope();
        row_id(&Key {
            entry: entry.row.id,
            what: self.evaluator,
            scope,
            kind,
            place: self.offence.place,
            direction: None,
            start: self.offence.start,
        })
    }

    /// The row by what names it.
    fn candidate(&self, entry: &EntryPlan) -> Candidate {
        let (scope, kind) = self.scope();
        let Offence { place, start, window, .. } = &self.offence;
        Candidate {
            id: self.id(entry),
            key: overrides::penalty_key(self.evaluator, scope, kind, *place),
            window: window.or(start.map(|start| [start, start])),
        }
    }

    /// What its table makes of each of its measures, without those that are in no bracket.
    fn assess(&self, ordinal: i64) -> Vec<(Measure, Assessment<'a>)> {
        let Some(table) = &self.offence.table else { return Vec::new() };
        let asked = self.asked(ordinal);
        asked.iter().filter_map(|&(measure, unit)| Some((measure, table.assess_by(measure, unit)?))).collect()
    }

    /// Each measure with what is paid by unit.
    fn asked(&self, ordinal: i64) -> Vec<(Measure, Measure)> {
        match &self.offence.measures {
            Measures::Each(measures) => measures.iter().map(|&measure| (measure, measure)).collect(),
            Measures::One(measures) => measures.iter().map(|&measure| (measure, Measure::whole(1))).collect(),
            Measures::Ordinal(unit) => vec![(Measure::whole(ordinal), *unit)],
            Measures::Given { ms, .. } => vec![(seconds(ms.abs()), seconds(ms.abs()))],
        }
    }

    /// Whether there is a row for it.
    fn has_price(&self, ordinal: i64) -> bool {
        match (&self.offence.measures, &self.offence.table) {
            (Measures::Given { .. }, None) => true,
            _ => !self.assess(ordinal).is_empty(),
        }
    }

    /// What the offence costs; nothing when no table or none of its brackets is for it.
    fn price(self, ordinal: i64) -> Option<Priced> {
        if !self.has_price(ordinal) {
            return None;
        }
        let (asked, priced) = (self.asked(ordinal), self.assess(ordinal));
        let Offence { table, measures, mut inputs, window, .. } = self.offence;
        let bracket = |priced: &Assessment<'_>| {
            table.as_ref().and_then(|table| table.rows.iter().position(|row| row.id == priced.row.id))
        };
        let worst = priced.iter().max_by_key(|(_, priced)| bracket(priced)).map(|(_, worst)| worst.clone());
        let mut penalty_ms = priced.iter().map(|(_, priced)| priced.penalty_ms).sum();
        let (mut status, mut override_id) = (PenaltyStatus::Computed, None);
        match (&measures, asked.as_slice()) {
            (Measures::Given { ms, by }, _) => {
                (status, override_id) = (PenaltyStatus::Confirmed, Some(*by));
                inputs.insert("measure".to_owned(), seconds(*ms).rounded().into());
                penalty_ms = if table.is_none() { *ms } else { penalty_ms * ms.signum() };
            }
            (Measures::Ordinal(unit), _) => {
                inputs.insert("measure".to_owned(), ordinal.into());
                inputs.insert("by_unit".to_owned(), unit.rounded().into());
            }
            (Measures::Each(_) | Measures::One(_), [(measure, _)]) => {
                inputs.insert("measure".to_owned(), measure.rounded().into());
            }
            (Measures::Each(_) | Measures::One(_), _) => {
                inputs.insert("parts".to_owned(), parts(&priced));
            }
        }
        if matches!(measures, Measures::One(_)) {
            inputs.insert("by_unit".to_owned(), 1.into());
        }
        if let Some(window) = window {
            inputs.insert("window".to_owned(), json!(window));
        }
        let operators = priced.iter().map(|(_, priced)| priced.row.operator);
        let effects =
            operators.filter(|o| matches!(o, Operator::Exclude | Operator::NotClassified)).collect();
        let row = Penalty {
            id: Uuid::nil(),
            entry_id: Uuid::nil(),
            stage_id: Uuid::nil(),
            segment_id: self.offence.segment_id,
            evaluator: self.evaluator.to_owned(),
            kind: table.as_ref().and_then(|table| table.key.kind.clone()),
            formula_id: worst.as_ref().map(|worst| worst.row.id),
            formula_snapshot: table.as_ref().map_or(json!([]), |table| json!(table.rows)),
            inputs: Value::Object(inputs),
            penalty_ms,
            counts_for: worst.map_or(EVERYTHING.to_vec(), |worst| worst.row.counts_for.clone()),
            status,
            override_id,
            needs_review: self.offence.needs_review,
        };
        Some(Priced { row, effects })
    }
}

/// What a penalty counts for that no formula row is behind.
const EVERYTHING: [CountsFor; 3] = [CountsFor::Stage, CountsFor::Overall, CountsFor::StartOrder];

fn seconds(ms: i64) -> Measure {
    Measure::ratio(ms, 1_000)
}

/// What each part costs; equal ones that follow each other are told once, with their number.
fn parts(priced: &[(Measure, Assessment<'_>)]) -> Value {
    let parts = priced.chunk_by(|a, b| a == b).map(|equal| {
        let (measure, priced) = &equal[0];
        json!({ "count": equal.len(), "measure": measure.rounded(), "penalty_ms_each": priced.penalty_ms })
    });
    parts.collect()
}
