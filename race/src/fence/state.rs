//! What one track has done at all features, and the evidence this gives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::area::{AreaState, Episode};
use super::gate::{GateState, Way};
use super::silence::Silences;
use super::touch::{Movement, Touch, Trace};
use super::zone::{Speed, SpeedLog, Stretch};
use crate::course::feature::{FeatureId, FeatureState, Features, Role};
use crate::record::Direction;
use crate::time::Timestamp;

/// The state of one track at every feature it came near. Sparse: a course may have ten thousand features.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FenceState {
    states: Vec<(FeatureId, FeatureState)>,
    speeds: SpeedLog,
    doubts: BTreeMap<FeatureId, Vec<Gap>>,
    silences: Silences,
    end: Option<Timestamp>,
}

/// A time in which nobody knows where the vehicle was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The fix before.
    pub from: Timestamp,
    /// The fix after.
    pub to: Timestamp,
}

/// A crossing of a geofence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FenceEvent {
    /// Which way.
    pub direction: Direction,
    /// The first touch: what everything but a start takes.
    pub first: Touch,
    /// The last touch before it was decided: what a start takes. The same as `first` for areas.
    pub last: Touch,
    /// The end of the track came before the hysteresis decided it.
    pub undecided: bool,
}

/// A stay within the tolerance of a waypoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visit {
    /// The first instant, rounded to the millisecond.
    pub from: Timestamp,
    /// The last instant so far, rounded to the millisecond.
    pub to: Timestamp,
    /// All of it rests on weak movements.
    pub weak: bool,
    /// The fixes that bracket its beginning.
    pub fixes: [Timestamp; 2],
    /// Where on the track it began; none for a track that begins inside.
    pub trace: Option<Trace>,
}

/// A time out of parc ferme, farther than its `absence_meters`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StayOut {
    /// Where it left: the last touch of the boundary.
    pub exit: Touch,
    /// Where it came back; none when it did not.
    pub enter: Option<Touch>,
}

/// What a track shows: every crossing and every visit, in order of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// By geofence id.
    pub crossings: BTreeMap<Uuid, Vec<FenceEvent>>,
    /// By waypoint id.
    pub visits: BTreeMap<Uuid, Vec<Visit>>,
    /// By waypoint id: gaps long enough that the vehicle may have visited it unseen.
    pub doubts: BTreeMap<Uuid, Vec<Gap>>,
    /// By zone id.
    pub zones: BTreeMap<Uuid, ZoneEvidence>,
    /// Movements faster than a limit that may have been enforced, in order of time.
    pub speeds: Vec<Speed>,
    /// By segment id, for a parc ferme.
    pub absences: BTreeMap<Uuid, Vec<StayOut>>,
    /// Where there are no fixes.
    pub silences: Silences,
    /// The last used fix.
    pub end: Option<Timestamp>,
}

/// What a track shows at one zone, in order of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ZoneEvidence {
    /// Visits of its polygon.
    pub visits: Vec<Episode>,
    /// Where the track was farther inside its polygon than the buffer.
    pub enforced: Vec<Stretch>,
    /// When it came into the circle around its DZ.
    pub begin_enters: Vec<Touch>,
    /// When it left the circle around its DZ.
    pub begin_exits: Vec<Touch>,
    /// When it came into the circle around its FZ.
    pub end_enters: Vec<Touch>,
}

impl FenceState {
    /// Takes the next movement of the track; `near` is what [`Features::near`] found for it. Whether what is judged
    /// may have changed.
    pub fn advance(&mut self, features: &Features, near: &[FeatureId], movement: &Movement) -> bool {
        let mut changed = movement.weak || self.end.is_none();
        self.end = Some(movement.to.ts);
        self.silences.advance(movement, features.max_gap_us);
        for &id in near {
            let feature = &features.all[id as usize];
            let at = self.states.binary_search_by_key(&id, |(id, _)| *id).unwrap_or_else(|at| {
                self.states.insert(at, (id, feature.first_state(movement)));
                at
            });
            changed |= feature.advance(&mut self.states[at].1, movement);
        }
        changed |= self.speeds.advance(features, near, &self.states, movement);
        if movement.weak {
            self.doubt(features, movement);
        }
        changed
    }

    /// Notes which waypoints may have been visited in a gap. A track that is all gaps makes one long one.
    fn doubt(&mut self, features: &Features, movement: &Movement) {
        let gap = Gap { from: movement.from.ts, to: movement.to.ts };
        for id in features.within_reach(movement) {
            let gaps = self.doubts.entry(id).or_default();
            match gaps.last_mut() {
                Some(last) if last.to == gap.from => last.to = gap.to,
                _ => gaps.push(gap),
            }
        }
    }

