//! Random penalty tables that a course may have.

use serde_json::{Value, json};

use super::tape::Tape;

/// A place that a table may belong to.
pub(crate) type Scope = (&'static str, u128);

/// What a table is drawn for: its evaluator, the step between its brackets, and kinds and scopes to choose from.
pub(crate) struct Menu<'a> {
    pub(crate) evaluator: &'a str,
    pub(crate) step: f64,
    pub(crate) kinds: &'a [&'a str],
    pub(crate) scopes: &'a [Scope],
    pub(crate) class: Option<u128>,
}

pub(crate) fn id(n: u128) -> String {
    uuid::Uuid::from_u128(n).to_string()
}

/// The rows of a table; `next` numbers them.
pub(crate) fn table(menu: &Menu<'_>, next: &mut u128, tape: &mut Tape<'_>) -> Vec<Value> {
    let (scope, of) = menu.scopes[tape.below(menu.scopes.len() as u32) as usize];
    let class = menu.class.filter(|_| tape.percent(20));
    let kind = (!menu.kinds.is_empty() && tape.percent(50)).then(|| tape.pick(menu.kinds));
    let brackets = 1 + tape.below(3);
    let progressive = tape.percent(30);
    let mut least = if tape.percent(20) { menu.step } else { 0.0 };
    let counts = tape.pick(&[None, None, Some(json!(["overall"])).map(|_| 1), Some(2)]);
    let enabled = !tape.percent(5);
    let mut rows = Vec::new();
    for n in 0..brackets {
        let last = n + 1 == brackets;
        let most = (!last).then(|| least + menu.step * f64::from(1 + tape.below(3)));
        let operator = match (progressive, last && tape.percent(10)) {
            (_, true) => tape.pick(&["exclude", "not_classified"]),
            (true, _) => "progressive",
            _ => tape.pick(&["flat", "per_unit"]),
        };
        let mut row = json!({"id": id(*next), "event_id": id(1), "belongs_to_type": scope, "belongs_to_id": id(of),
            "type": menu.evaluator, "offence_min": least, "offence_max": most, "operator": operator,
            "base": tape.pick(&[0.0, 10.0, 2.5]), "penalty": tape.pick(&[60.0, 1.0, 0.25, 7.5, 300.0]),
            "class_id": class.map(id), "kind": kind, "enabled": enabled});
        match counts {
            Some(1) => row["counts_for"] = json!(["overall"]),
            Some(_) => row["counts_for"] = json!(["stage", "start-order"]),
            None => {}
        }
        *next += 1;
        rows.push(row);
        least = most.unwrap_or(least);
    }
    rows
}
