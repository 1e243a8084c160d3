//! The penalties of a stage: what the evaluators found, priced by the closest tables.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::evaluators::{self, Case, Measures, Offence};
use super::segments::StageView;
use crate::course::formulas::{Assessment, Measure, TableAt};
use crate::course::plan::{EntryPlan, EventPlan};
use crate::course::tables::Operator;
use crate::ids::{Key, row_id};
use crate::record::{Penalty, PenaltyStatus};

/// How many offences of an evaluator an entry has had in the event so far.
pub type Ordinals = BTreeMap<&'static str, i64>;

/// The penalties of stage `n` by id, and what they do to its status.
pub fn of_stage(
    event: &EventPlan,
    entry: &EntryPlan,
    views: &[StageView<'_>],
    n: usize,
    ordinals: &mut Ordinals,
) -> (Vec<Penalty>, Vec<Operator>) {
    let case = Case { event, entry, stages: views, stage: n };
    let (mut rows, mut effects) = (Vec::new(), Vec::new());
    for evaluator in evaluators::REGISTRY {
        let mut offences = Vec::new();
        (evaluator.find)(&case, &mut offences);
        // Offences are counted in the order in which they happened.
        offences.sort_by_key(|o| (o.start.or(o.window.map(|[from, _]| from)), o.place));
        for offence in offences {
            let ordinal = ordinals.entry(evaluator.name).or_default();
            if matches!(offence.measures, Measures::Ordinal(_)) {
                *ordinal += 1;
            }
            let Some(priced) = price(offence, *ordinal) else { continue };
            effects.extend(&priced.effects);
            rows.push(row(&case, priced));
        }
    }
    rows.sort_by_key(|row| row.id);
    (rows, effects)
}

struct Priced<'a> {
    offence: Offence<'a>,
    table: TableAt<'a>,
    /// The row of the highest bracket.
    worst: Assessment<'a>,
    penalty_ms: i64,
    effects: Vec<Operator>,
}

/// What an offence costs; nothing when no table or none of its brackets is for it.
fn price(mut offence: Offence<'_>, ordinal: i64) -> Option<Priced<'_>> {
    let table = offence.table.take()?;
    let asked: Vec<(Measure, Measure)> = match &offence.measures {
        Measures::Each(measures) => measures.iter().map(|&measure| (measure, measure)).collect(),
        Measures::Ordinal(unit) => vec![(Measure::whole(ordinal), *unit)],
    };
    let priced: Vec<(Measure, Assessment<'_>)> = asked
        .iter()
        .filter_map(|&(measure, unit)| Some((measure, table.assess_by(measure, unit)?)))
        .collect();
    let worst = priced.iter().max_by_key(|(_, priced)| bracket(&table, priced))?.1.clone();
    let inputs = &mut offence.inputs;
    match (&offence.measures, asked.as_slice()) {
        (Measures::Ordinal(unit), _) => {
            inputs.insert("measure".to_owned(), ordinal.into());
            inputs.insert("by_unit".to_owned(), unit.rounded().into());
        }
        (Measures::Each(_), [(measure, _)]) => {
            inputs.insert("measure".to_owned(), measure.rounded().into());
        }
        (Measures::Each(_), _) => {
            let parts = priced.iter().map(
                |(measure, priced)| json!({ "measure": measure.rounded(), "penalty_ms": priced.penalty_ms }),
            );
            inputs.insert("parts".to_owned(), parts.collect());
        }
    }
    if let Some(window) = offence.window {
        inputs.insert("window".to_owned(), json!(window));
    }
    let penalty_ms = priced.iter().map(|(_, priced)| priced.penalty_ms).sum();
    let operators = priced.iter().map(|(_, priced)| priced.row.operator);
    let effects = operators.filter(|o| matches!(o, Operator::Exclude | Operator::NotClassified)).collect();
    Some(Priced { offence, worst, penalty_ms, effects, table })
}

/// The number of a priced row's bracket in its table.
fn bracket(table: &TableAt<'_>, priced: &Assessment<'_>) -> Option<usize> {
    table.rows.iter().position(|row| row.id == priced.row.id)
}

fn row(case: &Case<'_>, priced: Priced<'_>) -> Penalty {
    let Priced { offence, table, worst, penalty_ms, effects: _ } = priced;
    let key = Key {
        entry: case.entry.row.id,
        what: &table.key.evaluator,
        scope: Some(table.key.scope_id),
        kind: table.key.kind.as_deref(),
        place: offence.place,
        direction: None,
        start: offence.start,
    };
    Penalty {
        id: row_id(&key),
        entry_id: case.entry.row.id,
        stage_id: case.view().plan.row.id,
        segment_id: offence.segment_id,
        evaluator: table.key.evaluator.clone(),
        kind: table.key.kind.clone(),
        formula_id: worst.row.id,
        formula_snapshot: json!(table.rows),
        inputs: Value::Object(offence.inputs),
        penalty_ms,
        counts_for: worst.row.counts_for.clone(),
        status: PenaltyStatus::Computed,
        override_id: None,
        needs_review: offence.needs_review,
    }
}
