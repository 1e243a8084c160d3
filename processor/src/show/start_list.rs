//! A start list: what is proposed, beside what is handed out.

use race::course::Course;
use race::course::plan::{EventPlan, SegmentPlan};
use race::course::tables::EntrySegmentStart;
use race::judge::EntryEvaluation;
use race::record::StageStatus;
use race::start_order::{Slot, StartList};
use race::time::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::board::{EventHead, class_of};

/// The document's own version, raised when a field changes its meaning.
const FORMAT: &str = "race-start-list/1";

/// The start list of a stage. Instants are UTC.
#[derive(Debug, Serialize)]
pub(crate) struct StartBoard<'a> {
    format: &'static str,
    pub(crate) event: EventHead<'a>,
    pub(crate) stage_id: Uuid,
    pub(crate) stage: &'a str,
    /// Where the slots are for.
    pub(crate) segment_id: Uuid,
    /// The name of the stage whose results decide; null for an order that is given.
    pub(crate) input_stage: Option<&'a str>,
    /// A result that decides is provisional.
    pub(crate) provisional: bool,
    /// By position.
    pub(crate) rows: Vec<StartRow<'a>>,
    /// What is handed out to entries that are not in the proposal: it stays.
    pub(crate) others: Vec<OtherStart>,
}

/// One start.
#[derive(Debug, Serialize)]
pub(crate) struct StartRow<'a> {
    pub(crate) start_position: i64,
    pub(crate) race_number: i64,
    pub(crate) entry_id: Uuid,
    /// The code of the class.
    pub(crate) class: Option<&'a str>,
    pub(crate) target_at: Option<Timestamp>,
    /// What is handed out now; null: nothing.
    pub(crate) handed_out: Option<HandedOut>,
    pub(crate) change: Change,
    /// The entry has started by what is handed out.
    pub(crate) started: bool,
}

/// A slot that is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct HandedOut {
    pub(crate) start_position: Option<i64>,
    pub(crate) target_at: Option<Timestamp>,
}

/// A slot of somebody who is not proposed.
#[derive(Debug, Serialize)]
pub(crate) struct OtherStart {
    pub(crate) race_number: i64,
    pub(crate) entry_id: Uuid,
    #[serde(flatten)]
    pub(crate) handed_out: HandedOut,
}

/// What handing out the proposal does to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    /// There is none yet.
    New,
    /// It is as proposed.
    Same,
    /// It has another position or time.
    Moved,
    /// A person set it: it stays.
    Manual,
}

impl Change {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Same => "same",
            Self::Moved => "moved",
            Self::Manual => "manual",
        }
    }
}

impl<'a> StartBoard<'a> {
    /// Puts a proposal for stage number `stage` beside what is handed out.
    pub(crate) fn new(
        course: &'a Course,
        plan: &'a EventPlan,
        stage: usize,
        proposal: &StartList,
        evaluations: &[EntryEvaluation],
    ) -> Self {
        let of_stage = &plan.stages[stage];
        let segment = of_stage.segments.iter().find(|segment| segment.row.id == proposal.segment_id);
        let row_of = |id: Uuid| segment.and_then(|segment| segment.starts.get(&id));
        let rows = proposal.slots.iter().filter_map(|slot| {
            let n = plan.entry_number(slot.entry_id)?;
            let stored = row_of(slot.entry_id);
            let status = evaluations[n].stages[stage].status;
            Some(StartRow {
                start_position: slot.start_position,
                race_number: slot.race_number,
                entry_id: slot.entry_id,
                class: class_of(course, &plan.entries[n]),
                target_at: slot.target_at,
                handed_out: stored.map(HandedOut::of),
                change: change(slot, stored),
                started: !matches!(status, StageStatus::NotStarted | StageStatus::Dns),
            })
        });
        let input = proposal.input_stage_id;
        let input = plan.stages.iter().find(|stage| Some(stage.row.id) == input);
        Self {
            format: FORMAT,
            event: EventHead::of(plan),
            stage_id: of_stage.row.id,
            stage: &of_stage.row.name,
            segment_id: proposal.segment_id,
            input_stage: input.map(|stage| stage.row.name.as_str()),
            provisional: proposal.provisional,
            rows: rows.collect(),
            others: segment.map(|segment| others(plan, segment, proposal)).unwrap_or_default(),
        }
    }

    /// What has to be written so that the proposal is handed out.
    pub(crate) fn to_write(&self) -> Vec<EntrySegmentStart> {
        let changed = self.rows.iter().filter(|row| matches!(row.change, Change::New | Change::Moved));
        let start = |row: &StartRow<'_>| EntrySegmentStart {
            id: None,
            entry_id: row.entry_id,
            segment_id: self.segment_id,
            start_position: Some(row.start_position),
            target_at: row.target_at,
            manual_override: false,
        };
        changed.map(start).collect()
    }

    /// Race numbers of those who have started and whose slot would move.
    pub(crate) fn moved_after_start(&self) -> Vec<i64> {
        let moved = self.rows.iter().filter(|row| row.started && row.change == Change::Moved);
        moved.map(|row| row.race_number).collect()
    }
}

impl HandedOut {
    fn of(row: &EntrySegmentStart) -> Self {
        Self { start_position: row.start_position, target_at: row.target_at }
    }
}

fn change(slot: &Slot, stored: Option<&EntrySegmentStart>) -> Change {
    let proposed = HandedOut { start_position: Some(slot.start_position), target_at: slot.target_at };
    match stored {
        None => Change::New,
        Some(row) if row.manual_override => Change::Manual,
        Some(row) if HandedOut::of(row) == proposed => Change::Same,
        Some(_) => Change::Moved,
    }
}

fn others(plan: &EventPlan, segment: &SegmentPlan, proposal: &StartList) -> Vec<OtherStart> {
    let is_proposed = |id: Uuid| proposal.slots.iter().any(|slot| slot.entry_id == id);
    let others = plan.entries.iter().filter(|entry| !is_proposed(entry.row.id));
    let others = others.filter_map(|entry| {
        let row = segment.starts.get(&entry.row.id)?;
        Some(OtherStart {
            race_number: entry.row.race_number,
            entry_id: entry.row.id,
            handed_out: HandedOut::of(row),
        })
    });
    others.collect()
}
