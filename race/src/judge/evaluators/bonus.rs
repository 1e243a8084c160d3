//! `bonus`: seconds that a person took off, as an override; the only penalty below 0.

use super::{Case, Evaluator, Offence, given};

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "bonus", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    given::find(case, EVALUATOR.name, |ms| -ms.abs(), offences);
}
