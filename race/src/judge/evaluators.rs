//! The registry of penalty evaluators: one file each, one line here. What a penalty table's `type` may be is what
//! stands here.

mod bonus;
mod did_not_finish;
mod did_not_start;
mod early_check_in;
mod early_neutralisation;
mod false_start;
mod given;
mod late_check_in;
mod late_start;
mod late_total;
mod left_parc_ferme;
mod manual;
mod missed_geofence;
mod missed_waypoint;
mod missed_waypoint_ratio;
mod no_evidence;
mod scoped;
mod segment_over_time;
mod speeding;
mod speeding_average;
mod speeding_impulse;
mod speeding_ordinal;
mod speeding_peak;
mod speeding_time_gained;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::segments::{SegmentView, StageView};
use crate::course::formulas::{Measure, TableAt};
use crate::course::plan::{EntryPlan, EventPlan};
use crate::course::tables::BelongsTo;
use crate::time::Timestamp;

/// Every evaluator, in the order in which offences are found.
pub const REGISTRY: &[Evaluator] = &[
    missed_waypoint::EVALUATOR,
    missed_waypoint_ratio::EVALUATOR,
    early_neutralisation::EVALUATOR,
    speeding_peak::EVALUATOR,
    speeding_time_gained::EVALUATOR,
    speeding_impulse::EVALUATOR,
    speeding_average::EVALUATOR,
    speeding_ordinal::EVALUATOR,
    late_check_in::EVALUATOR,
    early_check_in::EVALUATOR,
    late_start::EVALUATOR,
    late_total::EVALUATOR,
    false_start::EVALUATOR,
    segment_over_time::EVALUATOR,
    left_parc_ferme::EVALUATOR,
    missed_geofence::EVALUATOR,
    no_evidence::EVALUATOR,
    did_not_start::EVALUATOR,
    did_not_finish::EVALUATOR,
    bonus::EVALUATOR,
    manual::EVALUATOR,
];

/// Finds the offences of one kind.
#[derive(Debug)]
pub struct Evaluator {
    /// What `penalty_formulas.type` calls it.
    pub name: &'static str,
    /// Adds the offences of a stage.
    pub find: for<'a> fn(&Case<'a>, &mut Vec<Offence<'a>>),
}

/// What an evaluator looks at: one entry in one stage, with all its stages at hand.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The event.
    pub event: &'a EventPlan,
    /// The entry.
    pub entry: &'a EntryPlan,
    /// All stages as the entry has driven them.
    pub stages: &'a [StageView<'a>],
    /// Which of them is judged.
    pub stage: usize,
}

/// Something that a table puts a price on.
#[derive(Debug)]
pub struct Offence<'a> {
    /// The closest table at its beginning; without one an offence costs nothing, and counts where offences are counted.
    pub table: Option<TableAt<'a>>,
    /// The segment it happened in, where it is one.
    pub segment_id: Option<Uuid>,
    /// The segment, zone, waypoint, neutralisation or stage that tells it from others of its table.
    pub place: Option<Uuid>,
    /// When it began, for what can happen twice at one place.
    pub start: Option<Timestamp>,
    /// From when to when it lasted, where it did.
    pub window: Option<[Timestamp; 2]>,
    /// How much.
    pub measures: Measures,
    /// What it was measured from.
    pub inputs: Map<String, Value>,
    /// It rests on weak or undecided evidence.
    pub needs_review: bool,
}

/// What a table is asked about.
#[derive(Debug)]
pub enum Measures {
    /// Each is priced by itself, by unit of what it measures; what they cost adds up.
    Each(Vec<Measure>),
    /// Each is priced by itself and is one unit, however much it measures; what they cost adds up.
    One(Vec<Measure>),
    /// The how-manieth offence of its evaluator in the event; what is paid by unit.
    Ordinal(Measure),
    /// Milliseconds that an override gives, which counts as they are where no table is for them.
    Given {
        /// Below 0 for a bonus.
        ms: i64,
        /// The override.
        by: Uuid,
    },
}

impl From<Measure> for Measures {
    fn from(measure: Measure) -> Self {
        Self::Each(vec![measure])
    }
}

impl<'a> Case<'a> {
    /// The stage that is judged.
    pub fn view(&self) -> &'a StageView<'a> {
        &self.stages[self.stage]
    }

    /// The closest table of an evaluator for something in a segment; `within` is the waypoint, zone or geofence.
    pub fn table(
        &self,
        evaluator: &str,
        kind: Option<&str>,
        within: Option<(BelongsTo, Uuid)>,
        segment: &SegmentView<'_>,
    ) -> Option<TableAt<'a>> {
        self.table_at(evaluator, kind, within, segment, decided_at(segment)?)
    }

    /// The same for something that began at `at`.
    pub fn table_at(
        &self,
        evaluator: &str,
        kind: Option<&str>,
        within: Option<(BelongsTo, Uuid)>,
        segment: &SegmentView<'_>,
        at: Timestamp,
    ) -> Option<TableAt<'a>> {
        let wider = [
            (BelongsTo::Segment, segment.plan.row.id),
            (BelongsTo::Stage, segment.plan.row.stage_id),
            (BelongsTo::Event, self.event.row.id),
        ];
        let scopes: Vec<(BelongsTo, Uuid)> = within.into_iter().chain(wider).collect();
        self.event.formulas.closest(evaluator, self.entry.row.class_id, kind, &scopes, at)
    }

    /// To how many milliseconds instants are truncated before minutes are counted between them.
    pub fn minutes_unit_ms(&self) -> i64 {
        if self.event.row.minute_truncation { 60_000 } else { self.event.row.truncation.unit_ms() }
    }
}

/// The inputs of an offence by name.
fn inputs<const N: usize>(named: [(&str, Value); N]) -> Map<String, Value> {
    named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// When what is missing at the end of a segment began to be missing: at its start, or at the close for who never
/// started. None while the segment is undecided.
fn decided_at(segment: &SegmentView<'_>) -> Option<Timestamp> {
    if !segment.decided {
        return None;
    }
    segment.start.map(|s| s.at).or(segment.closed_at).or(segment.finish.map(|f| f.at))
}
