//! A course with a row in every table, records of one of its entries, and the ids to speak of its rows.

use race::course::Tables;
use race::course::tables::CountsFor;
use race::record::{Crossing, CrossingStatus, Direction, Penalty, PenaltyStatus, StageResult, StageStatus};
use race::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use storage::EntryRecords;
use uuid::Uuid;

/// The `n`th row of a table of an event.
pub(crate) fn id(event: u8, table: u8, n: u8) -> Uuid {
    Uuid::from_bytes([event, table, n, 0, 0, 0, 0x50, 0, 0x80, 0, 0, 0, 0, 0, 0, 0xab])
}

pub(crate) fn ts(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) const EVENT: u8 = 0;
pub(crate) const CLASS: u8 = 1;
pub(crate) const ENTRY: u8 = 2;
pub(crate) const DEVICE: u8 = 3;
pub(crate) const STAGE: u8 = 4;
pub(crate) const SEGMENT: u8 = 5;
pub(crate) const FENCE: u8 = 6;
pub(crate) const WAYPOINT: u8 = 7;
const OTHER: u8 = 8;

/// The course of an event: every table has a row with all its columns given, most also one with its defaults.
pub(crate) fn course(e: u8) -> Tables {
    let i = |table, n| id(e, table, n);
    let (from, to) = ("2026-06-07T08:00:00.000Z", "2026-06-07T18:00:00.123456Z");
    Tables {
        events: read(
            json!([{"id": i(EVENT, 0), "organization_id": i(OTHER, 0), "name": "Rally", "slug": "r",
            "discipline": "trail-run", "starts_at": from, "ends_at": to, "margin_seconds": 0.1,
            "max_plausible_kmh": 300.5, "max_gap_seconds": 61.0, "spike_fixes": 4, "truncation": "s",
            "minute_truncation": false}]),
        ),
        classes: read(
            json!([{"id": i(CLASS, 0), "event_id": i(EVENT, 0), "code": "A", "name": "Ä 'x'", "sort_order": -3},
            {"id": i(CLASS, 1), "event_id": i(EVENT, 0), "code": "B"}]),
        ),
        entries: read(json!([{"id": i(ENTRY, 0), "event_id": i(EVENT, 0), "class_id": i(CLASS, 0),
            "vehicle_id": i(OTHER, 1), "race_number": 7, "status": "in"},
            {"id": i(ENTRY, 1), "event_id": i(EVENT, 0), "race_number": 8}])),
        devices: read(json!([{"id": i(DEVICE, 0), "imei": format!("35630704244101{e}"), "model": "FMB"},
            {"id": i(DEVICE, 1), "imei": format!("35630704244102{e}")}])),
        entry_devices: read(json!([{"id": i(OTHER, 2), "entry_id": i(ENTRY, 0), "device_id": i(DEVICE, 0),
            "assigned_user_id": i(OTHER, 3), "timing": true, "valid_from": from, "valid_to": to},
            {"id": i(OTHER, 4), "entry_id": i(ENTRY, 1), "device_id": i(DEVICE, 1)}])),
        stages: read(
            json!([{"id": i(STAGE, 0), "event_id": i(EVENT, 0), "name": "S1", "sort_order": 1, "role": "p",
            "starts_at": from, "start_interval_seconds": 30.5, "start_order_strategy": "manual",
            "start_order_strategy_params": {"order": [3, 1.25, "x", null], "deep": {"a": true}},
            "start_order_input_stage_id": i(STAGE, 1), "closed_at": to, "fixed_seconds_dnf": 3600.0,
            "fixed_seconds_dns": 7200.0},
            {"id": i(STAGE, 1), "event_id": i(EVENT, 0), "name": "S0", "start_order_strategy_params": "text"}]),
        ),
        segments: read(
            json!([{"id": i(SEGMENT, 0), "stage_id": i(STAGE, 0), "sort_order": 2, "type": "special-stage",
            "entry_geofence_id": i(FENCE, 0), "exit_geofence_id": i(FENCE, 1), "target_duration_seconds": 60.25,
            "start_mode": "rolling", "start_edge": "enter", "start_pick": "last", "min_seconds": 1.5,
            "bogey_seconds": 2.5, "maximum_seconds": 3.5, "laps": 3, "waypoint_order": "sequence",
            "min_absence_seconds": 4.5, "absence_meters": 5.5},
            {"id": i(SEGMENT, 1), "stage_id": i(STAGE, 1), "type": "liaison"}]),
        ),
        geofences: read(json!([{"id": i(FENCE, 0), "event_id": i(EVENT, 0), "name": "Start", "kind": "area",
            "geometry": {"type": "Point", "coordinates": [19.818_712_345_678_9, 41.327_512_345_678_9]},
            "radius_meters": 40.0, "hysteresis_meters": 9.5, "debounce_seconds": 8.5,
            "manual_verification": true, "retroactive": true, "valid_from": from, "valid_to": to},
            {"id": i(FENCE, 1), "event_id": i(EVENT, 0), "name": "Finish", "kind": "gate",
            "geometry": {"type": "LineString", "coordinates": [[0.1, 0.2], [0.300_000_000_000_000_04, -0.7]]}}])),
        waypoints: read(
            json!([{"id": i(WAYPOINT, 0), "segment_id": i(SEGMENT, 0), "number": 1, "kind": "DZ",
            "location": {"type": "Point", "coordinates": [19.0, 41.0]}, "tolerance_meters": 90.0, "sort_order": 5,
            "cancelled": true, "valid_from": from, "valid_to": to},
            {"id": i(WAYPOINT, 1), "segment_id": i(SEGMENT, 0), "number": 2,
            "location": {"type": "Point", "coordinates": [19.1, 41.1]}, "tolerance_meters": 90.0}]),
        ),
        speed_limit_zones: read(json!([{"id": i(OTHER, 5), "segment_id": i(SEGMENT, 0), "name": "Village",
            "geometry": {"type": "Polygon", "coordinates": [[[0.0, 0.0], [0.1, 0.0], [0.1, 0.1], [0.0, 0.0]]]},
            "dz_waypoint_id": i(WAYPOINT, 0), "fz_waypoint_id": i(WAYPOINT, 1), "limit_kmh": 30.0,
            "buffer_meters": 90.0, "tolerance_kmh": 1.0, "tolerance_percent": 2.0, "min_duration_ms": 3,
            "impulse_meters": 4.0, "impulse_seconds": 5.0, "length_meters": 6.0, "valid_from": from,
            "valid_to": to}, {"id": i(OTHER, 6), "segment_id": i(SEGMENT, 0), "limit_kmh": 50.0}])),
        neutralisations: read(json!([{"id": i(OTHER, 7), "segment_id": i(SEGMENT, 0),
            "entry_geofence_id": i(FENCE, 0), "exit_geofence_id": i(FENCE, 1), "allowed_seconds": 600.0,
            "valid_from": from, "valid_to": to}])),
        penalty_formulas: read(json!([{"id": i(OTHER, 8), "event_id": i(EVENT, 0),
            "belongs_to_type": "speed_limit_zone", "belongs_to_id": i(OTHER, 5), "class_id": i(CLASS, 0),
            "kind": "DZ", "type": "speeding_peak", "offence_min": 0.5, "offence_max": 20.0,
            "operator": "per_unit", "base": 0.3, "penalty": 10.1, "counts_for": ["overall", "start-order"],
            "retroactive": true, "enabled": false, "valid_from": from, "valid_to": to},
            {"id": i(OTHER, 9), "event_id": i(EVENT, 0), "belongs_to_type": "event", "belongs_to_id": i(EVENT, 0),
            "type": "manual", "operator": "flat", "counts_for": []}])),
        entry_segment_starts: read(json!([{"entry_id": i(ENTRY, 0), "segment_id": i(SEGMENT, 0)},
            {"id": i(OTHER, 10), "entry_id": i(ENTRY, 1), "segment_id": i(SEGMENT, 0), "start_position": 2,
            "target_at": from, "manual_override": true}])),
        left_out: Vec::new(),
        overrides: read(json!([{"id": i(OTHER, 11), "entry_id": i(ENTRY, 0), "target": "crossing",
            "key": {"geofence": i(FENCE, 0), "n": 18_446_744_073_709_551_615_u64}, "from": from, "to": to,
            "action": "set", "value_ms": -5, "reason": "saw it", "user_id": i(OTHER, 12), "created_at": to},
            {"id": i(OTHER, 13), "entry_id": i(ENTRY, 0), "target": "start", "key": "text", "action": "cancel"}])),
    }
}

