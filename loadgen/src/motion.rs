//! How a vehicle moves along its road: stretches of constant acceleration, so that every instant has a closed form.

use race::time::Timestamp;

/// A stretch of constant acceleration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Phase {
    /// Seconds from the launch.
    pub at_s: f64,
    /// How long, in seconds.
    pub duration_s: f64,
    /// Metres along the road when it begins.
    pub from_m: f64,
    /// Speed when it begins, in m/s.
    pub speed_mps: f64,
    /// m/s².
    pub acceleration: f64,
}

impl Phase {
    /// Metres along the road, seconds into the phase.
    fn place_m(&self, into_s: f64) -> f64 {
        self.from_m + (self.speed_mps + self.acceleration * into_s / 2.0) * into_s
    }

    fn speed_after(&self, into_s: f64) -> f64 {
        (self.speed_mps + self.acceleration * into_s).max(0.0)
    }

    /// Metres along the road when it ends.
    pub fn to_m(&self) -> f64 {
        self.place_m(self.duration_s)
    }

    /// m/s when it ends.
    pub fn end_mps(&self) -> f64 {
        self.speed_after(self.duration_s)
    }
}

/// The movement of a vehicle: it stands until its launch and after its last phase.
#[derive(Debug, Clone, PartialEq)]
pub struct Motion {
    launch: Timestamp,
    phases: Vec<Phase>,
}

impl Motion {
    /// A vehicle that stands at the beginning of its road.
    pub fn new(launch: Timestamp) -> Self {
        Self { launch, phases: Vec::new() }
    }

    /// When it is launched.
    pub fn launch(&self) -> Timestamp {
        self.launch
    }

    /// Its phases.
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    fn end(&self) -> (f64, f64, f64) {
        self.phases.last().map_or((0.0, 0.0, 0.0), |p| (p.at_s + p.duration_s, p.to_m(), p.end_mps()))
    }

    /// Seconds from the launch to the end of the last phase.
    pub fn duration_s(&self) -> f64 {
        self.end().0
    }

    /// Goes on from where it is, with this speed, to another speed over a distance.
    pub fn go(&mut self, from_mps: f64, to_mps: f64, distance_m: f64) {
        if distance_m > 0.0 && from_mps + to_mps > 0.0 {
            let (at_s, from_m, _) = self.end();
            let duration_s = 2.0 * distance_m / (from_mps + to_mps);
            let acceleration = (to_mps - from_mps) / duration_s;
            self.phases.push(Phase { at_s, duration_s, from_m, speed_mps: from_mps, acceleration });
        }
    }

    /// Stands for a while.
    pub fn stand(&mut self, duration_s: f64) {
        let (at_s, from_m, _) = self.end();
        self.phases.push(Phase { at_s, duration_s, from_m, speed_mps: 0.0, acceleration: 0.0 });
    }

    fn phase(&self, at_s: f64) -> Option<&Phase> {
        let next = self.phases.partition_point(|p| p.at_s <= at_s);
        next.checked_sub(1).map(|n| &self.phases[n])
    }

    /// Metres along the road, and m/s, so many seconds after the launch.
    pub fn at(&self, at_s: f64) -> (f64, f64) {
        let Some(phase) = self.phase(at_s) else { return (0.0, 0.0) };
        let into_s = at_s - phase.at_s;
        if into_s >= phase.duration_s {
            // Between two phases nothing lies; behind the last the vehicle stands.
            return (phase.to_m(), 0.0);
        }
        (phase.place_m(into_s), phase.speed_after(into_s))
    }

    /// Seconds from the launch until a place is reached first; none for one that never is.
    pub fn when(&self, place_m: f64) -> Option<f64> {
        if place_m <= 0.0 {
            return Some(0.0);
        }
        let n = self.phases.partition_point(|p| p.to_m() < place_m);
        let phase = self.phases.get(n)?;
        let ahead = (place_m - phase.from_m).max(0.0);
        // v t + a t²/2 = ahead, in the form that does not cancel.
        let root = (phase.speed_mps * phase.speed_mps + 2.0 * phase.acceleration * ahead).max(0.0).sqrt();
        let sum = phase.speed_mps + root;
        let into_s = if sum > 0.0 { 2.0 * ahead / sum } else { 0.0 };
        Some(phase.at_s + into_s.min(phase.duration_s))
    }

    /// The instant so many seconds after the launch, to the microsecond.
    pub fn instant(&self, at_s: f64) -> Timestamp {
        Timestamp::from_micros(self.launch.micros() + race::num::round_to(at_s, 1e6))
    }

    /// Seconds from the launch to an instant; negative before it.
    #[allow(clippy::cast_precision_loss, reason = "a race is shorter than 2^53 microseconds")]
    pub fn seconds(&self, instant: Timestamp) -> f64 {
        (instant.micros() - self.launch.micros()) as f64 / 1e6
    }

    /// The highest speed between two times, in m/s.
    pub fn peak_mps(&self, from_s: f64, to_s: f64) -> f64 {
        let begun = self.phases.iter().map(|p| p.at_s).filter(|t| (from_s..=to_s).contains(t));
        begun.chain([from_s, to_s]).map(|t| self.at(t).1).fold(0.0, f64::max)
    }

    /// Between two instants, in seconds from the launch: the times in which it is faster than a speed in m/s.
    pub fn faster_than(&self, limit_mps: f64, from_s: f64, to_s: f64) -> Vec<[f64; 2]> {
        let mut spans: Vec<[f64; 2]> = Vec::new();
        for phase in &self.phases {
            let (begin, end) = (phase.at_s.max(from_s), (phase.at_s + phase.duration_s).min(to_s));
            if begin >= end {
                continue;
            }
            let (at_begin, at_end) =
                (phase.speed_after(begin - phase.at_s), phase.speed_after(end - phase.at_s));
            let turn = phase.at_s + (limit_mps - phase.speed_mps) / phase.acceleration;
            let span = match (at_begin > limit_mps, at_end > limit_mps) {
                (true, true) => [begin, end],
                (true, false) => [begin, turn.clamp(begin, end)],
                (false, true) => [turn.clamp(begin, end), end],
                (false, false) => continue,
            };
            match spans.last_mut() {
                Some(last) if span[0] - last[1] < 1e-9 => last[1] = span[1],
                _ => spans.push(span),
            }
        }
        spans
    }
}
