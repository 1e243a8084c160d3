//! Fixes that wait for a hub that is busy, or for the end of a backlog: the fewer of them the longer it takes.

use std::collections::HashMap;
use std::sync::Arc;

use ws::fix::Seq;

use super::fix::Fix;

/// Fixes that wait as they came: half a second of 20 000 devices. Whatever a hub is busy with for so long, it is behind.
const WAITING_FIXES: usize = 10_000;

/// Panic fixes that wait at most: none of them is ever left out, so beyond this nothing more is read.
const WAITING_PANIC_FIXES: usize = 16_384;

/// What waits. Above [`WAITING_FIXES`] only the latest fix of each device stays, by the time of the fix, and every panic
/// fix; what is left out lies in the hole.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    fixes: Vec<Fix>,
    panics: usize,
    /// Conflated when there are so many.
    limit: usize,
    hole: Option<(Seq, Seq)>,
    skipped: u64,
    read_to: Seq,
}

/// What is taken at once.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// In the order of their entries.
    pub(super) fixes: Vec<Fix>,
    /// What was left out lies between these two, both included.
    pub(super) hole: Option<(Seq, Seq)>,
    /// How many were left out.
    pub(super) skipped: u64,
    /// Up to which entry was read.
    pub(super) read_to: Seq,
}

impl Waiting {
    /// Adds a fix; they come in the order of their entries.
    pub(super) fn push(&mut self, fix: Fix) {
        self.panics += usize::from(fix.live.panic);
        self.fixes.push(fix);
        if self.fixes.len() > self.limit.max(WAITING_FIXES) {
            self.conflate();
            // Not again with the next fix, however many devices there are.
            self.limit = self.fixes.len() * 2;
        }
    }

    /// Everything up to this entry was read.
    pub(super) fn saw(&mut self, seq: Seq) {
        self.read_to = self.read_to.max(seq);
    }

    /// Reading goes on behind this entry.
    pub(super) fn rewind(&mut self, seq: Seq) {
        self.read_to = seq;
    }

    /// Entries between these two, both included, were not read and will not be.
    pub(super) fn missed(&mut self, first: Seq, last: Seq) {
        self.hole = Some(match self.hole {
            Some((from, to)) => (from.min(first), to.max(last)),
            None => (first, last),
        });
    }

    /// Leaves out all but the latest fix of each device and the panic fixes.
    pub(super) fn conflate(&mut self) {
        let mut latest: HashMap<Arc<str>, usize> = HashMap::new();
        for (n, fix) in self.fixes.iter().enumerate().filter(|(_, fix)| !fix.live.panic) {
            let known = latest.entry(Arc::clone(&fix.live.device)).or_insert(n);
            // Among fixes of one instant the first stays, as it does in storage.
            if self.fixes[*known].ts < fix.ts {
                *known = n;
            }
        }
        let mut left_out = Vec::new();
        let mut n = 0;
        self.fixes.retain(|fix| {
            let stays = fix.live.panic || latest.get(&fix.live.device) == Some(&n);
            if !stays {
                left_out.push(fix.live.seq);
            }
            n += 1;
            stays
        });
        self.skipped += left_out.len() as u64;
        if let (Some(first), Some(last)) = (left_out.iter().min(), left_out.iter().max()) {
            self.missed(*first, *last);
        }
    }

    /// Whether nothing more is to be read before some are taken.
    pub(super) fn is_full(&self) -> bool {
        self.panics >= WAITING_PANIC_FIXES
    }

    /// Whether there is anything that people would notice.
    pub(super) fn is_empty(&self) -> bool {
        self.fixes.is_empty() && self.hole.is_none()
    }

    /// Up to which entry was read.
    pub(super) fn read_to(&self) -> Seq {
        self.read_to
    }

    /// All of it.
    pub(super) fn take(&mut self) -> Taken {
        let read_to = self.read_to;
        let Self { fixes, hole, skipped, .. } = std::mem::replace(self, Self { read_to, ..Self::default() });
        Taken { fixes, hole, skipped, read_to }
    }
}

#[cfg(test)]
mod tests;
