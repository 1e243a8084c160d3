//! The places of a course, ready to be met by the line of a track, and the index that finds them.

use std::ops::ControlFlow;

use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::geometry::{Geometry, LonLat};
use super::tables::{Event, Geofence, GeofenceKind, Segment, SegmentType, SpeedLimitZone, Tables, Waypoint};
use super::zone::{ZonePlace, ZonePlan};
use crate::earth::{self, Ecef, Plane};
use crate::fence::area::{Area, AreaState};
use crate::fence::gate::{Gate, GateState, Settle};
use crate::fence::line::Line;
use crate::fence::polygon::Polygon;
use crate::fence::touch::Movement;
use crate::fence::zone::{PolygonState, VISIT_HYSTERESIS_M};
use crate::num::{cm, round_to};
use crate::time::Timestamp;

/// The number of a feature within its event.
pub type FeatureId = u32;

/// Metres added around every box of the index, so that rounding never hides a feature.
const INDEX_SLACK_M: f64 = 1.0;

/// What a feature is in the course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A row of `geofences`.
    Geofence(Uuid),
    /// A row of `waypoints`.
    Waypoint(Uuid),
    /// The polygon of a zone, by its number in [`Features::zones`].
    ZonePolygon(u32),
    /// The circle around the DZ of a zone.
    ZoneBegin(u32),
    /// The circle around the FZ of a zone.
    ZoneEnd(u32),
    /// The entry geofence of a parc ferme, left beyond its `absence_meters`; the segment's id.
    ParcFerme(Uuid),
}

/// The shape of a feature in metres in its own plane.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// One is inside or outside.
    Area {
        /// The shape.
        area: Area,
        /// Metres outside before a stay ends.
        hysteresis_m: f64,
    },
    /// A limit holds farther inside than the buffer.
    Zone {
        /// The shape.
        area: Area,
        /// Metres.
        buffer_m: f64,
    },
    /// One crosses it.
    Gate {
        /// The line.
        gate: Gate,
        /// When a passage is decided.
        settle: Settle,
    },
}

/// What one track has done at one feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FeatureState {
    /// Stays in an area.
    Area(AreaState),
    /// Passages of a gate.
    Gate(Box<GateState>),
    /// Visits of a polygon with a limit.
    Polygon(Box<PolygonState>),
}

impl FeatureState {
    /// When it was left, if it is an area that was entered and left for good so far.
    pub(crate) fn left_at(&self) -> Option<Timestamp> {
        match self {
            Self::Area(state) => state.episodes.last().filter(|e| e.closed).map(|e| e.last.ts),
            Self::Gate(_) | Self::Polygon(_) => None,
        }
    }
}

/// A place of the course in a plane of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// What it is.
    pub role: Role,
    /// Its shape.
    pub shape: Shape,
    /// The plane the shape lies in.
    pub plane: Plane,
    /// Its row holds from this instant on; null is always.
    pub valid_from: Option<Timestamp>,
    /// Its row holds until before this instant; null is always.
    pub valid_to: Option<Timestamp>,
    middle: Ecef,
}

impl Feature {
    fn geofence(row: &Geofence) -> Option<Self> {
        let points: &[LonLat] = match &row.geometry {
            Geometry::Point(point) => std::slice::from_ref(point),
            Geometry::LineString(points) => points,
            Geometry::Polygon(rings) => rings.first()?,
        };
        let (middle, plane) = middle_of(points);
        let project = |p: &LonLat| plane.project(earth::ecef(p.lat, p.lon));
        let shape = match (row.kind, &row.geometry) {
            (GeofenceKind::Area, Geometry::Point(_)) => Shape::Area {
                area: Area::Circle { radius_m: row.radius_meters? },
                hysteresis_m: row.hysteresis_meters,
            },
            (GeofenceKind::Area, Geometry::Polygon(rings)) => {
                Shape::Area { area: polygon(rings, &plane), hysteresis_m: row.hysteresis_meters }
            }
            (GeofenceKind::Gate, Geometry::LineString(points)) => match points.as_slice() {
                [from, to] => Shape::Gate {
                    gate: Gate { from: project(from), to: project(to) },
                    settle: Settle::new(row.hysteresis_meters, row.debounce_seconds),
                },
                _ => return None,
            },
            _ => return None,
        };
        let (valid_from, valid_to) = (row.valid_from, row.valid_to);
        Some(Self { role: Role::Geofence(row.id), shape, plane, valid_from, valid_to, middle })
    }

