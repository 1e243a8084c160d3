//! What may stand only once.

use std::collections::BTreeMap;

use super::row::{TableRow, at};
use super::window::{Window, Windowed};
use crate::course::load::Problem;
use crate::course::tables::Tables;

/// Adds ids, numbers, places in an order and start slots that are taken twice.
pub(super) fn check(tables: &Tables, problems: &mut Vec<Problem>) {
    macro_rules! ids {
        ($($table:ident),*) => {
            $( once(&tables.$table, "id", "id", problems, TableRow::id); )*
        };
    }
    ids!(
        events,
        classes,
        entries,
        devices,
        entry_devices,
        stages,
        segments,
        geofences,
        waypoints,
        speed_limit_zones,
        neutralisations,
        penalty_formulas,
        entry_segment_starts,
        overrides
    );
    once(&tables.entries, "race_number", "race number in the event", problems, |row| {
        Some((row.event_id, row.race_number))
    });
    once(&tables.devices, "imei", "imei", problems, |row| Some(row.imei.as_str()));
    once(&tables.stages, "sort_order", "place in the event", problems, |row| {
        Some((row.event_id, row.sort_order))
    });
    once(&tables.segments, "sort_order", "place in the stage", problems, |row| {
        Some((row.stage_id, row.sort_order))
    });
    once(&tables.entry_segment_starts, "segment_id", "start of that entry", problems, |row| {
        Some((row.entry_id, row.segment_id))
    });
    // An edited waypoint is closed and opened anew as another row, so it keeps its place in the order.
    once_at_a_time(&tables.waypoints, "sort_order", "place in the segment", problems, |row| {
        (row.segment_id, row.sort_order)
    });
}

/// Reports every row whose key an earlier row has.
fn once<'t, T: TableRow, K: Ord>(
    rows: &'t [T],
    field: &str,
    what: &str,
    problems: &mut Vec<Problem>,
    key: impl Fn(&'t T) -> Option<K>,
) {
    let mut seen = BTreeMap::new();
    for (row, value) in rows.iter().enumerate() {
        let Some(key) = key(value) else { continue };
        if let Some(first) = seen.get(&key) {
            at(rows, row, problems).problem(field, taken::<T>(*first, what));
        } else {
            seen.insert(key, row);
        }
    }
}

/// As [`once`], for rows that may follow each other in time.
fn once_at_a_time<T: TableRow + Windowed, K: Ord>(
    rows: &[T],
    field: &str,
    what: &str,
    problems: &mut Vec<Problem>,
    key: impl Fn(&T) -> K,
) {
    let mut groups: BTreeMap<K, Vec<(Window, usize)>> = BTreeMap::new();
    for (row, value) in rows.iter().enumerate() {
        groups.entry(key(value)).or_default().push((value.window(), row));
    }
    for group in groups.values_mut() {
        group.sort_unstable();
        // Sorted by their beginning, two windows meet only if one meets the one that lasts longest before it.
        let mut longest: Option<(Window, usize)> = None;
        for &(window, row) in group.iter() {
            if let Some((before, other)) = longest
                && window.meets(before)
            {
                at(rows, row.max(other), problems).problem(field, taken::<T>(row.min(other), what));
            }
            if longest.is_none_or(|(before, _)| window.to > before.to) {
                longest = Some((window, row));
            }
        }
    }
}

fn taken<T: TableRow>(first: usize, what: &str) -> String {
    format!("{}[{first}] has the same {what}", T::TABLE)
}
