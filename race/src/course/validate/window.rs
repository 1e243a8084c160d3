//! When a row holds: `valid_from` included, `valid_to` not.

use crate::course::tables::{EntryDevice, Geofence, PenaltyFormula, SpeedLimitZone, Waypoint};
use crate::time::Timestamp;

/// The race time in which a row holds; null is always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Window {
    /// The first instant.
    pub(crate) from: Timestamp,
    /// The first instant after.
    pub(crate) to: Timestamp,
}

impl Window {
    /// A window from the two columns.
    pub(crate) fn new(from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        Self {
            from: from.unwrap_or(Timestamp::from_micros(i64::MIN)),
            to: to.unwrap_or(Timestamp::from_micros(i64::MAX)),
        }
    }

    /// Whether some instant is in both.
    pub(crate) fn meets(self, other: Self) -> bool {
        self.from.max(other.from) < self.to.min(other.to)
    }
}

/// A row with `valid_from` and `valid_to`.
pub(crate) trait Windowed {
    /// When the row holds.
    fn window(&self) -> Window;
}

macro_rules! windowed {
    ($($row:ty),*) => {$(
        impl Windowed for $row {
            fn window(&self) -> Window {
                Window::new(self.valid_from, self.valid_to)
            }
        }
    )*};
}

windowed!(EntryDevice, Geofence, PenaltyFormula, SpeedLimitZone, Waypoint);
