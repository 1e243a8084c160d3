//! What was too fast in one visit of a zone: its episodes, and what they measure together.

use serde::Serialize;

use super::zones::Part;
use crate::course::zone::ZonePlan;
use crate::fence::zone::Speed;
use crate::num::{div_round, round_to};
use crate::time::Timestamp;

/// The offence of one visit: all its episodes together. Speeds are hundredths of km/h over the limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Speeding {
    /// Its episodes in order of time; never empty.
    pub episodes: Vec<SpeedEpisode>,
    /// The highest speed over the limit.
    pub peak_over_ckmh: i64,
    /// The mean over the limit, by time.
    pub mean_over_ckmh: i64,
    /// Milliseconds.
    pub duration_ms: i64,
    /// Micrometres.
    pub distance_um: i64,
    /// Milliseconds gained: the sum of time times (speed - limit) / limit.
    pub gained_ms: i64,
    /// The speed over the limit at each impulse; at least one.
    pub impulses_over_ckmh: Vec<i64>,
}

/// A run of at least two movements over the limit and its tolerance, long enough to count.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpeedEpisode {
    /// When it began, clipped to where the limit was enforced.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
    /// Milliseconds, without movements that are no evidence.
    pub duration_ms: i64,
    /// Hundredths of km/h over the limit at most.
    pub peak_over_ckmh: i64,
    /// The fixes of the fastest movement.
    pub peak_fixes: [Timestamp; 2],
    #[serde(skip)]
    clips: Vec<Clip>,
}

/// What of a movement lies in an enforced part.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Clip {
    from: Timestamp,
    to: Timestamp,
    um: i64,
    over_ckmh: i64,
    fixes: [Timestamp; 2],
    number: u32,
}

impl Clip {
    /// A difference of published instants.
    fn ms(&self) -> i64 {
        self.to.to_ms().millis_since(self.from.to_ms())
    }
}

/// What was too fast in these parts of a track; `None` when nothing was.
pub(super) fn of_parts(zone: &ZonePlan, parts: &[Part], speeds: &[Speed]) -> Option<Speeding> {
    let episodes: Vec<SpeedEpisode> = parts
        .iter()
        .flat_map(|part| runs(zone, part, speeds))
        .filter_map(|run| episode(run, zone.row.min_duration_ms))
        .collect();
    let peak_over_ckmh = episodes.iter().map(|episode| episode.peak_over_ckmh).max()?;
    let clips = || episodes.iter().flat_map(|episode| &episode.clips);
    let weighted: i128 = clips().map(|clip| i128::from(clip.ms()) * i128::from(clip.over_ckmh)).sum();
    let duration_ms: i64 = episodes.iter().map(|episode| episode.duration_ms).sum();
    let mut impulses_over_ckmh = impulses(zone, clips());
    if impulses_over_ckmh.is_empty() {
        impulses_over_ckmh.push(peak_over_ckmh);
    }
    Some(Speeding {
        peak_over_ckmh,
        mean_over_ckmh: div_round(weighted, i128::from(duration_ms.max(1))),
        duration_ms,
        distance_um: clips().map(|clip| clip.um).sum(),
        gained_ms: div_round(weighted, i128::from(zone.limit_ckmh.max(1))),
        impulses_over_ckmh,
        episodes,
    })
}

/// Runs of consecutive movements over the limit within one part.
fn runs(zone: &ZonePlan, part: &Part, speeds: &[Speed]) -> Vec<Vec<Clip>> {
    let mut runs: Vec<Vec<Clip>> = Vec::new();
    let first = speeds.partition_point(|speed| speed.to <= part.from.at);
    for speed in speeds[first..].iter().take_while(|speed| speed.from < part.to.at) {
        let (from, to) = (speed.from.max(part.from.at), speed.to.min(part.to.at));
        let has_edge = from > speed.from || to < speed.to;
        let ckmh = if has_edge { speed.ckmh.min(speed.from_ckmh) } else { speed.ckmh };
        // What lasts no published time is none.
        if from.to_ms() >= to.to_ms() || ckmh <= zone.over_ckmh {
            continue;
        }
        let share = |um: i64| {
            let us = |a: Timestamp, b: Timestamp| i128::from(b.micros() - a.micros());
            div_round(i128::from(um) * us(from, to), us(speed.from, speed.to))
        };
        let clip = Clip {
            from,
            to,
            um: share(speed.um),
            over_ckmh: ckmh - zone.limit_ckmh,
            fixes: [speed.from, speed.to],
            number: speed.number,
        };
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| last.number + 1 == clip.number) => run.push(clip),
            _ => runs.push(vec![clip]),
        }
    }
    runs
}

fn episode(clips: Vec<Clip>, min_duration_ms: i64) -> Option<SpeedEpisode> {
    let duration_ms: i64 = clips.iter().map(Clip::ms).sum();
    if clips.len() < 2 || duration_ms <= min_duration_ms {
        return None;
    }
    let (first, last) = (clips.first()?, clips.last()?);
    // The first of equals.
    let peak = clips.iter().rev().max_by_key(|clip| clip.over_ckmh)?;
    Some(SpeedEpisode {
        from: first.from.to_ms(),
        to: last.to.to_ms(),
        duration_ms,
        peak_over_ckmh: peak.over_ckmh,
        peak_fixes: peak.fixes,
        clips,
    })
}

/// Notes an impulse whenever one of two counters, metres and seconds over the limit, is full; both begin again there.
/// What fills them is rounded to centimetres and milliseconds.
fn impulses<'a>(zone: &ZonePlan, clips: impl Iterator<Item = &'a Clip>) -> Vec<i64> {
    let (full_um, full_us) =
        (round_to(zone.row.impulse_meters, 1e6), round_to(zone.row.impulse_seconds, 1e6));
    let mut noted = Vec::new();
    let (mut um, mut us) = (0, 0);
    for clip in clips {
        let (mut left_um, mut left_us) = (clip.um, clip.to.micros() - clip.from.micros());
        loop {
            let by_distance = full_um > 0 && rounds_to(um + left_um, full_um, 10_000);
            let by_time = full_us > 0 && rounds_to(us + left_us, full_us, 1_000);
            if !by_distance && !by_time {
                break;
            }
            // What is missing of each, within rounding of what is left.
            let (need_um, need_us) = ((full_um - um).min(left_um), (full_us - us).min(left_us));
            let product = |a: i64, b: i64| i128::from(a) * i128::from(b);
            let time_first =
                by_time && (!by_distance || product(need_us, left_um) <= product(need_um, left_us));
            let (used_um, used_us) = if time_first {
                (div_round(product(left_um, need_us), i128::from(left_us.max(1))), need_us)
            } else {
                (need_um, div_round(product(left_us, need_um), i128::from(left_um.max(1))))
            };
            noted.push(clip.over_ckmh);
            (left_um, left_us) = (left_um - used_um, left_us - used_us);
            (um, us) = (0, 0);
        }
        (um, us) = (um + left_um, us + left_us);
    }
    noted
}

/// Whether a sum is at least `full`, both rounded to whole `unit`s.
fn rounds_to(sum: i64, full: i64, unit: i128) -> bool {
    div_round(i128::from(sum), unit) >= div_round(i128::from(full), unit)
}
