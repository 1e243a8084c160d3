//! The four strategies: from results to an order.

use std::cmp::Reverse;

use super::params::{Params, Strategy};
use crate::course::plan::EventPlan;
use crate::judge::EntryEvaluation;
use crate::judge::ranking::Rank;
use crate::judge::standings;
use crate::num::div_round;
use crate::record::StageStatus;

/// The numbers of the entries in the order in which they start stage number `stage`; `input` is the stage whose results
/// decide. Who was excluded before the stage is not in it.
pub(super) fn order(
    event: &EventPlan,
    stage: usize,
    input: Option<usize>,
    params: &Params,
    evaluations: &[EntryEvaluation],
) -> Vec<usize> {
    let is_excluded = |entry: &usize| {
        evaluations[*entry].stages[..stage].iter().any(|result| result.status == StageStatus::Dsq)
    };
    let field: Vec<usize> = (0..event.entries.len()).filter(|entry| !is_excluded(entry)).collect();
    match input {
        Some(input) => by_results(field, input, params, evaluations),
        None => as_listed(event, field, &params.listed),
    }
}

/// Listed numbers first; numbers that are not entered are passed over, entries that are not listed follow by number.
fn as_listed(event: &EventPlan, mut field: Vec<usize>, listed: &[i64]) -> Vec<usize> {
    let place = |entry: &usize| {
        let number = event.entries[*entry].row.race_number;
        listed.iter().position(|listed| *listed == number).unwrap_or(listed.len())
    };
    // Entries are in order of race number, and the sort keeps the order of equals.
    field.sort_by_cached_key(place);
    field
}

/// Only who finished is ordered or reversed; the others follow by status, then number.
fn by_results(
    field: Vec<usize>,
    input: usize,
    params: &Params,
    evaluations: &[EntryEvaluation],
) -> Vec<usize> {
    let result = |entry: usize| &evaluations[entry].stages[input];
    let (mut finished, mut others): (Vec<usize>, Vec<usize>) =
        field.into_iter().partition(|&entry| result(entry).status == StageStatus::Finished);
    // Every key ends in the entry, so that ties go to the lower number also where the rest is reversed.
    match params.strategy {
        Strategy::Manual => {}
        Strategy::PreviousStageCleanResult => {
            finished.sort_by_key(|&entry| {
                let result = result(entry);
                let ms = result.clean_ms.map(|clean| clean + result.start_order_penalty_ms);
                let scaled =
                    ms.map(|ms| div_round(i128::from(ms) * i128::from(params.factor_micro), 1_000_000));
                (Reverse(result.laps), scaled, entry)
            });
        }
        Strategy::InverseTopNThenNatural => {
            finished.sort_by_key(|&entry| (Rank::of(result(entry)), entry));
            let n = params.n.min(finished.len());
            finished[..n].sort_by_key(|&entry| (Reverse(Rank::of(result(entry))), entry));
        }
        Strategy::InverseOfOverall => {
            finished.sort_by_key(|&entry| {
                (Reverse(standings::standing(&evaluations[entry].stages[..=input])), entry)
            });
        }
    }
    others.sort_by_key(|&entry| (result(entry).status, entry));
    finished.extend(others);
    finished
}

/// Whether a result that decides is provisional.
pub(super) fn is_provisional(
    input: Option<usize>,
    params: &Params,
    order: &[usize],
    evaluations: &[EntryEvaluation],
) -> bool {
    input.is_some_and(|input| {
        let from = if params.strategy == Strategy::InverseOfOverall { 0 } else { input };
        order.iter().any(|&entry| evaluations[entry].stages[from..=input].iter().any(|s| s.provisional))
    })
}
