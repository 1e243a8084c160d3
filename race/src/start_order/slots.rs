//! When each position starts: `starts_at` plus the sum of the intervals.

use super::params::{Params, Tier};
use crate::course::tables::Stage;
use crate::num::round_to;
use crate::time::Timestamp;

/// The times of a stage's positions.
#[derive(Debug)]
pub(super) struct Clock {
    first: Option<Timestamp>,
    tiers: Vec<Tier>,
}

impl Clock {
    /// From the tiers, else from `start_interval_seconds`; without either no position has a time.
    pub(super) fn new(row: &Stage, params: &Params) -> Self {
        let even = row.start_interval_seconds.map(|seconds| Tier {
            upto: None,
            interval_ms: round_to(seconds, 1e3),
            group: 1,
        });
        let tiers = if params.tiers.is_empty() { even.into_iter().collect() } else { params.tiers.clone() };
        Self { first: row.starts_at, tiers }
    }

    /// When a position, from 1, starts.
    pub(super) fn at(&self, position: i64) -> Option<Timestamp> {
        let first = self.first.filter(|_| !self.tiers.is_empty())?;
        Some(first.plus_millis(self.offset_ms(position)))
    }

    /// Milliseconds after the first start. The gap between two starters belongs to the later one; a group has one gap
    /// before it, and the last tier goes on.
    fn offset_ms(&self, position: i64) -> i64 {
        let (mut offset_ms, mut from) = (0, 1);
        for (n, tier) in self.tiers.iter().enumerate() {
            let is_last = n + 1 == self.tiers.len();
            let to = tier.upto.filter(|_| !is_last).map_or(position, |upto| upto.min(position));
            if to < from {
                break;
            }
            let gaps = (to - from) / tier.group + 1;
            // Before the very first start there is none.
            offset_ms += (gaps - i64::from(n == 0)) * tier.interval_ms;
            from = to + 1;
        }
        offset_ms
    }
}
