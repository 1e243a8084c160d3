//! How many bytes are between reading and commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

#[cfg(test)]
mod tests {
    use super::*;

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
