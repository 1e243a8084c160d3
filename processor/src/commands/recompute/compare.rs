//! The stored results beside those that are true.

use std::collections::BTreeMap;

use comfy_table::Table;
use race::course::plan::EventPlan;
use race::judge::EventOutcome;
use serde::Serialize;
use serde_json::Value;
use storage::{RecordKind, Records, StoreError};
use uuid::Uuid;

use crate::show::words::{duration, escaped, short};
use crate::table::ruled;

/// What a result says of time, penalty and place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Standing {
    status: String,
    elapsed_ms: Option<i64>,
    penalty_ms: i64,
    total_ms: Option<i64>,
    position: Option<i64>,
    class_position: Option<i64>,
}

/// A result that would change.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Difference {
    event_id: Uuid,
    stage_id: Uuid,
    stage: String,
    entry_id: Uuid,
    race_number: i64,
    /// As it is stored; null where no result is.
    before: Option<Standing>,
    /// As it would be.
    after: Standing,
}

impl Standing {
    /// Of a row by its columns.
    fn of(row: &Value) -> Self {
        let number = |name: &str| row.get(name).and_then(Value::as_i64);
        Self {
            status: row.get("status").and_then(Value::as_str).unwrap_or_default().to_owned(),
            elapsed_ms: number("elapsed_ms"),
            penalty_ms: number("penalty_ms").unwrap_or_default(),
            total_ms: number("total_ms"),
            position: number("position"),
            class_position: number("class_position"),
        }
    }

    fn cells(&self) -> [String; 5] {
        [
            self.status.clone(),
            self.elapsed_ms.map_or_else(String::new, duration),
            if self.penalty_ms == 0 { String::new() } else { short(self.penalty_ms) },
            self.total_ms.map_or_else(String::new, duration),
            self.position.map_or_else(String::new, |position| position.to_string()),
        ]
    }
}

/// The results of an event that differ from the stored ones, by stage and race number.
pub(super) async fn differences(
    plan: &EventPlan,
    outcome: &EventOutcome,
    store: &impl Records,
) -> Result<Vec<Difference>, StoreError> {
    let ids: Vec<Uuid> = plan.entries.iter().map(|entry| entry.row.id).collect();
    let stored = store.stored_records(&ids).await?.into_iter();
    let mut stored: BTreeMap<(Uuid, Uuid), Standing> = stored
        .filter(|record| record.kind == RecordKind::Result)
        .map(|result| ((result.entry_id, result.record_id), Standing::of(&result.record)))
        .collect();
    let numbers: BTreeMap<Uuid, i64> =
        plan.entries.iter().map(|entry| (entry.row.id, entry.row.race_number)).collect();
    let mut differences = Vec::new();
    for (stage, ranking) in plan.stages.iter().zip(&outcome.rankings) {
        let mut of_stage = Vec::new();
        for result in ranking {
            let after = Standing::of(&serde_json::to_value(result).unwrap_or_default());
            let before = stored.remove(&(result.entry_id, result.stage_id));
            if before.as_ref() != Some(&after) {
                of_stage.push(Difference {
                    event_id: plan.row.id,
                    stage_id: stage.row.id,
                    stage: stage.row.name.clone(),
                    entry_id: result.entry_id,
                    race_number: numbers.get(&result.entry_id).copied().unwrap_or_default(),
                    before,
                    after,
                });
            }
        }
        of_stage.sort_by_key(|difference| difference.race_number);
        differences.extend(of_stage);
    }
    Ok(differences)
}

/// Two lines a result: as it is and as it would be.
pub(super) fn table(differences: &[Difference]) -> Table {
    let mut table = ruled(&["Stage", "No", "", "Status", "Time", "Penalty", "Total", "Pos"], &[0, 2, 3]);
    for difference in differences {
        let before = difference.before.as_ref().map_or_else(Default::default, Standing::cells);
        let named = [escaped(&difference.stage), difference.race_number.to_string(), "before".to_owned()];
        table.add_row(named.into_iter().chain(before));
        let unnamed = [String::new(), String::new(), "after".to_owned()];
        table.add_row(unnamed.into_iter().chain(difference.after.cells()));
    }
    table
}
