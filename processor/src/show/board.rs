//! A results board: what is shown of an event, whatever it is shown on.

use race::course::Course;
use race::course::plan::{EntryPlan, EventPlan};
use race::course::tables::{Class, CountsFor, Discipline};
use race::judge::{EntryEvaluation, EventOutcome};
use race::record::{Penalty, PenaltyStatus, StageResult, StageStatus};
use race::time::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::overall::{OverallBoard, overall};
use super::{notes, reason};

/// The document's own version, raised when a field changes its meaning.
const FORMAT: &str = "race-board/1";

/// Results of one event. Instants are UTC, durations milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Board<'a> {
    format: &'static str,
    pub(crate) event: EventHead<'a>,
    /// The class that is shown; null: all.
    pub(crate) class: Option<ClassHead<'a>>,
    /// The last position that was judged.
    pub(crate) evaluated_to: Option<Timestamp>,
    /// In order; none where the standings are shown.
    pub(crate) stages: Vec<StageBoard<'a>>,
    /// The standings after a stage, where they are shown.
    pub(crate) overall: Option<OverallBoard<'a>>,
}

/// The event.
#[derive(Debug, Serialize)]
pub(crate) struct EventHead<'a> {
    pub(crate) id: Uuid,
    pub(crate) name: &'a str,
    pub(crate) slug: &'a str,
    pub(crate) discipline: Discipline,
}

/// A class.
#[derive(Debug, Serialize)]
pub(crate) struct ClassHead<'a> {
    pub(crate) id: Uuid,
    pub(crate) code: &'a str,
    pub(crate) name: &'a str,
}

/// A stage, ranked.
#[derive(Debug, Serialize)]
pub(crate) struct StageBoard<'a> {
    pub(crate) stage_id: Uuid,
    pub(crate) name: &'a str,
    pub(crate) closed_at: Option<Timestamp>,
    /// Something in it may still change.
    pub(crate) provisional: bool,
    /// In the order of the ranking.
    pub(crate) rows: Vec<Row<'a>>,
}

/// An entry in a stage.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'a> {
    /// Place in the stage; null unless finished.
    pub(crate) position: Option<u32>,
    /// Place in the class; null unless finished or without a class.
    pub(crate) class_position: Option<u32>,
    pub(crate) race_number: i64,
    pub(crate) entry_id: Uuid,
    /// The code of the class.
    pub(crate) class: Option<&'a str>,
    pub(crate) status: StageStatus,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) laps: Option<u32>,
    pub(crate) elapsed_ms: Option<i64>,
    pub(crate) neutralised_ms: i64,
    pub(crate) clean_ms: Option<i64>,
    pub(crate) penalty_ms: i64,
    pub(crate) total_ms: Option<i64>,
    /// Behind the first of those that are shown; null unless finished.
    pub(crate) gap_ms: Option<i64>,
    pub(crate) provisional: bool,
    /// Waypoints of the stage that were validated.
    pub(crate) waypoints_validated: usize,
    /// Waypoints of the stage.
    pub(crate) waypoints: usize,
    /// Numbers of those that were missed.
    pub(crate) missed: Vec<i64>,
    /// Numbers of missed ones that may have been visited in a gap of the track.
    pub(crate) doubtful: Vec<i64>,
    pub(crate) penalties: Vec<PenaltyLine<'a>>,
    /// What a person should know beside it.
    #[serde(skip)]
    pub(crate) notes: Vec<String>,
}

/// A penalty and why it was given.
#[derive(Debug, Serialize)]
pub(crate) struct PenaltyLine<'a> {
    pub(crate) id: Uuid,
    #[serde(rename = "type")]
    pub(crate) evaluator: &'a str,
    pub(crate) kind: Option<&'a str>,
    pub(crate) reason: String,
    pub(crate) penalty_ms: i64,
    /// `time`, `disqualified`, `not classified`, or `none` where a person cancelled it.
    pub(crate) effect: &'static str,
    pub(crate) counts_for: &'a [CountsFor],
    pub(crate) status: PenaltyStatus,
    pub(crate) needs_review: bool,
}

/// What is shown of an event.
#[derive(Debug, Default)]
pub(crate) struct Part<'a> {
    /// One stage, by its number; else all.
    pub(crate) stage: Option<usize>,
    /// One class; else all.
    pub(crate) class: Option<&'a Class>,
    /// The standings after the stage, or after the last one, in place of the stages themselves.
    pub(crate) overall: bool,
}

