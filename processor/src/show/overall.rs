//! The overall standings after a stage, on a board.

use race::course::Course;
use race::course::tables::{Class, CountsFor};
use race::judge::{EventOutcome, standings};
use race::record::StageStatus;
use serde::Serialize;
use uuid::Uuid;

use super::board::{PenaltyLine, class_of, penalty};

/// Standings after a stage. Durations are milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct OverallBoard<'a> {
    /// The last stage that counts.
    pub(crate) after_stage_id: Uuid,
    pub(crate) after_stage: &'a str,
    /// How many stages count.
    pub(crate) stages: usize,
    /// Something beneath may still change.
    pub(crate) provisional: bool,
    /// In the order of the standings.
    pub(crate) rows: Vec<OverallRow<'a>>,
}

/// An entry in the standings.
#[derive(Debug, Serialize)]
pub(crate) struct OverallRow<'a> {
    /// Place in the event; null when no stage is completed, or excluded.
    pub(crate) position: Option<u32>,
    /// Place in the class; null without a position or a class.
    pub(crate) class_position: Option<u32>,
    pub(crate) race_number: i64,
    pub(crate) entry_id: Uuid,
    /// The code of the class.
    pub(crate) class: Option<&'a str>,
    /// Where the entry is in the last of the stages.
    pub(crate) status: StageStatus,
    pub(crate) completed_stages: u32,
    pub(crate) elapsed_ms: Option<i64>,
    /// Of penalties that count for the standings.
    pub(crate) penalty_ms: i64,
    pub(crate) total_ms: Option<i64>,
    /// Behind the first of those that are shown; null with fewer stages completed.
    pub(crate) gap_ms: Option<i64>,
    pub(crate) provisional: bool,
    /// What counts for the standings, stage by stage.
    pub(crate) penalties: Vec<PenaltyLine<'a>>,
}

/// The standings after a stage, by its number; of all or of a class.
pub(crate) fn overall<'a>(
    course: &'a Course,
    outcome: &'a EventOutcome,
    stage: usize,
    class: Option<&Class>,
) -> OverallBoard<'a> {
    let plan = &course.events[outcome.event];
    let mut rows: Vec<OverallRow<'a>> = Vec::new();
    for result in standings::after(plan, stage, &outcome.evaluations) {
        let Some(n) = plan.entry_number(result.entry_id) else { continue };
        let entry = &plan.entries[n];
        if class.is_some_and(|class| Some(class.id) != entry.row.class_id) {
            continue;
        }
        // Behind the first of those that are shown.
        let first = rows.first().filter(|first| first.completed_stages == result.completed_stages);
        let best_ms = first.map_or(result.total_ms, |first| first.total_ms);
        let is_comparable = rows.is_empty() || first.is_some();
        let gap_ms = result.total_ms.zip(best_ms).map(|(total, best)| total - best);
        let driven = &outcome.evaluations[n].stages[..=stage];
        let penalties = driven.iter().flat_map(|stage| &stage.penalties);
        rows.push(OverallRow {
            position: result.position,
            class_position: result.class_position,
            race_number: entry.row.race_number,
            entry_id: entry.row.id,
            class: class_of(course, entry),
            status: result.status,
            completed_stages: result.completed_stages,
            elapsed_ms: result.elapsed_ms,
            penalty_ms: result.penalty_ms,
            total_ms: result.total_ms,
            gap_ms: gap_ms.filter(|_| is_comparable),
            provisional: result.provisional,
            penalties: penalties
                .filter(|p| p.counts_for.contains(&CountsFor::Overall))
                .map(penalty)
                .collect(),
        });
    }
    let last = &plan.stages[stage].row;
    OverallBoard {
        after_stage_id: last.id,
        after_stage: &last.name,
        stages: stage + 1,
        provisional: rows.iter().any(|row| row.provisional),
        rows,
    }
}
