//! Matching the segments of a stage along the track: each from the finish of the one before.

mod departure;
mod due;
mod geofences;
mod neutralised;
mod parc_ferme;
mod silence;
mod view;

pub use due::Due;
pub use neutralised::NeutralisationOutcome;
pub use parc_ferme::Absence;

use uuid::Uuid;

use super::crossings::{CrossingBook, Mark};
use super::overrides;
use super::waypoints::{self, WaypointOutcome, Window};
use super::zones::{self, Drive, Passage};
use crate::course::plan::{EntryPlan, EventPlan, SegmentPlan, StagePlan};
use crate::course::tables::{
    Override, OverrideAction, Segment, SegmentType, StartEdge, StartMode, StartPick,
};
use crate::fence::state::{Evidence, Gap};
use crate::num::round_to;
use crate::record::Direction;
use crate::time::Timestamp;

const ENTER: [Direction; 2] = [Direction::Enter, Direction::Cross];
const EXIT: [Direction; 2] = [Direction::Exit, Direction::Cross];

/// A stage as one entry has driven it.
#[derive(Debug)]
pub struct StageView<'a> {
    /// The stage.
    pub plan: &'a StagePlan,
    /// Its segments in order.
    pub segments: Vec<SegmentView<'a>>,
}

/// A segment as one entry has driven it.
#[derive(Debug)]
pub struct SegmentView<'a> {
    /// The segment.
    pub plan: &'a SegmentPlan,
    /// When it began for this entry.
    pub start: Option<Mark>,
    /// When it ended for this entry: the last lap's passage.
    pub finish: Option<Mark>,
    /// Passages of the finish so far.
    pub passages: u32,
    /// When it really left, where the clock says when it starts.
    pub departure: Option<Mark>,
    /// When it is due, for a liaison.
    pub due: Option<Due>,
    /// Its geofences that were never crossed in its time.
    pub missed_geofences: Vec<Uuid>,
    /// When it was absent, for a parc ferme.
    pub absences: Vec<Absence>,
    /// When nobody saw the vehicle for too long.
    pub silences: Vec<Gap>,
    /// When a person closed the stage.
    pub closed_at: Option<Timestamp>,
    /// Nothing more can happen in it: finished, or the stage is closed.
    pub decided: bool,
    /// What became of each waypoint.
    pub waypoints: Vec<WaypointOutcome<'a>>,
    /// What was taken off.
    pub neutralised: Vec<NeutralisationOutcome<'a>>,
    /// Visits of its zones, by zone.
    pub zone_passages: Vec<Passage<'a>>,
    /// Something beneath waits for a person's confirmation.
    pub awaits_confirmation: bool,
}

/// How far along the track the segments so far reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    at: Timestamp,
    /// It is a finish, which may be the next start at once; an unfinished segment's start may not serve again.
    is_finish: bool,
    needs_review: bool,
}

impl Cursor {
    fn admits(self, at: Timestamp) -> bool {
        at > self.at || (self.is_finish && at == self.at)
    }
}

/// Matches stage `n` of an event. `cursor` is how far the segments before reach, and becomes how far this stage's do.
pub fn view<'a>(
    event: &'a EventPlan,
    n: usize,
    entry: &'a EntryPlan,
    evidence: &Evidence,
    book: &CrossingBook,
    cursor: &mut Option<Cursor>,
) -> StageView<'a> {
    let plan = &event.stages[n];
    let closed_at = plan.row.closed_at;
    let unit_ms = event.row.truncation.unit_ms();
    let mut following = event.stages[n..].iter().flat_map(|stage| &stage.segments).skip(1);
    let segments = plan.segments.iter().map(|segment| {
        let next_slot = following.next().and_then(|next| next.starts.get(&entry.row.id)?.target_at);
        let after = *cursor;
        let (overrides, entry) = (&entry.overrides, entry.row.id);
        let matched = Matching {
            event,
            segment,
            closed_at,
            next_slot,
            after,
            entry,
            overrides,
            evidence,
            book,
            unit_ms,
        };
        let view = matched.view();
        let reached = |mark: Option<Mark>, is_finish| {
            mark.map(|m| Cursor { at: m.at, is_finish, needs_review: m.needs_review })
        };
        let next = reached(view.finish, true).or(reached(view.start, false));
        // A slot may lie before the finish of the segment before: it takes nobody back along the track.
        *cursor = next.filter(|next| cursor.is_none_or(|before| before.at <= next.at)).or(*cursor);
        view
    });
    StageView { plan, segments: segments.collect() }
}

