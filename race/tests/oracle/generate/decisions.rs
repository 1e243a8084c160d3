//! What persons decided of the fleet.

use serde_json::{Value, json};

use super::edits::about;
use super::prices::id;
use super::tape::Tape;
use super::{add, at};

fn ids(document: &Value, table: &str) -> Vec<Value> {
    document[table].as_array().unwrap().iter().map(|row| row["id"].clone()).collect()
}

fn pick(of: &[Value], tape: &mut Tape<'_>) -> Value {
    of.get(tape.below(of.len().max(1) as u32) as usize).cloned().unwrap_or_else(|| json!(id(1)))
}

pub(crate) fn decide(document: &mut Value, moments: &[i64], tape: &mut Tape<'_>) {
    let entries = ids(document, "entries");
    let mut number = 9_000;
    for entry in entries {
        if !tape.percent(50) {
            continue;
        }
        for n in 0..1 + tape.below(3) {
            let mut row = decision(document, moments, tape);
            row["id"] = json!(id(number));
            row["entry_id"] = entry.clone();
            // Given in an order of its own.
            row["created_at"] = json!(at(i64::from(tape.below(3)) * 1_000 + i64::from(n)));
            number += 1;
            add(document, "overrides", row);
        }
    }
}

fn decision(document: &Value, moments: &[i64], tape: &mut Tape<'_>) -> Value {
    let mut row = match tape.below(6) {
        0 | 1 => {
            let mut key = json!({"geofence": pick(&ids(document, "geofences"), tape)});
            if tape.percent(70) {
                key["direction"] = json!(tape.pick(&["enter", "exit", "cross"]));
            }
            let action = tape.pick(&["confirm", "reject", "cancel", "set"]);
            json!({"target": "crossing", "key": key, "action": action, "value_ms": about(moments, tape)})
        }
        2 => {
            let key = json!({"segment": pick(&ids(document, "segments"), tape)});
            let action = tape.pick(&["set", "confirm", "reject", "set"]);
            json!({"target": "start", "key": key, "action": action, "value_ms": about(moments, tape)})
        }
        3 | 4 => {
            let formulas = document["penalty_formulas"].as_array().unwrap();
            let evaluators: Vec<Value> = formulas.iter().map(|row| row["type"].clone()).collect();
            let mut key = json!({"type": pick(&evaluators, tape)});
            if !evaluators.contains(&key["type"])
                || ["bonus", "manual"].contains(&key["type"].as_str().unwrap())
            {
                key["type"] = json!("speeding_peak");
            }
            if tape.percent(25) {
                key["place"] = pick(&ids(document, "segments"), tape);
            }
            let action = tape.pick(&["cancel", "confirm", "set", "reject"]);
            let value = i64::from(tape.below(700_000)) - 100_000;
            json!({"target": "penalty", "key": key, "action": action, "value_ms": value})
        }
        _ => {
            let mut key = json!({"type": tape.pick(&["bonus", "manual"])});
            if tape.percent(60) {
                key["stage"] = pick(&ids(document, "stages"), tape);
            } else if tape.percent(50) {
                key["segment"] = pick(&ids(document, "segments"), tape);
            }
            let value = i64::from(tape.below(90_000)) - 20_000;
            json!({"target": "penalty", "key": key, "action": "set", "value_ms": value})
        }
    };
    if tape.percent(50) {
        let from = about(moments, tape);
        row["from"] = json!(at(from));
        row["to"] = json!(at(from + i64::from(tape.below(300_000))));
    }
    row
}
