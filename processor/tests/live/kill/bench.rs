//! A platform whose servers a worker reaches by links, and what must be true of it in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::fleet::{Entry, Key, course, keys};
use crate::link::Link;
use crate::platform::{GROUP, Platform, STREAM, wait};
use crate::records::{expected, records, stored};
use crate::worker::Worker;

pub const DEVICES: u32 = 40;
/// A worker has two cores with others.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A platform whose servers a worker reaches by links.
pub struct Bench {
    pub platform: Platform,
    pub postgres: Link,
    pub redis: Link,
    /// What was added, by its id in the stream.
    added: Mutex<BTreeMap<String, Key>>,
}

impl Bench {
    pub fn new(platform: Platform) -> Self {
        let platform = platform.with_course(&course(DEVICES));
        let (postgres, redis) = (Link::to(platform.postgres().port()), Link::to(platform.redis.port()));
        Self { platform, postgres, redis, added: Mutex::default() }
    }

    pub fn worker(&self) -> Worker {
        let through = |url: String, from: u16, to: u16| url.replace(&format!(":{from}"), &format!(":{to}"));
        let Platform { redis, database, .. } = &self.platform;
        let redis = through(redis.url(), redis.port(), self.redis.port);
        let postgres = self.platform.postgres();
        let postgres = through(postgres.url(database), postgres.port(), self.postgres.port);
        self.platform.worker(&[("REDIS_URL", &redis), ("POSTGRES_URL", &postgres)])
    }

    /// Adds entries at the pace of a fleet that has something to catch up with.
    pub fn feed(&self, entries: &[Entry]) {
        for some in entries.chunks(10) {
            let ids = self.platform.add(some);
            let keys = some.iter().map(|entry| (entry.device.clone(), entry.ts.clone()));
            self.added.lock().unwrap().extend(ids.into_iter().zip(keys));
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// The ids that a consumer has pending.
    pub fn pending_of(&self, consumer: &str) -> BTreeSet<String> {
        let pending: Vec<(String, String, u64, u64)> =
            self.platform.redis(&format!("XPENDING {STREAM} {GROUP} - + 1000000 {consumer}"));
        pending.into_iter().map(|(id, ..)| id).collect()
    }

    /// How many entries the worker has pending of which no row is in the table.
    pub fn uncommitted(&self) -> usize {
        let (pending, stored) = (self.pending_of("processor-1"), stored(&self.platform));
        let added = self.added.lock().unwrap();
        pending.iter().filter(|id| added.get(*id).is_some_and(|key| !stored.contains(key))).count()
    }

    /// How many entries the worker has pending whose rows are in the table, and came by no other entry.
    pub fn unacknowledged(&self) -> usize {
        let (pending, stored) = (self.pending_of("processor-1"), stored(&self.platform));
        let added = self.added.lock().unwrap();
        let mut times: BTreeMap<&Key, usize> = BTreeMap::new();
        added.values().for_each(|key| *times.entry(key).or_default() += 1);
        let committed = |key: &Key| stored.contains(key) && times[key] == 1;
        pending.iter().filter(|id| added.get(*id).is_some_and(&committed)).count()
    }

    /// Waits until everything is done, and compares with what should be.
    pub fn expect_all(&self, entries: &[Entry]) {
        self.platform.wait_until_done(PATIENCE);
        let keys = keys(entries);
        assert_eq!(stored(&self.platform), keys);
        assert_eq!(self.platform.count("positions"), keys.len(), "a row is there twice");
        let expected = expected(&self.platform, entries);
        assert!(expected.iter().filter(|line| line.contains("|finished|")).count() > 1, "{expected:?}");
        let begun = Instant::now();
        while records(&self.platform) != expected {
            if begun.elapsed() > PATIENCE {
                assert_eq!(records(&self.platform), expected);
            }
            thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(self.platform.left(), (0, 0));
    }

    /// Entries that are to be judged again.
    pub fn dirty(&self) -> usize {
        self.platform.count("processor_entry_states WHERE dirty_from IS NOT NULL")
    }

    /// Everything that must not move when nothing happens.
    pub fn revisions(&self) -> String {
        self.platform.sql(
            "SELECT count(*), sum(revision), count(retracted_at) FROM entry_crossings; \
             SELECT count(*), sum(revision), count(retracted_at) FROM entry_penalties; \
             SELECT count(*), sum(revision) FROM stage_results; SELECT count(*) FROM processor_outbox",
        )
    }

    /// A worker that finds nothing to do changes nothing.
    pub fn expect_idle_restart(&self) {
        let before = (self.revisions(), records(&self.platform));
        let mut worker = self.worker();
        // It looks at everybody once.
        wait("all are judged", PATIENCE, || {
            worker.metric("processor_race_evaluations_total") >= f64::from(DEVICES)
        });
        assert_eq!(self.dirty(), 0, "entries are left to be judged again");
        assert!(worker.terminate().success(), "{}", worker.log());
        assert_eq!((self.revisions(), records(&self.platform)), before);
        assert_eq!(self.platform.left(), (0, 0));
    }
}

/// Rows of batches that a worker knows to be committed.
pub fn commits(worker: &Worker) -> f64 {
    let metrics = worker.metrics();
    let writes =
        |status: &str| metrics.get(&format!("processor_position_writes_total{{status=\"{status}\"}}"));
    ["inserted", "duplicate"].into_iter().filter_map(writes).sum()
}

/// So many parts of about one length.
pub fn parts<T>(all: &[T], count: usize) -> impl Iterator<Item = &[T]> {
    (0..count).map(move |n| &all[all.len() * n / count..all.len() * (n + 1) / count])
}
