//! Who drives: what a driver can, and what goes wrong on purpose.

use crate::random::{Purpose, Random};

/// How many of a fleet do what they should not; probabilities from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Misdeeds {
    /// Of a waypoint, to be left out.
    pub missed_waypoint: f64,
    /// Of a zone, to be driven too fast by one who comes to it.
    pub overspeed: f64,
    /// Of a vehicle, to end on the way.
    pub retirement: f64,
    /// Of a vehicle, to stand for a while on the way.
    pub stop: f64,
}

impl Default for Misdeeds {
    fn default() -> Self {
        Self { missed_waypoint: 0.06, overspeed: 0.3, retirement: 0.05, stop: 0.5 }
    }
}

/// A driver with a vehicle. Speeds in m/s, accelerations in m/s².
#[derive(Debug)]
pub struct Driver {
    /// On a straight road.
    pub top_mps: f64,
    /// When it goes faster.
    pub accelerates: f64,
    /// When it brakes.
    pub brakes: f64,
    /// What is taken through a right angle, in m/s.
    pub corner_mps: f64,
    /// What is drawn on the way.
    pub random: Random,
}

/// km/h in m/s.
pub const KMH: f64 = 1.0 / 3.6;

impl Driver {
    /// The driver of an entry.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut random = Random::new(seed, Purpose::Driver, number);
        Self {
            top_mps: random.between(75.0, 115.0) * KMH,
            accelerates: random.between(1.2, 2.8),
            brakes: random.between(2.0, 4.0),
            corner_mps: random.between(18.0, 30.0) * KMH,
            random,
        }
    }

    /// How fast a corner is taken: the cosine of what it turns by is 1 for a straight road.
    pub fn through(&self, cosine: f64) -> f64 {
        let straight = ((1.0 + cosine) / 2.0).clamp(0.0, 1.0);
        // Half of a right angle takes little, a hairpin nearly all.
        self.corner_mps * 0.5 + (self.top_mps - self.corner_mps * 0.5) * straight * straight * straight
    }
}
