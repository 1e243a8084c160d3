//! An entry's track, followed fix by fix, and what can be said of it at any moment.
//!
//! Live, replay and recompute all go through here, so that they cannot differ.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::course::feature::FeatureId;
use crate::course::plan::{EntryPlan, EventPlan};
use crate::fence::state::FenceState;
use crate::fence::touch::Movement;
use crate::judge::{self, EntryEvaluation};
use crate::position::Position;
use crate::track::Track;

/// The form in which a state is saved; another form cannot be read and is computed again.
pub const SAVED_VERSION: i32 = 2;

/// The state of one entry: its track and what the track did at the features it came near.
#[derive(Debug, Clone, PartialEq)]
pub struct Follower {
    /// The fixes, set aside or used.
    pub track: Track,
    /// The features.
    pub fences: FenceState,
}

/// Memory used again from fix to fix.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Movements that a fix made certain.
    pub moved: Vec<Movement>,
    /// Features that a movement may concern.
    pub near: Vec<FeatureId>,
}

#[derive(Serialize, Deserialize)]
struct Saved<T, F> {
    event: Uuid,
    entry: Uuid,
    track: T,
    fences: F,
}

impl Follower {
    /// An entry of which nothing is known.
    pub fn new(event: &EventPlan) -> Self {
        Self { track: Track::new(event.track_rules), fences: FenceState::default() }
    }

    /// Takes the next position, later than all before.
    pub fn push(&mut self, event: &EventPlan, position: &Position, scratch: &mut Scratch) {
        self.track.push(position, &mut scratch.moved);
        self.advance(event, scratch);
    }

    /// What is true if the track ends here.
    pub fn evaluation(&self, event: &EventPlan, entry: &EntryPlan, scratch: &mut Scratch) -> EntryEvaluation {
        if self.track.is_settled() {
            return judge::judge(event, entry, &self.fences.evidence(&event.features), self.track.counts());
        }
        let mut ended = Self { track: self.track.clone(), fences: self.fences.clone() };
        let counts =
            std::mem::replace(&mut ended.track, Track::new(event.track_rules)).finish(&mut scratch.moved);
        ended.advance(event, scratch);
        judge::judge(event, entry, &ended.fences.evidence(&event.features), counts)
    }

    /// Whether a movement may change what is judged only because the track goes on, wherever it goes: the track had not
    /// reached the close of a stage or an instant that a person set, or the end of the time in which a row of a zone holds, or says for how long a parc
    /// ferme has been left.
    pub fn end_matters(&self, event: &EventPlan, entry: &EntryPlan, movement: &Movement) -> bool {
        let before = movement.from.ts;
        event.stages.iter().any(|stage| stage.row.closed_at.is_some_and(|closed_at| before < closed_at))
            || entry.last_set_at.is_some_and(|set_at| before < set_at)
            || self.fences.may_become_absent(&event.features, before)
            || event.features.passes_zone_edge(movement)
    }

    fn advance(&mut self, event: &EventPlan, scratch: &mut Scratch) {
        for movement in scratch.moved.drain(..) {
            scratch.near.clear();
            event.features.near(&movement, &mut scratch.near);
            self.fences.advance(&event.features, &scratch.near, &movement);
        }
    }

    /// The state as bytes, with what it was made by.
    ///
    /// # Errors
    /// Never in practice: every part of it can be written.
    pub fn save(&self, event: &EventPlan, entry: &EntryPlan) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(&Saved {
            event: event.fingerprint,
            entry: devices(entry),
            track: &self.track,
            fences: &self.fences,
        })
    }

    /// The state that was saved; `None` when the bytes are of another form, or the course or the entry's devices
    /// changed since.
    pub fn restore(event: &EventPlan, entry: &EntryPlan, saved: &[u8]) -> Option<Self> {
        let saved: Saved<Track, FenceState> = postcard::from_bytes(saved).ok()?;
        let fits = saved.event == event.fingerprint && saved.entry == devices(entry);
        fits.then_some(Self { track: saved.track, fences: saved.fences })
    }
}

/// Names which device times the entry when.
fn devices(entry: &EntryPlan) -> Uuid {
    let spans = entry.spans.iter().map(|span| (&*span.device, span.from, span.to));
    let text = serde_json::json!(spans.collect::<Vec<_>>()).to_string();
    Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes())
}
