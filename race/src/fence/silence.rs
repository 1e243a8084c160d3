//! Where a track has no fixes, and where its line is not believed.

use serde::{Deserialize, Serialize};

use super::state::Gap;
use super::touch::Movement;
use crate::time::Timestamp;

/// The silences of one track.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Silences {
    /// The first used fix; before it nothing is known.
    pub begin: Option<Timestamp>,
    /// Times longer than the event's `max_gap_seconds` between two consecutive used fixes, in order.
    pub gaps: Vec<Gap>,
    /// Times in which every movement was weak, in order; consecutive movements are one.
    pub weak: Vec<Gap>,
}

impl Silences {
    /// Takes the next movement of the track; `max_gap_us` is the event's `max_gap_seconds` in microseconds.
    pub(super) fn advance(&mut self, movement: &Movement, max_gap_us: i64) {
        let gap = Gap { from: movement.from.ts, to: movement.to.ts };
        self.begin.get_or_insert(gap.from);
        if gap.to.micros() - gap.from.micros() > max_gap_us {
            self.gaps.push(gap);
        }
        if movement.weak {
            match self.weak.last_mut() {
                Some(last) if last.to == gap.from => last.to = gap.to,
                _ => self.weak.push(gap),
            }
        }
    }
}
