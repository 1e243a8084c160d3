//! What really happened, as it is written beside the tracks.

pub mod crossings;
pub mod expected;
pub mod segments;
pub mod zones;

use race::record::Direction;
use race::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The version of the document, raised when a field changes its meaning.
pub const FORMAT: &str = "loadgen-truth/1";

/// Everything that a simulated race day is known to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// [`FORMAT`].
    pub format: String,
    /// What it was made from.
    pub seed: u64,
    /// See [`crate::profile::Profile`].
    pub profile: String,
    /// Milliseconds between two samples of a tracker.
    pub period_ms: i64,
    /// The largest error of a position, in metres.
    pub noise_bound_m: f64,
    /// How many fixes are sent, those sent twice counted twice.
    pub sent: u64,
    /// In the order of their starts.
    pub entries: Vec<EntryTruth>,
    /// Every tracker, those of no entry as well.
    pub devices: Vec<DeviceTruth>,
}

/// What one entry did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EntryTruth {
    /// Whose.
    pub entry_id: Uuid,
    /// Its race number.
    pub race_number: i64,
    /// When it set off.
    pub launched_at: Timestamp,
    /// Every special stage has its finish.
    pub finishes: bool,
    /// It gave up on the way.
    pub retired: bool,
    /// At every geofence, in order of time.
    pub crossings: Vec<CrossingTruth>,
    /// All of the course, in order.
    pub segments: Vec<SegmentTruth>,
    /// Every time that it was too fast.
    pub episodes: Vec<EpisodeTruth>,
    /// What the course's formulas make of it.
    pub penalties: Vec<PenaltyTruth>,
}

/// Something at a geofence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossingTruth {
    /// Where.
    pub geofence_id: Uuid,
    /// `enter`, `exit` or `cross`.
    pub direction: String,
    /// When, to the microsecond.
    pub at: Timestamp,
    /// How fast the boundary was approached, in m/s at a right angle to it.
    pub normal_mps: f64,
    /// How far the road is from the straight line between two fixes about it, in metres, at most.
    pub slack_m: f64,
}

/// What an entry did in a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentTruth {
    /// Which.
    pub segment_id: Uuid,
    /// When it began; none for who did not come so far.
    pub started_at: Option<Timestamp>,
    /// When it ended; none for who did not come so far.
    pub finished_at: Option<Timestamp>,
    /// Numbers of the waypoints that were passed.
    pub validated: Vec<i64>,
    /// Numbers of those that were not.
    pub missed: Vec<i64>,
    /// Numbers of those, of either, that were passed so close to their tolerance that noise decides.
    pub unclear: Vec<i64>,
}

/// A time of being too fast in a zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpisodeTruth {
    /// In which segment.
    pub segment_id: Uuid,
    /// In which zone.
    pub zone_id: Uuid,
    /// From when, to the microsecond.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// km/h over the limit at most.
    pub peak_over_kmh: f64,
    /// Long and fast enough to be seen whatever the noise; what is not may be seen or not.
    pub certain: bool,
}

/// A penalty that is due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PenaltyTruth {
    /// The evaluator.
    #[serde(rename = "type")]
    pub evaluator: String,
    /// In which segment.
    pub segment_id: Uuid,
    /// For which zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<Uuid>,
    /// Milliseconds, where they do not hang on what is measured with noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_ms: Option<i64>,
}

/// What one tracker recorded: the key of every position is the tracker and the instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceTruth {
    /// Its name.
    pub device_id: String,
    /// Whose it is; none for one that drives about.
    pub entry_id: Option<Uuid>,
    /// The first instant, in epoch milliseconds.
    pub first_ms: i64,
    /// From each instant to the next, in milliseconds.
    pub steps_ms: Vec<i64>,
}

impl DeviceTruth {
    /// Every instant, in order.
    pub fn instants(&self) -> impl Iterator<Item = Timestamp> {
        let steps = self.steps_ms.iter().scan(self.first_ms, |at_ms, step| {
            *at_ms += step;
            Some(*at_ms)
        });
        [self.first_ms].into_iter().chain(steps).map(Timestamp::from_millis)
    }
}

/// The words of a direction.
pub fn word(direction: Direction) -> String {
    direction.as_str().to_owned()
}
