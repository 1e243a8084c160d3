//! Tables that speak for more than one segment: over all of what they belong to.

use uuid::Uuid;

use super::Case;
use crate::course::formulas::TableAt;
use crate::course::tables::BelongsTo;
use crate::judge::segments::{SegmentView, StageView};

/// A table with everything that it is asked about.
pub(super) struct Scoped<'a> {
    /// The table.
    pub(super) table: TableAt<'a>,
    /// Every segment of what it belongs to, decided or not.
    pub(super) segments: Vec<&'a SegmentView<'a>>,
    /// The segment, where it belongs to one.
    pub(super) segment_id: Option<Uuid>,
}

/// The tables of an evaluator that are to be judged with this stage: those closest to one of its decided segments for
/// which `concerns` holds. A table of the event is judged once: in the last stage that has something to judge.
pub(super) fn tables<'a>(
    case: &Case<'a>,
    evaluator: &str,
    concerns: fn(&SegmentView<'_>) -> bool,
) -> Vec<Scoped<'a>> {
    let has_decided = |stage: &StageView<'_>| stage.segments.iter().any(|s| s.decided);
    let is_last = has_decided(case.view()) && !case.stages[case.stage + 1..].iter().any(has_decided);
    let in_reach = if is_last { &case.stages[..=case.stage] } else { std::slice::from_ref(case.view()) };
    let mut found: Vec<Scoped<'a>> = Vec::new();
    for segment in in_reach.iter().flat_map(|stage| &stage.segments).filter(|s| concerns(s)) {
        let Some(table) = case.table(evaluator, None, None, segment) else { continue };
        let is_here = segment.plan.row.stage_id == case.view().plan.row.id;
        let belongs = if table.key.scope == BelongsTo::Event { is_last } else { is_here };
        if belongs && !found.iter().any(|other| other.table.key == table.key) {
            let segments = match table.key.scope {
                BelongsTo::Segment => vec![segment],
                BelongsTo::Event => case.stages.iter().flat_map(|stage| &stage.segments).collect(),
                _ => case.view().segments.iter().collect(),
            };
            let is_segment = table.key.scope == BelongsTo::Segment;
            found.push(Scoped { table, segments, segment_id: is_segment.then_some(segment.plan.row.id) });
        }
    }
    found
}
