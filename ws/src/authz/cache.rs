//! What Directus decided a moment ago.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use crate::authz::{Decision, Key};

/// Decisions that hold for a moment, bounded in number: the oldest leave first.
pub(crate) struct Cache {
    entries: HashMap<Key, Entry, RandomState>,
    /// In the order of their coming. An entry that was replaced stands here twice, and once under its old number.
    order: VecDeque<(Key, u64)>,
    size: usize,
    keep: Duration,
}

struct Entry {
    decision: Decision,
    user: Arc<str>,
    /// The number of the question that it answers.
    number: u64,
    until: Instant,
}

impl Cache {
    pub(crate) fn new(size: usize, keep: Duration) -> Self {
        Self { entries: HashMap::default(), order: VecDeque::new(), size, keep }
    }

    pub(crate) fn get(&self, key: &Key, now: Instant) -> Option<Decision> {
        self.entries.get(key).filter(|entry| now < entry.until).map(|entry| entry.decision)
    }

    /// Keeps the answer to a question, unless one of a later question is here: answers may overtake each other.
    pub(crate) fn put(&mut self, key: Key, number: u64, user: Arc<str>, decision: Decision, now: Instant) {
        if self.entries.get(&key).is_some_and(|entry| entry.number > number) {
            return;
        }
        self.entries.insert(key, Entry { decision, user, number, until: now + self.keep });
        self.order.push_back((key, number));
        while self.order.len() > self.size || self.is_over(now) {
            let Some((key, number)) = self.order.pop_front() else { break };
            if self.entries.get(&key).is_some_and(|entry| entry.number == number) {
                self.entries.remove(&key);
            }
        }
    }

    /// Whether the oldest has had its time.
    fn is_over(&self, now: Instant) -> bool {
        self.order.front().is_some_and(|(key, number)| {
            self.entries.get(key).is_none_or(|entry| entry.number != *number || entry.until <= now)
        })
    }

    /// Drops an answer that is known to hold no longer.
    pub(crate) fn remove(&mut self, key: &Key) {
        self.entries.remove(key);
    }

    /// Drops the decisions that `is_meant`.
    pub(crate) fn forget(&mut self, is_meant: impl Fn(&Key, &str) -> bool) {
        self.entries.retain(|key, entry| !is_meant(key, &entry.user));
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const KEEP: Duration = Duration::from_secs(10);

    fn key(n: u128) -> Key {
        Key { credentials: [7; 32], event: Uuid::from_u128(n) }
    }

    #[test]
    fn decisions_hold_for_a_moment_and_the_oldest_leave_first() {
        let (mut cache, now, user) = (Cache::new(3, KEEP), Instant::now(), Arc::from("u"));
        for n in 1..=4 {
            cache.put(key(n), n as u64, Arc::clone(&user), Decision::Allowed, now);
        }
        let there =
            |cache: &Cache, at| (1..=4).filter(|&n| cache.get(&key(n), at).is_some()).collect::<Vec<_>>();
        assert_eq!(there(&cache, now), [2, 3, 4]);
        assert_eq!(there(&cache, now + KEEP), [0_u128; 0]);
        cache.put(key(1), 9, user, Decision::Forbidden, now + KEEP);
        assert_eq!((cache.entries.len(), cache.order.len()), (1, 1), "what is over is not kept");
    }

    #[test]
    fn an_answer_that_was_overtaken_changes_nothing() {
        let (mut cache, now, user) = (Cache::new(3, KEEP), Instant::now(), Arc::<str>::from("u"));
        cache.put(key(1), 2, Arc::clone(&user), Decision::Forbidden, now);
        cache.put(key(1), 1, Arc::clone(&user), Decision::Allowed, now);
        assert_eq!(cache.get(&key(1), now), Some(Decision::Forbidden));
        for number in 3..1_000 {
            cache.put(key(1), number, Arc::clone(&user), Decision::Allowed, now);
        }
        assert!(cache.order.len() <= 3, "answers to one question do not pile up");
        assert_eq!(cache.get(&key(1), now), Some(Decision::Allowed));
    }
}
