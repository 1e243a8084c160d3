//! The rows of a course by id, for following references.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::row::{At, TableRow};
use crate::course::tables::{
    Class, Device, Entry, Event, Geofence, Segment, SpeedLimitZone, Stage, Tables, Waypoint,
};

/// The rows of one table by id; of two with one id the first.
pub(super) struct ById<'t, T>(BTreeMap<Uuid, &'t T>);

impl<'t, T: TableRow> ById<'t, T> {
    fn new(rows: &'t [T]) -> Self {
        let mut by_id = BTreeMap::new();
        for row in rows {
            if let Some(id) = row.id() {
                by_id.entry(id).or_insert(row);
            }
        }
        Self(by_id)
    }

    /// The row with this id, if any.
    pub(super) fn get(&self, id: Uuid) -> Option<&'t T> {
        self.0.get(&id).copied()
    }

    /// The row that a column refers to; a problem of that column when there is none.
    pub(super) fn expect(&self, id: Uuid, field: &str, at: &mut At<'_>) -> Option<&'t T> {
        let found = self.get(id);
        if found.is_none() {
            at.problem(field, format!("no row of {} has the id {id}", T::TABLE));
        }
        found
    }
}

/// Every table that is referred to.
pub(super) struct Index<'t> {
    pub(super) events: ById<'t, Event>,
    pub(super) classes: ById<'t, Class>,
    pub(super) entries: ById<'t, Entry>,
    pub(super) devices: ById<'t, Device>,
    pub(super) stages: ById<'t, Stage>,
    pub(super) segments: ById<'t, Segment>,
    pub(super) geofences: ById<'t, Geofence>,
    pub(super) waypoints: ById<'t, Waypoint>,
    pub(super) zones: ById<'t, SpeedLimitZone>,
}

impl<'t> Index<'t> {
    pub(super) fn new(tables: &'t Tables) -> Self {
        Self {
            events: ById::new(&tables.events),
            classes: ById::new(&tables.classes),
            entries: ById::new(&tables.entries),
            devices: ById::new(&tables.devices),
            stages: ById::new(&tables.stages),
            segments: ById::new(&tables.segments),
            geofences: ById::new(&tables.geofences),
            waypoints: ById::new(&tables.waypoints),
            zones: ById::new(&tables.speed_limit_zones),
        }
    }

    /// The event that a segment is part of, through its stage.
    pub(super) fn event_of_segment(&self, segment: Uuid) -> Option<Uuid> {
        let stage = self.segments.get(segment)?.stage_id;
        self.stages.get(stage).map(|s| s.event_id)
    }
}
