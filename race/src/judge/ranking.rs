//! Ranking the field of a stage.

use std::collections::HashMap;

use uuid::Uuid;

use super::EntryEvaluation;
use super::stage::StageEvaluation;
use crate::course::plan::EventPlan;
use crate::record::{StageResult, StageStatus};

/// The results of a stage in the order of its ranking: finished by total, ties by clean time, then race number;
/// then running, not started, dnf, dns; dsq last. `evaluations` are those of `event.entries`, in that order.
pub fn rank(event: &EventPlan, stage: usize, evaluations: &[EntryEvaluation]) -> Vec<StageResult> {
    let mut field: Vec<(usize, &StageEvaluation)> =
        evaluations.iter().enumerate().map(|(entry, e)| (entry, &e.stages[stage])).collect();
    // Entries are in order of race number, so the entry's number breaks what remains.
    field.sort_by_key(|(entry, result)| {
        let finished = result.status == StageStatus::Finished;
        // Stages without a special stage have no time: they rank by number alone.
        let times = finished.then_some((result.total_ms, result.clean_ms));
        (result.status, times, *entry)
    });
    let best_ms = field.first().and_then(|(_, first)| first.total_ms);
    let mut places_in_class: HashMap<Uuid, u32> = HashMap::new();
    let results = (1..).zip(field).map(|(place, (entry, result))| {
        let finished = result.status == StageStatus::Finished;
        let class = event.entries[entry].row.class_id;
        let class_position = class.filter(|_| finished).map(|class| {
            let place = places_in_class.entry(class).or_default();
            *place += 1;
            *place
        });
        let gap_ms = result.total_ms.zip(best_ms).map(|(total, best)| total - best).filter(|_| finished);
        StageResult {
            entry_id: event.entries[entry].row.id,
            stage_id: result.stage_id,
            status: result.status,
            started_at: result.started_at,
            finished_at: result.finished_at,
            laps: result.laps,
            elapsed_ms: result.elapsed_ms,
            neutralised_ms: result.neutralised_ms,
            clean_ms: result.clean_ms,
            penalty_ms: result.penalty_ms,
            total_ms: result.total_ms,
            position: finished.then_some(place),
            class_position,
            gap_ms,
            provisional: result.provisional,
        }
    });
    results.collect()
}
