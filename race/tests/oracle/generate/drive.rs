//! How an entry drives along a sketch, and what its trackers say of it.

use super::sketch::{Ground, Part, Sketch};
use super::tape::Tape;
use crate::ground::{Xy, between, lerp};
use crate::line::Row;
use race::position::Position;
use race::time::Timestamp;

/// 2026-06-07T06:00:00Z.
pub(crate) const ZERO_MS: i64 = 1_780_812_000_000;

/// A place, how fast it is driven to, m/s, and how long the vehicle stands there, seconds.
#[derive(Debug, Clone, Copy)]
struct Goal(Xy, f64, f64);

/// When a segment's entry and exit were first passed, milliseconds since [`ZERO_MS`].
pub(crate) type Passed = (i64, i64);

pub(crate) struct Drive {
    goals: Vec<Goal>,
    /// By stage and segment, as seconds since the drive began.
    pub(crate) passed: Vec<Vec<(f64, f64)>>,
}

fn seconds(goals: &[Goal]) -> f64 {
    goals.windows(2).map(|w| between(w[0].0, w[1].0) / w[1].1 + w[1].2).sum()
}

pub(crate) fn drive(sketch: &Sketch, tape: &mut Tape<'_>) -> Drive {
    let road = &sketch.road;
    // Some begin inside the first geofence.
    let begin = if tape.percent(10) { 400.0 } else { tape.range(20.0, 300.0) };
    let mut goals = vec![Goal(road.at(begin).0, 10.0, 0.0)];
    let mut passed = Vec::new();
    for stage in &sketch.stages {
        let mut of_stage = Vec::new();
        for part in stage {
            let speed = tape.range(8.0, 32.0);
            for lap in 0..part.laps {
                if lap > 0 {
                    // Back beside the road, round the ends of its gates.
                    goals.push(Goal(road.at(part.to + 120.0).0, speed, 0.0));
                    goals.push(Goal(road.beside(part.to + 60.0, 160.0), speed, 0.0));
                    goals.push(Goal(road.beside(part.from, 160.0), speed, 0.0));
                    goals.push(Goal(road.beside(part.from - 60.0, 20.0), speed, 0.0));
                }
                let entered = if part.kind == "parc-ferme" {
                    park(sketch, part, speed, &mut goals, tape)
                } else {
                    ride_part(sketch, part, speed, &mut goals, tape)
                };
                if lap == 0 {
                    of_stage.push((entered, seconds(&goals)));
                }
            }
        }
        passed.push(of_stage);
    }
    goals.push(Goal(road.at(road.length() - 20.0).0, 15.0, 30.0));
    Drive { goals, passed }
}

/// Returns when the entry was passed.
fn ride_part(sketch: &Sketch, part: &Part, speed: f64, goals: &mut Vec<Goal>, tape: &mut Tape<'_>) -> f64 {
    let road = &sketch.road;
    let about = |tape: &mut Tape<'_>| speed * tape.range(0.7, 1.3);
    line_play(sketch, part.from, speed, goals, tape);
    let v = about(tape);
    goals.push(Goal(road.at(part.from).0, v, 0.0));
    let entered = seconds(goals);
    let mut inner: Vec<(f64, f64, bool)> = part.stops.iter().map(|s| (s.s, s.left, true)).collect();
    let mut length = 0.0;
    for w in road.0.windows(2) {
        length += between(w[0], w[1]);
        if length > part.from + 1.0 && length < part.to - 1.0 {
            inner.push((length, 0.0, false));
        }
    }
    for (from, to) in part.neutral.into_iter().chain(part.neutral_too) {
        inner.push((from, 0.0, false));
        inner.push((to, 0.0, false));
    }
    inner.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut before = part.from;
    for (s, left, waypoint) in inner {
        let v = about(tape);
        if waypoint && tape.percent(15) {
            // Misses it, by far.
            goals.push(Goal(road.beside((s - 120.0).max(before), 0.0), v, 0.0));
            goals.push(Goal(road.beside(s, left + 180.0), v, 0.0));
            goals.push(Goal(road.beside((s + 100.0).min(part.to - 40.0), 0.0), v, 0.0));
        } else if tape.percent(8) {
            // Goes back for one that lies behind.
            goals.push(Goal(road.beside(s, left * 0.5), v, 0.0));
            goals.push(Goal(road.beside(before, 10.0), v, 0.0));
            goals.push(Goal(road.beside(s, -5.0), v, 0.0));
        } else if !waypoint && tape.percent(20) {
            // Stands still, as at a neutralisation or with a puncture.
            goals.push(Goal(road.beside(s + tape.range(3.0, 9.0), 3.0), v, tape.range(5.0, 90.0)));
        } else {
            goals.push(Goal(road.beside(s, left * tape.pick(&[1.0, 0.3, 0.0])), v, 0.0));
        }
        before = s;
    }
    line_play(sketch, part.to, speed, goals, tape);
    let v = about(tape);
    goals.push(Goal(road.at(part.to).0, v, 0.0));
    entered
}

