//! The overall standings: what the stages so far add up to.

use race::record::StageStatus;
use uuid::Uuid;

/// What the standings need of one entry in one stage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) status: StageStatus,
    pub(crate) elapsed: Option<i64>,
    pub(crate) total: Option<i64>,
    pub(crate) penalty: i64,
    pub(crate) overall_penalty: i64,
    pub(crate) provisional: bool,
}

/// One entry with its stages so far.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) entry: Uuid,
    pub(crate) number: i64,
    pub(crate) class: Option<Uuid>,
    pub(crate) stages: Vec<Part>,
}

/// Entry, stages completed, time, penalties, total, position, position in the class, gap, provisional.
pub(crate) type Placed =
    (Uuid, u32, Option<i64>, i64, Option<i64>, Option<u32>, Option<u32>, Option<i64>, bool);

/// Milliseconds of a completed stage, driven or fixed.
fn time(part: &Part) -> Option<i64> {
    match part.status {
        StageStatus::Finished => part.elapsed.or(Some(0)),
        StageStatus::Dnf | StageStatus::Dns => part.total.map(|total| total - part.penalty),
        _ => None,
    }
}

pub(crate) fn standings(field: &[Line]) -> Vec<Placed> {
    let excluded = |l: &Line| l.stages.iter().any(|s| s.status == StageStatus::Dsq);
    let completed = |l: &Line| l.stages.iter().filter(|s| time(s).is_some()).count() as u32;
    let counts = |l: &Line| !excluded(l) && completed(l) > 0;
    let clean = |l: &Line| l.stages.iter().filter_map(time).sum::<i64>();
    let penalty = |l: &Line| l.stages.iter().map(|s| s.overall_penalty).sum::<i64>();
    let total = |l: &Line| clean(l) + penalty(l);
    let mut order: Vec<&Line> = field.iter().collect();
    order.sort_by_key(|l| {
        let most = if excluded(l) { 0 } else { completed(l) };
        let times = counts(l).then(|| (total(l), clean(l)));
        (excluded(l), std::cmp::Reverse(most), times, l.number)
    });
    let mut placed: Vec<Placed> = Vec::new();
    for (n, line) in order.iter().enumerate() {
        let of_class = order[..n].iter().filter(|l| l.class == line.class && counts(l)).count() as u32 + 1;
        let gap = counts(line) && completed(order[0]) == completed(line);
        placed.push((
            line.entry,
            completed(line),
            counts(line).then(|| clean(line)),
            penalty(line),
            counts(line).then(|| total(line)),
            counts(line).then(|| n as u32 + 1),
            line.class.filter(|_| counts(line)).map(|_| of_class),
            gap.then(|| total(line) - total(order[0])),
            line.stages.iter().any(|s| s.provisional),
        ));
    }
    placed
}
