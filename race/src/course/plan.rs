//! The course made ready for judging: an immutable whole, replaced and never changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::feature::{Feature, Features, Role};
use super::formulas::Formulas;
use super::geometry::Geometry;
use super::keep::is_flawed;
use super::roster::{Carried, Roster, TimingSpan, carried, is_timed_twice, timing_spans};
use super::tables::{
    Entry, EntrySegmentStart, Event, Geofence, Neutralisation, Override, OverrideAction, OverrideTarget,
    Segment, Stage, Tables, Waypoint,
};
use super::zone::ZonePlan;
use crate::time::Timestamp;
use crate::track::TrackRules;

/// A course, ready to judge tracks by.
#[derive(Debug)]
pub struct Course {
    /// The rows it was made from.
    pub tables: Arc<Tables>,
    /// Its events, by name and id.
    pub events: Vec<EventPlan>,
    /// Who is timed by which device.
    pub roster: Roster,
}

/// An event, ready.
#[derive(Debug)]
pub struct EventPlan {
    /// The row.
    pub row: Event,
    /// How its tracks are read.
    pub track_rules: TrackRules,
    /// Its rows of `geofences`.
    pub geofences: Vec<Geofence>,
    /// Its geofences and waypoints, where they are.
    pub features: Features,
    /// Its stages in order.
    pub stages: Vec<StagePlan>,
    /// Its entries by race number.
    pub entries: Vec<EntryPlan>,
    /// Its penalty tables.
    pub formulas: Formulas,
    /// Rows of it were left out: whatever is judged is provisional.
    pub is_flawed: bool,
    /// Names everything that the state of a track depends on, but for the entry's own devices.
    pub fingerprint: Uuid,
}

/// An entry, ready.
#[derive(Debug)]
pub struct EntryPlan {
    /// The row.
    pub row: Entry,
    /// Which device times it when.
    pub spans: Vec<TimingSpan>,
    /// Two trackers are said to time it at once: a person should look, and its results are provisional.
    pub is_timed_twice: bool,
    /// The slots it was handed out, by time: whether it took one depends on how far its track reaches.
    pub targets: Vec<Timestamp>,
    /// What persons decided of it, in the order in which they did.
    pub overrides: Vec<Override>,
    /// The latest instant that they moved a crossing or a start to; a track may not have reached it yet.
    pub last_set_at: Option<Timestamp>,
}

/// A stage, ready.
#[derive(Debug)]
pub struct StagePlan {
    /// The row.
    pub row: Stage,
    /// Its segments in order.
    pub segments: Vec<SegmentPlan>,
}

/// A segment, ready.
#[derive(Debug)]
pub struct SegmentPlan {
    /// The row.
    pub row: Segment,
    /// Its waypoints in roadbook order, without cancelled ones.
    pub waypoints: Vec<WaypointPlan>,
    /// Its zones, the lowest limit first.
    pub zones: Vec<ZonePlan>,
    /// Its neutralisations, by id.
    pub neutralisations: Vec<Neutralisation>,
    /// The slots that were handed out, by entry.
    pub starts: BTreeMap<Uuid, EntrySegmentStart>,
}

/// A waypoint, ready.
#[derive(Debug)]
pub struct WaypointPlan {
    /// The row.
    pub row: Waypoint,
    /// It lies inside the segment's entry geofence: that crossing validates it.
    pub in_entry: bool,
    /// It lies inside the segment's exit geofence: that crossing validates it.
    pub in_exit: bool,
}

impl Course {
    /// Makes checked tables ready.
    pub fn new(tables: Arc<Tables>) -> Self {
        let mut rows: Vec<&Event> = tables.events.iter().collect();
        rows.sort_by_key(|event| (event.name.clone(), event.id));
        let by_entry = carried(&tables);
        let events: Vec<EventPlan> =
            rows.into_iter().map(|row| EventPlan::new(row, &tables, &by_entry)).collect();
        let spans = events.iter().enumerate().flat_map(|(event, plan)| {
            plan.entries.iter().enumerate().map(move |(n, entry)| (event, n, entry.spans.as_slice()))
        });
        let imeis: BTreeMap<Uuid, &str> = tables.devices.iter().map(|d| (d.id, d.imei.as_str())).collect();
        let carried = tables.entry_devices.iter().filter_map(|row| imeis.get(&row.device_id).copied());
        let roster = Roster::new(carried, spans);
        Self { tables, events, roster }
    }
}

