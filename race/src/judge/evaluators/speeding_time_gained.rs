//! `speeding_time_gained`: the seconds that a visit of a zone was faster than its limit allows.

use super::{Case, Evaluator, Offence, speeding};
use crate::course::formulas::Measure;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "speeding_time_gained", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    speeding::find(
        case,
        EVALUATOR.name,
        "seconds",
        |speeding| Measure::ratio(speeding.gained_ms, 1_000).into(),
        offences,
    );
}
