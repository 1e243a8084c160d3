//! Random small courses with fleets that drive along them.

pub(crate) mod decisions;
pub(crate) mod drive;
pub(crate) mod edits;
pub(crate) mod prices;
pub(crate) mod sketch;
pub(crate) mod tape;

use race::course::{Tables, parse};
use race::time::Timestamp;
use serde_json::{Value, json};

use crate::line::Row;
use drive::{Drive, ZERO_MS, drive, recorded};
use prices::{Menu, Scope, id, table};
use sketch::{Ground, Part, Sketch, geofence, sketch};
use tape::Tape;

/// A course with what is stored of its fleet, unique in device and instant.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) tables: Tables,
    pub(crate) rows: Vec<Row>,
}

fn at(ms: i64) -> String {
    Timestamp::from_millis(ms).to_string()
}

fn add(document: &mut Value, table: &str, row: Value) {
    document[table].as_array_mut().unwrap().push(row);
}

/// One entry on its way.
struct Started {
    n: u128,
    drive: Drive,
    begins_ms: i64,
}

pub(crate) fn case(choices: &[u32]) -> Case {
    let mut tape = Tape::new(choices);
    let ground = Ground::new(&mut tape);
    let sketch = sketch(&mut tape);
    let mut document = json!({
        "events": [{"id": id(1), "name": "e"}], "classes": [{"id": id(50), "event_id": id(1), "code": "A"}],
        "entries": [], "devices": [], "entry_devices": [], "stages": [], "segments": [], "geofences": [],
        "waypoints": [], "speed_limit_zones": [], "neutralisations": [], "penalty_formulas": [],
        "entry_segment_starts": [], "overrides": []
    });
    let (fleet, rows) = entries(&mut document, &ground, &sketch, &mut tape);
    event(&mut document, &mut tape);
    let mut next = Numbers { fence: 600, waypoint: 1_000, segment: 500, formula: 2_000 };
    for (n, parts) in sketch.stages.iter().enumerate() {
        stage(&mut document, &ground, &sketch, n, parts, &fleet, &mut next, &mut tape);
    }
    prices(&mut document, &mut next, &mut tape);
    edits::edit(&mut document, &moments(&fleet), &mut tape);
    decisions::decide(&mut document, &moments(&fleet), &mut tape);
    let tables = parse(&document.to_string()).unwrap_or_else(|e| panic!("{e}\n{document:#}"));
    Case { tables, rows }
}

/// When something happened to somebody: epoch milliseconds.
fn moments(fleet: &[Started]) -> Vec<i64> {
    let of = |started: &Started| -> Vec<i64> {
        let passed = started.drive.passed.iter().flatten().flat_map(|(from, to)| [*from, *to]);
        passed.map(|s| started.begins_ms + (s * 1_000.0) as i64).collect()
    };
    fleet.iter().flat_map(of).collect()
}

/// The next free numbers of ids.
struct Numbers {
    fence: u128,
    waypoint: u128,
    segment: u128,
    formula: u128,
}

fn entries(
    document: &mut Value,
    ground: &Ground,
    sketch: &Sketch,
    tape: &mut Tape<'_>,
) -> (Vec<Started>, Vec<Row>) {
    let (mut fleet, mut rows) = (Vec::new(), Vec::new());
    for n in 0..=u128::from(tape.below(3)) {
        let class = tape.percent(50).then(|| id(50));
        add(
            document,
            "entries",
            json!({"id": id(100 + n), "event_id": id(1), "race_number": 30 - 9 * n as i64, "class_id": class}),
        );
        let drive = drive(sketch, tape);
        let begins_ms = ZERO_MS + n as i64 * 60_000 + i64::from(tape.below(1_000));
        let whole = drive.seconds();
        // Some stop on the way.
        let end = if tape.percent(15) { whole * tape.range(0.2, 1.0) } else { whole };
        let second = tape.below(5);
        let switch = (end * tape.range(0.3, 0.7) * 1_000.0).round() / 1_000.0;
        for (d, (from, to)) in [(0.0, end), (switch - 60.0, end)].into_iter().enumerate() {
            if d == 1 && second < 3 {
                continue;
            }
            let device = 200 + n * 10 + d as u128;
            let imei = format!("35630704244{device:04}");
            add(document, "devices", json!({"id": id(device), "imei": imei}));
            let mut row = json!({"id": id(device + 100), "entry_id": id(100 + n), "device_id": id(device)});
            let switch_at = at(begins_ms + (switch * 1_000.0) as i64);
            match (second, d) {
                // One takes over from the other.
                (3, 0) => row["valid_to"] = json!(switch_at),
                (3, _) => row["valid_from"] = json!(switch_at),
                // The other is worn, or is a spare, or takes precedence while it is there.
                (4, 1) if tape.percent(50) => row["assigned_user_id"] = json!(id(77)),
                (4, 1) => {
                    row["timing"] = json!(tape.percent(50));
                    row["valid_from"] = json!(switch_at);
                }
                _ => {}
            }
            add(document, "entry_devices", row);
            rows.extend(recorded(ground, &drive, &imei, begins_ms, (from.max(0.0), to), tape));
        }
        fleet.push(Started { n, drive, begins_ms });
    }
    (fleet, rows)
}

