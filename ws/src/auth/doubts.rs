//! Users whose rights have changed: a signature does not know whether they were suspended.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

/// For how long a user is doubted: longer than a token of before the change is good.
const DOUBTED_FOR: Duration = Duration::from_secs(24 * 3600);

/// Users that are doubted. Beyond it those who were doubted longest are not any more.
const MAX_DOUBTED: usize = 10_000;

/// See the module.
#[derive(Default)]
pub(crate) struct Doubts(HashMap<Box<str>, Instant, RandomState>);

impl Doubts {
    /// A user's rights have changed.
    pub(crate) fn add(&mut self, user: &str, now: Instant) {
        if self.0.len() >= MAX_DOUBTED && !self.0.contains_key(user) {
            self.0.retain(|_, since| now.saturating_duration_since(*since) < DOUBTED_FOR);
            let oldest = self.0.iter().min_by_key(|(_, since)| **since).map(|(user, _)| user.clone());
            if let Some(oldest) = oldest.filter(|_| self.0.len() >= MAX_DOUBTED) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(user.into(), now);
    }

    /// Whether a user's rights have changed lately.
    pub(crate) fn has(&self, user: &str, now: Instant) -> bool {
        self.0.get(user).is_some_and(|since| now.saturating_duration_since(*since) < DOUBTED_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_doubted_and_the_oldest_make_room() {
        let (mut doubts, now) = (Doubts::default(), Instant::now());
        let at = |n: usize| now + Duration::from_millis(n as u64);
        for n in 0..=MAX_DOUBTED {
            doubts.add(&n.to_string(), at(n));
        }
        assert_eq!(doubts.0.len(), MAX_DOUBTED);
        assert!(!doubts.has("0", at(MAX_DOUBTED)) && doubts.has("1", at(MAX_DOUBTED)));
        assert!(doubts.has("5", at(5) + DOUBTED_FOR - Duration::from_millis(1)));
        assert!(!doubts.has("5", at(5) + DOUBTED_FOR));
    }
}
