//! Single penalty formulas. A disabled one does not exist.

use super::MAX_SECONDS;
use super::ranges::within;
use super::row::each;
use crate::course::load::Problem;
use crate::course::tables::Tables;
use crate::judge::evaluators::REGISTRY;

/// The largest measure a bracket may name; every measure is seconds, metres, km/h, percent or a count.
const MAX_OFFENCE: f64 = 1e9;

/// Adds formulas that no evaluator or total can use.
pub(super) fn check(tables: &Tables, problems: &mut Vec<Problem>) {
    each(&tables.penalty_formulas, problems, |row, at| {
        if !row.enabled {
            return;
        }
        if !REGISTRY.iter().any(|evaluator| evaluator.name == row.evaluator) {
            let name: String = row.evaluator.chars().take(64).collect();
            let known: Vec<&str> = REGISTRY.iter().map(|evaluator| evaluator.name).collect();
            at.problem("type", format!("unknown evaluator {name:?}; known are {}", known.join(", ")));
        }
        within(at, "offence_min", row.offence_min, 0.0, MAX_OFFENCE, "of the measure");
        if let Some(max) = row.offence_max {
            if max <= row.offence_min {
                at.problem("offence_max", format!("{max} is not above offence_min {}", row.offence_min));
            } else {
                within(at, "offence_max", max, 0.0, MAX_OFFENCE, "of the measure");
            }
        }
        within(at, "base", row.base, 0.0, MAX_SECONDS, "s");
        within(at, "penalty", row.penalty, 0.0, MAX_SECONDS, "s");
    });
}