    fn waypoint(row: &Waypoint) -> Option<Self> {
        let Geometry::Point(point) = &row.location else { return None };
        let (middle, plane) = middle_of(std::slice::from_ref(point));
        let area = Area::Circle { radius_m: row.tolerance_meters };
        Some(Self {
            role: Role::Waypoint(row.id),
            // A visit is all the time inside the tolerance, no more.
            shape: Shape::Area { area, hysteresis_m: 0.0 },
            plane,
            valid_from: row.valid_from,
            valid_to: row.valid_to,
            middle,
        })
    }

    /// The circle around a waypoint at which a zone begins or ends.
    fn zone_circle(role: Role, waypoint: &Waypoint, buffer_m: f64) -> Option<Self> {
        let Geometry::Point(point) = &waypoint.location else { return None };
        let (middle, plane) = middle_of(std::slice::from_ref(point));
        let shape = Shape::Area { area: Area::Circle { radius_m: buffer_m }, hysteresis_m: 0.0 };
        Some(Self { role, shape, plane, valid_from: None, valid_to: None, middle })
    }

    fn zone_polygon(role: Role, row: &SpeedLimitZone) -> Option<Self> {
        let Some(Geometry::Polygon(rings)) = &row.geometry else { return None };
        let (middle, plane) = middle_of(rings.first()?);
        let area = polygon(rings, &plane);
        let shape = Shape::Zone { area, buffer_m: row.buffer_meters };
        Some(Self { role, shape, plane, valid_from: None, valid_to: None, middle })
    }

    /// What is there of a zone.
    fn of_zone(number: u32, zone: &ZonePlan) -> impl Iterator<Item = Self> {
        let row = &zone.row;
        let (one, other) = match &zone.place {
            ZonePlace::Polygon => (Self::zone_polygon(Role::ZonePolygon(number), row), None),
            // Nobody leaves a circle of no size.
            ZonePlace::Stretch { is_empty: true, .. } => (None, None),
            ZonePlace::Stretch { .. } if cm(row.buffer_meters) == 0 => (None, None),
            ZonePlace::Stretch { dz, fz, .. } => {
                let circle = |role, waypoint: &Waypoint| Self::zone_circle(role, waypoint, row.buffer_meters);
                let end =
                    fz.as_ref().filter(|fz| !fz.cancelled).and_then(|fz| circle(Role::ZoneEnd(number), fz));
                (circle(Role::ZoneBegin(number), dz), end)
            }
        };
        one.into_iter().chain(other)
    }

    /// The entry geofence of a parc ferme; none when that is no area, or the segment is no parc ferme.
    fn parc_ferme(segment: &Segment, tables: &Tables) -> Option<Self> {
        let id = segment.entry_geofence_id.filter(|_| segment.kind == SegmentType::ParcFerme)?;
        let mut feature = tables.geofences.iter().find(|row| row.id == id).and_then(Self::geofence)?;
        match &mut feature.shape {
            Shape::Area { hysteresis_m, .. } => *hysteresis_m = segment.absence_meters,
            Shape::Gate { .. } | Shape::Zone { .. } => return None,
        }
        feature.role = Role::ParcFerme(segment.id);
        Some(feature)
    }

    /// Metres around the middle within which a movement can change this feature's state.
    fn reach_m(&self) -> f64 {
        match &self.shape {
            Shape::Area { area, hysteresis_m } => area.extent_m() + hysteresis_m,
            Shape::Zone { area, .. } => area.extent_m() + VISIT_HYSTERESIS_M,
            #[allow(clippy::cast_precision_loss, reason = "a hysteresis is some metres")]
            Shape::Gate { gate, settle } => gate.extent_m() + settle.hysteresis_cm as f64 / 100.0,
        }
    }

    /// Whether a place is inside; never for a gate.
    pub fn contains(&self, point: LonLat) -> bool {
        match &self.shape {
            Shape::Area { area, .. } => area.contains(self.plane.project(earth::ecef(point.lat, point.lon))),
            Shape::Gate { .. } | Shape::Zone { .. } => false,
        }
    }

