//! How a penalty came to its amount, written out from the rows as they stood and what was measured.

use race::course::tables::{Operator, PenaltyFormula};
use race::record::{Penalty, PenaltyStatus};
use serde_json::Value;

use crate::show::words::seconds;

/// The rows of the table as they stood, by bracket. None of a form that this version cannot read.
pub(crate) fn rows(penalty: &Penalty) -> Vec<PenaltyFormula> {
    serde_json::from_value(penalty.formula_snapshot.clone()).unwrap_or_default()
}

/// One line for each step.
pub(crate) fn lines(penalty: &Penalty) -> Vec<String> {
    let (rows, inputs) = (rows(penalty), &penalty.inputs);
    let computed_ms = inputs.get("computed_ms").and_then(Value::as_i64).unwrap_or(penalty.penalty_ms);
    let number = |key: &str| inputs.get(key).and_then(Value::as_f64);
    let mut lines = Vec::new();
    if let Some(parts) = inputs.get("parts").and_then(Value::as_array) {
        let mut amounts = Vec::new();
        for part in parts {
            let (Some(measure), Some(each_ms)) = (part["measure"].as_f64(), part["penalty_ms_each"].as_i64())
            else {
                continue;
            };
            let count = part["count"].as_u64().unwrap_or(1);
            let row = rows.iter().find(|row| holds(row, measure));
            lines.extend(
                row.map(|row| line(&rows, row, measure, number("by_unit").unwrap_or(measure), each_ms)),
            );
            let times = if count == 1 { String::new() } else { format!("{count} x ") };
            amounts.push(format!("{times}{}", seconds(each_ms)));
        }
        lines.push(format!("{} = {}", amounts.join(" + "), seconds(computed_ms)));
    } else if let Some(measure) = number("measure") {
        // A bonus is given below 0 and priced as what it is taken off by.
        let (measure, sign) = (measure.abs(), if measure < 0.0 { -1 } else { 1 });
        let row = rows.iter().find(|row| Some(row.id) == penalty.formula_id);
        let line = row
            .map(|row| line(&rows, row, measure, number("by_unit").unwrap_or(measure), sign * computed_ms));
        lines.extend(line.map(|line| if sign < 0 { format!("{line}, taken off") } else { line }));
    }
    match penalty.status {
        PenaltyStatus::Computed | PenaltyStatus::Confirmed => {}
        PenaltyStatus::Overridden => {
            lines.push(format!("a person set it to {}", seconds(penalty.penalty_ms)));
        }
        PenaltyStatus::Cancelled => lines.push("a person cancelled it: it costs nothing".to_owned()),
    }
    lines
}

/// Whether a measure is in the bracket of a row.
fn holds(row: &PenaltyFormula, measure: f64) -> bool {
    measure > row.offence_min && row.offence_max.is_none_or(|max| measure <= max)
}

/// What a table makes of `unit` in the bracket of `row`, that of `measure`.
fn line(rows: &[PenaltyFormula], row: &PenaltyFormula, measure: f64, unit: f64, total_ms: i64) -> String {
    let rate = |seconds: f64| format!("{seconds} s");
    let (mut terms, amount) = match row.operator {
        Operator::Exclude => return format!("{measure} is {}: disqualified", bracket(row)),
        Operator::NotClassified => return format!("{measure} is {}: not classified", bracket(row)),
        Operator::Flat => (vec![rate(row.penalty)], row.penalty),
        Operator::PerUnit => (vec![format!("{unit} x {}", rate(row.penalty))], unit * row.penalty),
        Operator::Progressive => {
            let below = rows.iter().filter(|below| below.offence_min <= row.offence_min);
            let parts: Vec<(f64, f64)> = below
                .map(|below| {
                    let high = below.offence_max.map_or(measure, |max| measure.min(max));
                    (without_noise(high - below.offence_min), below.penalty)
                })
                .collect();
            let terms = parts.iter().map(|(part, penalty)| format!("{part} x {}", rate(*penalty)));
            (terms.collect(), parts.iter().map(|(part, penalty)| part * penalty).sum())
        }
    };
    if row.base != 0.0 {
        terms.insert(0, rate(row.base));
    }
    #[allow(clippy::cast_precision_loss, reason = "a penalty is a small number of milliseconds")]
    let is_exact = ((row.base + amount) * 1_000.0 - total_ms as f64).abs() < 1.0;
    // A measure that is no number of hundredths, such as 1 of 3, is published to 0.01 and priced as it is.
    let exact = if is_exact { "" } else { ", by the measure before it is rounded" };
    let bracket = if rows.len() > 1 { format!("{measure} is {}: ", bracket(row)) } else { String::new() };
    format!("{bracket}{} = {}{exact}", terms.join(" + "), seconds(total_ms))
}

