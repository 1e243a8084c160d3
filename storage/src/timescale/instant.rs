//! Instants as PostgreSQL counts them: microseconds since 2000-01-01T00:00:00Z.

use std::error::Error;

use bytes::{BufMut as _, BytesMut};
use postgres_types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};
use race::time::Timestamp;

/// 2000-01-01T00:00:00Z in microseconds since 1970.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// The first that a `timestamptz` can hold, 4714-11-24 BC, counted from 2000; what is before is no date but
/// `-infinity`. At the other end it can hold more than a [`Timestamp`].
const FIRST: i64 = -211_813_488_000_000_000;
const LAST: i64 = i64::MAX - EPOCH_MICROS;

/// The instant as `timestamptz` counts; `None` when a `timestamptz` cannot hold it.
pub(super) fn exact(ts: Timestamp) -> Option<i64> {
    ts.micros().checked_sub(EPOCH_MICROS).filter(|micros| *micros >= FIRST)
}

/// An instant as a bound of an interval: the nearest that a `timestamptz` can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bound(i64);

impl Bound {
    pub(super) fn of(ts: Timestamp) -> Self {
        Self(ts.micros().saturating_sub(EPOCH_MICROS).clamp(FIRST, LAST))
    }

    /// The last instant before `to`; the last of all without one.
    pub(super) fn before(to: Option<Timestamp>) -> Self {
        to.map_or(Self(LAST), |to| Self::of(Timestamp::from_micros(to.micros().saturating_sub(1))))
    }
}

impl ToSql for Bound {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i64(self.0);
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

/// A stored instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stored(pub(super) Timestamp);

impl<'a> FromSql<'a> for Stored {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(Timestamp::from_micros(micros.saturating_add(EPOCH_MICROS))))
    }

    accepts!(TIMESTAMPTZ);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_those_of_the_server() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(exact(at("2000-01-01T00:00:00Z")), Some(0));
        assert_eq!(exact(at("1999-12-31T23:59:59.999999Z")), Some(-1));
        assert_eq!(exact(Timestamp::from_micros(i64::MIN)), None);
        assert_eq!(exact(Timestamp::from_micros(i64::MAX)), Some(LAST));
        assert_eq!(Bound::of(Timestamp::from_micros(i64::MIN)), Bound(FIRST));
        assert_eq!(Bound::before(None), Bound(LAST));
        assert_eq!(Bound::before(Some(at("2000-01-01T00:00:00Z"))), Bound(-1));
    }
}
