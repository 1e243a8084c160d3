//! The states of a lane's entries: held while they are in use, given up when there are too many, asked for when a fix
//! comes for one that is not here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use race::course::Course;
use race::follow::Follower;
use race::position::{DeviceId, Position};
use race::time::Timestamp;

use super::Bounds;
use super::slots::{At, Slots};
use crate::batch::{EntryKey, LaneCounts};

/// Where the state of an entry comes from.
#[derive(Debug, Clone)]
pub enum Follow {
    /// Nothing is judged: positions only go by.
    Nothing,
    /// From the input alone: a replay. Entries that have stored positions already are not followed.
    Alone {
        /// Those entries.
        stored: Vec<EntryKey>,
    },
    /// From storage, through whoever reads it behind the writer.
    Backed {
        /// States held on all lanes together.
        max_states: usize,
    },
}

/// The state of one entry, or the wait for it.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// `None`: it is to come from storage, or, in a replay, somebody else judges the entry.
    pub(super) follower: Option<Box<Follower>>,
    /// Which state from storage this builds on.
    pub(super) generation: u32,
    /// Fixes of batches that were not known to be committed when the slot was last used. A state from storage may
    /// lack them.
    recent: VecDeque<Kept>,
    /// The batch at which more fixes had come than are kept: a state from storage must have seen it.
    overflowed_at: u64,
    last_used: u64,
    /// The latest position that came while there was no state.
    latest: Option<Timestamp>,
    /// Something happened since the last evaluation that may change it.
    pub(super) changed: bool,
    /// Fixes since the state was last saved.
    pub(super) unsaved: u32,
    /// It stands in [`States::due`].
    pub(super) is_due: bool,
}

/// A fix that a state from storage may lack: what a rule reads of it, so that many are kept in little.
#[derive(Debug, Clone, Copy)]
struct Kept {
    /// Its batch.
    seq: u64,
    ts: Timestamp,
    latitude: f64,
    longitude: f64,
    speed: f32,
    satellites: i16,
}

/// What the judge tells a lane.
#[derive(Debug)]
pub enum News {
    /// The state of an entry by all that was stored.
    State(FromStorage),
    /// The past of this entry changed: its state is to be asked for anew.
    Stale(EntryKey),
}

impl News {
    /// The entry that it is of.
    pub fn entry(&self) -> EntryKey {
        match self {
            Self::State(state) => state.entry,
            Self::Stale(entry) => *entry,
        }
    }
}

/// The state of an entry by all that was stored.
#[derive(Debug)]
pub struct FromStorage {
    /// Whose.
    pub entry: EntryKey,
    /// The state.
    pub follower: Box<Follower>,
    /// The batches of the lane that were committed before the read began, all of which it has seen.
    pub included: u64,
    /// Its number.
    pub generation: u32,
    /// Fixes it has seen beyond the state that is saved.
    pub unsaved: u32,
    /// The last instants that were stored, in order: a fix that repeats one of them is not lacking.
    pub seen: Vec<Timestamp>,
}

/// The entries of a lane.
#[derive(Debug)]
pub(super) struct States {
    pub(super) course: Arc<Course>,
    pub(super) slots: Slots,
    /// Whether storage stands behind.
    pub(super) backed: bool,
    max: usize,
    pub(super) bounds: Bounds,
    /// The number of the batch at hand.
    pub(super) seq: u64,
    /// The last batch of this lane that is committed.
    committed: Arc<AtomicU64>,
    pub(super) wanted: Vec<EntryKey>,
    /// Entries to be evaluated or saved, and some that are not any more: nobody looks through all of them for it.
    pub(super) due: Vec<EntryKey>,
    pub(super) counts: LaneCounts,
}

impl States {
    pub(super) fn new(
        course: Arc<Course>,
        follow: &Follow,
        lanes: usize,
        committed: Arc<AtomicU64>,
        bounds: Bounds,
    ) -> Self {
        let mut slots = Slots::new(&course);
        let (backed, max) = match follow {
            Follow::Backed { max_states } => (true, (max_states / lanes.max(1)).max(1)),
            Follow::Alone { stored } => {
                for &entry in stored {
                    slots.insert(entry, Slot::default());
                }
                (false, usize::MAX)
            }
            Follow::Nothing => (false, 0),
        };
        let (wanted, due, counts) = Default::default();
        Self { course, slots, backed, max, bounds, seq: 1, committed, wanted, due, counts }
    }

    /// Where the slot of an entry is, asked for or begun when there is none; it is in use now. `committed` is what
    /// [`States::committed`] gave for this batch.
    pub(super) fn slot(&mut self, entry: EntryKey, committed: u64) -> At {
        let at = self.slots.find(entry).unwrap_or_else(|| {
            let mut slot = Slot::default();
            if self.backed {
                self.wanted.push(entry);
            } else {
                slot.follower = Some(Box::new(Follower::new(&self.course.events[entry.0])));
            }
            self.slots.insert(entry, slot)
        });
        if let Some(slot) = self.slots.at(at) {
            slot.last_used = self.seq;
            // Whoever waits keeps all: the state may come from before any of the commits.
            if slot.follower.is_some() {
                slot.forget(committed);
            }
        }
        at
    }

