//! Tracks: a vehicle that wanders about a course, a fix a second.

use race::position::{DeviceId, Position};
use race::time::Timestamp;

use super::course::{Shape, device};
use super::random::Random;
use super::{BEGIN_MS, Ground};

/// The fixes of one entry on a course, a fix a second from [`BEGIN_MS`] on, at 40 to 80 km/h.
#[derive(Debug, Clone)]
pub struct Track {
    device: DeviceId,
    ground: Ground,
    random: Random,
    half_m: f64,
    at: [f64; 2],
    heading: f64,
    speed_kmh: f64,
    second: i64,
}

impl Track {
    /// The track of an entry, by its number in the course.
    pub fn new(shape: &Shape, entry: usize) -> Self {
        let mut random = Random::new(entry as u64);
        let half_m = shape.half_m();
        let at = [random.between(-half_m, half_m), random.between(-half_m, half_m)];
        let heading = random.between(0.0, std::f64::consts::TAU);
        let device = device(entry).into();
        Self { device, ground: Ground::default(), random, half_m, at, heading, speed_kmh: 55.0, second: 0 }
    }
}

impl Iterator for Track {
    type Item = Position;

    fn next(&mut self) -> Option<Position> {
        let [x, y] = self.at;
        if x.abs().max(y.abs()) > self.half_m {
            self.heading = (-y).atan2(-x);
        }
        self.heading += self.random.between(-0.12, 0.12);
        self.speed_kmh = (self.speed_kmh + self.random.between(-3.0, 3.0)).clamp(40.0, 80.0);
        let metres = self.speed_kmh / 3.6;
        self.at = [x + metres * self.heading.cos(), y + metres * self.heading.sin()];
        let (latitude, longitude) = self.ground.place(self.at);
        let ts = Timestamp::from_millis(BEGIN_MS + self.second * 1_000);
        self.second += 1;
        #[allow(clippy::cast_possible_truncation, reason = "rounded to a tenth of a km/h")]
        let speed = ((self.speed_kmh * 10.0).round() / 10.0) as f32;
        Some(Position {
            device_id: DeviceId::clone(&self.device),
            ts,
            latitude,
            longitude,
            altitude: 112.0,
            angle: 214.0,
            speed,
            satellites: 11,
            priority: 0,
            codec: "8E",
            attributes: None,
        })
    }
}
