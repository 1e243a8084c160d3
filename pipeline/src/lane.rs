//! A lane owns its devices, and with them whole entries: no state is shared and per-device order is free. The
//! stages on it run to completion over a batch.

mod geofence;
mod locate;
mod penalty;
mod slots;
mod states;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use race::course::Course;
use race::position::DeviceId;

use self::locate::Locate;
use self::penalty::Penalty;
use self::states::States;
use crate::batch::{EntryKey, EvaluatedBatch, FencedBatch, LanePart, Rows, Snapshot};
use crate::limits::{EVALUATE_EVERY_MS, SAVE_AFTER_FIXES, SAVE_EVICTED_AFTER_FIXES, WAITING_FIXES};

pub use self::states::{Follow, FromStorage, News};

/// What a lane saw of a replay that is no row and no refusal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaneReport {
    /// Positions by device, of devices that no entry has.
    pub unknown_devices: BTreeMap<DeviceId, u64>,
    /// Positions of further such devices.
    pub unknown_unnamed: u64,
    /// Positions of a device of the course at an instant at which it times nobody.
    pub not_timing: u64,
    /// Positions older than one before them.
    pub late: u64,
    /// Positions for an instant that was just seen.
    pub repeated: u64,
    /// Entries whose tracks got a position.
    pub touched: BTreeSet<EntryKey>,
}

impl LaneReport {
    /// Adds what another lane saw.
    pub fn join(&mut self, other: Self) {
        for (device, count) in other.unknown_devices {
            *self.unknown_devices.entry(device).or_default() += count;
        }
        self.unknown_unnamed += other.unknown_unnamed;
        self.not_timing += other.not_timing;
        self.late += other.late;
        self.repeated += other.repeated;
        self.touched.extend(other.touched);
    }
}

/// When a lane speaks, and how much it keeps; by default as the limits say.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// See [`EVALUATE_EVERY_MS`].
    pub evaluate_every: Duration,
    /// See [`WAITING_FIXES`].
    pub waiting_fixes: usize,
    /// See [`SAVE_AFTER_FIXES`].
    pub save_after_fixes: u32,
    /// See [`SAVE_EVICTED_AFTER_FIXES`].
    pub save_evicted_after_fixes: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            evaluate_every: Duration::from_millis(EVALUATE_EVERY_MS),
            waiting_fixes: WAITING_FIXES,
            save_after_fixes: SAVE_AFTER_FIXES,
            save_evicted_after_fixes: SAVE_EVICTED_AFTER_FIXES,
        }
    }
}

/// The stages of a lane, in order, and the states they work on.
#[derive(Debug)]
pub struct Lane {
    number: usize,
    /// `None`: positions only go by.
    states: Option<States>,
    locate: Locate,
    penalty: Penalty,
    /// The number of the next batch.
    seq: u64,
    evaluated: Instant,
    bounds: Bounds,
}

impl Lane {
    /// Lane `number` of `lanes`, without any state. `committed` tells how far its batches are committed.
    pub fn new(
        number: usize,
        lanes: usize,
        course: &Arc<Course>,
        follow: &Follow,
        committed: Arc<AtomicU64>,
    ) -> Self {
        Self::bounded(number, lanes, course, follow, committed, Bounds::default())
    }

    /// The same with other bounds.
    pub fn bounded(
        number: usize,
        lanes: usize,
        course: &Arc<Course>,
        follow: &Follow,
        committed: Arc<AtomicU64>,
        bounds: Bounds,
    ) -> Self {
        let states = match follow {
            Follow::Nothing => None,
            _ => Some(States::new(Arc::clone(course), follow, lanes, committed, bounds)),
        };
        let (locate, penalty) = (Locate::default(), Penalty::default());
        Self { number, states, locate, penalty, seq: 1, evaluated: Instant::now(), bounds }
    }

    /// From now on entries are evaluated as often as this.
    pub fn set_evaluate_every(&mut self, every: Duration) {
        self.bounds.evaluate_every = every;
    }

    /// Takes the next rows of the lane's devices; none at all when only time has passed or news came.
    pub fn run(&mut self, rows: Rows) -> EvaluatedBatch {
        let Some(states) = &mut self.states else {
            return self.batch(FencedBatch { rows }, Vec::new());
        };
        let located = self.locate.run(states, rows);
        let fenced = geofence::run(states, located);
        let mut snapshots = Vec::new();
        if states.backed {
            let evicted = states.evict();
            snapshots = self.penalty.evicted(&states.course, evicted, self.bounds.save_evicted_after_fixes);
            if self.evaluated.elapsed() >= self.bounds.evaluate_every {
                self.evaluated = Instant::now();
                snapshots.extend(self.penalty.changed(states, self.bounds.save_after_fixes));
            }
        }
        self.batch(fenced, snapshots)
    }

    /// Takes what the judge says. Something may be to be said after it.
    pub fn hear(&mut self, news: News) {
        let Some(states) = &mut self.states else { return };
        match news {
            News::Stale(entry) => states.stale(entry),
            News::State(state) => {
                let entry = state.entry;
                let lacking = states.resume(state);
                let located = self.locate.resumed(states, entry, &lacking);
                geofence::run(states, located);
            }
        }
    }

    /// Whether entries wait to be asked for, for their evaluation, or to be given up, without another fix.
    pub fn is_due(&self) -> bool {
        self.states.as_ref().is_some_and(|states| {
            !states.wanted.is_empty()
                || (states.backed
                    && self.evaluated.elapsed() >= self.bounds.evaluate_every
                    && (!states.due.is_empty() || states.has_excess()))
        })
    }

    /// The end of the input: every track ends with its last fix.
    pub fn finish(mut self) -> (EvaluatedBatch, LaneReport) {
        let snapshots = match &mut self.states {
            Some(states) => {
                if states.backed {
                    states.want_all_waiting();
                }
                self.penalty.ended(states)
            }
            None => Vec::new(),
        };
        let last = self.batch(FencedBatch::default(), snapshots);
        (last, self.locate.into_report())
    }

    fn batch(&mut self, fenced: FencedBatch, snapshots: Vec<Snapshot>) -> EvaluatedBatch {
        let seq = self.seq;
        self.seq += 1;
        let mut part = LanePart { lane: self.number, seq, snapshots, ..LanePart::default() };
        if let Some(states) = &mut self.states {
            states.seq = self.seq;
            part.wanted = std::mem::take(&mut states.wanted);
            part.counts = states.take_counts();
        }
        EvaluatedBatch { rows: fenced.rows, parts: vec![part] }
    }
}