fn event(document: &mut Value, tape: &mut Tape<'_>) {
    let event = &mut document["events"][0];
    if tape.percent(15) {
        event["starts_at"] = json!(at(ZERO_MS + i64::from(tape.below(120_000))));
        event["ends_at"] = json!(at(ZERO_MS + 600_000 + i64::from(tape.below(600_000))));
        event["margin_seconds"] = json!(tape.pick(&[0.0, 30.0, 600.0]));
    }
    event["max_gap_seconds"] = json!(tape.pick(&[60.0, 30.0, 10.0, 60.0]));
    event["spike_fixes"] = json!(tape.pick(&[3, 3, 1, 0]));
    event["max_plausible_kmh"] = json!(tape.pick(&[250.0, 300.0]));
    if tape.percent(20) {
        event["truncation"] = json!("s");
    }
    if tape.percent(30) {
        event["minute_truncation"] = json!(false);
    }
}

#[allow(clippy::too_many_arguments, reason = "what a stage is made of")]
fn stage(
    document: &mut Value,
    ground: &Ground,
    sketch: &Sketch,
    n: usize,
    parts: &[Part],
    fleet: &[Started],
    next: &mut Numbers,
    tape: &mut Tape<'_>,
) {
    let mut row =
        json!({"id": id(400 + n as u128), "event_id": id(1), "name": format!("s{n}"), "sort_order": n});
    let last = fleet.iter().map(|f| passed(f, n, parts.len() - 1).1).max().unwrap_or(0);
    match tape.below(10) {
        0..=5 => row["closed_at"] = json!(at(ZERO_MS + 7_200_000)),
        6 => row["closed_at"] = json!(at(last - i64::from(tape.below(60_000)))),
        _ => {}
    }
    if tape.percent(40) {
        row["fixed_seconds_dnf"] = json!(3_600);
        row["fixed_seconds_dns"] = json!(7_200.5);
    }
    add(document, "stages", row);
    for (k, part) in parts.iter().enumerate() {
        segment(document, ground, sketch, (n, k), part, fleet, next, tape);
    }
}

/// When an entry first passed the entry and the exit of a segment.
fn passed(started: &Started, stage: usize, segment: usize) -> drive::Passed {
    let (entry, exit) = started.drive.passed[stage][segment];
    (started.begins_ms + (entry * 1_000.0) as i64, started.begins_ms + (exit * 1_000.0) as i64)
}

fn fence(document: &mut Value, next: &mut Numbers, mut columns: Value) -> String {
    let fence = id(next.fence);
    columns["id"] = json!(fence);
    columns["event_id"] = json!(id(1));
    columns["name"] = json!(format!("g{}", next.fence));
    next.fence += 1;
    add(document, "geofences", columns);
    fence
}