    /// What the track shows if it ends here.
    pub fn evidence(&self, features: &Features) -> Evidence {
        let mut evidence = Evidence {
            end: self.end,
            speeds: self.speeds.speeds.clone(),
            silences: self.silences.clone(),
            ..Evidence::default()
        };
        for (id, state) in &self.states {
            let feature = &features.all[*id as usize];
            match (feature.role, state) {
                (Role::Geofence(id), state) => {
                    let mut events = match state {
                        FeatureState::Area(state) => area_events(state),
                        FeatureState::Gate(state) => gate_events(state),
                        FeatureState::Polygon(_) => continue,
                    };
                    events.retain(|event| feature.holds_at(event.first.ts));
                    if !events.is_empty() {
                        evidence.crossings.insert(id, events);
                    }
                }
                (Role::Waypoint(id), FeatureState::Area(state)) => {
                    // Whether the waypoint's row holds is judged at the start of the segment, not at the visit.
                    let visits: Vec<Visit> = state.episodes.iter().map(visit).collect();
                    if !visits.is_empty() {
                        evidence.visits.insert(id, visits);
                    }
                }
                (Role::ZonePolygon(zone), FeatureState::Polygon(state)) => {
                    let found = evidence.zones.entry(features.zones[zone as usize].row.id).or_default();
                    found.visits.clone_from(&state.visits.episodes);
                    found.enforced.clone_from(&state.enforced);
                }
                (Role::ZoneBegin(zone), FeatureState::Area(state)) => {
                    let found = evidence.zones.entry(features.zones[zone as usize].row.id).or_default();
                    found.begin_enters = enters(state).collect();
                    let left = state.episodes.iter().filter(|visit| visit.closed || visit.outside);
                    found.begin_exits = left.map(|visit| visit.last).collect();
                }
                (Role::ZoneEnd(zone), FeatureState::Area(state)) => {
                    let found = evidence.zones.entry(features.zones[zone as usize].row.id).or_default();
                    found.end_enters = enters(state).collect();
                }
                (Role::ParcFerme(id), FeatureState::Area(state)) => {
                    evidence.absences.insert(id, stays_out(state));
                }
                _ => debug_assert!(false, "a state belongs to the feature it was made for"),
            }
        }
        for (id, gaps) in &self.doubts {
            if let Role::Waypoint(id) = features.all[*id as usize].role {
                evidence.doubts.insert(id, gaps.clone());
            }
        }
        evidence
    }
}

fn enters(state: &AreaState) -> impl Iterator<Item = Touch> {
    state.episodes.iter().filter_map(|episode| episode.enter)
}

fn visit(episode: &Episode) -> Visit {
    let begin = episode.enter.as_ref().unwrap_or(&episode.last);
    Visit {
        from: episode.since.to_ms(),
        to: episode.last.ts,
        weak: !episode.strong,
        fixes: begin.fixes,
        trace: episode.enter.map(|enter| enter.trace()),
    }
}

fn stays_out(state: &AreaState) -> Vec<StayOut> {
    let episodes = state.episodes.iter().enumerate().filter(|(_, episode)| episode.closed);
    let out = episodes.map(|(n, episode)| StayOut {
        exit: episode.last,
        enter: state.episodes.get(n + 1).and_then(|next| next.enter),
    });
    out.collect()
}

fn area_events(state: &AreaState) -> Vec<FenceEvent> {
    let mut events = Vec::new();
    for episode in &state.episodes {
        let event = |direction, touch: Touch, undecided| FenceEvent {
            direction,
            first: touch,
            last: touch,
            undecided,
        };
        events.extend(episode.enter.map(|touch| event(Direction::Enter, touch, false)));
        if episode.closed || episode.outside {
            events.push(event(Direction::Exit, episode.last, !episode.closed));
        }
    }
    events
}

fn gate_events(state: &GateState) -> Vec<FenceEvent> {
    let one_way = |way: &Way, direction| -> Vec<FenceEvent> {
        let decided = way.passages.iter().map(|p| (p, false));
        let all = decided.chain(way.undecided().map(|p| (p, true)));
        all.map(|(p, undecided)| FenceEvent { direction, first: p.first, last: p.last, undecided }).collect()
    };
    let mut events = one_way(&state.cross, Direction::Cross);
    events.extend(one_way(&state.reverse, Direction::Reverse));
    events.sort_by_key(|event| event.first.ts);
    events
}
