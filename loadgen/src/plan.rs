//! A course as it is driven: segments in order with their places, and the shapes of everything that is judged.

use race::course::tables::{Geofence, Segment, SpeedLimitZone, Stage, Waypoint};
use race::course::{Geometry, LonLat, Tables};
use uuid::Uuid;

use crate::shape::Shape;

/// Why a course cannot be driven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Nothing to time.
    #[error("the course has no event")]
    NoEvent,
    /// More than one event needs more than one fleet.
    #[error("the course has {0} events; a fleet drives one")]
    ManyEvents(usize),
    /// No geofence is where a segment begins or ends.
    #[error("the course has no gates: no segment begins or ends at a geofence, so nothing would be timed")]
    NoGates,
    /// Laps are not driven.
    #[error("segment {0} is driven in laps, which this fleet does not do")]
    Laps(Uuid),
}

/// A course to drive.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The event.
    pub event_id: Uuid,
    /// Over all stages, in order.
    pub segments: Vec<SegmentPlan>,
    /// Every geofence of the event.
    pub geofences: Vec<GeofencePlan>,
}

/// A geofence with its shape.
#[derive(Debug, Clone)]
pub struct GeofencePlan {
    /// As it is in the course.
    pub row: Geofence,
    /// Where it is.
    pub shape: Shape,
}

/// A segment of a stage.
#[derive(Debug, Clone)]
pub struct SegmentPlan {
    /// As it is in the course.
    pub row: Segment,
    /// The stage it is a part of.
    pub stage: Stage,
    /// Where it begins, a number of [`Plan::geofences`].
    pub entry: Option<usize>,
    /// Where it ends.
    pub exit: Option<usize>,
    /// Those that are not cancelled, in order of the roadbook.
    pub waypoints: Vec<WaypointPlan>,
    /// Zones that can be enforced.
    pub zones: Vec<ZonePlan>,
}

/// A waypoint with the circle of its tolerance.
#[derive(Debug, Clone)]
pub struct WaypointPlan {
    /// As it is in the course.
    pub row: Waypoint,
    /// Where it is.
    pub at: LonLat,
    /// How near one has to come.
    pub shape: Shape,
    /// A zone begins or ends at it: nobody leaves it out on purpose.
    pub of_zone: bool,
}

/// A speed limit zone.
#[derive(Debug, Clone)]
pub struct ZonePlan {
    /// As it is in the course.
    pub row: SpeedLimitZone,
    /// Where it is enforced.
    pub form: ZoneForm,
}

/// Where a zone is enforced.
#[derive(Debug, Clone)]
pub enum ZoneForm {
    /// Inside an outline, farther from it than the buffer.
    Polygon(Shape),
    /// From the circle around one point to the circle around another; without the other, to the segment's end.
    Stretch {
        /// Around the DZ.
        begin: Shape,
        /// Around the FZ.
        end: Option<Shape>,
    },
}

impl Plan {
    /// Reads a course.
    ///
    /// # Errors
    /// It has no geofence that times anybody, or asks for what this fleet does not do.
    pub fn new(tables: &Tables) -> Result<Self, PlanError> {
        let event_id = match tables.events.as_slice() {
            [event] => event.id,
            [] => return Err(PlanError::NoEvent),
            many => return Err(PlanError::ManyEvents(many.len())),
        };
        let geofences: Vec<GeofencePlan> = tables
            .geofences
            .iter()
            .filter_map(|row| Some(GeofencePlan { row: row.clone(), shape: Shape::of_geofence(row)? }))
            .collect();
        let mut stages: Vec<&Stage> = tables.stages.iter().collect();
        stages.sort_by_key(|stage| (stage.sort_order, stage.id));
        let mut segments = Vec::new();
        for stage in stages {
            let mut rows: Vec<&Segment> =
                tables.segments.iter().filter(|row| row.stage_id == stage.id).collect();
            rows.sort_by_key(|row| (row.sort_order, row.id));
            for row in rows {
                if row.laps.is_some_and(|laps| laps > 1) {
                    return Err(PlanError::Laps(row.id));
                }
                segments.push(segment(tables, &geofences, stage, row));
            }
        }
        if segments.iter().all(|s| s.entry.is_none() && s.exit.is_none()) {
            return Err(PlanError::NoGates);
        }
        Ok(Self { event_id, segments, geofences })
    }

    /// Every boundary that somebody is judged by.
    pub fn boundaries(&self) -> impl Iterator<Item = &Shape> {
        let zones = self.segments.iter().flat_map(|s| &s.zones).flat_map(|zone| match &zone.form {
            ZoneForm::Polygon(shape) => [Some(shape), None],
            ZoneForm::Stretch { begin, end } => [Some(begin), end.as_ref()],
        });
        self.geofences.iter().map(|g| &g.shape).chain(zones.flatten())
    }
}

fn segment(tables: &Tables, geofences: &[GeofencePlan], stage: &Stage, row: &Segment) -> SegmentPlan {
    let number = |id: Option<Uuid>| geofences.iter().position(|g| Some(g.row.id) == id);
    let zones = tables.speed_limit_zones.iter().filter(|zone| zone.segment_id == row.id);
    let ends: Vec<Uuid> =
        zones.clone().flat_map(|zone| [zone.dz_waypoint_id, zone.fz_waypoint_id]).flatten().collect();
    let mut waypoints: Vec<WaypointPlan> = tables
        .waypoints
        .iter()
        .filter(|w| w.segment_id == row.id && !w.cancelled)
        .filter_map(|w| {
            let Geometry::Point(at) = w.location else { return None };
            let shape = Shape::circle(at, w.tolerance_meters);
            Some(WaypointPlan { row: w.clone(), at, shape, of_zone: ends.contains(&w.id) })
        })
        .collect();
    waypoints.sort_by_key(|w| w.row.sort_order);
    let zones = zones.filter_map(|zone| Some(ZonePlan { row: zone.clone(), form: form(zone, &waypoints)? }));
    SegmentPlan {
        row: row.clone(),
        stage: stage.clone(),
        entry: number(row.entry_geofence_id),
        exit: number(row.exit_geofence_id),
        zones: zones.collect(),
        waypoints,
    }
}

fn form(zone: &SpeedLimitZone, waypoints: &[WaypointPlan]) -> Option<ZoneForm> {
    if let Some(Geometry::Polygon(rings)) = &zone.geometry {
        return Shape::polygon(rings).map(ZoneForm::Polygon);
    }
    // A buffer of nothing gives a circle that nobody comes into.
    let circle = |id: Option<Uuid>| {
        let waypoint = waypoints.iter().find(|w| Some(w.row.id) == id && zone.buffer_meters > 0.0)?;
        Some(Shape::circle(waypoint.at, zone.buffer_meters))
    };
    Some(ZoneForm::Stretch { begin: circle(zone.dz_waypoint_id)?, end: circle(zone.fz_waypoint_id) })
}
