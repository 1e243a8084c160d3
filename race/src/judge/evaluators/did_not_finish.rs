//! `did_not_finish`: how manieth stage of the event that was started and closed before the entry finished it.

use super::did_not_start::push;
use super::{Case, Evaluator, Offence};
use crate::record::StageStatus;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "did_not_finish", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    push(case, EVALUATOR.name, StageStatus::Dnf, offences);
}
