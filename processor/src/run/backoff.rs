//! Waiting between attempts: longer each time, and never in step with others.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
/// An operator who has mended a server does not want to wait for longer.
const LONGEST: Duration = Duration::from_secs(3);

/// Doubles from attempt to attempt; each wait is between half of that and all of it.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// How long to wait before the next attempt.
    pub(crate) fn next(&mut self) -> Duration {
        let full = FIRST.saturating_mul(1 << self.attempts.min(10)).min(LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        // Hash keys are the standard library's only randomness; nothing here needs a better one.
        let random = u32::try_from(RandomState::new().build_hasher().finish() & 0xffff).unwrap_or(0);
        full / 2 + full / 2 * random / 0x1_0000
    }

    /// It worked: the next failure is a first one.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// Whether nothing failed since the last success.
    pub(crate) fn is_fresh(&self) -> bool {
        self.attempts == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_differ() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..40).map(|_| backoff.next()).collect();
        assert!(waits[0] >= FIRST / 2 && waits[0] <= FIRST);
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        let late = &waits[10..];
        assert!(late.iter().all(|wait| *wait >= LONGEST / 2) && late.iter().any(|wait| *wait != late[0]));
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
