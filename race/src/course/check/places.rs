//! Where rows belong: the stage and event of a segment.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::course::geometry::{Geometry, LonLat};
use crate::course::tables::{Tables, Waypoint};

/// The stage and event of every segment.
pub(super) struct Places(BTreeMap<Uuid, (Uuid, Uuid)>);

impl Places {
    pub(super) fn new(tables: &Tables) -> Self {
        let events: BTreeMap<Uuid, Uuid> = tables.stages.iter().map(|s| (s.id, s.event_id)).collect();
        let of_segment = |stage: Uuid| events.get(&stage).map(|event| (stage, *event));
        Self(tables.segments.iter().filter_map(|s| Some((s.id, of_segment(s.stage_id)?))).collect())
    }

    /// The stage of a segment.
    pub(super) fn stage(&self, segment: Uuid) -> Option<Uuid> {
        self.0.get(&segment).map(|(stage, _)| *stage)
    }

    /// The event of a segment.
    pub(super) fn event(&self, segment: Uuid) -> Option<Uuid> {
        self.0.get(&segment).map(|(_, event)| *event)
    }
}

/// Where a waypoint is.
pub(super) fn location(waypoint: &Waypoint) -> Option<LonLat> {
    match waypoint.location {
        Geometry::Point(point) => Some(point),
        Geometry::LineString(_) | Geometry::Polygon(_) => None,
    }
}