fn read<T: DeserializeOwned>(rows: Value) -> Vec<T> {
    serde_json::from_value(rows).unwrap()
}

fn crossing(n: u8) -> Crossing {
    let at = ts("2026-06-07T08:15:30.123Z").plus_millis(i64::from(n) * 1_000);
    Crossing {
        id: id(1, 100, n),
        entry_id: id(1, ENTRY, 0),
        geofence_id: id(1, FENCE, 0),
        ts: at,
        direction: Direction::Enter,
        latitude: 41.327_512_3,
        longitude: -0.0,
        speed: 63.41,
        uncertainty_ms: 1_000,
        fixes: [at.plus_millis(-400), at.plus_millis(600)],
        last_touch_at: Some(at.plus_millis(250)),
        needs_review: false,
        status: CrossingStatus::Computed,
        override_id: None,
        set_at: None,
    }
}

fn penalty() -> Penalty {
    Penalty {
        id: id(1, 101, 0),
        entry_id: id(1, ENTRY, 0),
        stage_id: id(1, STAGE, 0),
        segment_id: None,
        evaluator: "speeding_peak".into(),
        kind: Some("DZ".into()),
        formula_id: Some(id(1, 102, 0)),
        formula_snapshot: json!([{"offence_min": 0.1, "penalty": 10.5}]),
        inputs: json!({"peak": 27.3, "fixes": [1, 2]}),
        penalty_ms: 340_000,
        counts_for: vec![CountsFor::Stage, CountsFor::StartOrder],
        status: PenaltyStatus::Computed,
        override_id: None,
        needs_review: true,
    }
}

pub(crate) fn records() -> EntryRecords {
    EntryRecords {
        entry_id: id(1, ENTRY, 0),
        crossings: vec![crossing(0), crossing(1)],
        penalties: vec![penalty()],
    }
}

pub(crate) fn result() -> StageResult {
    StageResult {
        entry_id: id(1, ENTRY, 0),
        stage_id: id(1, STAGE, 0),
        status: StageStatus::Finished,
        started_at: Some(ts("2026-06-07T08:15:30.123Z")),
        finished_at: Some(ts("2026-06-07T09:15:30.123Z")),
        laps: None,
        elapsed_ms: Some(3_600_000),
        neutralised_ms: 0,
        clean_ms: Some(3_600_000),
        penalty_ms: 340_000,
        total_ms: Some(3_940_000),
        position: Some(1),
        class_position: None,
        gap_ms: Some(0),
        provisional: false,
    }
}