impl<'a> Board<'a> {
    /// Puts a part of an outcome together.
    pub(crate) fn new(
        course: &'a Course,
        outcome: &'a EventOutcome,
        evaluated_to: Option<Timestamp>,
        part: &Part<'a>,
    ) -> Self {
        let plan = &course.events[outcome.event];
        let last = part.stage.or(plan.stages.len().checked_sub(1)).filter(|_| part.overall);
        let is_shown = |n: &usize| !part.overall && part.stage.is_none_or(|stage| stage == *n);
        let shown = (0..plan.stages.len()).filter(is_shown);
        Self {
            format: FORMAT,
            event: EventHead::of(plan),
            class: part.class.map(ClassHead::of),
            evaluated_to,
            stages: shown.map(|n| stage(course, plan, outcome, n, part.class)).collect(),
            overall: last.map(|last| overall(course, outcome, last, part.class)),
        }
    }

    /// Names what is on the board: two printouts that bear the same say the same.
    pub(crate) fn fingerprint(&self) -> Result<String, serde_json::Error> {
        fingerprint(self)
    }
}

/// Eight digits that name a document by what it says.
pub(crate) fn fingerprint(document: &impl Serialize) -> Result<String, serde_json::Error> {
    let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, &serde_json::to_vec(document)?).simple().to_string();
    Ok(format!("{}-{}", &name[..4], &name[4..8]))
}

impl<'a> EventHead<'a> {
    pub(crate) fn of(plan: &'a EventPlan) -> Self {
        let row = &plan.row;
        Self { id: row.id, name: &row.name, slug: &row.slug, discipline: row.discipline }
    }
}

impl<'a> ClassHead<'a> {
    pub(crate) fn of(class: &'a Class) -> Self {
        Self { id: class.id, code: &class.code, name: &class.name }
    }
}

/// The code of an entry's class.
pub(crate) fn class_of<'a>(course: &'a Course, entry: &EntryPlan) -> Option<&'a str> {
    let class = course.tables.classes.iter().find(|class| Some(class.id) == entry.row.class_id);
    class.map(|class| class.code.as_str())
}

fn stage<'a>(
    course: &'a Course,
    plan: &'a EventPlan,
    outcome: &'a EventOutcome,
    n: usize,
    class: Option<&Class>,
) -> StageBoard<'a> {
    let mut rows = Vec::new();
    let mut best_ms = None;
    for result in &outcome.rankings[n] {
        let Some(entry) = plan.entry_number(result.entry_id) else { continue };
        let of_entry = &plan.entries[entry];
        if class.is_some_and(|class| Some(class.id) != of_entry.row.class_id) {
            continue;
        }
        let mut row = row(course, of_entry, &outcome.evaluations[entry], n, result);
        // Behind the first of those that are shown.
        let total_ms = result.total_ms.filter(|_| result.status == StageStatus::Finished);
        best_ms = best_ms.or(total_ms);
        row.gap_ms = total_ms.zip(best_ms).map(|(total, best)| total - best);
        rows.push(row);
    }
    let of_stage = &plan.stages[n].row;
    StageBoard {
        stage_id: of_stage.id,
        name: &of_stage.name,
        closed_at: of_stage.closed_at,
        provisional: rows.iter().any(|row| row.provisional),
        rows,
    }
}

fn row<'a>(
    course: &'a Course,
    entry: &'a EntryPlan,
    evaluation: &'a EntryEvaluation,
    n: usize,
    result: &StageResult,
) -> Row<'a> {
    let of_stage = &evaluation.stages[n];
    let segments = &of_stage.segments;
    let validated: usize = segments.iter().map(|s| s.validated.len()).sum();
    let open: usize = segments.iter().map(|s| s.missed.len() + s.outstanding.len()).sum();
    let numbers = |of: fn(&race::judge::stage::SegmentEvaluation) -> &Vec<i64>| -> Vec<i64> {
        segments.iter().flat_map(of).copied().collect()
    };
    Row {
        position: result.position,
        class_position: result.class_position,
        race_number: entry.row.race_number,
        entry_id: entry.row.id,
        class: class_of(course, entry),
        status: result.status,
        started_at: result.started_at,
        finished_at: result.finished_at,
        laps: result.laps,
        elapsed_ms: result.elapsed_ms,
        neutralised_ms: result.neutralised_ms,
        clean_ms: result.clean_ms,
        penalty_ms: result.penalty_ms,
        total_ms: result.total_ms,
        gap_ms: result.gap_ms,
        provisional: result.provisional,
        waypoints_validated: validated,
        waypoints: validated + open,
        missed: numbers(|s| &s.missed),
        doubtful: numbers(|s| &s.doubtful),
        penalties: of_stage.penalties.iter().map(penalty).collect(),
        notes: notes::notes(entry, evaluation, n),
    }
}

pub(crate) fn penalty(penalty: &Penalty) -> PenaltyLine<'_> {
    PenaltyLine {
        id: penalty.id,
        evaluator: &penalty.evaluator,
        kind: penalty.kind.as_deref(),
        reason: reason::reason(penalty),
        penalty_ms: penalty.penalty_ms,
        effect: reason::effect(penalty),
        counts_for: &penalty.counts_for,
        status: penalty.status,
        needs_review: penalty.needs_review,
    }
}
