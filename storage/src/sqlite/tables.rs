//! The tables of the course, column by column as in `schema.sql`, parents before children.

use super::rows::Kind::{Document, Flag, Instant, Plain};
use super::rows::Table;

const BY_EVENT: Option<&str> = Some("event_id IN (SELECT value FROM json_each(?1))");
const BY_STAGE: Option<&str> =
    Some("stage_id IN (SELECT id FROM stages WHERE event_id IN (SELECT value FROM json_each(?1)))");
const BY_SEGMENT: Option<&str> = Some(
    "segment_id IN (SELECT segments.id FROM segments JOIN stages ON stages.id = stage_id \
     WHERE event_id IN (SELECT value FROM json_each(?1)))",
);
const BY_ENTRY: Option<&str> =
    Some("entry_id IN (SELECT id FROM entries WHERE event_id IN (SELECT value FROM json_each(?1)))");

macro_rules! kind {
    () => {
        Plain
    };
    ($kind:ident) => {
        $kind
    };
}

macro_rules! tables {
    ($($constant:ident $name:literal [$($key:ident),*] $scope:expr, { $($column:ident $(: $kind:ident)?),* $(,)? })*) => {$(
        pub(super) const $constant: Table = Table {
            name: $name,
            key: &[$(stringify!($key)),*],
            scope: $scope,
            columns: &[$((stringify!($column), kind!($($kind)?))),*],
        };
    )*};
}

tables! {
    EVENTS "events" [id] None, {
        id, organization_id, name, slug, discipline, starts_at: Instant, ends_at: Instant, margin_seconds,
        max_plausible_kmh, max_gap_seconds, spike_fixes, truncation, minute_truncation: Flag,
    }
    CLASSES "classes" [id] BY_EVENT, { id, event_id, code, name, sort_order }
    ENTRIES "entries" [id] BY_EVENT, { id, event_id, class_id, vehicle_id, race_number, status }
    DEVICES "devices" [id] None, { id, imei, model }
    ENTRY_DEVICES "entry_devices" [id] BY_ENTRY, {
        id, entry_id, device_id, assigned_user_id, timing: Flag, valid_from: Instant, valid_to: Instant,
    }
    STAGES "stages" [id] BY_EVENT, {
        id, event_id, name, sort_order, role, starts_at: Instant, start_interval_seconds,
        start_order_strategy, start_order_strategy_params: Document, start_order_input_stage_id,
        closed_at: Instant, fixed_seconds_dnf, fixed_seconds_dns,
    }
    GEOFENCES "geofences" [id] BY_EVENT, {
        id, event_id, name, kind, geometry: Document, radius_meters, hysteresis_meters, debounce_seconds,
        manual_verification: Flag, retroactive: Flag, valid_from: Instant, valid_to: Instant,
    }
    SEGMENTS "segments" [id] BY_STAGE, {
        id, stage_id, sort_order, type, entry_geofence_id, exit_geofence_id, target_duration_seconds,
        start_mode, start_edge, start_pick, min_seconds, bogey_seconds, maximum_seconds, laps, waypoint_order,
        min_absence_seconds, absence_meters,
    }
    WAYPOINTS "waypoints" [id] BY_SEGMENT, {
        id, segment_id, number, kind, location: Document, tolerance_meters, sort_order, cancelled: Flag,
        valid_from: Instant, valid_to: Instant,
    }
    SPEED_LIMIT_ZONES "speed_limit_zones" [id] BY_SEGMENT, {
        id, segment_id, name, geometry: Document, dz_waypoint_id, fz_waypoint_id, limit_kmh, buffer_meters,
        tolerance_kmh, tolerance_percent, min_duration_ms, impulse_meters, impulse_seconds, length_meters,
        valid_from: Instant, valid_to: Instant,
    }
    NEUTRALISATIONS "neutralisations" [id] BY_SEGMENT, {
        id, segment_id, entry_geofence_id, exit_geofence_id, allowed_seconds, valid_from: Instant,
        valid_to: Instant,
    }
    PENALTY_FORMULAS "penalty_formulas" [id] BY_EVENT, {
        id, event_id, belongs_to_type, belongs_to_id, class_id, kind, type, offence_min, offence_max, operator,
        base, penalty, counts_for: Document, retroactive: Flag, enabled: Flag, valid_from: Instant,
        valid_to: Instant,
    }
    ENTRY_SEGMENT_STARTS "entry_segment_starts" [entry_id, segment_id] BY_ENTRY, {
        id, entry_id, segment_id, start_position, target_at: Instant, manual_override: Flag,
    }
    OVERRIDES "overrides" [id] BY_ENTRY, {
        id, entry_id, target, key: Document, from: Instant, to: Instant, action, value_ms, reason, user_id,
        created_at: Instant,
    }
}
