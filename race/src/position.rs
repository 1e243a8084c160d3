//! One reported position, as it is stored.

use std::sync::Arc;

use crate::time::Timestamp;

/// The tracker's own name: an IMEI in production, 1 to 64 characters. Cheap to clone.
pub type DeviceId = Arc<str>;

/// How many satellites a source that does not say so is recorded with; 0 would mean "no fix".
pub const SATELLITES_UNKNOWN: i16 = -1;

/// One row of `positions`, without the columns that the store fills in (`ingested_at`, `faulty`).
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    /// The device that sent it.
    pub device_id: DeviceId,
    /// When the receiver took the fix. With `device_id` the idempotency key.
    pub ts: Timestamp,
    /// Degrees WGS84, -90 to 90.
    pub latitude: f64,
    /// Degrees WGS84, -180 to 180.
    pub longitude: f64,
    /// Metres above sea level; 0 when the source does not say.
    pub altitude: f32,
    /// Heading in degrees, 0 to 360; 0 when the source does not say.
    pub angle: f32,
    /// Device speed in km/h, rounded to 0.1; 0 when the source does not say.
    pub speed: f32,
    /// Satellites in view; 0 is "no fix", [`SATELLITES_UNKNOWN`] is "not recorded".
    pub satellites: i16,
    /// 0 low, 1 high, 2 panic.
    pub priority: i16,
    /// The wire format it came in: `8`, `8E`, `16`, or `csv`, `gpx`, `ndjson` for a file.
    pub codec: &'static str,
    /// Attributes as JSON text; `None` stands for `{}`.
    pub attributes: Option<Box<str>>,
}

impl Position {
    /// Whether the receiver had no fix: stored, never used for race rules.
    pub fn is_no_fix(&self) -> bool {
        self.satellites == 0 || (self.latitude == 0.0 && self.longitude == 0.0)
    }

    /// Whether another row for the same device and instant says the same; the codec is how it travelled, not
    /// what it says.
    pub fn same_evidence(&self, other: &Self) -> bool {
        self.latitude.to_bits() == other.latitude.to_bits()
            && self.longitude.to_bits() == other.longitude.to_bits()
            && self.altitude.to_bits() == other.altitude.to_bits()
            && self.angle.to_bits() == other.angle.to_bits()
            && self.speed.to_bits() == other.speed.to_bits()
            && self.satellites == other.satellites
            && self.priority == other.priority
            && self.attributes.as_deref().unwrap_or("{}") == other.attributes.as_deref().unwrap_or("{}")
    }

    /// Bytes this row keeps in memory, for the budget of what is in flight.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.attributes.as_ref().map_or(0, |a| a.len())
    }
}