impl EventPlan {
    fn new(row: &Event, tables: &Tables, carried: &Carried<'_>) -> Self {
        let features = Features::of_event(tables, row);
        let mut stages: Vec<&Stage> = tables.stages.iter().filter(|s| s.event_id == row.id).collect();
        stages.sort_by_key(|s| (s.sort_order, s.id));
        let stages: Vec<StagePlan> =
            stages.into_iter().map(|stage| StagePlan::new(stage, tables, &features)).collect();
        let mut entries: Vec<&Entry> = tables.entries.iter().filter(|e| e.event_id == row.id).collect();
        entries.sort_by_key(|e| (e.race_number, e.id));
        let entries = entries
            .into_iter()
            .map(|entry| {
                let overrides = overrides(tables, entry.id);
                EntryPlan {
                    row: entry.clone(),
                    spans: timing_spans(carried, entry.id),
                    is_timed_twice: is_timed_twice(carried, entry.id),
                    targets: targets(&stages, entry.id),
                    last_set_at: last_set_at(&overrides),
                    overrides,
                }
            })
            .collect();
        Self {
            fingerprint: fingerprint(tables, row, &features),
            row: row.clone(),
            track_rules: TrackRules::of(row),
            geofences: tables.geofences.iter().filter(|g| g.event_id == row.id).cloned().collect(),
            features,
            stages,
            entries,
            formulas: Formulas::of_event(tables, row.id),
            is_flawed: is_flawed(tables, row.id),
        }
    }

    /// The number of an entry in this event.
    pub fn entry_number(&self, id: Uuid) -> Option<usize> {
        self.entries.iter().position(|e| e.row.id == id)
    }
}

fn overrides(tables: &Tables, entry: Uuid) -> Vec<Override> {
    let mut rows: Vec<Override> =
        tables.overrides.iter().filter(|row| row.entry_id == entry).cloned().collect();
    rows.sort_by_key(|row| (row.created_at, row.id));
    rows
}

fn last_set_at(overrides: &[Override]) -> Option<Timestamp> {
    let set = overrides.iter().filter(|row| row.action == OverrideAction::Set);
    let instants = set.filter(|row| row.target != OverrideTarget::Penalty).filter_map(|row| row.value_ms);
    instants.max().map(Timestamp::from_millis)
}

fn targets(stages: &[StagePlan], entry: Uuid) -> Vec<Timestamp> {
    let segments = stages.iter().flat_map(|stage| &stage.segments);
    let mut targets: Vec<Timestamp> =
        segments.filter_map(|segment| segment.starts.get(&entry)?.target_at).collect();
    targets.sort_unstable();
    targets
}

/// Of the rows, as they are written: a saved state names features by their number.
fn fingerprint(tables: &Tables, event: &Event, features: &Features) -> Uuid {
    let has = |role| features.all.iter().any(|feature| feature.role == role);
    let geofences = tables.geofences.iter().filter(|row| has(Role::Geofence(row.id)));
    let waypoints = tables.waypoints.iter().filter(|row| has(Role::Waypoint(row.id)));
    let parcs_fermes = tables.segments.iter().filter(|row| has(Role::ParcFerme(row.id)));
    let parcs_fermes = parcs_fermes.map(|row| (row.id, row.entry_geofence_id, row.absence_meters));
    let rows = serde_json::json!([
        format!("{:?}", TrackRules::of(event)),
        event.max_plausible_kmh,
        geofences.collect::<Vec<_>>(),
        waypoints.collect::<Vec<_>>(),
        features.zones.iter().map(|zone| &zone.row).collect::<Vec<_>>(),
        parcs_fermes.collect::<Vec<_>>(),
    ]);
    Uuid::new_v5(&Uuid::NAMESPACE_OID, rows.to_string().as_bytes())
}

impl StagePlan {
    fn new(row: &Stage, tables: &Tables, features: &Features) -> Self {
        let mut segments: Vec<&Segment> = tables.segments.iter().filter(|s| s.stage_id == row.id).collect();
        segments.sort_by_key(|s| (s.sort_order, s.id));
        let segments =
            segments.into_iter().map(|segment| SegmentPlan::new(segment, tables, features)).collect();
        Self { row: row.clone(), segments }
    }
}

impl SegmentPlan {
    fn new(row: &Segment, tables: &Tables, features: &Features) -> Self {
        let geofence = |id: Option<Uuid>| -> Option<&Feature> {
            let id = id?;
            features.all.iter().find(|f| f.role == Role::Geofence(id))
        };
        let (entry, exit) = (geofence(row.entry_geofence_id), geofence(row.exit_geofence_id));
        let mut waypoints: Vec<&Waypoint> =
            tables.waypoints.iter().filter(|w| w.segment_id == row.id && !w.cancelled).collect();
        waypoints.sort_by_key(|w| (w.sort_order, w.number, w.id));
        let waypoints = waypoints.into_iter().map(|waypoint| {
            let inside = |area: Option<&Feature>| match (&waypoint.location, area) {
                (Geometry::Point(point), Some(area)) => area.contains(*point),
                _ => false,
            };
            WaypointPlan { row: waypoint.clone(), in_entry: inside(entry), in_exit: inside(exit) }
        });
        let mut neutralisations: Vec<Neutralisation> =
            tables.neutralisations.iter().filter(|n| n.segment_id == row.id).cloned().collect();
        neutralisations.sort_by_key(|n| n.id);
        let starts = tables.entry_segment_starts.iter().filter(|s| s.segment_id == row.id);
        Self {
            row: row.clone(),
            waypoints: waypoints.collect(),
            zones: features.zones.iter().filter(|zone| zone.row.segment_id == row.id).cloned().collect(),
            neutralisations,
            starts: starts.map(|s| (s.entry_id, s.clone())).collect(),
        }
    }
}
