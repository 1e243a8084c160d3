//! `segment_over_time`: seconds that a segment took longer than its maximum, else its target.

use serde_json::json;

use super::{Case, Evaluator, Offence, inputs};
use crate::course::formulas::Measure;
use crate::course::tables::SegmentType;
use crate::judge::segments::SegmentView;
use crate::num::round_to;
use crate::time::Timestamp;

pub(super) const EVALUATOR: Evaluator = Evaluator { name: "segment_over_time", find };

fn find<'a>(case: &Case<'a>, offences: &mut Vec<Offence<'a>>) {
    for segment in &case.view().segments {
        let row = &segment.plan.row;
        let Some(allowed) = row.maximum_seconds.or(row.target_duration_seconds) else { continue };
        let Some(taken) = taken(case, segment) else { continue };
        let (allowed_ms, taken_ms) = (round_to(allowed, 1e3), taken.ms);
        if taken_ms <= allowed_ms {
            continue;
        }
        let Some(table) = case.table(EVALUATOR.name, None, None, segment) else { continue };
        offences.push(Offence {
            table: Some(table),
            segment_id: Some(row.id),
            place: Some(row.id),
            start: None,
            window: Some(taken.window),
            measures: Measure::ratio(taken_ms - allowed_ms, 1_000).into(),
            inputs: inputs([
                ("from", json!(taken.window[0])),
                ("to", json!(taken.window[1])),
                ("neutralised_ms", segment.neutralised_ms().into()),
                ("taken_ms", taken_ms.into()),
                ("allowed_ms", allowed_ms.into()),
                ("unit", "seconds".into()),
            ]),
            needs_review: taken.needs_review,
        });
    }
}

struct Taken {
    ms: i64,
    window: [Timestamp; 2],
    needs_review: bool,
}

/// What a finished segment took, whatever its bogey and maximum time make of it. A liaison is counted from its slot,
/// else from the finish before it, wherever its own start was seen.
fn taken(case: &Case<'_>, segment: &SegmentView<'_>) -> Option<Taken> {
    let unit_ms = case.event.row.truncation.unit_ms();
    let finish = segment.finish?;
    match segment.plan.row.kind {
        SegmentType::SpecialStage => {
            let start = segment.start?;
            let neutralised = segment.neutralised.iter().any(|n| n.needs_review);
            Some(Taken {
                ms: segment.driven_ms(unit_ms)?,
                window: [start.at, finish.at],
                needs_review: start.needs_review
                    || finish.needs_review
                    || neutralised
                    || segment.awaits_confirmation,
            })
        }
        SegmentType::Liaison => {
            let due = segment.due?;
            Some(Taken {
                ms: finish.at.truncated(unit_ms).millis_since(due.from.truncated(unit_ms)),
                window: [due.from, finish.at],
                needs_review: due.needs_review || finish.needs_review || segment.awaits_confirmation,
            })
        }
        SegmentType::ParcFerme => None,
    }
}
