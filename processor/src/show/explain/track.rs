//! A stored track again, fix by fix: what became of each of them.

use std::collections::BTreeMap;

use race::course::plan::{EntryPlan, EventPlan};
use race::position::{DeviceId, Position};
use race::time::Timestamp;
use race::track::Track;
use serde::{Serialize, Serializer};
use storage::{Positions, StoreError};

use crate::judging;

/// A position as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct StoredFix {
    pub(crate) ts: Timestamp,
    #[serde(serialize_with = "text")]
    pub(crate) device_id: DeviceId,
    /// Degrees WGS84.
    pub(crate) latitude: f64,
    /// Degrees WGS84.
    pub(crate) longitude: f64,
    /// km/h, as the device says; 0 when it does not.
    pub(crate) speed_kmh: f32,
    /// -1 when it was not recorded.
    pub(crate) satellites: i16,
    pub(crate) fate: Fate,
}

/// What became of a position that is not flagged as faulty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fate {
    /// Part of the line.
    Used,
    /// The receiver had no fix.
    NoFix,
    /// Outside the event's window and margin.
    OutsideEvent,
    /// Implausible against its neighbours.
    Spike,
}

impl Fate {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::NoFix => "no-fix",
            Self::OutsideEvent => "outside-event",
            Self::Spike => "spike",
        }
    }
}

/// All that is stored of a track and is not faulty.
#[derive(Debug)]
pub(crate) struct StoredTrack {
    pub(crate) fixes: Vec<StoredFix>,
    /// Instants of fixes to which the line from the fix before is weak evidence.
    pub(crate) after_gap: Vec<Timestamp>,
}

/// Reads a track as the judge does, and keeps what became of each fix.
pub(crate) async fn read(
    event: &EventPlan,
    entry: &EntryPlan,
    store: &impl Positions,
) -> Result<StoredTrack, StoreError> {
    let mut track = Track::new(event.track_rules);
    let (mut fixes, mut moved) = (Vec::new(), Vec::new());
    judging::each_position(entry, store, |position| {
        let before = track.counts();
        track.push(position, &mut moved);
        let after = track.counts();
        // What is neither is used or a spike, which may show only later.
        let fate = if after.no_fix > before.no_fix {
            Fate::NoFix
        } else if after.outside_event > before.outside_event {
            Fate::OutsideEvent
        } else {
            Fate::Spike
        };
        fixes.push(stored(position, fate));
    })
    .await?;
    track.finish(&mut moved);
    let used: BTreeMap<Timestamp, bool> =
        moved.iter().map(|movement| (movement.to.ts, movement.weak)).collect();
    for fix in &mut fixes {
        if used.contains_key(&fix.ts) {
            fix.fate = Fate::Used;
        }
    }
    let after_gap = used.into_iter().filter(|(_, weak)| *weak).map(|(ts, _)| ts).collect();
    Ok(StoredTrack { fixes, after_gap })
}

fn stored(position: &Position, fate: Fate) -> StoredFix {
    StoredFix {
        ts: position.ts,
        device_id: position.device_id.clone(),
        latitude: position.latitude,
        longitude: position.longitude,
        speed_kmh: position.speed,
        satellites: position.satellites,
        fate,
    }
}

impl StoredTrack {
    /// The fix of an instant.
    pub(crate) fn at(&self, ts: Timestamp) -> Option<&StoredFix> {
        self.fixes.binary_search_by_key(&ts, |fix| fix.ts).ok().map(|n| &self.fixes[n])
    }

    /// The used fixes, parted where the line between two of them is weak.
    pub(crate) fn runs(&self) -> Vec<Vec<&StoredFix>> {
        let mut runs: Vec<Vec<&StoredFix>> = Vec::new();
        for fix in self.fixes.iter().filter(|fix| fix.fate == Fate::Used) {
            match runs.last_mut() {
                Some(run) if self.after_gap.binary_search(&fix.ts).is_err() => run.push(fix),
                _ => runs.push(vec![fix]),
            }
        }
        runs
    }
}

fn text<S: Serializer>(device: &DeviceId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(device)
}
