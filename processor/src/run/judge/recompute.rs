//! What persons asked to be judged anew, on its way through the judge: each entry once, however many asked for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pipeline::batch::{EntryKey, StreamId};
use race::course::Course;
use storage::{Cause, Changes};
use tokio_util::sync::CancellationToken;

use crate::recompute::{CHANGED_TOLD, Changed};

/// A request whose entries are known.
#[derive(Debug)]
pub(in crate::run) struct Order {
    /// The request's id.
    pub(in crate::run) id: StreamId,
    /// One entry at least.
    pub(in crate::run) entries: BTreeSet<EntryKey>,
    /// Why.
    pub(in crate::run) cause: Cause,
}

/// What came of an order: it is committed.
#[derive(Debug)]
pub(in crate::run) struct Outcome {
    /// The request's id.
    pub(in crate::run) id: StreamId,
    /// Entries that were judged.
    pub(in crate::run) entries: usize,
    /// What changed of them, and of the places of others.
    pub(in crate::run) changes: Changes,
    /// See [`crate::recompute::Answer::changed`].
    pub(in crate::run) changed: Vec<Changed>,
    /// What was not done, and why.
    pub(in crate::run) errors: Vec<String>,
    /// The field could not be ranked.
    pub(in crate::run) is_unranked: bool,
}

/// The judge's end of the way that requests and outcomes go. Neither channel ever fills: there are never more orders than
/// each has room for.
#[derive(Debug)]
pub(in crate::run) struct Counter {
    pub(in crate::run) orders: flume::Receiver<Order>,
    pub(in crate::run) outcomes: flume::Sender<Outcome>,
    /// Requests that were left behind have been ordered.
    pub(in crate::run) looked: CancellationToken,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Recomputes {
    course: Arc<Course>,
    pub(super) counter: Counter,
    open: Vec<Open>,
    /// Why entries are judged that were not yet.
    causes: BTreeMap<EntryKey, Cause>,
}

/// An order that is not done.
#[derive(Debug)]
struct Open {
    order: Order,
    waiting: BTreeSet<EntryKey>,
    changes: BTreeMap<EntryKey, Changes>,
    errors: Vec<String>,
}

impl Recomputes {
    pub(super) fn new(course: Arc<Course>, counter: Counter) -> Self {
        Self { course, counter, open: Vec::new(), causes: BTreeMap::new() }
    }

    /// Takes what was ordered; the entries to be read anew.
    pub(super) fn take(&mut self) -> BTreeSet<EntryKey> {
        let mut entries = BTreeSet::new();
        for order in self.counter.orders.try_iter() {
            entries.extend(&order.entries);
            for entry in &order.entries {
                self.causes.entry(*entry).or_insert(order.cause);
            }
            let waiting = order.entries.clone();
            self.open.push(Open { order, waiting, changes: BTreeMap::new(), errors: Vec::new() });
        }
        entries
    }

    /// Why an entry is judged, if somebody asked for it.
    pub(super) fn cause(&self, entry: EntryKey) -> Option<Cause> {
        self.causes.get(&entry).copied()
    }

    /// Why an event is ranked, if somebody asked for entries of it.
    pub(super) fn cause_of_event(&self, event: usize) -> Option<Cause> {
        self.open.iter().find(|open| open.is_of(event)).map(|open| open.order.cause)
    }

    /// An entry was judged and saved.
    pub(super) fn saved(&mut self, entry: EntryKey, changes: Changes) {
        if self.causes.remove(&entry).is_none() {
            return;
        }
        for open in &mut self.open {
            if open.waiting.remove(&entry) {
                *open.changes.entry(entry).or_default() += changes;
            }
        }
    }

    /// An entry could not be read, or its records not saved.
    pub(super) fn failed(&mut self, entry: EntryKey, error: &dyn std::fmt::Display) {
        self.causes.remove(&entry);
        let number = self.course.events[entry.0].entries[entry.1].row.race_number;
        for open in &mut self.open {
            if open.waiting.remove(&entry) {
                open.errors.push(format!("entry {number}: {error}"));
            }
        }
    }

    /// Results of an event were saved; what changed of each entry.
    pub(super) fn ranked(&mut self, event: usize, changes: &BTreeMap<EntryKey, Changes>) {
        for open in self.open.iter_mut().filter(|open| open.is_of(event)) {
            for (entry, changes) in changes {
                *open.changes.entry(*entry).or_default() += *changes;
            }
        }
    }

    /// Results could not be saved.
    pub(super) fn not_ranked(&mut self, event: usize, error: &dyn std::fmt::Display) {
        for open in self.open.iter_mut().filter(|open| open.is_of(event)) {
            open.errors.push(format!("results: {error}"));
        }
    }

    /// Tells of the orders that are done: all their entries were judged, and their events ranked or not to be ranked as
    /// long as other entries cannot be read.
    pub(super) fn finish(&mut self, is_ranked: impl Fn(usize) -> bool, is_idle: bool) {
        let (done, open) = std::mem::take(&mut self.open).into_iter().partition(|open: &Open| {
            open.waiting.is_empty()
                && (is_idle || open.order.entries.iter().all(|(event, _)| is_ranked(*event)))
        });
        self.open = open;
        for Open { order, changes, errors, .. } in done {
            let is_unranked = !order.entries.iter().all(|(event, _)| is_ranked(*event));
            let mut all = Changes::default();
            changes.values().for_each(|changes| all += *changes);
            let changed = changes.iter().filter(|(_, changes)| **changes != Changes::default());
            let changed = changed.take(CHANGED_TOLD).map(|((event, n), changes)| {
                let row = &self.course.events[*event].entries[*n].row;
                let Changes { inserted, revised, retracted } = *changes;
                let race_number = row.race_number;
                Changed { entry_id: row.id, race_number, inserted, revised, retracted }
            });
            let outcome = Outcome {
                id: order.id,
                entries: order.entries.len(),
                changes: all,
                changed: changed.collect(),
                errors,
                is_unranked,
            };
            // Where nobody takes it the shift has ended, and the next one is asked again.
            let _ = self.counter.outcomes.try_send(outcome);
        }
    }
}

impl Open {
    fn is_of(&self, event: usize) -> bool {
        self.order.entries.range((event, 0)..(event + 1, 0)).next().is_some()
    }
}