    /// The state of a track that comes near the feature with this movement.
    pub fn first_state(&self, movement: &Movement) -> FeatureState {
        match &self.shape {
            Shape::Area { .. } => FeatureState::Area(AreaState::default()),
            Shape::Zone { .. } => FeatureState::Polygon(Box::default()),
            Shape::Gate { gate, .. } => {
                FeatureState::Gate(Box::new(GateState::new(gate, self.plane.project(movement.from.at))))
            }
        }
    }

    /// Takes the next movement of a track. Whether what is judged may have changed.
    pub fn advance(&self, state: &mut FeatureState, movement: &Movement) -> bool {
        let line = Line::new(self.plane.project(movement.from.at), self.plane.project(movement.to.at));
        match (&self.shape, state) {
            (Shape::Area { area, hysteresis_m }, FeatureState::Area(state)) => {
                state.advance(area, *hysteresis_m, &line, movement);
                true
            }
            (Shape::Gate { gate, settle }, FeatureState::Gate(state)) => {
                state.advance(gate, *settle, &line, movement);
                true
            }
            (Shape::Zone { area, buffer_m }, FeatureState::Polygon(state)) => {
                state.advance(area, *buffer_m, &line, movement)
            }
            _ => {
                debug_assert!(false, "a state belongs to the feature it was made for");
                true
            }
        }
    }

    /// Whether its row holds at an instant.
    pub fn holds_at(&self, ts: Timestamp) -> bool {
        holds_at(self.valid_from, self.valid_to, ts)
    }
}

/// Closed rings in a plane.
fn polygon(rings: &[Vec<LonLat>], plane: &Plane) -> Area {
    let project = |p: &LonLat| plane.project(earth::ecef(p.lat, p.lon));
    let rings: Vec<Vec<[f64; 2]>> =
        rings.iter().map(|ring| ring.iter().skip(1).map(project).collect()).collect();
    Area::Polygon(Polygon::new(&rings))
}

/// Whether a row with this validity holds at an instant: from the first on, until before the second.
pub fn holds_at(from: Option<Timestamp>, to: Option<Timestamp>, ts: Timestamp) -> bool {
    from.is_none_or(|from| from <= ts) && to.is_none_or(|to| ts < to)
}

/// The middle of the box around some points, and the plane that touches there. Found between earth-centred
/// points, so that a geofence may lie across the 180th meridian.
fn middle_of(points: &[LonLat]) -> (Ecef, Plane) {
    let mut low = [f64::INFINITY; 3];
    let mut high = [f64::NEG_INFINITY; 3];
    for point in points {
        let at = earth::ecef(point.lat, point.lon);
        for i in 0..3 {
            low[i] = low[i].min(at[i]);
            high[i] = high[i].max(at[i]);
        }
    }
    let (lat, lon) = if let [point] = points {
        (point.lat, point.lon)
    } else {
        earth::lat_lon([0, 1, 2].map(|i| low[i].midpoint(high[i])))
    };
    (earth::ecef(lat, lon), Plane::at(lat, lon))
}

/// The features of one event, found by where a movement goes.
#[derive(Debug, Default)]
pub struct Features {
    /// All features, by id.
    pub all: Vec<Feature>,
    /// The zones of the event, by segment, the lowest limit first.
    pub zones: Vec<ZonePlan>,
    index: RTree<GeomWithData<Rectangle<[f64; 3]>, FeatureId>>,
    /// Waypoints stand behind all others, from this id on.
    first_waypoint: usize,
    /// Where the parcs fermes stand.
    pub(crate) parcs_fermes: std::ops::Range<FeatureId>,
    /// The longest `min_absence_seconds` of them, in milliseconds.
    pub(crate) longest_absence_ms: i64,
    /// When a row of a zone begins or ceases to hold, in order.
    zone_edges: Vec<Timestamp>,
    max_plausible_kmh: f64,
    /// The event's `max_gap_seconds` in microseconds.
    pub(crate) max_gap_us: i64,
}

impl Features {
    /// Whether a row of a zone begins or ceases to hold while a movement lasts.
    pub(crate) fn passes_zone_edge(&self, movement: &Movement) -> bool {
        let first = self.zone_edges.partition_point(|edge| *edge < movement.from.ts);
        self.zone_edges.get(first).is_some_and(|edge| *edge <= movement.to.ts)
    }

