//! Gates: a line piece, crossed from its left to its right as drawn.

use serde::{Deserialize, Serialize};

use super::line::{Line, distance_to_piece};
use super::touch::{Movement, Touch};
use crate::num::{cm, round_to};
use crate::time::Timestamp;

/// A gate in metres in its plane. Its ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gate {
    /// Where it is drawn from.
    pub from: [f64; 2],
    /// Where it is drawn to.
    pub to: [f64; 2],
}

impl Gate {
    /// Metres to the right of the line through the gate, and metres along it from its first point.
    fn frame(&self, point: [f64; 2]) -> (f64, f64) {
        let (ux, uy) = (self.to[0] - self.from[0], self.to[1] - self.from[1]);
        let length = self.length_m();
        let (x, y) = (point[0] - self.from[0], point[1] - self.from[1]);
        ((x * uy - y * ux) / length, (x * ux + y * uy) / length)
    }

    fn length_m(&self) -> f64 {
        let (ux, uy) = (self.to[0] - self.from[0], self.to[1] - self.from[1]);
        (ux * ux + uy * uy).sqrt()
    }

    /// Metres from the origin of the plane to the farther end.
    pub fn extent_m(&self) -> f64 {
        [self.from, self.to].iter().map(|p| (p[0] * p[0] + p[1] * p[1]).sqrt()).fold(0.0, f64::max)
    }
}

/// One passage of a gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    /// The first touch in the direction of the passage: what a finish takes.
    pub first: Touch,
    /// The last one before it was decided: what a start takes.
    pub last: Touch,
}

/// A passage that has begun and is not decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Candidate {
    passage: Passage,
    /// Since when the vehicle has been beyond without interruption.
    beyond_since: Option<Timestamp>,
}

/// One direction of a gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Way {
    /// Decided passages, in order of time.
    pub passages: Vec<Passage>,
    candidate: Option<Candidate>,
    armed: bool,
}

impl Way {
    fn new(armed: bool) -> Self {
        Self { passages: Vec::new(), candidate: None, armed }
    }

    /// The passage that the end of the track leaves undecided.
    pub fn undecided(&self) -> Option<&Passage> {
        self.candidate.as_ref().map(|c| &c.passage)
    }

    fn touch(&mut self, touch: Touch, instant: Timestamp) {
        match &mut self.candidate {
            Some(candidate) => {
                candidate.passage.last = touch;
                candidate.beyond_since = Some(instant);
            }
            None if self.armed => {
                let passage = Passage { first: touch, last: touch };
                self.candidate = Some(Candidate { passage, beyond_since: Some(instant) });
            }
            None => {}
        }
    }

    fn stays_beyond(&mut self, until: Timestamp, far: bool, debounce_us: i64) {
        let decided = self.candidate.take_if(|c| {
            far || c.beyond_since.is_some_and(|since| until.micros() - since.micros() >= debounce_us)
        });
        if let Some(candidate) = decided {
            self.passages.push(candidate.passage);
            self.armed = false;
        }
        // Whoever is clearly beyond, also round the gate's end, comes from beyond until clearly before again. So
        // what happened far from the gate never matters.
        if far {
            self.armed = false;
        }
    }

    fn stays_before(&mut self, far: bool) {
        if far {
            self.candidate = None;
            self.armed = true;
        } else if let Some(candidate) = &mut self.candidate {
            candidate.beyond_since = None;
        }
    }
}

/// Both directions of one gate for one track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateState {
    /// From left to right: `cross`.
    pub cross: Way,
    /// From right to left: recorded, counts for nothing.
    pub reverse: Way,
}

/// Hysteresis and debounce of a gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settle {
    /// Centimetres beyond the gate at which a passage is decided.
    pub hysteresis_cm: i64,
    /// Microseconds beyond the gate after which it is decided however near the vehicle stays.
    pub debounce_us: i64,
}

impl Settle {
    /// From the columns of a geofence.
    pub fn new(hysteresis_m: f64, debounce_s: f64) -> Self {
        Self { hysteresis_cm: cm(hysteresis_m), debounce_us: round_to(debounce_s, 1e6) }
    }
}

impl GateState {
    /// The state at the first point of a track, or the first that comes near the gate.
    pub fn new(gate: &Gate, first: [f64; 2]) -> Self {
        let beyond = is_beyond(gate.frame(first).0);
        Self { cross: Way::new(!beyond), reverse: Way::new(beyond) }
    }

    /// Takes the next movement of the track; `line` is the movement in the gate's plane.
    pub fn advance(&mut self, gate: &Gate, settle: Settle, line: &Line, movement: &Movement) {
        let (from, to) = (gate.frame(line.from), gate.frame(line.to));
        let (starts_beyond, ends_beyond) = (is_beyond(from.0), is_beyond(to.0));
        // Along a straight line the distance to the piece is greatest at an end.
        let far = |a: f64, b: f64| {
            [a, b]
                .iter()
                .any(|&t| cm(distance_to_piece(line.at(t), gate.from, gate.to)) > settle.hysteresis_cm)
        };
        if starts_beyond == ends_beyond {
            self.stay(ends_beyond, far(0.0, 1.0), movement.instant_at(1.0), settle);
            return;
        }
        let t = (from.0 / (from.0 - to.0)).clamp(0.0, 1.0);
        let along = cm(from.1 + (to.1 - from.1) * t);
        let instant = movement.instant_at(t);
        self.stay(starts_beyond, far(0.0, t), instant, settle);
        if (0..=cm(gate.length_m())).contains(&along) {
            let way = if ends_beyond { &mut self.cross } else { &mut self.reverse };
            way.touch(movement.touch_at(t), instant);
        }
        self.stay(ends_beyond, far(t, 1.0), movement.instant_at(1.0), settle);
    }

    fn stay(&mut self, beyond: bool, far: bool, until: Timestamp, settle: Settle) {
        let (ahead, behind) =
            if beyond { (&mut self.cross, &mut self.reverse) } else { (&mut self.reverse, &mut self.cross) };
        ahead.stays_beyond(until, far, settle.debounce_us);
        behind.stays_before(far);
    }
}

/// Who stands on the line, rounded to the centimetre, has reached it.
fn is_beyond(right_of_line_m: f64) -> bool {
    cm(right_of_line_m) >= 0
}
