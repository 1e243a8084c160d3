//! Batches that are there already.

use std::collections::VecDeque;

use crate::batch::{RawBatch, Reject};

use super::Source;

/// A source of prepared batches, for tests and for callers that hold their records in memory.
#[derive(Debug, Default)]
pub struct Memory {
    items: VecDeque<Result<RawBatch, Reject>>,
}

impl Memory {
    /// Gives `batches` one after another; empty ones are left out.
    pub fn new(batches: Vec<RawBatch>) -> Self {
        Self { items: batches.into_iter().filter(|batch| !batch.is_empty()).map(Ok).collect() }
    }

    /// Appends a reject, to be given at this place.
    #[must_use]
    pub fn with_reject(mut self, reject: Reject) -> Self {
        self.items.push_back(Err(reject));
        self
    }
}

impl Source for Memory {
    fn next(&mut self) -> Option<Result<RawBatch, Reject>> {
        self.items.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::RawForm;

    #[test]
    fn gives_what_it_was_given_without_empty_batches() {
        let empty = RawBatch::new("memory".into(), "ndjson", RawForm::Json, None);
        let mut one = RawBatch::new("memory".into(), "ndjson", RawForm::Json, None);
        one.push(1, &[b"{}"]);
        let mut source = Memory::new(vec![empty, one]);
        assert_eq!(source.next().unwrap().unwrap().len(), 1);
        assert!(source.next().is_none());
        assert!(source.next().is_none());
    }
}
