//! A lane owns its devices, and with them whole entries: no state is shared and per-device order is free. The
//! stages on it run to completion over a batch.

pub mod geofence;
pub mod locate;
pub mod penalty;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use race::course::Course;
use race::position::DeviceId;

use self::geofence::Geofence;
use self::locate::Locate;
use self::penalty::Penalty;
use crate::batch::{EntryKey, EvaluatedBatch, Rows};

/// What a lane saw that is no row and no refusal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaneReport {
    /// Positions by device, of devices that no entry has.
    pub unknown_devices: BTreeMap<DeviceId, u64>,
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
        self.not_timing += other.not_timing;
        self.late += other.late;
        self.repeated += other.repeated;
        self.touched.extend(other.touched);
    }
}

/// The three stages of a lane, in order.
#[derive(Debug)]
pub struct Lane {
    locate: Locate,
    geofence: Geofence,
    penalty: Penalty,
}

impl Lane {
    /// A lane without any state. `dirty` entries are not followed: the judge evaluates them from storage.
    pub fn new(course: &Arc<Course>, dirty: &[EntryKey]) -> Self {
        Self {
            locate: Locate::new(Arc::clone(course), dirty),
            geofence: Geofence::new(Arc::clone(course)),
            penalty: Penalty::new(Arc::clone(course)),
        }
    }

    /// Takes the next rows of the lane's devices.
    pub fn run(&mut self, rows: Rows) -> EvaluatedBatch {
        self.penalty.run(self.geofence.run(self.locate.run(rows)))
    }

    /// The end of the input: every track ends with its last fix.
    pub fn finish(mut self) -> (EvaluatedBatch, LaneReport) {
        let (located, report) = self.locate.finish();
        (self.penalty.run(self.geofence.run(located)), report)
    }
}
