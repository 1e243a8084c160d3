//! Fixes, the movements between them, and the instants at which a movement touches a boundary.

use serde::{Deserialize, Serialize};

use crate::earth::{self, Ecef};
use crate::num::{cm, div_round, round_to, speed_ckmh};
use crate::time::Timestamp;

/// A stored position as the rules use it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fix {
    /// When.
    pub ts: Timestamp,
    /// Where, earth-centred.
    pub at: Ecef,
    /// The device's own speed in hundredths of km/h; 0 when it does not say.
    pub speed_ckmh: i64,
}

impl Fix {
    /// The speed in hundredths of km/h that the straight line to a later fix implies.
    pub fn implied_ckmh(&self, later: &Self) -> i64 {
        speed_ckmh(cm(earth::distance_m(self.at, later.at)), later.ts.micros() - self.ts.micros())
    }
}

/// How far and how long a track has gone, but for its weak movements: they are no evidence of speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Odometer {
    /// Micrometres: whole numbers, so that no order of adding matters.
    pub um: i64,
    /// Microseconds.
    pub us: i64,
    /// Movements.
    pub movements: u32,
}

/// The straight line at constant speed between two consecutive fixes of a track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Movement {
    /// The earlier fix.
    pub from: Fix,
    /// The later fix; the same as `from` for the beginning of a track.
    pub to: Fix,
    /// Longer than the event's `max_gap_seconds` or faster than its `max_plausible_kmh`.
    pub weak: bool,
    /// What the track had gone before.
    pub before: Odometer,
}

impl Movement {
    /// The first fix of a track, before which nothing is known.
    pub fn beginning(fix: Fix) -> Self {
        Self { from: fix, to: fix, weak: false, before: Odometer::default() }
    }

    /// Its length in micrometres.
    pub fn length_um(&self) -> i64 {
        round_to(earth::distance_m(self.from.at, self.to.at), 1e6)
    }

    /// Whether it tells how fast the vehicle was.
    pub fn shows_speed(&self) -> bool {
        !self.weak && !self.is_beginning()
    }

    /// What the track has gone at an instant of it.
    fn odometer_at(&self, instant: Timestamp) -> Odometer {
        if !self.shows_speed() {
            return self.before;
        }
        let us = instant.micros() - self.from.ts.micros();
        let of_us = self.to.ts.micros() - self.from.ts.micros();
        // Most instants asked for are the ends, which need no division.
        let um = match us {
            0 => 0,
            us if us == of_us => self.length_um(),
            us => div_round(i128::from(self.length_um()) * i128::from(us), i128::from(of_us)),
        };
        // A movement that has begun is one that counts.
        let movements = self.before.movements + u32::from(us > 0);
        Odometer { um: self.before.um + um, us: self.before.us + us, movements }
    }

    /// What the track has gone after it.
    pub fn after(&self) -> Odometer {
        self.odometer_at(self.to.ts)
    }

    /// Whether this is the beginning of a track.
    pub fn is_beginning(&self) -> bool {
        self.from.ts == self.to.ts
    }

    /// The instant in microseconds at a fraction of the movement.
    pub fn instant_at(&self, t: f64) -> Timestamp {
        let (from, to) = (self.from.ts.micros(), self.to.ts.micros());
        #[allow(clippy::cast_precision_loss, reason = "a movement is short: its microseconds fit 53 bits")]
        let elapsed = round_to(t * (to - from) as f64, 1.0);
        Timestamp::from_micros(from + elapsed)
    }

    /// The touch at a fraction of the movement.
    pub fn touch_at(&self, t: f64) -> Touch {
        let instant = self.instant_at(t);
        Touch {
            ts: instant.to_ms(),
            instant,
            odometer: self.odometer_at(instant),
            at: earth::along(self.from.at, self.to.at, t),
            speed_ckmh: if self.to.speed_ckmh > 0 {
                self.to.speed_ckmh
            } else if self.is_beginning() {
                0
            } else {
                self.from.implied_ckmh(&self.to)
            },
            fixes: [self.from.ts, self.to.ts],
            weak: self.weak,
        }
    }
}

/// An instant at which the line of a track touches a boundary, with its evidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Touch {
    /// When, rounded to the millisecond.
    pub ts: Timestamp,
    /// When, to the microsecond: what distances are measured from.
    pub instant: Timestamp,
    /// What the track had gone.
    pub odometer: Odometer,
    /// Where, earth-centred.
    pub at: Ecef,
    /// Speed in hundredths of km/h: the device's at the later fix when above 0, else implied.
    pub speed_ckmh: i64,
    /// The two fixes that bracket it.
    pub fixes: [Timestamp; 2],
    /// It lies on a weak movement.
    pub weak: bool,
}

/// An instant of a track to the microsecond, and what the track had gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// When.
    pub instant: Timestamp,
    /// How far.
    pub odometer: Odometer,
}

impl Touch {
    /// Where on the track it is.
    pub fn trace(&self) -> Trace {
        Trace { instant: self.instant, odometer: self.odometer }
    }

    /// Milliseconds between the bracketing fixes.
    pub fn uncertainty_ms(&self) -> i64 {
        div_round(i128::from(self.fixes[1].micros()) - i128::from(self.fixes[0].micros()), 1_000)
    }
}
