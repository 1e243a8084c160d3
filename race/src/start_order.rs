//! Start orders: who starts a stage when, proposed from the results of a stage before it.
//!
//! A proposal is a computation; only a person's act makes it a start list. What was handed out stands in
//! `entry_segment_starts` and is an input here as everywhere: a row with `manual_override` keeps what it says.

mod order;
pub mod params;
mod slots;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use uuid::Uuid;

use crate::course::plan::{EventPlan, SegmentPlan, StagePlan};
use crate::course::tables::{EntrySegmentStart, SegmentType};
use crate::judge::EntryEvaluation;
use crate::time::Timestamp;
use params::Params;
use slots::Clock;

/// The proposed start list of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StartList {
    /// The stage.
    pub stage_id: Uuid,
    /// The segment whose start the slots are: the first of the stage that is not a parc ferme.
    pub segment_id: Uuid,
    /// The stage whose results decide; null for an order that is given.
    pub input_stage_id: Option<Uuid>,
    /// By position.
    pub slots: Vec<Slot>,
    /// A result that decides is provisional: another proposal may follow.
    pub provisional: bool,
}

/// One start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// Who starts.
    pub entry_id: Uuid,
    /// Its number.
    pub race_number: i64,
    /// Its place in the order, from 1.
    pub start_position: i64,
    /// When it starts; null when the stage says neither when nor in which intervals.
    pub target_at: Option<Timestamp>,
    /// A person gave it this position or time.
    pub manual_override: bool,
}

/// Why there is no proposal: the stage's row has to be changed first. Retrying changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stages ({stage_id}, {stage:?}): {field}: {message}")]
pub struct StartOrderError {
    /// The row.
    pub stage_id: Uuid,
    /// Its name.
    pub stage: String,
    /// The column, or empty when the row as a whole is wrong.
    pub field: &'static str,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// Proposes the start list of stage number `stage` (from 0). `evaluations` are those of `event.entries`, in that order.
///
/// # Errors
/// A strategy or its parameters that mean nothing; an input stage that is missing, the stage itself or a later one; a
/// stage without a segment to start in.
pub fn propose(
    event: &EventPlan,
    stage: usize,
    evaluations: &[EntryEvaluation],
) -> Result<StartList, StartOrderError> {
    let plan = &event.stages[stage];
    let refuse = |(field, message)| refusal(plan, field, message);
    let params = Params::of_stage(&plan.row).map_err(refuse)?;
    let segment = first_segment(plan)?;
    let input = if params.strategy.reads_results() { Some(input_stage(event, stage)?) } else { None };
    let order = order::order(event, stage, input, &params, evaluations);
    let clock = Clock::new(&plan.row, &params);
    Ok(StartList {
        stage_id: plan.row.id,
        segment_id: segment.row.id,
        input_stage_id: input.map(|input| event.stages[input].row.id),
        provisional: order::is_provisional(input, &params, &order, evaluations),
        slots: assign(event, segment, &order, &clock),
    })
}

/// Gives every entry of the order the next free position, and whom a person placed what the person said.
fn assign(event: &EventPlan, segment: &SegmentPlan, order: &[usize], clock: &Clock) -> Vec<Slot> {
    let kept: BTreeMap<Uuid, &EntrySegmentStart> =
        segment.starts.iter().filter(|(_, row)| row.manual_override).map(|(id, row)| (*id, row)).collect();
    let row_of = |entry: usize| kept.get(&event.entries[entry].row.id).copied();
    let taken: BTreeSet<i64> = order.iter().filter_map(|&entry| row_of(entry)?.start_position).collect();
    let mut next = 0;
    let mut slots: Vec<Slot> = Vec::with_capacity(order.len());
    for &entry in order {
        let row = row_of(entry);
        let start_position = row.and_then(|row| row.start_position).unwrap_or_else(|| {
            next += 1;
            while taken.contains(&next) {
                next += 1;
            }
            next
        });
        slots.push(Slot {
            entry_id: event.entries[entry].row.id,
            race_number: event.entries[entry].row.race_number,
            start_position,
            target_at: row.and_then(|row| row.target_at).or_else(|| clock.at(start_position)),
            manual_override: row.is_some(),
        });
    }
    slots.sort_by_key(|slot| (slot.start_position, slot.race_number));
    slots
}

/// Where a stage is started: nobody starts into a parc ferme.
fn first_segment(plan: &StagePlan) -> Result<&SegmentPlan, StartOrderError> {
    plan.segments
        .iter()
        .find(|segment| segment.row.kind != SegmentType::ParcFerme)
        .ok_or_else(|| refusal(plan, "", "has no segment to start in".to_owned()))
}

/// The stage whose results decide: the one that the row names, else the one before.
fn input_stage(event: &EventPlan, stage: usize) -> Result<usize, StartOrderError> {
    const FIELD: &str = "start_order_input_stage_id";
    let plan = &event.stages[stage];
    let refuse = |message: String| refusal(plan, FIELD, message);
    let Some(id) = plan.row.start_order_input_stage_id else {
        return stage.checked_sub(1).ok_or_else(|| refuse("there is no stage before this one".to_owned()));
    };
    match event.stages.iter().position(|s| s.row.id == id) {
        Some(input) if input < stage => Ok(input),
        Some(input) if input == stage => {
            Err(refuse("a stage cannot take its start order from itself".to_owned()))
        }
        Some(input) => {
            let name = &event.stages[input].row.name;
            Err(refuse(format!("stage {name:?} is not before this one")))
        }
        None => Err(refuse(format!("no stage of the event has the id {id}"))),
    }
}

fn refusal(plan: &StagePlan, field: &'static str, message: String) -> StartOrderError {
    StartOrderError { stage_id: plan.row.id, stage: plan.row.name.clone(), field, message }
}