struct Matching<'a, 'b> {
    event: &'a EventPlan,
    segment: &'a SegmentPlan,
    closed_at: Option<Timestamp>,
    /// The entry's slot in the next segment, also of the next stage.
    next_slot: Option<Timestamp>,
    after: Option<Cursor>,
    entry: Uuid,
    overrides: &'a [Override],
    evidence: &'b Evidence,
    book: &'b CrossingBook,
    unit_ms: i64,
}

impl<'a> Matching<'a, '_> {
    fn view(&self) -> SegmentView<'a> {
        let row = &self.segment.row;
        let computed = match row.kind {
            SegmentType::SpecialStage => self.special_stage_start(),
            SegmentType::Liaison => self.liaison_start(),
            SegmentType::ParcFerme => self.first(self.book.firsts(row.entry_geofence_id, ENTER)),
        };
        let start_decision = overrides::of_start(self.overrides, row.id).next_back();
        let start = start_decision.map_or(computed, |decision| decided_start(decision, computed));
        let is_open_ended = is_open_ended(row, self.closed_at);
        let wanted = if is_open_ended { u32::MAX } else { row.laps.unwrap_or(1).max(1) };
        let passages = match row.kind {
            SegmentType::SpecialStage => start.map(|s| self.passages(s.at, wanted)).unwrap_or_default(),
            SegmentType::Liaison => {
                let from = start.map(|s| s.at).or(self.after.map(|c| c.at));
                self.book
                    .firsts(row.exit_geofence_id, ENTER)
                    .find(|mark| from.is_none_or(|from| mark.at > from) && self.is_open(mark.at))
                    .into_iter()
                    .collect()
            }
            // Its end is the next segment's target, which that segment takes itself.
            SegmentType::ParcFerme => Vec::new(),
        };
        let reached = u32::try_from(passages.len()).unwrap_or(u32::MAX);
        let is_over = is_open_ended || reached >= wanted;
        let finish = passages.last().copied().filter(|_| is_over);
        let neutralised = start.map(|s| self.neutralised(s.at, finish)).unwrap_or_default();
        let until = finish.map(|f| f.at).or(self.closed_at);
        let from = match row.kind {
            // Nobody starts a liaison without an entry geofence: it begins where the segment before it ended.
            SegmentType::Liaison => Some(
                start.map(|s| s.at).or(self.after.map(|c| c.at)).unwrap_or(Timestamp::from_micros(i64::MIN)),
            ),
            SegmentType::SpecialStage | SegmentType::ParcFerme => start.map(|s| s.at),
        };
        let window = Window { from, until, entry: self.entry_crossing(start), exit: finish };
        let waypoints = waypoints::outcomes(self.segment, &window, self.closed_at, self.evidence);
        let drive = Drive { segment: self.segment, from, until, start, finish, waypoints: &waypoints };
        let zone_passages = zones::passages(&drive, self.evidence);
        SegmentView {
            plan: self.segment,
            start,
            finish,
            passages: reached,
            departure: self.departure(start),
            due: self.due(),
            missed_geofences: self.missed_geofences(until),
            absences: self.absences(start),
            silences: self.silences(start, until),
            closed_at: self.closed_at,
            decided: finish.is_some() || self.closed_at.is_some(),
            waypoints,
            neutralised,
            zone_passages,
            awaits_confirmation: self.awaits_confirmation(until),
        }
    }

    /// Whether the stage was open at an instant: after the close nothing starts or finishes.
    fn is_open(&self, at: Timestamp) -> bool {
        self.closed_at.is_none_or(|closed| at <= closed)
    }

    fn is_candidate(&self, mark: &Mark) -> bool {
        self.after.is_none_or(|after| after.admits(mark.at)) && self.is_open(mark.at)
    }

    /// Whether a crossing of one of the segment's geofences, in its time, waits for a person.
    fn awaits_confirmation(&self, until: Option<Timestamp>) -> bool {
        let row = &self.segment.row;
        let neutralised =
            self.segment.neutralisations.iter().flat_map(|n| [n.entry_geofence_id, n.exit_geofence_id]);
        let mut geofences = neutralised.map(Some).chain([row.entry_geofence_id, row.exit_geofence_id]);
        geofences.any(|geofence| {
            self.book.proposed(geofence).any(|at| {
                self.after.is_none_or(|after| after.admits(at)) && until.is_none_or(|until| at <= until)
            })
        })
    }

    /// The crossing that shows that the vehicle was in the entry geofence: the start itself, or for a start by the
    /// clock the first time it left.
    fn entry_crossing(&self, start: Option<Mark>) -> Option<Mark> {
        let start = start?;
        if start.crossing_id.is_some() {
            return Some(start);
        }
        self.first(self.book.lasts(self.segment.row.entry_geofence_id, EXIT))
    }

    fn first(&self, mut marks: impl Iterator<Item = Mark>) -> Option<Mark> {
        marks.find(|mark| self.is_candidate(mark))
    }

    /// A liaison without an entry geofence begins where the segment before it ended.
    fn liaison_start(&self) -> Option<Mark> {
        if self.segment.row.entry_geofence_id.is_some() {
            return self.first(self.book.lasts(self.segment.row.entry_geofence_id, EXIT));
        }
        let after = self.after.filter(|after| after.is_finish)?;
        Some(Mark { at: after.at, crossing_id: None, needs_review: false, trace: None })
    }

    fn special_stage_start(&self) -> Option<Mark> {
        let row = &self.segment.row;
        if row.start_mode == StartMode::Standing {
            let at = self.segment.starts.get(&self.entry)?.target_at?.to_ms();
            let started = self.is_open(at) && self.took_part(at);
            return started.then_some(Mark { at, crossing_id: None, needs_review: false, trace: None });
        }
        let edge = match row.start_edge {
            StartEdge::Exit => EXIT,
            StartEdge::Enter => ENTER,
        };
        let candidates: Vec<Mark> =
            self.book.lasts(row.entry_geofence_id, edge).filter(|mark| self.is_candidate(mark)).collect();
        let first = *candidates.first()?;
        if row.start_pick == StartPick::First {
            return Some(first);
        }
        let finished = self.passages(first.at, 1).first().map(|finish| finish.at);
        self.last_before_course(candidates, finished)
    }

    /// Whether the track shows that an entry with a slot at `target` took it: a start list alone makes nobody a
    /// starter.
    fn took_part(&self, target: Timestamp) -> bool {
        let row = &self.segment.row;
        if self.evidence.end.is_none_or(|end| end < target) {
            return false;
        }
        row.entry_geofence_id.is_none()
            || self.first(self.book.lasts(row.entry_geofence_id, EXIT)).is_some()
            || !self.passages(target, 1).is_empty()
            || waypoints::any_visit(self.segment, target, self.closed_at, self.evidence)
    }

    /// The passages of the finish that count, up to `wanted`: each strictly after the one before and at least
    /// `min_seconds` later.
    fn passages(&self, start: Timestamp, wanted: u32) -> Vec<Mark> {
        let min_us = round_to(self.segment.row.min_seconds, 1e6);
        let mut passages: Vec<Mark> = Vec::new();
        for mark in self.book.firsts(self.segment.row.exit_geofence_id, ENTER) {
            if passages.len() >= wanted as usize {
                break;
            }
            let before = passages.last().map_or(start, |p| p.at);
            if mark.at > before && mark.at.micros() - before.micros() >= min_us && self.is_open(mark.at) {
                passages.push(mark);
            }
        }
        passages
    }
}

/// Whether a segment lasts as many laps as are driven until the close: one from a geofence to the same geofence, whose
/// stage is closed and which names no number of laps.
fn is_open_ended(row: &Segment, closed_at: Option<Timestamp>) -> bool {
    row.kind == SegmentType::SpecialStage
        && row.laps.is_none()
        && row.exit_geofence_id.is_some()
        && row.entry_geofence_id == row.exit_geofence_id
        && closed_at.is_some()
}

/// What a person made of a start.
fn decided_start(decision: &Override, computed: Option<Mark>) -> Option<Mark> {
    match decision.action {
        OverrideAction::Set => {
            let at = Timestamp::from_millis(decision.value_ms?);
            Some(Mark { at, crossing_id: None, needs_review: false, trace: None })
        }
        OverrideAction::Confirm => computed.map(|mark| Mark { needs_review: false, ..mark }),
        OverrideAction::Cancel | OverrideAction::Reject => None,
    }
}
