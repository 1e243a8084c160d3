//! `early_check_in`: minutes by which the arrival of a liaison is earlier than due.

use super::late_check_in::{CheckIn, push};
use super::{Case, Evaluator, Offence};

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "early_check_in", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    for segment in &case.view().segments {
        let Some(check_in) = CheckIn::of(case, segment).filter(|c| c.late_ms < 0) else { continue };
        push(case, EVALUATOR.name, segment, &check_in, -check_in.late_ms, offences);
    }
}