#[allow(clippy::too_many_arguments, reason = "what a segment is made of")]
fn segment(
    document: &mut Value,
    ground: &Ground,
    sketch: &Sketch,
    (stage, k): (usize, usize),
    part: &Part,
    fleet: &[Started],
    next: &mut Numbers,
    tape: &mut Tape<'_>,
) {
    let road = &sketch.road;
    let before = document["segments"].as_array().unwrap().last();
    let before = before.filter(|s| s["exit_geofence_id"] != s["entry_geofence_id"]);
    let before = before.map(|s| s["exit_geofence_id"].clone()).filter(|id| !id.is_null());
    let (special, parc_ferme) = (part.kind == "special-stage", part.kind == "parc-ferme");
    let entry = match before {
        Some(before) if part.shares_entry => before,
        _ if part.kind == "liaison" && tape.percent(25) => Value::Null,
        _ => json!(fence(document, next, geofence(ground, road, part.from, !parc_ferme, tape))),
    };
    let exit = match () {
        () if part.circuit => entry.clone(),
        () if parc_ferme || part.kind == "liaison" && tape.percent(8) => Value::Null,
        () => json!(fence(document, next, geofence(ground, road, part.to, true, tape))),
    };
    let segment = next.segment;
    next.segment += 1;
    let mut row = json!({"id": id(segment), "stage_id": id(400 + stage as u128), "sort_order": k, "type": part.kind,
        "entry_geofence_id": entry, "exit_geofence_id": exit});
    if special {
        row["start_mode"] = json!(tape.pick(&["rolling", "rolling", "standing"]));
        row["start_edge"] = json!(tape.pick(&["exit", "enter"]));
        row["start_pick"] = json!(tape.pick(&["first", "last"]));
        // One lap is said or goes without saying.
        if !part.circuit && (part.laps > 1 || tape.percent(30)) {
            row["laps"] = json!(part.laps);
        }
        if tape.percent(15) {
            row["min_seconds"] = json!(tape.range(1.0, 60.0));
        }
        if tape.percent(10) {
            row["bogey_seconds"] = json!(tape.range(1.0, 100.0));
        }
        row["waypoint_order"] = json!(tape.pick(&["free", "sequence"]));
    }
    if parc_ferme {
        row["min_absence_seconds"] = json!(tape.pick(&[60.0, 20.0, 0.0]));
        row["absence_meters"] = json!(tape.pick(&[100.0, 40.0, 150.0]));
    }
    if tape.percent(15) {
        row["maximum_seconds"] = json!(tape.range(100.0, 200.0));
    }
    if !special || tape.percent(30) {
        row["target_duration_seconds"] = json!(tape.range(10.0, 300.0).round());
    }
    let standing = row["start_mode"] == "standing";
    add(document, "segments", row);
    for started in fleet {
        if standing && !tape.percent(5) || !special && tape.percent(50) {
            let true_ms = passed(started, stage, k).0;
            let target = (true_ms + (tape.range(-40.0, 20.0) * 1_000.0) as i64).div_euclid(1_000) * 1_000;
            add(
                document,
                "entry_segment_starts",
                json!({"entry_id": id(100 + started.n), "segment_id": id(segment), "target_at": at(target)}),
            );
        }
    }
    for (n, stop) in part.stops.iter().enumerate() {
        add(
            document,
            "waypoints",
            json!({"id": id(next.waypoint), "segment_id": id(segment), "number": n + 1,
            "sort_order": n, "kind": stop.kind, "location": ground.point(road.beside(stop.s, stop.left)),
            "tolerance_meters": stop.tolerance, "cancelled": stop.cancelled}),
        );
        next.waypoint += 1;
    }
    zones(document, ground, sketch, segment, part, tape);
    for (n, (from, to)) in (0..).zip(part.neutral.into_iter().chain(part.neutral_too)) {
        let one = fence(document, next, geofence(ground, road, from, true, tape));
        let other = if tape.percent(30) {
            one.clone()
        } else {
            fence(document, next, geofence(ground, road, to, true, tape))
        };
        add(
            document,
            "neutralisations",
            json!({"id": id(800 + 2 * segment + n), "segment_id": id(segment),
            "entry_geofence_id": one, "exit_geofence_id": other, "allowed_seconds": tape.pick(&[20.0, 60.0, 300.0, 0.5])}),
        );
    }
}

