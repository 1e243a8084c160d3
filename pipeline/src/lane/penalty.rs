//! Penalty: segments, waypoints and penalties of the tracks that ended.

use std::sync::Arc;

use race::course::Course;
use race::judge;

use crate::batch::{EvaluatedBatch, FencedBatch};

/// Judges the lane's entries.
#[derive(Debug)]
pub struct Penalty {
    course: Arc<Course>,
}

impl Penalty {
    /// A stage for one course.
    pub fn new(course: Arc<Course>) -> Self {
        Self { course }
    }

    /// Judges every track that ended in this batch.
    pub fn run(&mut self, batch: FencedBatch) -> EvaluatedBatch {
        let evaluations = batch.ended.into_iter().map(|(entry, evidence, counts)| {
            let event = &self.course.events[entry.0];
            (entry, judge::judge(event, &event.entries[entry.1], &evidence, counts))
        });
        EvaluatedBatch { evaluations: evaluations.collect(), rows: batch.rows, dirty: batch.dirty }
    }
}
