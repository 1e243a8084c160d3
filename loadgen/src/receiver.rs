//! What a tracker records of a movement: samples with jitter, noise, and now and then no fix.

use race::earth::{Plane, lat_lon};
use race::time::Timestamp;

use crate::motion::Motion;
use crate::random::{Purpose, Random};
use crate::route::Route;

/// How a receiver errs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Receiver {
    /// Milliseconds between two samples.
    pub period_ms: i64,
    /// A sample is taken so much before or after its time, at most.
    pub jitter_ms: i64,
    /// The deviation of each axis in metres; an error is never larger than [`Receiver::bound_m`].
    pub noise_m: f64,
    /// The probability of a sample without a fix: 0, 0 and no satellites.
    pub no_fix: f64,
}

/// How much of its error a receiver keeps from one second to the next.
const KEPT: f64 = 0.95;
/// An error is cut at so many deviations.
const BOUND_DEVIATIONS: f64 = 3.0;

impl Receiver {
    /// One with this rate, in samples a second.
    #[allow(clippy::cast_possible_truncation, reason = "a period of a few thousand milliseconds")]
    pub fn at_hz(hz: f64) -> Self {
        let period_ms = ((1_000.0 / hz).round() as i64).max(1);
        Self { period_ms, jitter_ms: (period_ms / 5).min(40), noise_m: 1.2, no_fix: 0.004 }
    }

    /// The largest error of a position, in metres.
    pub fn bound_m(&self) -> f64 {
        self.noise_m * BOUND_DEVIATIONS
    }
}

/// One sample, as it is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fix {
    /// When it was taken.
    pub ts_ms: i64,
    /// Degrees in units of 1e-7; 0 without a fix.
    pub latitude_e7: i64,
    /// Degrees in units of 1e-7; 0 without a fix.
    pub longitude_e7: i64,
    /// Metres.
    pub altitude_m: i16,
    /// Degrees, 0 to 359.
    pub angle: i16,
    /// Whole km/h, as trackers send it.
    pub speed_kmh: i16,
    /// 0 without a fix.
    pub satellites: i16,
}

/// Everything that one tracker records from `on` to `off`.
pub fn record(
    receiver: &Receiver,
    route: &Route,
    motion: &Motion,
    [on, off]: [Timestamp; 2],
    mut random: Random,
) -> Vec<Fix> {
    let (mut error_m, mut angle) = ([0.0; 2], 0.0);
    let (begin_ms, end_ms) = (on.micros() / 1_000, off.micros() / 1_000);
    // A constant of the tracker: two of one vehicle do not sample together.
    let shift_ms = jitter(&mut random, receiver.period_ms / 3);
    // What is kept of an error over one period, and what comes new, so that the deviation stays.
    #[allow(clippy::cast_precision_loss, reason = "a few thousand milliseconds")]
    let kept = 1.0 - (1.0 - KEPT) * (receiver.period_ms as f64 / 1_000.0).min(1.0 / (1.0 - KEPT));
    let fresh = (1.0 - kept * kept).sqrt() * receiver.noise_m;
    let mut fixes = Vec::new();
    let mut due_ms = begin_ms;
    while due_ms < end_ms {
        let ts_ms = due_ms + shift_ms + jitter(&mut random, receiver.jitter_ms);
        due_ms += receiver.period_ms;
        let (at_m, mps) = motion.at(motion.seconds(Timestamp::from_millis(ts_ms)));
        for axis in &mut error_m {
            *axis = *axis * kept + random.normal() * fresh;
        }
        let error = error_m[0] * error_m[0] + error_m[1] * error_m[1];
        let scale = (receiver.bound_m() / error.sqrt()).min(1.0);
        let (lat, lon) = lat_lon(route.point(at_m));
        let plane = Plane::at(lat, lon);
        if mps > 0.5 {
            let [from, to] = route.heading(at_m).map(|p| plane.project(p));
            angle = libm::atan2(to[0] - from[0], to[1] - from[1]).to_degrees();
        }
        let (lat, lon) =
            if error > 0.0 { plane.unproject([error_m[0] * scale, error_m[1] * scale]) } else { (lat, lon) };
        let speed = mps * 3.6 + random.normal() * 0.2;
        let satellites = random.whole(7, 16);
        let altitude = 180.0 + 40.0 * libm::sin(at_m / 900.0);
        let has_fix = !random.chance(receiver.no_fix);
        fixes.push(if has_fix {
            Fix {
                ts_ms,
                latitude_e7: whole(lat * 1e7),
                longitude_e7: whole(lon * 1e7),
                altitude_m: small(altitude),
                angle: small(angle).rem_euclid(360),
                speed_kmh: if mps > 0.0 { small(speed.max(0.0)) } else { 0 },
                satellites: i16::try_from(satellites).unwrap_or(i16::MAX),
            }
        } else {
            Fix {
                ts_ms,
                latitude_e7: 0,
                longitude_e7: 0,
                altitude_m: 0,
                angle: 0,
                speed_kmh: 0,
                satellites: 0,
            }
        });
    }
    fixes
}

fn jitter(random: &mut Random, most_ms: i64) -> i64 {
    let most = most_ms.unsigned_abs();
    i64::try_from(random.whole(0, 2 * most)).unwrap_or(0) - most_ms.abs()
}

fn whole(value: f64) -> i64 {
    race::num::round_to(value, 1.0)
}

fn small(value: f64) -> i16 {
    i16::try_from(whole(value)).unwrap_or(0)
}

/// The stream of a tracker's errors.
pub fn errors(seed: u64, device: usize) -> Random {
    Random::new(seed, Purpose::Receiver, device as u64)
}
