//! Ranking the field of a stage.

use std::cmp::Reverse;
use std::collections::HashMap;

use uuid::Uuid;

use super::EntryEvaluation;
use super::stage::StageEvaluation;
use crate::course::plan::EventPlan;
use crate::record::{StageResult, StageStatus};

/// What decides the order of two entries in a stage: status, then of who finished more laps first, then total, then
/// clean time. What remains equal goes to the lower race number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    status: StageStatus,
    // Null unless finished, and in stages without a special stage, which rank by number alone.
    laps: Reverse<Option<u32>>,
    total_ms: Option<i64>,
    clean_ms: Option<i64>,
}

impl Rank {
    /// That of one entry.
    pub(crate) fn of(result: &StageEvaluation) -> Self {
        let has_place = result.status == StageStatus::Finished;
        Self {
            status: result.status,
            laps: Reverse(result.laps.filter(|_| has_place)),
            total_ms: result.total_ms.filter(|_| has_place),
            clean_ms: result.clean_ms.filter(|_| has_place),
        }
    }
}

/// The results of a stage in the order of its ranking: finished by laps, then total, ties by clean time, then race
/// number; then running, not started, dnf, dns; dsq last. `evaluations` are those of `event.entries`, in that order.
pub fn rank(event: &EventPlan, stage: usize, evaluations: &[EntryEvaluation]) -> Vec<StageResult> {
    let mut field: Vec<(usize, &StageEvaluation)> =
        evaluations.iter().enumerate().map(|(entry, e)| (entry, &e.stages[stage])).collect();
    // Entries are in order of race number, so the entry's number breaks what remains.
    field.sort_by_key(|(entry, result)| (Rank::of(result), *entry));
    let first = field.first().map(|(_, first)| *first);
    let mut places_in_class: HashMap<Uuid, u32> = HashMap::new();
    let results = (1..).zip(field).map(|(place, (entry, result))| {
        let finished = result.status == StageStatus::Finished;
        let class = event.entries[entry].row.class_id;
        let class_position = class.filter(|_| finished).map(|class| {
            let place = places_in_class.entry(class).or_default();
            *place += 1;
            *place
        });
        // Times over another number of laps say nothing about each other.
        let leader = first.filter(|first| finished && first.laps == result.laps);
        let gap_ms =
            result.total_ms.zip(leader.and_then(|first| first.total_ms)).map(|(own, best)| own - best);
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
