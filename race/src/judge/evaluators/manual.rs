//! `manual`: seconds that a person gave, as an override.

use super::{Case, Evaluator, Offence, given};

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "manual", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    given::find(case, EVALUATOR.name, |ms| ms.abs(), offences);
}
