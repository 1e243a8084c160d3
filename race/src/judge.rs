//! The judge: from the evidence of one track to crossings, stage times and penalties.
//!
//! A pure function of the course and the evidence, so that live, replay and recompute cannot differ.

pub mod crossings;
pub mod document;
pub mod evaluators;
pub mod overrides;
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
use self::overrides::{Bound, OverrideOutcome};
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
    /// What became of what persons decided.
    pub overrides: Vec<OverrideOutcome>,
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
    let mut bound = Bound::new();
    let mut book = CrossingBook::new(event, entry, evidence);
    book.decide(entry, &mut bound);
    let unit_ms = event.row.truncation.unit_ms();
    let (mut views, mut cursor) = (Vec::with_capacity(event.stages.len()), None);
    for n in 0..event.stages.len() {
        views.push(segments::view(event, n, entry, evidence, &book, &mut cursor));
    }
    for segment in event.stages.iter().flat_map(|stage| &stage.segments) {
        let of_start = overrides::of_start(&entry.overrides, segment.row.id);
        bound.extend(of_start.map(|row| (row.id, segment.row.id)));
    }
    let penalties = penalties::of_stages(event, entry, &views, &mut bound);
    let overrides = overrides::outcomes(&entry.overrides, &bound);
    let mut stages: Vec<StageEvaluation> = Vec::with_capacity(event.stages.len());
    for (view, penalties) in views.iter().zip(penalties) {
        let excluded_before = stages.last().is_some_and(|s| s.status == StageStatus::Dsq);
        stages.push(stage::evaluate(view, unit_ms, excluded_before, penalties));
    }
    if event.is_flawed || entry.is_timed_twice {
        stages.iter_mut().for_each(|stage| stage.provisional = true);
    }
    // What a person decided and nothing shows any more is to be looked at.
    for row in entry.overrides.iter().filter(|row| !bound.contains_key(&row.id)) {
        let named = overrides::stage_of(event, row);
        let open = stages.iter_mut().enumerate().filter(|(n, _)| named.is_none_or(|named| named == *n));
        open.for_each(|(_, stage)| stage.provisional = true);
    }
    EntryEvaluation { entry_id: entry.row.id, fixes, crossings: book.into_rows(), overrides, stages }
}
