//! What comes in: fixes as the live channel needs them, and changes of race records.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

/// The id of an entry of the broker's stream: the same on every instance, so that it can serve clients as a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq {
    /// Milliseconds of the broker's clock since 1970.
    pub ms: u64,
    /// Among entries of the same millisecond.
    pub n: u64,
}

impl Seq {
    /// Before every entry.
    pub const ZERO: Self = Self { ms: 0, n: 0 };
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.n)
    }
}

/// Not `milliseconds-number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an id of a stream entry: two numbers with a hyphen between them are")]
pub struct NoSeq;

impl FromStr for Seq {
    type Err = NoSeq;

    fn from_str(text: &str) -> Result<Self, NoSeq> {
        let (ms, n) = text.split_once('-').ok_or(NoSeq)?;
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            if plain { digits.parse().map_err(|_| NoSeq) } else { Err(NoSeq) }
        };
        Ok(Self { ms: number(ms)?, n: number(n)? })
    }
}

/// One position, as much of it as people are shown.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveFix {
    /// The entry it came in; [`Seq::ZERO`] for one that was read from storage.
    pub seq: Seq,
    /// The device, as the telemetry names it.
    pub device: Arc<str>,
    /// Degrees WGS84, -90 to 90.
    pub lat: f64,
    /// Degrees WGS84, -180 to 180.
    pub lon: f64,
    /// When the receiver took the fix: milliseconds since 1970.
    pub ts_ms: i64,
    /// km/h; 0 when unknown.
    pub speed_kmh: f32,
    /// Heading in degrees, 0 to 360; 0 when unknown.
    pub course_deg: f32,
    /// Somebody pressed the button: never skipped, never conflated.
    pub panic: bool,
}

/// A feed of its own: what is live now, or what was so long ago as one of the audience delays says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct DelayMs(pub u64);

impl DelayMs {
    /// What is live now.
    pub const NONE: Self = Self(0);
    /// Of whom it is not known yet how much later they see an event: of a feed that shows nothing.
    pub(crate) const UNKNOWN: Self = Self(u64::MAX);
}

/// What the feeder read since the batch before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FixBatch {
    /// The feed.
    pub delay: DelayMs,
    /// In the order of their entries.
    pub fixes: Vec<LiveFix>,
    /// Entries that were left out, somewhere between these two and both included: a client that resumes across them is
    /// told to begin anew.
    pub hole: Option<(Seq, Seq)>,
    /// Up to which entry the feed has been read, whatever became of the entries.
    pub read_to: Seq,
}

/// A change of a race record: an entry of the stream of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaceChange {
    /// The entry of the stream of changes.
    pub seq: Seq,
    /// Whose event.
    pub event: Uuid,
    /// One JSON object.
    pub json: Box<str>,
}

/// Somebody's rights may have changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthzChange {
    /// Of this user, as Directus names them; `None`: of every user.
    pub user: Option<Box<str>>,
    /// For this event; `None`: for every event.
    pub event: Option<Uuid>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_and_nothing_else_is_one() {
        let id = Seq { ms: 1_780_820_130_000, n: 18_446_744_073_709_551_615 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "-", "1", "1-", "-1", "+1-1", "1-+1", "1-1-1", " 1-1", "18446744073709551616-0"] {
            assert_eq!(text.parse::<Seq>(), Err(NoSeq), "{text:?}");
        }
    }
}
