//! `speeding_ordinal`: how manieth speeding of the entry in the event; what is paid by unit is its highest speed over the
//! limit.

use super::{Case, Evaluator, Offence, speeding};
use crate::judge::evaluators::Measures;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "speeding_ordinal", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    speeding::find(
        case,
        EVALUATOR.name,
        "speedings",
        |speeding| Measures::Ordinal(speeding::speed(speeding.peak_over_ckmh)),
        offences,
    );
}