    /// The geofences, zones, parcs fermes and waypoints of an event, in the order of their tables. Cancelled waypoints
    /// are none.
    pub fn of_event(tables: &Tables, event: &Event) -> Self {
        let event_id = event.id;
        let stages: Vec<Uuid> =
            tables.stages.iter().filter(|s| s.event_id == event_id).map(|s| s.id).collect();
        let segments: Vec<Uuid> =
            tables.segments.iter().filter(|s| stages.contains(&s.stage_id)).map(|s| s.id).collect();
        let geofences =
            tables.geofences.iter().filter(|g| g.event_id == event_id).filter_map(Feature::geofence);
        let waypoints = tables
            .waypoints
            .iter()
            .filter(|w| !w.cancelled && segments.contains(&w.segment_id))
            .filter_map(Feature::waypoint);
        let zones = ZonePlan::of_segments(tables, &segments);
        let mut all: Vec<Feature> = geofences.collect();
        all.extend((0..).zip(&zones).flat_map(|(number, zone)| Feature::of_zone(number, zone)));
        let of_event = tables.segments.iter().filter(|s| stages.contains(&s.stage_id));
        let parcs_fermes: Vec<(Feature, i64)> = of_event
            .filter_map(|s| Some((Feature::parc_ferme(s, tables)?, round_to(s.min_absence_seconds, 1e3))))
            .collect();
        let edges = zones.iter().flat_map(|zone| [zone.row.valid_from, zone.row.valid_to]);
        let mut zone_edges: Vec<Timestamp> = edges.flatten().collect();
        zone_edges.sort_unstable();
        let longest_absence_ms = parcs_fermes.iter().map(|(_, ms)| *ms).max().unwrap_or(0);
        let first_parc_ferme = all.len();
        all.extend(parcs_fermes.into_iter().map(|(feature, _)| feature));
        let number = |n: usize| FeatureId::try_from(n).unwrap_or(FeatureId::MAX);
        let parcs_fermes = number(first_parc_ferme)..number(all.len());
        let first_waypoint = all.len();
        all.extend(waypoints);
        let boxes = (0..).zip(&all).map(|(id, feature)| {
            let reach = feature.reach_m() + INDEX_SLACK_M;
            let low = feature.middle.map(|x| x - reach);
            let high = feature.middle.map(|x| x + reach);
            GeomWithData::new(Rectangle::from_corners(low, high), id)
        });
        let index = RTree::bulk_load(boxes.collect());
        Self {
            all,
            zones,
            index,
            first_waypoint,
            parcs_fermes,
            longest_absence_ms,
            zone_edges,
            max_plausible_kmh: event.max_plausible_kmh,
            max_gap_us: round_to(event.max_gap_seconds, 1e6),
        }
    }

    /// The waypoints that the vehicle may have visited between the two fixes of a movement, by no route faster
    /// than is plausible, however the straight line between them runs.
    pub fn within_reach(&self, movement: &Movement) -> impl Iterator<Item = FeatureId> {
        #[allow(clippy::cast_precision_loss, reason = "microseconds between two fixes fit 53 bits")]
        let seconds = (movement.to.ts.micros() - movement.from.ts.micros()) as f64 / 1e6;
        let reach_m = self.max_plausible_kmh / 3.6 * seconds;
        let waypoints = (0..).zip(&self.all).skip(self.first_waypoint);
        let waypoints = waypoints.filter(|(_, feature)| matches!(feature.role, Role::Waypoint(_)));
        waypoints.filter_map(move |(id, feature)| {
            let detour = earth::distance_m(movement.from.at, feature.middle)
                + earth::distance_m(feature.middle, movement.to.at);
            (detour - 2.0 * feature.reach_m() <= reach_m).then_some(id)
        })
    }

    /// Adds the features that a movement may concern to `found`, in order of their ids.
    pub fn near(&self, movement: &Movement, found: &mut Vec<FeatureId>) {
        let (a, b) = (movement.from.at, movement.to.at);
        // The chord between two fixes dips below the ground on which the features lie.
        let sag = earth::sag_m(earth::distance_m(a, b));
        let low = [0, 1, 2].map(|i| a[i].min(b[i]) - sag);
        let high = [0, 1, 2].map(|i| a[i].max(b[i]) + sag);
        let start = found.len();
        let window = AABB::from_corners(low, high);
        // Going down the tree itself costs less than an iterator, which keeps a stack. It is never told to stop.
        let _: ControlFlow<()> = self.index.locate_in_envelope_intersecting_int(window, |hit| {
            found.push(hit.data);
            ControlFlow::Continue(())
        });
        found[start..].sort_unstable();
    }
}
