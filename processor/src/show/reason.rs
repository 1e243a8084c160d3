//! Why a penalty was given, in a few words.

use race::record::{Penalty, PenaltyStatus};
use serde_json::Value;

use super::words::{self, seconds};

/// The name of an evaluator, as a person reads it.
pub(crate) fn title(penalty: &Penalty) -> String {
    let name = penalty.evaluator.replace('_', " ");
    match &penalty.kind {
        Some(kind) => format!("{name} {kind}"),
        None => name,
    }
}

/// What was done, and what a person decided about it.
pub(crate) fn reason(penalty: &Penalty) -> String {
    let measured = measured(penalty);
    let mut reason = title(penalty);
    if !measured.is_empty() {
        reason += &format!(": {measured}");
    }
    if penalty.needs_review {
        reason += ", to be reviewed";
    }
    match penalty.status {
        PenaltyStatus::Computed => {}
        status => reason += &format!(", {} by a person", status.as_str()),
    }
    reason
}

/// The measure with its unit, and what was measured.
fn measured(penalty: &Penalty) -> String {
    let inputs = &penalty.inputs;
    let unit = inputs.get("unit").and_then(Value::as_str).unwrap_or_default();
    let mut parts = Vec::new();
    // Those that were missed are named, which says how many they are.
    let is_count = unit == "waypoints" && inputs.get("missed").is_some();
    if let Some(measure) = inputs.get("measure").and_then(Value::as_f64).filter(|_| !is_count) {
        parts.push(format!("{measure} {unit}").trim_end().to_owned());
    }
    if let Some(missed) = inputs.get("missed").and_then(Value::as_array) {
        let numbers: Vec<String> = missed.iter().map(Value::to_string).collect();
        parts.push(format!("missed {}", words::list(&numbers)));
    }
    if let Some(early) = inputs.get("early_ms").and_then(Value::as_i64) {
        parts.push(format!("left {} early", seconds(early)));
    }
    if let Some(priced) = inputs.get("parts").and_then(Value::as_array) {
        let measure = |part: &Value| {
            let (measure, count) = (part["measure"].as_f64()?, part["count"].as_u64().unwrap_or(1));
            Some(if count == 1 { measure.to_string() } else { format!("{count} x {measure}") })
        };
        let measures: Vec<String> = priced.iter().filter_map(measure).collect();
        parts.push(format!("{} {unit}", words::list(&measures)).trim_end().to_owned());
    }
    if let Some(zone) = inputs.get("zone").and_then(Value::as_str).filter(|zone| !zone.is_empty()) {
        parts.push(format!("in {zone}"));
    }
    parts.join(", ")
}

/// What a penalty does: time, or an exclusion.
pub(crate) fn effect(penalty: &Penalty) -> &'static str {
    if penalty.status == PenaltyStatus::Cancelled {
        return "none";
    }
    let rows = penalty.formula_snapshot.as_array();
    let id = penalty.formula_id.map(|id| id.to_string()).unwrap_or_default();
    let row = rows.and_then(|rows| rows.iter().find(|row| row["id"] == id.as_str()));
    match row.and_then(|row| row["operator"].as_str()) {
        Some("exclude") => "disqualified",
        Some("not_classified") => "not classified",
        _ => "time",
    }
}