/// Waits at the entry of a parc ferme, and may leave it for some time, before going on. Returns when it came.
fn park(sketch: &Sketch, part: &Part, speed: f64, goals: &mut Vec<Goal>, tape: &mut Tape<'_>) -> f64 {
    let road = &sketch.road;
    goals.push(Goal(road.at(part.from).0, speed, 0.0));
    let entered = seconds(goals);
    goals.push(Goal(road.beside(part.from, 4.0), speed, tape.range(5.0, 40.0)));
    for _ in 0..tape.below(3) {
        let away = tape.pick(&[60.0, 130.0, 190.0, 300.0]);
        goals.push(Goal(road.beside(part.from + 10.0, away), speed / 2.0, tape.range(0.0, 90.0)));
        goals.push(Goal(road.beside(part.from, 3.0), speed / 2.0, tape.range(5.0, 20.0)));
    }
    entered
}

/// What may happen at a line: standing short of it or just past it, going back over it.
fn line_play(sketch: &Sketch, s: f64, speed: f64, goals: &mut Vec<Goal>, tape: &mut Tape<'_>) {
    let road = &sketch.road;
    match tape.below(12) {
        8 => goals.push(Goal(road.beside(s - tape.range(2.0, 70.0), 1.0), speed, tape.range(5.0, 60.0))),
        9 => goals.push(Goal(road.beside(s + tape.range(2.0, 70.0), 1.0), speed, tape.range(5.0, 60.0))),
        10 => {
            goals.push(Goal(road.beside(s + tape.range(3.0, 90.0), 2.0), speed, tape.range(0.0, 15.0)));
            goals.push(Goal(road.beside(s - tape.range(3.0, 90.0), -2.0), speed, tape.range(0.0, 15.0)));
        }
        11 => {
            for _ in 0..3 {
                goals.push(Goal(road.beside(s + tape.range(1.0, 20.0), 2.0), speed / 3.0, 1.0));
                goals.push(Goal(road.beside(s - tape.range(1.0, 20.0), -2.0), speed / 3.0, 1.0));
            }
        }
        _ => {}
    }
}

impl Drive {
    pub(crate) fn seconds(&self) -> f64 {
        seconds(&self.goals)
    }

    /// Where the vehicle is after so many seconds, and how fast, m/s.
    fn at(&self, mut t: f64) -> (Xy, f64) {
        for w in self.goals.windows(2) {
            let travel = between(w[0].0, w[1].0) / w[1].1;
            if t <= travel && travel > 0.0 {
                return (lerp(w[0].0, w[1].0, t / travel), w[1].1);
            }
            if t <= travel + w[1].2 {
                return (w[1].0, 0.0);
            }
            t -= travel + w[1].2;
        }
        (self.goals[self.goals.len() - 1].0, 0.0)
    }
}

/// Small noise that needs no choices of its own.
struct Noise(u64);

impl Noise {
    /// From -1 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % 2_001) as f64 / 1_000.0 - 1.0
    }
}

/// What a tracker stores of a drive from one second to another.
pub(crate) fn recorded(
    ground: &Ground,
    drive: &Drive,
    imei: &str,
    begins_ms: i64,
    (from, to): (f64, f64),
    tape: &mut Tape<'_>,
) -> Vec<Row> {
    let mut noise = Noise(u64::from(tape.below(1_000_000)));
    let interval = tape.pick(&[1.0, 2.0, 5.0, 1.0, 8.0]);
    let jitter = tape.pick(&[0.0, 0.5, 2.0, 0.0, 6.0]);
    let speaks = !tape.percent(35);
    let uneven = tape.percent(30);
    // Stretches, in parts of the drive: nothing heard; far away; without fix.
    let mut trouble: Vec<(u32, f64, f64)> = Vec::new();
    for _ in 0..tape.below(4) {
        let what = tape.below(8);
        let length = match what {
            0 | 1 => tape.pick(&[12.0, 45.0, 70.0, 200.0]),
            2..=4 => interval * f64::from(1 + tape.below(3)) - 0.1,
            _ => tape.range(1.0, 20.0),
        };
        let begin = from + (to - from) * tape.range(0.0, 1.0);
        trouble.push((what, begin, begin + length));
    }
    let mut rows = Vec::new();
    let mut t = from;
    while t <= to {
        let (place, speed) = drive.at(t);
        let trouble = trouble.iter().find(|(_, begin, end)| *begin <= t && t < *end).map(|(what, ..)| *what);
        let mut at = [place[0] + jitter * noise.next(), place[1] + jitter * noise.next()];
        if matches!(trouble, Some(2..=4)) {
            at[0] += 60_000.0 + 20_000.0 * noise.next();
        }
        let (mut latitude, mut longitude) = ground.lat_lon(at);
        if trouble == Some(5) {
            (latitude, longitude) = (0.0, 0.0);
        }
        if !matches!(trouble, Some(0 | 1)) {
            let kmh =
                if speaks { (speed * 3.6 * (1.0 + 0.03 * noise.next()) * 10.0).round() / 10.0 } else { 0.0 };
            rows.push(Row {
                position: Position {
                    device_id: imei.into(),
                    ts: Timestamp::from_millis(begins_ms + (t * 1_000.0).round() as i64),
                    latitude,
                    longitude,
                    altitude: 0.0,
                    angle: 0.0,
                    speed: kmh as f32,
                    satellites: if trouble == Some(6) { 0 } else { 9 },
                    priority: 0,
                    codec: "csv",
                    attributes: None,
                },
                faulty: trouble == Some(7),
            });
        }
        t += if uneven {
            (interval * (1.0 + 0.6 * noise.next()) * 1_000.0).round() / 1_000.0
        } else {
            interval
        };
    }
    rows
}
