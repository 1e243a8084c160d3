//! What stays in force of a course when an edit of it cannot be judged by.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::tables::Tables;

/// The course as it is now; but an event of which rows had to be left out stays as it was `before`, where it was sound
/// then: a slip of the hand must not take back what is published.
pub fn keep_sound(before: &Tables, now: Tables) -> Tables {
    let flawed: BTreeSet<Uuid> =
        before.events.iter().map(|event| event.id).filter(|&id| is_flawed(&now, id)).collect();
    let kept: BTreeSet<Uuid> = flawed.into_iter().filter(|&id| !is_flawed(before, id)).collect();
    if kept.is_empty() {
        return now;
    }
    let mut merged = part(&now, |event| !kept.contains(&event));
    let old = part(before, |event| kept.contains(&event));
    let known: BTreeSet<Uuid> = merged.devices.iter().map(|device| device.id).collect();
    let imeis: BTreeSet<String> = merged.devices.iter().map(|device| device.imei.clone()).collect();
    let missing = old.devices.into_iter().filter(|d| !known.contains(&d.id) && !imeis.contains(&d.imei));
    merged.devices.extend(missing);
    merged.devices.sort_by_key(|device| device.id);
    macro_rules! join {
        ($($table:ident by $key:expr),* $(,)?) => {$(
            merged.$table.extend(old.$table);
            merged.$table.sort_by_key($key);
        )*};
    }
    join!(
        events by |row| row.id, classes by |row| row.id, entries by |row| row.id, entry_devices by |row| row.id,
        stages by |row| row.id, segments by |row| row.id, geofences by |row| row.id, waypoints by |row| row.id,
        speed_limit_zones by |row| row.id, neutralisations by |row| row.id, penalty_formulas by |row| row.id,
        entry_segment_starts by |row| (row.entry_id, row.segment_id), overrides by |row| row.id,
    );
    // A tracker that is gone, or another now, times nobody.
    let devices: BTreeSet<Uuid> = merged.devices.iter().map(|device| device.id).collect();
    merged.entry_devices.retain(|row| devices.contains(&row.device_id));
    merged.left_out = now.left_out;
    for out in &mut merged.left_out {
        out.before_in_force = out.event_id.is_some_and(|id| kept.contains(&id));
    }
    merged
}

/// Whether rows of an event, or of nobody knows which, were left out and nothing stands in for them.
pub fn is_flawed(tables: &Tables, event: Uuid) -> bool {
    tables.left_out.iter().any(|out| !out.before_in_force && out.event_id.is_none_or(|id| id == event))
}

/// The rows of some events, and all devices.
fn part(tables: &Tables, is_of: impl Fn(Uuid) -> bool) -> Tables {
    let stages: BTreeSet<Uuid> =
        tables.stages.iter().filter(|row| is_of(row.event_id)).map(|row| row.id).collect();
    let segments: BTreeSet<Uuid> =
        tables.segments.iter().filter(|row| stages.contains(&row.stage_id)).map(|row| row.id).collect();
    let entries: BTreeSet<Uuid> =
        tables.entries.iter().filter(|row| is_of(row.event_id)).map(|row| row.id).collect();
    macro_rules! rows {
        ($table:ident, $is:expr) => {
            tables.$table.iter().filter($is).cloned().collect()
        };
    }
    Tables {
        events: rows!(events, |row| is_of(row.id)),
        classes: rows!(classes, |row| is_of(row.event_id)),
        entries: rows!(entries, |row| is_of(row.event_id)),
        devices: tables.devices.clone(),
        entry_devices: rows!(entry_devices, |row| entries.contains(&row.entry_id)),
        stages: rows!(stages, |row| is_of(row.event_id)),
        segments: rows!(segments, |row| stages.contains(&row.stage_id)),
        geofences: rows!(geofences, |row| is_of(row.event_id)),
        waypoints: rows!(waypoints, |row| segments.contains(&row.segment_id)),
        speed_limit_zones: rows!(speed_limit_zones, |row| segments.contains(&row.segment_id)),
        neutralisations: rows!(neutralisations, |row| segments.contains(&row.segment_id)),
        penalty_formulas: rows!(penalty_formulas, |row| is_of(row.event_id)),
        entry_segment_starts: rows!(entry_segment_starts, |row| entries.contains(&row.entry_id)),
        overrides: rows!(overrides, |row| entries.contains(&row.entry_id)),
        left_out: Vec::new(),
    }
}