/// A polygon over the road, or a stretch between two of the segment's waypoints.
fn zones(
    document: &mut Value,
    ground: &Ground,
    sketch: &Sketch,
    segment: u128,
    part: &Part,
    tape: &mut Tape<'_>,
) {
    for n in 0..tape.below(3) {
        let mut row = json!({"id": id(7_000 + segment * 10 + u128::from(n)), "segment_id": id(segment),
            "limit_kmh": tape.pick(&[30.0, 50.0, 42.5, 70.0]), "tolerance_kmh": tape.pick(&[0.0, 0.0, 3.0]),
            "tolerance_percent": tape.pick(&[0.0, 0.0, 10.0]), "buffer_meters": tape.pick(&[0.0, 20.0, 40.0]),
            "min_duration_ms": tape.pick(&[2_000, 500, 10_000]), "impulse_meters": tape.pick(&[150.0, 60.0]),
            "impulse_seconds": tape.pick(&[10.0, 4.0])});
        if tape.percent(20) {
            row["length_meters"] = json!(tape.range(50.0, 500.0));
        }
        if tape.percent(60) || part.stops.len() < 2 {
            let middle = sketch
                .road
                .beside(part.from + (part.to - part.from) * tape.range(0.2, 0.8), tape.range(-20.0, 20.0));
            row["geometry"] = sketch::polygon(ground, middle, tape.range(80.0, 250.0), tape);
        } else {
            let dz = tape.below(part.stops.len() as u32 - 1) as usize;
            let fz = dz + 1 + tape.below((part.stops.len() - dz - 1) as u32) as usize;
            let rows = document["waypoints"].as_array().unwrap();
            let own = rows.len() - part.stops.len();
            row["dz_waypoint_id"] = rows[own + dz]["id"].clone();
            if !tape.percent(10) {
                row["fz_waypoint_id"] = rows[own + fz]["id"].clone();
            }
        }
        add(document, "speed_limit_zones", row);
    }
}

fn rows_of(document: &Value, table: &str, scope: &'static str) -> Vec<Scope> {
    let rows = document[table].as_array().unwrap();
    rows.iter()
        .map(|row| (scope, row["id"].as_str().unwrap().parse::<uuid::Uuid>().unwrap().as_u128()))
        .collect()
}

fn prices(document: &mut Value, next: &mut Numbers, tape: &mut Tape<'_>) {
    let class = Some(50);
    let waypoints = rows_of(document, "waypoints", "waypoint");
    let zones = rows_of(document, "speed_limit_zones", "speed_limit_zone");
    let fences = rows_of(document, "geofences", "geofence");
    let mut wide: Vec<Scope> = vec![("event", 1)];
    wide.extend(rows_of(document, "stages", "stage"));
    wide.extend(rows_of(document, "segments", "segment"));
    let kinds = ["WPM", "WPS", "WPE"];
    let mut drawn: Vec<Vec<Value>> = Vec::new();
    for (evaluator, step, kinds, scopes) in [
        ("missed_waypoint", 1.0, &kinds[..], [wide.clone(), waypoints].concat()),
        ("missed_waypoint", 1.0, &kinds[..], wide.clone()),
        ("missed_waypoint_ratio", 20.0, &kinds[..], wide.clone()),
        ("early_neutralisation", 10.0, &[][..], wide.clone()),
        ("speeding_peak", 10.0, &[][..], [zones.clone(), wide.clone()].concat()),
        ("speeding_time_gained", 3.0, &[][..], wide.clone()),
        ("speeding_impulse", 8.0, &[][..], wide.clone()),
        ("speeding_ordinal", 1.0, &[][..], wide.clone()),
        ("speeding_average", 5.0, &[][..], [zones.clone(), wide.clone()].concat()),
        ("late_check_in", 1.0, &[][..], wide.clone()),
        ("early_check_in", 1.0, &[][..], wide.clone()),
        ("late_total", 2.0, &[][..], wide.clone()),
        ("late_total", 1.0, &[][..], wide.clone()),
        ("late_start", 1.0, &[][..], wide.clone()),
        ("false_start", 1.0, &[][..], wide.clone()),
        ("segment_over_time", 20.0, &[][..], wide.clone()),
        ("left_parc_ferme", 1.0, &[][..], wide.clone()),
        ("missed_geofence", 1.0, &[][..], [fences, wide.clone()].concat()),
        ("missed_geofence", 1.0, &[][..], wide.clone()),
        ("no_evidence", 1.0, &[][..], wide.clone()),
        ("did_not_start", 1.0, &[][..], wide.clone()),
        ("did_not_finish", 1.0, &[][..], wide.clone()),
        ("bonus", 20.0, &[][..], wide.clone()),
        ("manual", 20.0, &[][..], wide.clone()),
    ] {
        if tape.percent(60) {
            let menu = Menu { evaluator, step, kinds, scopes: &scopes, class };
            drawn.push(table(&menu, &mut next.formula, tape));
        }
    }
    // One table of each name: a second one would overlap the first.
    let name =
        |row: &Value| ["type", "belongs_to_id", "class_id", "kind"].map(|column| row[column].to_string());
    let mut kept: Vec<Value> = Vec::new();
    for table in drawn {
        if !kept.iter().any(|row| name(row) == name(&table[0])) {
            kept.extend(table);
        }
    }
    document["penalty_formulas"] = Value::Array(kept);
}
