//! References: every id leads to a row, and to one of the same event or segment.

use uuid::Uuid;

use super::index::Index;
use super::row::{At, each};
use crate::course::load::Problem;
use crate::course::tables::{BelongsTo, PenaltyFormula, SpeedLimitZone, Stage, Tables};

/// Adds dangling references and references across events or segments.
pub(super) fn check(tables: &Tables, index: &Index<'_>, problems: &mut Vec<Problem>) {
    people(tables, index, problems);
    course(tables, index, problems);
    each(&tables.penalty_formulas, problems, |row, at| formula(row, index, at));
    each(&tables.entry_segment_starts, problems, |row, at| {
        let entry = index.entries.expect(row.entry_id, "entry_id", at);
        let segment = index.segments.expect(row.segment_id, "segment_id", at);
        if let (Some(entry), Some(_)) = (entry, segment) {
            same_event(at, "segment_id", Some(entry.event_id), index.event_of_segment(row.segment_id));
        }
    });
    each(&tables.overrides, problems, |row, at| {
        index.entries.expect(row.entry_id, "entry_id", at);
    });
}

fn people(tables: &Tables, index: &Index<'_>, problems: &mut Vec<Problem>) {
    each(&tables.classes, problems, |row, at| {
        index.events.expect(row.event_id, "event_id", at);
    });
    each(&tables.entries, problems, |row, at| {
        index.events.expect(row.event_id, "event_id", at);
        if let Some(class) = row.class_id.and_then(|id| index.classes.expect(id, "class_id", at)) {
            same_event(at, "class_id", Some(row.event_id), Some(class.event_id));
        }
    });
    each(&tables.entry_devices, problems, |row, at| {
        index.entries.expect(row.entry_id, "entry_id", at);
        index.devices.expect(row.device_id, "device_id", at);
    });
}

fn course(tables: &Tables, index: &Index<'_>, problems: &mut Vec<Problem>) {
    each(&tables.stages, problems, |row, at| {
        index.events.expect(row.event_id, "event_id", at);
        input_stage(row, index, at);
    });
    each(&tables.segments, problems, |row, at| {
        let stage = index.stages.expect(row.stage_id, "stage_id", at);
        let event = stage.map(|s| s.event_id);
        geofence(at, index, "entry_geofence_id", row.entry_geofence_id, event);
        geofence(at, index, "exit_geofence_id", row.exit_geofence_id, event);
    });
    each(&tables.geofences, problems, |row, at| {
        index.events.expect(row.event_id, "event_id", at);
    });
    each(&tables.waypoints, problems, |row, at| {
        index.segments.expect(row.segment_id, "segment_id", at);
    });
    each(&tables.speed_limit_zones, problems, |row, at| zone(row, index, at));
    each(&tables.neutralisations, problems, |row, at| {
        index.segments.expect(row.segment_id, "segment_id", at);
        let event = index.event_of_segment(row.segment_id);
        geofence(at, index, "entry_geofence_id", Some(row.entry_geofence_id), event);
        geofence(at, index, "exit_geofence_id", Some(row.exit_geofence_id), event);
    });
}

/// A start order reads the result of a stage that was driven before.
fn input_stage(row: &Stage, index: &Index<'_>, at: &mut At<'_>) {
    const FIELD: &str = "start_order_input_stage_id";
    let Some(input) = row.start_order_input_stage_id.and_then(|id| index.stages.expect(id, FIELD, at)) else {
        return;
    };
    if input.id == row.id {
        at.problem(FIELD, "a stage cannot take its start order from itself");
    } else if input.event_id != row.event_id {
        same_event(at, FIELD, Some(row.event_id), Some(input.event_id));
    } else if input.sort_order >= row.sort_order {
        at.problem(
            FIELD,
            format!(
                "stage {:?} has sort_order {}, which is not before {}",
                input.name, input.sort_order, row.sort_order
            ),
        );
    }
}

fn zone(row: &SpeedLimitZone, index: &Index<'_>, at: &mut At<'_>) {
    index.segments.expect(row.segment_id, "segment_id", at);
    for (field, id) in [("dz_waypoint_id", row.dz_waypoint_id), ("fz_waypoint_id", row.fz_waypoint_id)] {
        if let Some(waypoint) = id.and_then(|id| index.waypoints.expect(id, field, at))
            && waypoint.segment_id != row.segment_id
        {
            at.problem(field, format!("waypoint {} is in another segment", waypoint.number));
        }
    }
    if row.fz_waypoint_id.is_some() && row.fz_waypoint_id == row.dz_waypoint_id {
        at.problem("fz_waypoint_id", "a zone cannot end at the waypoint it begins at");
    }
}

fn formula(row: &PenaltyFormula, index: &Index<'_>, at: &mut At<'_>) {
    const FIELD: &str = "belongs_to_id";
    index.events.expect(row.event_id, "event_id", at);
    if let Some(class) = row.class_id.and_then(|id| index.classes.expect(id, "class_id", at)) {
        same_event(at, "class_id", Some(row.event_id), Some(class.event_id));
    }
    let id = row.belongs_to_id;
    let event = match row.belongs_to_type {
        BelongsTo::Event => index.events.expect(id, FIELD, at).map(|e| e.id),
        BelongsTo::Stage => index.stages.expect(id, FIELD, at).map(|s| s.event_id),
        BelongsTo::Geofence => index.geofences.expect(id, FIELD, at).map(|g| g.event_id),
        BelongsTo::Segment => index.segments.expect(id, FIELD, at).and_then(|s| index.event_of_segment(s.id)),
        BelongsTo::Waypoint => {
            index.waypoints.expect(id, FIELD, at).and_then(|w| index.event_of_segment(w.segment_id))
        }
        BelongsTo::SpeedLimitZone => {
            index.zones.expect(id, FIELD, at).and_then(|z| index.event_of_segment(z.segment_id))
        }
    };
    // The event itself may dangle: that is one problem, not two.
    if index.events.get(row.event_id).is_some() {
        same_event(at, FIELD, Some(row.event_id), event);
    }
}

fn geofence(at: &mut At<'_>, index: &Index<'_>, field: &str, id: Option<Uuid>, event: Option<Uuid>) {
    if let Some(geofence) = id.and_then(|id| index.geofences.expect(id, field, at)) {
        same_event(at, field, event, Some(geofence.event_id));
    }
}

/// A problem when both events are known and differ; an unknown one is a dangling reference, reported where it is.
fn same_event(at: &mut At<'_>, field: &str, own: Option<Uuid>, other: Option<Uuid>) {
    if let (Some(own), Some(other)) = (own, other)
        && own != other
    {
        at.problem(field, format!("refers to a row of event {other}, but this row is of event {own}"));
    }
}
