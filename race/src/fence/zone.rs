//! Speed limit zones along a track: visits of a polygon and where it is enforced, and the movements that were too fast.

use serde::{Deserialize, Serialize};

use super::area::{Area, AreaState};
use super::line::{Line, Spans};
use super::touch::{Movement, Touch};
use crate::course::feature::{FeatureId, FeatureState, Features, Role};
use crate::time::Timestamp;

/// How far outside of a polygon a visit of it ends, in metres: the hysteresis of areas, so that a road along its
/// boundary is one visit.
pub const VISIT_HYSTERESIS_M: f64 = 15.0;

/// A part of a track in which a limit is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// Where it begins.
    pub from: Touch,
    /// Where it ends, so far.
    pub to: Touch,
}

/// What one track has done at one polygon with a limit.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PolygonState {
    /// The visits.
    pub visits: AreaState,
    /// Where it was farther inside than the buffer, in order of time.
    pub enforced: Vec<Stretch>,
}

impl PolygonState {
    /// Takes the next movement of the track; `line` is the movement in the polygon's plane. Whether a visit began,
    /// ended or seems to end, or the enforced part did.
    pub fn advance(&mut self, area: &Area, buffer_m: f64, line: &Line, movement: &Movement) -> bool {
        let before = self.outline();
        let approach = area.approach(line, buffer_m.max(VISIT_HYSTERESIS_M));
        self.visits.follow(&approach, VISIT_HYSTERESIS_M, movement);
        // Nobody drives far on the first fix of a track.
        let spans = if movement.is_beginning() { Spans::new() } else { approach.well_inside(buffer_m) };
        for span in spans {
            let begin = movement.instant_at(span.start);
            if begin >= movement.instant_at(span.end) {
                continue;
            }
            let to = movement.touch_at(span.end);
            match self.enforced.last_mut() {
                Some(last) if last.to.instant == begin => last.to = to,
                _ => self.enforced.push(Stretch { from: movement.touch_at(span.start), to }),
            }
        }
        before != self.outline()
    }

    fn outline(&self) -> impl PartialEq + use<> {
        let last = self.visits.episodes.last();
        (self.visits.episodes.len(), last.map(|visit| (visit.closed, visit.outside)), self.enforced.len())
    }

    fn is_enforced_in(&self, movement: &Movement) -> bool {
        self.enforced.last().is_some_and(|stretch| stretch.to.instant > movement.from.ts)
    }
}

/// A movement that was faster than a limit that may have been enforced on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speed {
    /// The fix before.
    pub from: Timestamp,
    /// The fix after.
    pub to: Timestamp,
    /// Hundredths of km/h at the fix before: the device's when above 0, else that of the movement.
    pub from_ckmh: i64,
    /// Hundredths of km/h of the movement: the device's at the fix after when above 0, else implied.
    pub ckmh: i64,
    /// Length in micrometres.
    pub um: i64,
    /// Its number among the movements of the track that show a speed.
    pub number: u32,
}

/// The movements of one track that were too fast for some zone, wherever that may be enforced. What of them is an
/// offence is judged when all is known: where the segment began, which waypoints were missed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SpeedLog {
    /// Zones between waypoints whose DZ was left and whose FZ was not reached since, by their number; in order.
    open: Vec<u32>,
    /// In order of time.
    pub speeds: Vec<Speed>,
}

impl SpeedLog {
    /// Takes the next movement of the track, with the states that its features have after it. Whether it was noted.
    pub fn advance(
        &mut self,
        features: &Features,
        near: &[FeatureId],
        states: &[(FeatureId, FeatureState)],
        movement: &Movement,
    ) -> bool {
        if features.zones.is_empty() {
            return false;
        }
        let mut lowest_ckmh = self.lowest_open(features);
        let zones = near.iter().filter_map(|id| {
            let state = states.binary_search_by_key(id, |(id, _)| *id).ok()?;
            Some((features.all[*id as usize].role, &states[state].1))
        });
        let mut begun = Vec::new();
        for (role, state) in zones {
            match (role, state) {
                (Role::ZonePolygon(zone), FeatureState::Polygon(state)) if state.is_enforced_in(movement) => {
                    lowest_ckmh = lowest_ckmh.min(features.zones[zone as usize].over_ckmh);
                }
                (Role::ZoneBegin(zone), FeatureState::Area(state)) => {
                    let Some(visit) = state.episodes.last() else { continue };
                    if visit.since >= movement.from.ts {
                        self.end_others(features, zone);
                    }
                    if (visit.closed || visit.outside) && visit.last.instant >= movement.from.ts {
                        begun.push(zone);
                    }
                }
                (Role::ZoneEnd(zone), FeatureState::Area(state))
                    if state.episodes.last().is_some_and(|visit| visit.since >= movement.from.ts) =>
                {
                    self.open.retain(|open| *open != zone);
                }
                _ => {}
            }
        }
        // After what ends: rather one movement too many, in the order of a movement's events, than one too few.
        self.open.extend(begun);
        self.open.sort_unstable();
        self.open.dedup();
        self.note(lowest_ckmh.min(self.lowest_open(features)), movement)
    }

    fn note(&mut self, lowest_ckmh: i64, movement: &Movement) -> bool {
        if lowest_ckmh == i64::MAX || !movement.shows_speed() {
            return false;
        }
        let implied = movement.from.implied_ckmh(&movement.to);
        let or_implied = |device: i64| if device > 0 { device } else { implied };
        let (from_ckmh, ckmh) = (or_implied(movement.from.speed_ckmh), or_implied(movement.to.speed_ckmh));
        // On a movement over an edge the lower of both counts; which those are is known later.
        let is_over = ckmh > lowest_ckmh;
        if is_over {
            self.speeds.push(Speed {
                from: movement.from.ts,
                to: movement.to.ts,
                from_ckmh,
                ckmh,
                um: movement.length_um(),
                number: movement.before.movements,
            });
        }
        is_over
    }

    fn lowest_open(&self, features: &Features) -> i64 {
        self.open.iter().map(|&zone| features.zones[zone as usize].over_ckmh).min().unwrap_or(i64::MAX)
    }

    /// A zone ends at latest at the next DZ of its segment; whether one is there that does not always hold is judged at
    /// the segment's start.
    fn end_others(&mut self, features: &Features, zone: u32) {
        if !features.zones[zone as usize].always_begins() {
            return;
        }
        let segment = features.zones[zone as usize].row.segment_id;
        self.open.retain(|&open| open == zone || features.zones[open as usize].row.segment_id != segment);
    }
}
