//! The judge: from the evidence of one track to crossings, stage times and penalties.
//!
//! A pure function of the course and the evidence, so that live, replay and recompute cannot differ.

pub mod crossings;
pub mod document;
pub mod evaluators;
pub mod penalties;
pub mod ranking;
pub mod segments;
pub mod speeding;
pub mod stage;
pub mod standings;
pub mod waypoints;
pub mod zones;

use serde::Serialize;

use self::crossings::CrossingBook;
use self::penalties::Ordinals;
use self::stage::StageEvaluation;
use crate::course::plan::{EntryPlan, EventPlan};
use crate::fence::state::Evidence;
use crate::record::{Crossing, StageResult, StageStatus};
use crate::track::FixCounts;
use uuid::Uuid;

/// Everything that is true now of one entry, but for its place among the others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EntryEvaluation {
    /// Whose.
    pub entry_id: Uuid,
    /// What became of its fixes.
    pub fixes: FixCounts,
    /// All its crossings in order of time.
    pub crossings: Vec<Crossing>,
    /// Its stages in order.
    pub stages: Vec<StageEvaluation>,
}

/// Everything that is true now of one event of a course.
#[derive(Debug, Clone, PartialEq)]
pub struct EventOutcome {
    /// Its number in the course.
    pub event: usize,
    /// By entry, in order of race number.
    pub evaluations: Vec<EntryEvaluation>,
    /// By stage; each in the order of its ranking.
    pub rankings: Vec<Vec<StageResult>>,
}

/// Judges one entry by what its track shows.
pub fn judge(event: &EventPlan, entry: &EntryPlan, evidence: &Evidence, fixes: FixCounts) -> EntryEvaluation {
    let book = CrossingBook::new(event, entry, evidence);
    let mut stages: Vec<StageEvaluation> = Vec::with_capacity(event.stages.len());
    let mut views = Vec::with_capacity(event.stages.len());
    let unit_ms = event.row.truncation.unit_ms();
    let (mut cursor, mut ordinals) = (None, Ordinals::new());
    for n in 0..event.stages.len() {
        views.push(segments::view(event, n, entry, evidence, &book, &mut cursor));
    }
    for n in 0..views.len() {
        let excluded_before = stages.last().is_some_and(|s| s.status == StageStatus::Dsq);
        stages.push(stage::evaluate(event, entry, &views, n, unit_ms, excluded_before, &mut ordinals));
    }
    EntryEvaluation { entry_id: entry.row.id, fixes, crossings: book.into_rows(), stages }
}
