//! When a field starts, and what it loads the broker with.

use std::str::FromStr;

/// The shape of a race day's load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Every tracker sends from the beginning to the end; vehicles start at the course's interval.
    Steady,
    /// Trackers are switched on one after another, each a little before its vehicle starts.
    Ramp,
    /// All trackers are switched on within a minute and all vehicles start within a few.
    StartHour,
    /// As steady, but nobody has a signal for an hour, and then everybody at once.
    Backlog,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Steady, Self::Ramp, Self::StartHour, Self::Backlog];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Ramp => "ramp",
            Self::StartHour => "start-hour",
            Self::Backlog => "backlog",
        }
    }

    /// Milliseconds between two starts, where the course says this many.
    pub fn interval_ms(self, of_course_ms: i64) -> i64 {
        match self {
            Self::StartHour => of_course_ms.min(2_000),
            Self::Steady | Self::Ramp | Self::Backlog => of_course_ms,
        }
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|profile| profile.as_str() == text);
        found.ok_or_else(|| format!("no profile {text:?}: there are steady, ramp, start-hour and backlog"))
    }
}
