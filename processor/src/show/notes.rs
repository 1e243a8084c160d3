//! What a person should know beside the numbers: how uncertain they are, and what was missed.

use race::course::plan::EntryPlan;
use race::judge::EntryEvaluation;
use race::record::StageStatus;

use super::words::{list, seconds};

/// Of an entry in a stage: how uncertain start and finish are, and which waypoints were missed.
pub(crate) fn notes(entry: &EntryPlan, evaluation: &EntryEvaluation, stage: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if entry.is_timed_twice {
        notes.push("to be reviewed: two trackers are set to time it at once".to_owned());
    }
    let result = &evaluation.stages[stage];
    if result.status == StageStatus::NotStarted && evaluation.fixes.used > 0 {
        notes.push(format!("{} fixes, none of them through the start", evaluation.fixes.used));
    }
    for segment in &result.segments {
        let crossing = |id: Option<_>| evaluation.crossings.iter().find(|c| Some(c.id) == id);
        let ends = [
            ("start", crossing(segment.start_crossing_id)),
            ("finish", crossing(segment.finish_crossing_id)),
        ];
        let told: Vec<String> = ends
            .iter()
            .filter_map(|(what, crossing)| {
                let crossing = crossing.as_ref()?;
                let review = if crossing.needs_review { ", to be reviewed" } else { "" };
                Some(format!("{what} between fixes {} apart{review}", seconds(crossing.uncertainty_ms)))
            })
            .collect();
        if !told.is_empty() {
            notes.push(told.join("; "));
        }
        if !segment.missed.is_empty() {
            notes.push(format!("missed {}", list(&segment.missed)));
        }
        if !segment.doubtful.is_empty() {
            notes.push(format!("to be reviewed: a gap in the track may hide {}", list(&segment.doubtful)));
        }
    }
    notes
}
