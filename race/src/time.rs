//! Instants: integer microseconds since the Unix epoch, UTC.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::num::div_round;

/// An instant in integer microseconds UTC.
///
/// Range: what RFC 3339 can write, years -9999 to 9999. Results are published rounded to the millisecond, see
/// [`Timestamp::to_ms`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Why a text is no timestamp; the text is repeated so that the message stands alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an ISO 8601 instant with an offset, such as 2026-06-07T08:15:30.000Z")]
pub struct ParseTimestampError {
    text: String,
}

impl Timestamp {
    /// From microseconds since 1970-01-01T00:00:00Z.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since 1970-01-01T00:00:00Z; saturates at the ends of the range.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The instant as published: rounded to the millisecond, half away from zero.
    pub fn to_ms(self) -> Self {
        Self(div_round(i128::from(self.0), 1_000) * 1_000)
    }

    /// Milliseconds from `earlier` to this instant; exact when both are published instants.
    pub fn millis_since(self, earlier: Self) -> i64 {
        div_round(i128::from(self.0) - i128::from(earlier.0), 1_000)
    }

    /// This instant moved by `millis`; saturates at the ends of the range.
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis.saturating_mul(1_000)))
    }

    /// Cut to a multiple of `unit_ms` since the epoch, towards the past: how a timekeeper truncates.
    pub const fn truncated(self, unit_ms: i64) -> Self {
        let unit = unit_ms * 1_000;
        Self(self.0.div_euclid(unit) * unit)
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    /// ISO 8601 with an offset; digits beyond the microsecond are rounded half away from zero.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed: jiff::Timestamp =
            text.trim().parse().map_err(|_| ParseTimestampError { text: text.chars().take(64).collect() })?;
        Ok(Self(div_round(parsed.as_nanosecond(), 1_000)))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with three decimals, or six where the instant is no whole millisecond.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(ts) = jiff::Timestamp::from_microsecond(self.0) else {
            return write!(f, "{}us", self.0);
        };
        if self.0 % 1_000 == 0 { write!(f, "{ts:.3}") } else { write!(f, "{ts:.6}") }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self);
        }
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_offsets_and_fractions_and_prints_utc() {
        let ts: Timestamp = "2026-06-07T10:15:30.1234567+02:00".parse().unwrap();
        assert_eq!(ts.to_string(), "2026-06-07T08:15:30.123457Z");
        assert_eq!(ts.to_ms().to_string(), "2026-06-07T08:15:30.123Z");
        assert!("2026-06-07 10:15".parse::<Timestamp>().is_err());
    }

    #[test]
    fn rounds_half_away_from_zero_and_truncates_to_the_past() {
        assert_eq!(Timestamp::from_micros(1_500).to_ms().micros(), 2_000);
        assert_eq!(Timestamp::from_micros(-1_500).to_ms().micros(), -2_000);
        assert_eq!(Timestamp::from_micros(-1).truncated(60_000).micros(), -60_000_000);
    }
}
