//! Start orders: strategies, their parameters, and positions that were handed out.

use super::row::each;
use crate::course::load::Problem;
use crate::course::tables::Tables;
use crate::start_order::params::{MAX_POSITION, Params};

/// Adds strategies that do not exist, parameters that mean nothing, and positions outside every order.
pub(super) fn check(tables: &Tables, problems: &mut Vec<Problem>) {
    each(&tables.stages, problems, |row, at| {
        if let Err((field, message)) = Params::of_stage(row) {
            at.problem(field, message);
        }
    });
    each(&tables.entry_segment_starts, problems, |row, at| {
        if let Some(position) = row.start_position
            && !(1..=MAX_POSITION).contains(&position)
        {
            at.problem("start_position", format!("is {position}, allowed is 1 to {MAX_POSITION}"));
        }
    });
}
