//! A sink that writes down what comes, and that can be made to wait.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use ws::directory::Directory;
use ws::fix::{AuthzChange, DelayMs, FixBatch, LiveFix, RaceChange, Seq};

use crate::live::Sink;

/// One call.
#[derive(Debug, Clone)]
pub(super) enum Said {
    /// With the milliseconds since 1970 at which it came.
    Batch(FixBatch, u64),
    Directory,
    Seed(DelayMs, Vec<LiveFix>),
    Withdraw(DelayMs, Arc<str>, i64, Option<LiveFix>),
    /// With the milliseconds since 1970 at which it came.
    Race(DelayMs, Vec<RaceChange>, Seq, u64),
    Authz(AuthzChange),
}

pub(super) struct Book {
    said: Mutex<Vec<Said>>,
    open: watch::Sender<bool>,
}

pub(super) fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

impl Book {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { said: Mutex::default(), open: watch::Sender::new(true) })
    }

    /// Lets batches wait, or lets them in again.
    pub(super) fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }

    pub(super) fn said(&self) -> Vec<Said> {
        self.said.lock().unwrap().clone()
    }

    fn note(&self, said: Said) {
        self.said.lock().unwrap().push(said);
    }

    pub(super) fn batches(&self, of: DelayMs) -> Vec<(FixBatch, u64)> {
        let said = self.said().into_iter();
        said.filter_map(|said| match said {
            Said::Batch(batch, at) if batch.delay == of => Some((batch, at)),
            _ => None,
        })
        .collect()
    }

    pub(super) fn fixes(&self, of: DelayMs) -> Vec<LiveFix> {
        self.batches(of).into_iter().flat_map(|(batch, _)| batch.fixes).collect()
    }

    pub(super) fn seeds(&self, of: DelayMs) -> Vec<LiveFix> {
        let said = self.said().into_iter();
        said.filter_map(|said| match said {
            Said::Seed(delay, fixes) if delay == of => Some(fixes),
            _ => None,
        })
        .flatten()
        .collect()
    }

    pub(super) fn withdrawn(&self, of: DelayMs) -> Vec<(String, i64, Option<i64>)> {
        let said = self.said().into_iter();
        said.filter_map(|said| match said {
            Said::Withdraw(delay, device, ts_ms, before) if delay == of => {
                Some((device.to_string(), ts_ms, before.map(|before| before.ts_ms)))
            }
            _ => None,
        })
        .collect()
    }

    pub(super) fn race(&self, of: DelayMs) -> Vec<(RaceChange, u64)> {
        let said = self.said().into_iter();
        said.filter_map(|said| match said {
            Said::Race(delay, changes, _, at) if delay == of => Some((changes, at)),
            _ => None,
        })
        .flat_map(|(changes, at)| changes.into_iter().map(move |change| (change, at)))
        .collect()
    }

    /// Waits until something is so.
    pub(super) async fn until<T>(&self, what: &str, mut is_so: impl FnMut(&Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = is_so(self) {
                return found;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "not in time: {what}: {:#?}", self.said());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Sink for Book {
    async fn publish(&self, batch: FixBatch) {
        self.note(Said::Batch(batch, now_ms()));
        let mut open = self.open.subscribe();
        let _ = open.wait_for(|open| *open).await;
    }

    async fn set_directory(&self, _: Directory) {
        self.note(Said::Directory);
    }

    async fn seed(&self, delay: DelayMs, fixes: Vec<LiveFix>) {
        self.note(Said::Seed(delay, fixes));
    }

    async fn withdraw(&self, delay: DelayMs, device: Arc<str>, ts_ms: i64, before: Option<LiveFix>) {
        self.note(Said::Withdraw(delay, device, ts_ms, before));
    }

    async fn race(&self, delay: DelayMs, changes: Vec<RaceChange>, read_to: Seq) {
        self.note(Said::Race(delay, changes, read_to, now_ms()));
    }

    async fn rights_changed(&self, change: AuthzChange) {
        self.note(Said::Authz(change));
    }
}
