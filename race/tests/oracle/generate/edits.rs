//! Rows that hold for a time only, and rows that were edited while the race went on.

use serde_json::{Value, json};

use super::at;
use super::prices::id;
use super::tape::Tape;

/// Where the ids of what took the place of a row begin.
pub(crate) const EDITED: u128 = 100_000;

/// About one of some moments.
pub(crate) fn about(moments: &[i64], tape: &mut Tape<'_>) -> i64 {
    let moment = moments.get(tape.below(moments.len().max(1) as u32) as usize).copied().unwrap_or(0);
    moment + (tape.range(-60.0, 90.0) * 1_000.0) as i64 + 137
}

fn edited(row: &Value) -> String {
    let old: uuid::Uuid = row["id"].as_str().unwrap().parse().unwrap();
    id(EDITED + old.as_u128())
}

/// Closes a row and opens another that takes its place; or lets the row begin or end.
fn split(row: &mut Value, moment: i64, change: impl Fn(&mut Value), tape: &mut Tape<'_>) -> Option<Value> {
    match tape.below(4) {
        0 => {
            row["valid_from"] = json!(at(moment));
            None
        }
        1 => {
            row["valid_to"] = json!(at(moment));
            None
        }
        _ => {
            let mut new = row.clone();
            row["valid_to"] = json!(at(moment));
            new["valid_from"] = json!(at(moment));
            new["id"] = json!(edited(row));
            change(&mut new);
            Some(new)
        }
    }
}

pub(crate) fn edit(document: &mut Value, moments: &[i64], tape: &mut Tape<'_>) {
    let number = |row: &mut Value, column: &str, by: f64| {
        let value = row[column].as_f64().unwrap() * by;
        row[column] = json!(value);
    };
    // Zones name their waypoints: what would take the place of one of those begins no zone.
    let zones = document["speed_limit_zones"].as_array().unwrap();
    let named: Vec<Value> =
        zones.iter().flat_map(|z| [z["dz_waypoint_id"].clone(), z["fz_waypoint_id"].clone()]).collect();
    for (table, column, by, percent) in [
        ("waypoints", "tolerance_meters", 1.5, 8),
        ("neutralisations", "allowed_seconds", 0.5, 20),
        ("speed_limit_zones", "limit_kmh", 1.25, 15),
    ] {
        let mut new = Vec::new();
        for row in document[table].as_array_mut().unwrap() {
            if named.contains(&row["id"]) {
                if tape.percent(4) {
                    row["valid_to"] = json!(at(about(moments, tape)));
                }
            } else if tape.percent(percent) {
                new.extend(split(row, about(moments, tape), |row| number(row, column, by), tape));
            }
        }
        document[table].as_array_mut().unwrap().extend(new);
    }
    for row in document["geofences"].as_array_mut().unwrap() {
        if tape.percent(4) {
            let column = tape.pick(&["valid_from", "valid_to"]);
            row[column] = json!(at(about(moments, tape)));
        }
    }
    // Of a table all rows at once.
    let name =
        |row: &Value| ["type", "belongs_to_id", "class_id", "kind"].map(|column| row[column].to_string());
    let rows = document["penalty_formulas"].as_array_mut().unwrap();
    let mut names: Vec<[String; 4]> = rows.iter().map(name).collect();
    names.dedup();
    for table in names {
        if tape.percent(10) {
            let (moment, how) = (about(moments, tape), tape.below(4));
            let mut new = Vec::new();
            for row in rows.iter_mut().filter(|row| name(row) == table) {
                let fixed = [how];
                new.extend(split(row, moment, |row| number(row, "penalty", 2.0), &mut Tape::new(&fixed)));
            }
            rows.extend(new);
        }
    }
}
