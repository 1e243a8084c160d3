//! What an operator is told: each event is one function, so that its log line and its counter cannot part.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pipeline::batch::StreamId;

use super::metrics::{Loss, LossKind, Metrics, Peer, PeerKind, RecomputeKind, RecomputeStatus};
use crate::recompute::{Answer, Status};

/// Between two lines about the same trouble: who reads a log at night needs to see what else is there.
const REPEAT: Duration = Duration::from_secs(10);

/// After so long a failure is no longer one that passes by itself.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// Kinds of work, for [`Events::stuck`].
pub(super) const READING: &str = "reading the stream";
pub(super) const COMMITTING: &str = "committing positions";
pub(super) const ACKNOWLEDGING: &str = "acknowledging entries";
pub(super) const DEAD_LETTERS: &str = "writing dead letters";

/// Tells events and counts them.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) metrics: Metrics,
    last_refusal: Mutex<Quiet>,
    last_failure: Mutex<Quiet>,
    peers: [Mutex<Quiet>; 2],
    /// Work that fails although its server answers, since when and why.
    stuck: Mutex<BTreeMap<&'static str, (Instant, String)>>,
}

/// Keeps a trouble that repeats from filling the log.
#[derive(Debug, Default)]
struct Quiet {
    told: Option<Instant>,
    held_back: u64,
    /// It was told, and not yet that it is over.
    down: bool,
}

impl Quiet {
    /// Whether to tell now; with how many that were held back before.
    fn tells(&mut self) -> Option<u64> {
        if self.told.is_some_and(|told| told.elapsed() < REPEAT) {
            self.held_back += 1;
            return None;
        }
        self.told = Some(Instant::now());
        Some(std::mem::take(&mut self.held_back))
    }
}

impl Events {
    pub(crate) fn new() -> Self {
        let (last_refusal, last_failure, peers, stuck) = Default::default();
        Self { metrics: Metrics::new(), last_refusal, last_failure, peers, stuck }
    }

    /// A server does not answer, or refuses to serve. Every `REPEAT` again while it lasts.
    pub(crate) fn peer_down(&self, peer: Peer, error: &dyn std::fmt::Display) {
        self.metrics.up.get_or_create(&PeerKind { peer }).set(0);
        let mut quiet = lock(&self.peers[peer as usize]);
        if let Some(before) = quiet.tells() {
            quiet.down = true;
            tracing::warn!(
                ?peer,
                failures_before = before,
                "cannot work with the server, trying again: {error}"
            );
        }
    }

    /// A server answers. That is told once for each time its trouble was: where it answers some and refuses others, there
    /// are not more lines than where it is away.
    pub(crate) fn peer_up(&self, peer: Peer) {
        self.metrics.up.get_or_create(&PeerKind { peer }).set(1);
        let mut quiet = lock(&self.peers[peer as usize]);
        if std::mem::take(&mut quiet.down) {
            tracing::info!(?peer, "the server answers again");
        }
    }

    /// Some work failed and is tried again.
    pub(super) fn stuck(&self, work: &'static str, error: &dyn std::fmt::Display) {
        let mut stuck = self.stuck.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let since = stuck.get(work).map_or_else(Instant::now, |(since, _)| *since);
        stuck.insert(work, (since, error.to_string()));
    }

    /// The same work went through.
    pub(super) fn unstuck(&self, work: &'static str) {
        self.stuck.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(work);
    }

    /// Work that has failed for longer than passes by itself.
    pub(super) fn troubles(&self) -> Vec<String> {
        let stuck = self.stuck.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let lasting = stuck.iter().filter(|(_, (since, _))| since.elapsed() >= STUCK_AFTER);
        lasting.map(|(work, (_, error))| format!("{work}: {error}")).collect()
    }

    /// A batch was not committed and is tried again or divided.
    pub(super) fn write_failed(&self, rows: usize, attempt: u32, error: &dyn std::fmt::Display) {
        self.metrics.write_retries.inc();
        self.stuck(COMMITTING, error);
        if let Some(before) = lock(&self.last_failure).tells() {
            tracing::warn!(rows, attempt, failures_before = before, "a batch was not committed: {error}");
        }
    }

    /// An entry goes to the dead letters.
    pub(super) fn dead_letter(&self, id: StreamId, error: &str) {
        if let Some(before) = lock(&self.last_refusal).tells() {
            tracing::warn!(entry = %id, not_told_before = before, "entry goes to the dead letters: {error}");
        }
    }

    /// Pending entries are gone from the stream: what they said is lost.
    pub(super) fn pending_lost(&self, ids: &[StreamId]) {
        if let (Some(first), Some(last)) = (ids.first(), ids.last()) {
            self.lost(Loss::pending, ids.len() as u64);
            tracing::error!(
                entries = ids.len(), %first, %last,
                "pending entries were trimmed or deleted from the stream before they were stored; raise its MAXLEN"
            );
        }
    }

    /// The stream or its group was not there and has been made.
    pub(super) fn group_made(&self, stream: &str, group: &str, vanished: bool) {
        if vanished {
            tracing::error!(
                stream,
                group,
                "the stream or its group vanished; the group was made again from the oldest entry, what is stored \
                 already comes as duplicates"
            );
        } else {
            tracing::info!(stream, group, "the group was made, from the oldest entry");
        }
    }

    /// Entries of other consumers were taken over.
    pub(super) fn claimed(&self, entries: usize) {
        if entries > 0 {
            self.metrics.claimed.inc_by(entries as u64);
            tracing::info!(entries, "took over pending entries of other consumers");
        }
    }

    /// Something the broker lost.
    pub(super) fn lost(&self, kind: Loss, count: u64) {
        self.metrics.lost.get_or_create(&LossKind { kind }).inc_by(count);
    }

    /// A request to judge anew was answered.
    pub(super) fn recomputed(&self, id: StreamId, answer: &Answer) {
        let status = match answer.status {
            Status::Done => RecomputeStatus::done,
            Status::Refused => RecomputeStatus::refused,
            Status::Failed => RecomputeStatus::failed,
        };
        self.metrics.recomputes.get_or_create(&RecomputeKind { status }).inc();
        #[allow(clippy::cast_precision_loss, reason = "a time to look at")]
        self.metrics.recompute_duration.observe(answer.duration_ms as f64 / 1_000.0);
        let Answer { entries, inserted, revised, retracted, duration_ms, message, .. } = answer;
        let status = answer.status.as_str();
        tracing::info!(
            request = %id, status, entries, inserted, revised, retracted, duration_ms,
            "the request to judge anew was answered: {message}"
        );
    }

    /// Records of an entry could not be saved; its positions are stored all the same.
    pub(super) fn race_error(&self, entry: uuid::Uuid, error: &dyn std::fmt::Display) {
        self.metrics.race_errors.inc();
        tracing::error!(%entry, "records of the entry could not be saved: {error}");
    }
}

fn lock(quiet: &Mutex<Quiet>) -> std::sync::MutexGuard<'_, Quiet> {
    // What a panicking holder leaves says at worst one line too many.
    quiet.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
