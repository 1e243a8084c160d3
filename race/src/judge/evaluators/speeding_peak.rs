//! `speeding_peak`: the highest speed over the limit in a visit of a zone.

use super::{Case, Evaluator, Offence, speeding};

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "speeding_peak", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    speeding::find(
        case,
        EVALUATOR.name,
        "km/h",
        |speeding| speeding::speed(speeding.peak_over_ckmh).into(),
        offences,
    );
}
