//! Ranges of single values: what rounding and integer arithmetic can carry, and what a rule can mean.

use super::row::{At, each};
use super::{MAX_EXTENT_METERS, MAX_SECONDS};
use crate::course::load::Problem;
use crate::course::tables::{OverrideAction, Segment, SegmentType, SpeedLimitZone, StartMode, Tables};
use crate::time::Timestamp;

/// The smallest distance or speed that does not round to nothing.
const SMALLEST: f64 = 0.01;
/// Faster than anything that races, slow enough for hundredths of km/h times a year of microseconds.
const MAX_KMH: f64 = 10_000.0;
/// A quarter of the Earth's circumference.
const MAX_LENGTH_METERS: f64 = 1e7;
/// Milliseconds of the last instant that RFC 3339 can write.
const MAX_INSTANT_MS: i64 = 253_402_300_799_999;

/// Adds every value outside its range.
pub(super) fn check(tables: &Tables, problems: &mut Vec<Problem>) {
    each(&tables.events, problems, |row, at| {
        seconds(at, "margin_seconds", row.margin_seconds);
        kmh(at, "max_plausible_kmh", row.max_plausible_kmh);
        seconds(at, "max_gap_seconds", row.max_gap_seconds);
        if row.spike_fixes > 16 {
            at.problem("spike_fixes", format!("is {}, allowed is 0 to 16 fixes", row.spike_fixes));
        }
        if let (Some(starts_at), Some(ends_at)) = (row.starts_at, row.ends_at)
            && ends_at < starts_at
        {
            at.problem("ends_at", format!("{ends_at} is before starts_at {starts_at}"));
        }
    });
    each(&tables.devices, problems, |row, at| {
        let characters = row.imei.chars().count();
        if !(1..=64).contains(&characters) {
            at.problem("imei", format!("has {characters} characters, allowed is 1 to 64"));
        }
    });
    each(&tables.entry_devices, problems, |row, at| window(at, row.valid_from, row.valid_to));
    each(&tables.stages, problems, |row, at| {
        optional_seconds(at, "start_interval_seconds", row.start_interval_seconds);
        optional_seconds(at, "fixed_seconds_dnf", row.fixed_seconds_dnf);
        optional_seconds(at, "fixed_seconds_dns", row.fixed_seconds_dns);
    });
    each(&tables.segments, problems, segment);
    each(&tables.geofences, problems, |row, at| {
        metres(at, "hysteresis_meters", row.hysteresis_meters);
        seconds(at, "debounce_seconds", row.debounce_seconds);
        if let Some(radius) = row.radius_meters {
            within(at, "radius_meters", radius, SMALLEST, MAX_EXTENT_METERS, "m");
        }
        window(at, row.valid_from, row.valid_to);
    });
    each(&tables.waypoints, problems, |row, at| {
        within(at, "tolerance_meters", row.tolerance_meters, SMALLEST, MAX_EXTENT_METERS, "m");
        window(at, row.valid_from, row.valid_to);
    });
    each(&tables.speed_limit_zones, problems, zone);
    each(&tables.neutralisations, problems, |row, at| {
        seconds(at, "allowed_seconds", row.allowed_seconds);
        window(at, row.valid_from, row.valid_to);
    });
    each(&tables.penalty_formulas, problems, |row, at| {
        if row.enabled {
            window(at, row.valid_from, row.valid_to);
        }
    });
    each(&tables.overrides, problems, |row, at| {
        match row.value_ms {
            None if row.action == OverrideAction::Set => {
                at.problem("value_ms", "is required with action set");
            }
            Some(ms) if ms.unsigned_abs() > MAX_INSTANT_MS.unsigned_abs() => {
                at.problem("value_ms", format!("is {ms}, allowed is up to {MAX_INSTANT_MS} ms either way"));
            }
            _ => {}
        }
        if let (Some(from), Some(to)) = (row.from, row.to)
            && to < from
        {
            at.problem("to", format!("{to} is before from {from}"));
        }
    });
}

fn segment(row: &Segment, at: &mut At<'_>) {
    optional_seconds(at, "target_duration_seconds", row.target_duration_seconds);
    seconds(at, "min_seconds", row.min_seconds);
    optional_seconds(at, "bogey_seconds", row.bogey_seconds);
    optional_seconds(at, "maximum_seconds", row.maximum_seconds);
    if let (Some(bogey), Some(maximum)) = (row.bogey_seconds, row.maximum_seconds)
        && bogey > maximum
    {
        at.problem("maximum_seconds", format!("{maximum} is less than bogey_seconds {bogey}"));
    }
    if let Some(laps) = row.laps
        && !(1..=10_000).contains(&laps)
    {
        at.problem("laps", format!("is {laps}, allowed is 1 to 10000"));
    }
    seconds(at, "min_absence_seconds", row.min_absence_seconds);
    metres(at, "absence_meters", row.absence_meters);
    if row.kind == SegmentType::SpecialStage {
        if row.exit_geofence_id.is_none() {
            at.problem("exit_geofence_id", "a special stage needs a geofence to finish at");
        }
        if row.start_mode == StartMode::Rolling && row.entry_geofence_id.is_none() {
            at.problem("entry_geofence_id", "a rolling start needs a geofence to start at");
        }
    }
}

fn zone(row: &SpeedLimitZone, at: &mut At<'_>) {
    kmh(at, "limit_kmh", row.limit_kmh);
    metres(at, "buffer_meters", row.buffer_meters);
    within(at, "tolerance_kmh", row.tolerance_kmh, 0.0, MAX_KMH, "km/h");
    within(at, "tolerance_percent", row.tolerance_percent, 0.0, 1_000.0, "percent");
    if !(0..=31_536_000_000).contains(&row.min_duration_ms) {
        at.problem("min_duration_ms", format!("is {}, allowed is 0 ms to one year", row.min_duration_ms));
    }
    // A counter that nothing fills would give impulses without end.
    within(at, "impulse_meters", row.impulse_meters, SMALLEST, MAX_LENGTH_METERS, "m");
    within(at, "impulse_seconds", row.impulse_seconds, 0.001, MAX_SECONDS, "s");
    if let Some(length) = row.length_meters {
        within(at, "length_meters", length, SMALLEST, MAX_LENGTH_METERS, "m");
    }
    window(at, row.valid_from, row.valid_to);
}

fn seconds(at: &mut At<'_>, field: &str, value: f64) {
    within(at, field, value, 0.0, MAX_SECONDS, "s");
}

fn optional_seconds(at: &mut At<'_>, field: &str, value: Option<f64>) {
    if let Some(value) = value {
        seconds(at, field, value);
    }
}

fn metres(at: &mut At<'_>, field: &str, value: f64) {
    within(at, field, value, 0.0, MAX_EXTENT_METERS, "m");
}

fn kmh(at: &mut At<'_>, field: &str, value: f64) {
    within(at, field, value, SMALLEST, MAX_KMH, "km/h");
}

/// A problem unless `min <= value <= max`; not a number is outside every range.
pub(super) fn within(at: &mut At<'_>, field: &str, value: f64, min: f64, max: f64, unit: &str) {
    if !(min..=max).contains(&value) {
        at.problem(field, format!("is {value}, allowed is {min} to {max} {unit}"));
    }
}

fn window(at: &mut At<'_>, from: Option<Timestamp>, to: Option<Timestamp>) {
    if let (Some(from), Some(to)) = (from, to)
        && to <= from
    {
        at.problem("valid_to", format!("{to} is not after valid_from {from}"));
    }
}
