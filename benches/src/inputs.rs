//! Courses and tracks from fixed seeds, drawn in metres on a plane and put on the ground.

pub mod course;
pub mod random;
pub mod track;

use race::earth::Plane;

/// 2026-06-07T06:00:00Z: the first second of every track.
pub const BEGIN_MS: i64 = 1_780_812_000_000;

/// The ground that courses and tracks are drawn on: metres east and north of Tirana.
#[derive(Debug, Clone, Copy)]
pub struct Ground(Plane);

impl Default for Ground {
    fn default() -> Self {
        Self(Plane::at(41.3275, 19.8187))
    }
}

impl Ground {
    /// Latitude and longitude in degrees, rounded to 1e-7 as trackers send them.
    pub fn place(&self, at: [f64; 2]) -> (f64, f64) {
        let (latitude, longitude) = self.0.unproject(at);
        (race::num::degrees_e7(latitude), race::num::degrees_e7(longitude))
    }
}
