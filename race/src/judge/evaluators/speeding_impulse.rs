//! `speeding_impulse`: the speed over the limit at each impulse, priced one by one.

use super::{Case, Evaluator, Offence, speeding};
use crate::judge::evaluators::Measures;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "speeding_impulse", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    speeding::find(
        case,
        EVALUATOR.name,
        "km/h",
        |speeding| {
            Measures::Each(speeding.impulses_over_ckmh.iter().map(|&over| speeding::speed(over)).collect())
        },
        offences,
    );
}
