//! The overall standings after a stage: what the stages up to it add up to.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::Serialize;
use uuid::Uuid;

use super::EntryEvaluation;
use super::stage::StageEvaluation;
use crate::course::plan::EventPlan;
use crate::record::StageStatus;

/// Where one entry stands after some stage of the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OverallResult {
    /// Whose result.
    pub entry_id: Uuid,
    /// How many of the stages so far it completed: finished, or dnf or dns with a fixed time.
    pub completed_stages: u32,
    /// Milliseconds of the completed stages, fixed times included; null when none is completed, or excluded.
    pub elapsed_ms: Option<i64>,
    /// Milliseconds of the penalties of all stages so far that count for the overall standings.
    pub penalty_ms: i64,
    /// Elapsed plus penalties, in milliseconds; null when none is completed, or excluded.
    pub total_ms: Option<i64>,
    /// Place in the event; null when no stage is completed, or excluded.
    pub position: Option<u32>,
    /// Place in the class; null without a position or a class.
    pub class_position: Option<u32>,
    /// Milliseconds behind the first; null without a position, or with fewer stages completed than the first.
    pub gap_ms: Option<i64>,
    /// Where the entry is in the last of these stages; `dsq` from the stage on in which it was excluded.
    pub status: StageStatus,
    /// One of the stages so far is provisional.
    pub provisional: bool,
}

/// What decides the order of two entries: who was excluded last, more completed stages first, then total, then clean
/// time. What remains equal goes to the lower race number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Standing {
    is_excluded: bool,
    completed: Reverse<u32>,
    total_ms: Option<i64>,
    clean_ms: Option<i64>,
}

/// The standings after stage number `stage` (from 0) of the event, in their order. `evaluations` are those of
/// `event.entries`, in that order.
pub fn after(event: &EventPlan, stage: usize, evaluations: &[EntryEvaluation]) -> Vec<OverallResult> {
    let mut field: Vec<(Standing, usize)> =
        evaluations.iter().enumerate().map(|(entry, e)| (standing(&e.stages[..=stage]), entry)).collect();
    // Entries are in order of race number, so the entry's number breaks what remains.
    field.sort_unstable();
    let first = field.first().map(|(standing, _)| *standing);
    let mut places_in_class: HashMap<Uuid, u32> = HashMap::new();
    let results = (1..).zip(field).map(|(place, (standing, entry))| {
        let stages = &evaluations[entry].stages[..=stage];
        let has_place = standing.total_ms.is_some();
        let class_position = event.entries[entry].row.class_id.filter(|_| has_place).map(|class| {
            let place = places_in_class.entry(class).or_default();
            *place += 1;
            *place
        });
        let leader = first.filter(|first| first.completed == standing.completed);
        OverallResult {
            entry_id: event.entries[entry].row.id,
            completed_stages: completed(stages),
            elapsed_ms: standing.clean_ms,
            penalty_ms: penalties_ms(stages),
            total_ms: standing.total_ms,
            position: has_place.then_some(place),
            class_position,
            gap_ms: standing
                .total_ms
                .zip(leader.and_then(|leader| leader.total_ms))
                .map(|(own, best)| own - best),
            status: stages.last().map_or(StageStatus::NotStarted, |stage| stage.status),
            provisional: stages.iter().any(|stage| stage.provisional),
        }
    });
    results.collect()
}

/// What an entry's place is decided by after these stages.
pub(crate) fn standing(stages: &[StageEvaluation]) -> Standing {
    let is_excluded = stages.iter().any(|stage| stage.status == StageStatus::Dsq);
    let completed = if is_excluded { 0 } else { completed(stages) };
    let clean_ms = (completed > 0).then(|| stages.iter().filter_map(time_ms).sum());
    Standing {
        is_excluded,
        completed: Reverse(completed),
        total_ms: clean_ms.map(|clean: i64| clean + penalties_ms(stages)),
        clean_ms,
    }
}

fn completed(stages: &[StageEvaluation]) -> u32 {
    u32::try_from(stages.iter().filter_map(time_ms).count()).unwrap_or(u32::MAX)
}

/// Milliseconds of a completed stage without penalties: driven or fixed. A stage without a special stage takes none.
fn time_ms(stage: &StageEvaluation) -> Option<i64> {
    match stage.status {
        StageStatus::Finished => Some(stage.elapsed_ms.unwrap_or(0)),
        StageStatus::Dnf | StageStatus::Dns => stage.total_ms.map(|total| total - stage.penalty_ms),
        StageStatus::Running | StageStatus::NotStarted | StageStatus::Dsq => None,
    }
}

fn penalties_ms(stages: &[StageEvaluation]) -> i64 {
    stages.iter().map(|stage| stage.overall_penalty_ms).sum()
}