    /// How far the lane's batches are committed by now.
    pub(super) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// The past of an entry changed: its state is asked for anew. Also when it was given up meanwhile, for what was
    /// said of it last was out of date.
    pub(super) fn stale(&mut self, entry: EntryKey) {
        let at = self.slots.find(entry).unwrap_or_else(|| {
            self.wanted.push(entry);
            self.slots.insert(entry, Slot { last_used: self.seq, ..Slot::default() })
        });
        let Some(slot) = self.slots.at(at) else { return };
        if let Some(follower) = slot.follower.take() {
            slot.latest = follower.track.latest();
            self.wanted.push(entry);
        }
        slot.changed = false;
    }

    /// Asks once more for every state that was not heard: nobody will take it, but what came since the last read is
    /// judged.
    pub(super) fn want_all_waiting(&mut self) {
        let waiting = self.slots.iter().filter(|(_, slot)| slot.follower.is_none());
        self.wanted.extend(waiting.map(|(entry, _)| entry));
        self.wanted.sort_unstable();
        self.wanted.dedup();
    }

    /// Takes a state from storage. Returns the fixes that it lacks; it is not taken, and asked for again, when it
    /// cannot be told whether it lacks one that is older than others.
    pub(super) fn resume(&mut self, state: FromStorage) -> Vec<Position> {
        let FromStorage { entry, follower, included, generation, unsaved, seen } = state;
        let Some(slot) = self.slots.get_mut(entry).filter(|slot| slot.follower.is_none()) else {
            return Vec::new();
        };
        slot.forget(included);
        let Some(lacking) = slot.lacking(follower.track.latest(), &seen) else {
            self.wanted.push(entry);
            return Vec::new();
        };
        if slot.overflowed_at > included {
            self.wanted.push(entry);
            return Vec::new();
        }
        slot.follower = Some(follower);
        slot.generation = generation;
        slot.unsaved = unsaved;
        // No rule asks by which of an entry's devices a fix was taken.
        let device: DeviceId = "".into();
        lacking.into_iter().map(|fix| fix.position(&device)).collect()
    }

    /// Whether there are more states than there is room for, and one that can be given up.
    pub(super) fn has_excess(&self) -> bool {
        let committed = self.committed();
        self.slots.len() > self.max && self.slots.iter().any(|(_, slot)| slot.can_go(committed))
    }

    /// Gives up the states used least lately, if there are more than there is room for.
    pub(super) fn evict(&mut self) -> Vec<(EntryKey, Slot)> {
        if self.slots.len() <= self.max {
            return Vec::new();
        }
        let committed = self.committed();
        let mut idle: Vec<(u64, EntryKey)> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.can_go(committed))
            .map(|(entry, slot)| (slot.last_used, entry))
            .collect();
        // A few more than must go, so that not every batch looks through all of them.
        let excess = (self.slots.len() - self.max + self.max / 8).min(idle.len());
        idle.sort_unstable();
        idle.truncate(excess);
        self.counts.evicted += excess as u64;
        idle.into_iter().filter_map(|(_, entry)| Some((entry, self.slots.remove(entry)?))).collect()
    }

    /// What was counted since it was asked last.
    pub(super) fn take_counts(&mut self) -> LaneCounts {
        self.counts.states = self.slots.len() as u64;
        std::mem::take(&mut self.counts)
    }
}

impl Kept {
    fn position(self, device: &DeviceId) -> Position {
        Position {
            device_id: Arc::clone(device),
            ts: self.ts,
            latitude: self.latitude,
            longitude: self.longitude,
            altitude: 0.0,
            angle: 0.0,
            speed: self.speed,
            satellites: self.satellites,
            priority: 0,
            codec: "",
            attributes: None,
        }
    }
}

impl Slot {
    /// Keeps a fix until its batch is committed.
    pub(super) fn remember(&mut self, seq: u64, position: &Position, waiting_fixes: usize) {
        if self.recent.len() >= waiting_fixes {
            self.recent.clear();
            self.overflowed_at = seq;
        }
        let Position { ts, latitude, longitude, speed, satellites, .. } = *position;
        self.recent.push_back(Kept { seq, ts, latitude, longitude, speed, satellites });
    }

    fn forget(&mut self, committed: u64) {
        while self.recent.front().is_some_and(|kept| kept.seq <= committed) {
            self.recent.pop_front();
        }
    }

    /// The fixes that a state from storage lacks, in order; `None` when one of them is older than what it has seen.
    fn lacking(&self, latest: Option<Timestamp>, seen: &[Timestamp]) -> Option<Vec<Kept>> {
        let mut lacking: Vec<Kept> = Vec::with_capacity(self.recent.len());
        for fix in &self.recent {
            let last = lacking.last().map_or(latest, |last| Some(last.ts));
            if last < Some(fix.ts) {
                lacking.push(*fix);
                continue;
            }
            let repeats = seen.binary_search(&fix.ts).is_ok()
                || lacking.binary_search_by_key(&fix.ts, |before| before.ts).is_ok();
            if !repeats {
                return None;
            }
        }
        Some(lacking)
    }

    /// A state whose rows are not committed could not be had from storage.
    fn can_go(&self, committed: u64) -> bool {
        self.follower.is_some() && self.is_committed(committed)
    }

    fn is_committed(&self, committed: u64) -> bool {
        self.recent.back().is_none_or(|kept| kept.seq <= committed)
    }

    /// The latest position that was seen of the entry.
    pub(super) fn latest(&self) -> Option<Timestamp> {
        self.follower.as_ref().map_or(self.latest, |follower| follower.track.latest())
    }

    /// Sees a position while there is no state.
    pub(super) fn wait(&mut self, ts: Timestamp) {
        self.latest = self.latest.max(Some(ts));
    }
}
