//! How the time of a stage came about: from where to where each special stage went, and what of it counts.

use race::course::plan::StagePlan;
use race::course::tables::SegmentType;
use race::judge::stage::StageEvaluation;
use race::time::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::show::words::{duration, instant, seconds};

/// A special stage that was finished, as its time adds up: from start to finish, without what was neutralised, within
/// its bogey and its maximum time.
#[derive(Debug, Serialize)]
pub(crate) struct SpecialStage {
    pub(crate) segment_id: Uuid,
    pub(crate) started_at: Timestamp,
    pub(crate) finished_at: Timestamp,
    pub(crate) neutralised_ms: i64,
    /// From start to finish without what was neutralised.
    pub(crate) driven_ms: i64,
    pub(crate) bogey_seconds: Option<f64>,
    pub(crate) maximum_seconds: Option<f64>,
    /// What counts.
    pub(crate) time_ms: i64,
}

/// The special stages of a stage that were finished, in order.
pub(super) fn special_stages(stage: &StagePlan, result: &StageEvaluation) -> Vec<SpecialStage> {
    let segments = stage.segments.iter().zip(&result.segments);
    let special = segments.filter(|(plan, _)| plan.row.kind == SegmentType::SpecialStage);
    let finished = special.filter_map(|(plan, driven)| {
        let (started_at, finished_at) = driven.started_at.zip(driven.finished_at)?;
        Some(SpecialStage {
            segment_id: driven.segment_id,
            started_at,
            finished_at,
            neutralised_ms: driven.neutralised_ms,
            driven_ms: finished_at.millis_since(started_at) - driven.neutralised_ms,
            bogey_seconds: plan.row.bogey_seconds,
            maximum_seconds: plan.row.maximum_seconds,
            time_ms: driven.time_ms?,
        })
    });
    finished.collect()
}

impl SpecialStage {
    /// Whether another time counts than was driven.
    pub(super) fn is_clamped(&self) -> bool {
        self.time_ms != self.driven_ms
    }

    /// In one line.
    pub(super) fn text(&self) -> String {
        let (from, to) = (instant(self.started_at), instant(self.finished_at));
        let (neutralised, driven) = (seconds(self.neutralised_ms), duration(self.driven_ms));
        let clamped = match (self.time_ms < self.driven_ms, self.maximum_seconds, self.bogey_seconds) {
            (true, Some(maximum), _) => {
                format!(", of which at most {maximum} s count: {}", duration(self.time_ms))
            }
            (false, _, Some(bogey)) if self.is_clamped() => {
                format!(", of which at least {bogey} s count: {}", duration(self.time_ms))
            }
            _ => String::new(),
        };
        format!("from {from} to {to}, without {neutralised} neutralised: {driven}{clamped}")
    }
}
