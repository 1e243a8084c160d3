//! What the broker itself lost, found by comparing what it says now with what it said before.
//!
//! Let *added* be all entries ever added, *read* those the broker counts as read, and *unread* those that are there
//! behind the last one delivered. `added − read − unread` is what is neither read nor there to be read: the **gap**.
//! The broker counts on from each entry it delivers to the next, whatever was trimmed in between, so the gap grows
//! by every unread entry that is trimmed or deleted and by nothing else. It shrinks where the broker counts anew
//! (after a deletion, and since 7.4 behind a hole); then it is only looked at from there on. *Unread* is known
//! when it is nothing or all that there is (see [`StreamFacts::unread`]): what is lost while the group is in the
//! midst of the stream is found as soon as it has caught up, or has been overtaken.

use std::fmt;

use super::facts::{GroupFacts, StreamFacts, StreamState};
use crate::batch::StreamId;

/// Looks at a stream and a group again and again, and says what happened in between.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    before: Option<StreamFacts>,
    /// The gap, when it was last known.
    gap: Option<u64>,
}

/// Something that the broker lost or took back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Entries were trimmed, or deleted, before the group got them.
    UnreadLost {
        /// How many.
        entries: u64,
    },
    /// The stream is gone, and the group with it.
    StreamVanished {
        /// Entries that were unread when it was last looked at; `None` when it is not known how many.
        unread: Option<u64>,
        /// Entries that were pending then.
        pending: u64,
    },
    /// The group is gone: what was pending is forgotten. Made again, it gets everything again.
    GroupVanished {
        /// Entries that were pending when it was last looked at.
        pending: u64,
    },
    /// The stream's end lies before where it was, or fewer entries were ever added than before: the broker lost what
    /// it had not saved, went back to an older copy, or the stream was made anew.
    StreamWentBack {
        /// The last id there was.
        from: StreamId,
        /// The last id there is.
        to: StreamId,
        /// By how much the number of entries ever added went down, where it did.
        entries: u64,
    },
    /// The group was set back: it gets again what it had got.
    GroupWentBack {
        /// The last id delivered there was.
        from: StreamId,
        /// The last id delivered there is.
        to: StreamId,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnreadLost { entries } => {
                write!(f, "{entries} entries were trimmed from the stream before they were read")
            }
            Self::StreamVanished { unread, pending } => {
                let unread = unread.map_or_else(|| "an unknown number of".to_owned(), |n| n.to_string());
                write!(f, "the stream vanished with {unread} unread and {pending} pending entries")
            }
            Self::GroupVanished { pending } => {
                write!(f, "the consumer group vanished with {pending} pending entries")
            }
            Self::StreamWentBack { from, to, entries } => {
                write!(f, "the stream went back from {from} to {to}, by {entries} entries")
            }
            Self::GroupWentBack { from, to } => write!(f, "the consumer group went back from {from} to {to}"),
        }
    }
}

impl Watch {
    /// Takes in what is so now, and tells what happened since the last time. What had happened before the first time
    /// is not told.
    pub fn look(&mut self, now: &StreamFacts) -> Vec<Finding> {
        let before = self.before.replace(*now).unwrap_or_default();
        let mut findings = Vec::new();
        match (before.stream, now.stream) {
            (Some(_), None) => {
                let unread = self.unread_of(&before);
                let pending = before.group.map_or(0, |group| group.pending);
                findings.push(Finding::StreamVanished { unread, pending });
                self.gap = None;
                return findings;
            }
            (Some(was), Some(is)) => {
                if let Some(finding) = went_back(&was, &is) {
                    findings.push(finding);
                    self.gap = None;
                }
            }
            (None, _) => self.gap = None,
        }
        match (before.group, now.group) {
            (Some(was), None) => findings.push(Finding::GroupVanished { pending: was.pending }),
            (Some(was), Some(is)) if is.last_delivered < was.last_delivered => {
                let (from, to) = (was.last_delivered, is.last_delivered);
                findings.push(Finding::GroupWentBack { from, to });
                self.gap = None;
            }
            (Some(was), Some(is)) if not_counted(&was) && !not_counted(&is) => {
                // The broker began to count with the first read: whatever is missing since was lost since.
                self.gap = self.gap.map(|_| 0);
            }
            _ => {}
        }
        if now.group.is_none() {
            self.gap = None;
        } else if let Some(gap) = gap(now) {
            if let Some(entries) = self.gap.and_then(|was| gap.checked_sub(was)).filter(|lost| *lost > 0) {
                findings.push(Finding::UnreadLost { entries });
            }
            self.gap = Some(gap);
        }
        findings
    }

    /// Entries that were unread at the last look: certain when the group had caught up or had been overtaken, else
    /// without those whose loss was found. `None` when the broker does not tell.
    pub fn unread(&self) -> Option<u64> {
        self.before.as_ref().and_then(|facts| self.unread_of(facts))
    }

    fn unread_of(&self, facts: &StreamFacts) -> Option<u64> {
        let by_count = || {
            let missing = added_less_read(facts)?;
            Some(missing.saturating_sub(self.gap.unwrap_or_default()))
        };
        facts.unread().or_else(by_count).or_else(|| facts.group?.lag)
    }
}

/// Whether the group has got nothing yet, so that the broker does not count for it.
fn not_counted(group: &GroupFacts) -> bool {
    group.entries_read.is_none() && group.last_delivered == StreamId::ZERO
}

fn added_less_read(facts: &StreamFacts) -> Option<u64> {
    let group = facts.group?;
    let read = if not_counted(&group) { 0 } else { group.entries_read? };
    facts.stream?.entries_added?.checked_sub(read)
}

fn gap(facts: &StreamFacts) -> Option<u64> {
    added_less_read(facts)?.checked_sub(facts.unread()?)
}

fn went_back(was: &StreamState, is: &StreamState) -> Option<Finding> {
    let entries = was.entries_added.zip(is.entries_added).map_or(0, |(was, is)| was.saturating_sub(is));
    let (from, to) = (was.last_generated, is.last_generated);
    (to < from || entries > 0).then_some(Finding::StreamWentBack { from, to, entries })
}
