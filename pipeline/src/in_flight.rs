//! What is between reading and commit: how many bytes, and which entries of a stream.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::batch::StreamId;

/// Counts the bytes that batches hold, now and at most.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    now: AtomicUsize,
    peak: AtomicUsize,
}

/// Bytes held by one batch; dropping it gives them back.
#[derive(Debug)]
pub struct InFlight {
    bytes: usize,
    gauge: Gauge,
}

impl Gauge {
    /// Counts `bytes` until the guard is dropped.
    pub fn hold(&self, bytes: usize) -> InFlight {
        let now = self.0.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.0.peak.fetch_max(now, Ordering::Relaxed);
        InFlight { bytes, gauge: self.clone() }
    }

    /// Bytes held now.
    pub fn now_bytes(&self) -> usize {
        self.0.now.load(Ordering::Relaxed)
    }

    /// The most bytes held at once.
    pub fn peak_bytes(&self) -> usize {
        self.0.peak.load(Ordering::Relaxed)
    }
}

impl InFlight {
    /// How many.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes over what another batch holds.
    pub fn join(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.gauge.0, &other.gauge.0), "one pipeline, one gauge");
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.0.now.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The entries of a stream that this process has read and not done with. They are still pending for the broker, so
/// that a look at what is pending must pass them over.
///
/// Locked once a read and once when all of it is done with, never for a position.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Reads>>);

#[derive(Debug, Default)]
struct Reads {
    next: u64,
    /// Each in order of ids.
    ids: HashMap<u64, Vec<StreamId>>,
}

/// One read; the entries leave the ledger when the last holder drops it.
#[derive(Debug)]
pub struct Read {
    number: u64,
    ledger: Ledger,
}

impl Ledger {
    /// Notes entries, by ids in their order, until what is returned is dropped.
    pub fn enter(&self, ids: Vec<StreamId>) -> Arc<Read> {
        debug_assert!(ids.is_sorted(), "a reply is in order");
        let mut reads = self.reads();
        let number = reads.next;
        reads.next += 1;
        reads.ids.insert(number, ids);
        Arc::new(Read { number, ledger: self.clone() })
    }

    /// Whether an entry is on its way.
    pub fn holds(&self, id: StreamId) -> bool {
        let reads = self.reads();
        reads.ids.values().any(|ids| ids.binary_search(&id).is_ok())
    }

    /// Whether an entry between two ids, both included, may be on its way: one look for a whole read.
    pub fn may_hold_any(&self, first: StreamId, last: StreamId) -> bool {
        let overlaps = |ids: &Vec<StreamId>| ids.first() <= Some(&last) && ids.last() >= Some(&first);
        self.reads().ids.values().any(overlaps)
    }

    /// How many entries are on their way.
    pub fn len(&self) -> usize {
        self.reads().ids.values().map(Vec::len).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.reads().ids.is_empty()
    }

    fn reads(&self) -> MutexGuard<'_, Reads> {
        // What a panicking holder leaves is whole: each change is one insertion or removal.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Read {
    fn drop(&mut self) {
        self.ledger.reads().ids.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_held_until_the_last_part_of_their_read_is_dropped() {
        let id = |ms| StreamId { ms, seq: 0 };
        let ledger = Ledger::default();
        let (first, second) = (ledger.enter(vec![id(1), id(3)]), ledger.enter(vec![id(2)]));
        let part = Arc::clone(&first);
        drop(first);
        assert!(ledger.holds(id(1)) && ledger.holds(id(2)) && ledger.holds(id(3)) && !ledger.holds(id(4)));
        assert_eq!(ledger.len(), 3);
        assert!(ledger.may_hold_any(id(0), id(1)) && ledger.may_hold_any(id(3), id(9)));
        assert!(!ledger.may_hold_any(id(0), id(0)) && !ledger.may_hold_any(id(4), id(9)));
        drop(part);
        assert!(!ledger.holds(id(1)) && ledger.holds(id(2)));
        drop(second);
        assert!(ledger.is_empty());
    }

    #[test]
    fn bytes_are_counted_until_the_last_guard_is_dropped() {
        let gauge = Gauge::default();
        let mut one = gauge.hold(10);
        one.join(gauge.hold(5));
        assert_eq!(gauge.now_bytes(), 15);
        drop(one);
        assert_eq!((gauge.now_bytes(), gauge.peak_bytes()), (0, 15));
    }
}
