//! Penalty tables: at every instant their brackets leave no measure without an answer and none with two.

use std::collections::{BTreeMap, BTreeSet};

use super::row::at;
use super::window::Windowed;
use crate::course::load::Problem;
use crate::course::tables::{Operator, PenaltyFormula, Tables};
use crate::time::Timestamp;

/// Adds gaps, overlaps and open ends of penalty tables.
pub(super) fn check(tables: &Tables, problems: &mut Vec<Problem>) {
    let rows = &tables.penalty_formulas;
    let mut by_table: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (row, formula) in rows.iter().enumerate() {
        if formula.enabled {
            let key = (
                &formula.evaluator,
                formula.belongs_to_type,
                formula.belongs_to_id,
                formula.class_id,
                &formula.kind,
            );
            by_table.entry(key).or_default().push(row);
        }
    }
    // What is wrong by itself is reported by itself; a chain with it would only repeat that.
    by_table.retain(|_, table| table.iter().all(|row| is_bracket(&rows[*row])));
    let mut found = BTreeSet::new();
    for table in by_table.values_mut() {
        table.sort_by(|a, b| rows[*a].offence_min.total_cmp(&rows[*b].offence_min));
        for instant in beginnings(rows, table) {
            let active: Vec<usize> = table
                .iter()
                .copied()
                .filter(|row| {
                    let window = rows[*row].window();
                    window.from <= instant && instant < window.to
                })
                .collect();
            chain(rows, &active, &mut found);
        }
    }
    for (row, field, message) in found {
        at(rows, row, problems).problem(field, message);
    }
}

fn is_bracket(formula: &PenaltyFormula) -> bool {
    let window = formula.window();
    formula.offence_min.is_finite()
        && formula.offence_max.is_none_or(|max| max > formula.offence_min)
        && window.from < window.to
}

/// The instants from which on another set of rows holds.
fn beginnings(rows: &[PenaltyFormula], table: &[usize]) -> BTreeSet<Timestamp> {
    table.iter().flat_map(|row| [rows[*row].window().from, rows[*row].window().to]).collect()
}

/// Looks at the brackets that hold at one instant, in ascending order.
fn chain(rows: &[PenaltyFormula], active: &[usize], found: &mut BTreeSet<(usize, &'static str, String)>) {
    for pair in active.windows(2) {
        let &[row, next] = pair else { continue };
        let (lower, upper) = (&rows[row], &rows[next]);
        match lower.offence_max {
            None => {
                let message =
                    format!("overlaps penalty_formulas[{row}], which is open above {}", lower.offence_min);
                found.insert((next, "offence_min", message));
            }
            Some(max) if upper.offence_min < max => {
                let message =
                    format!("{} overlaps penalty_formulas[{row}], which ends at {max}", upper.offence_min);
                found.insert((next, "offence_min", message));
            }
            Some(max) if upper.offence_min > max => {
                let message =
                    format!("gap from {max}, where penalty_formulas[{row}] ends, to {}", upper.offence_min);
                found.insert((next, "offence_min", message));
            }
            Some(_) if matches!(lower.operator, Operator::Exclude | Operator::NotClassified) => {
                let message = "ends its table, but another bracket follows".to_owned();
                found.insert((row, "operator", message));
            }
            Some(_) if mixes(lower.operator, upper.operator) => {
                let message =
                    format!("progressive brackets and others do not mix, see penalty_formulas[{row}]");
                found.insert((next, "operator", message));
            }
            Some(_) => {}
        }
    }
    if let Some(&last) = active.last()
        && let Some(max) = rows[last].offence_max
    {
        found.insert((last, "offence_max", format!("the last bracket is open (null), found {max}")));
    }
}

/// Whether one of two brackets sums over the table and the other does not.
fn mixes(a: Operator, b: Operator) -> bool {
    let amount = |o| matches!(o, Operator::Flat | Operator::PerUnit | Operator::Progressive);
    amount(a) && amount(b) && (a == Operator::Progressive) != (b == Operator::Progressive)
}