/// A bracket in words.
pub(crate) fn bracket(row: &PenaltyFormula) -> String {
    match row.offence_max {
        Some(max) => format!("above {} up to {max}", row.offence_min),
        None => format!("above {}", row.offence_min),
    }
}

/// The difference of two numbers of millionths, which brackets are held in, without what floats add to it.
fn without_noise(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::Uuid;

    fn table(operator: &str, brackets: &[(f64, Option<f64>, f64)]) -> Vec<PenaltyFormula> {
        let id = "00000000-0000-0000-0000-000000000001";
        let row = |(min, max, penalty): &(f64, Option<f64>, f64)| {
            json!({"id": id, "event_id": id, "belongs_to_type": "event", "belongs_to_id": id, "type": "speeding_peak",
                "offence_min": min, "offence_max": max, "operator": operator, "penalty": penalty})
        };
        serde_json::from_value(brackets.iter().map(row).collect()).unwrap()
    }

    /// The line of the bracket that the measure is in.
    fn priced(rows: &[PenaltyFormula], measure: f64, unit: f64, total_ms: i64) -> String {
        line(rows, rows.iter().find(|row| holds(row, measure)).unwrap(), measure, unit, total_ms)
    }

    #[test]
    fn a_rulebooks_table_is_written_out() {
        let brackets = [(0.0, Some(20.0), 10.0), (20.0, None, 20.0)];
        let progressive = priced(&table("progressive", &brackets), 27.0, 27.0, 340_000);
        assert_eq!(progressive, "27 is above 20: 20 x 10 s + 7 x 20 s = 340 s");
        let per_unit = priced(&table("per_unit", &brackets), 27.0, 27.0, 540_000);
        assert_eq!(per_unit, "27 is above 20: 27 x 20 s = 540 s");
        let flat = priced(&table("flat", &brackets), 20.0, 20.0, 10_000);
        assert_eq!(flat, "20 is above 0 up to 20: 10 s = 10 s");
        let ordinal = priced(&table("per_unit", &brackets[1..]), 21.0, 3.5, 70_000);
        assert_eq!(ordinal, "3.5 x 20 s = 70 s");
        let rounded = priced(&table("per_unit", &[(0.0, None, 60.0)]), 0.33, 0.33, 20_000);
        assert_eq!(rounded, "0.33 x 60 s = 20 s, by the measure before it is rounded");
        assert_eq!(priced(&table("exclude", &brackets), 27.0, 27.0, 0), "27 is above 20: disqualified");
        assert!(table("flat", &brackets).iter().all(|row| !holds(row, 0.0)), "in no bracket");
    }

    #[test]
    fn a_measure_at_an_edge_is_told_with_the_row_that_priced_it() {
        let mut rows = table("flat", &[(0.0, Some(68.39), 7.0), (68.39, None, 70.0)]);
        rows[1].id = Uuid::from_u128(2);
        let penalty = |measure: f64, penalty_ms: i64, row: usize| Penalty {
            id: Uuid::nil(),
            entry_id: Uuid::nil(),
            stage_id: Uuid::nil(),
            segment_id: None,
            evaluator: "segment_over_time".to_owned(),
            kind: None,
            formula_id: Some(rows[row].id),
            formula_snapshot: json!(rows),
            inputs: json!({ "measure": measure }),
            penalty_ms,
            counts_for: Vec::new(),
            status: PenaltyStatus::Computed,
            override_id: None,
            needs_review: false,
        };
        assert_eq!(lines(&penalty(68.392, 70_000, 1)), ["68.392 is above 68.39: 70 s = 70 s"]);
        assert_eq!(lines(&penalty(68.39, 70_000, 1)), ["68.39 is above 68.39: 70 s = 70 s"], "rounded");
        assert_eq!(lines(&penalty(-5.0, -7_000, 0)), ["5 is above 0 up to 68.39: 7 s = 7 s, taken off"]);
    }
}
