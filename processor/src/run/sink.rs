//! The end of the pipeline: a batch is committed, then acknowledged, then told to the judge.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pipeline::batch::{CommittedBatch, EntryKey, EvaluatedBatch, Fate, RefusedEntry, Roles, StreamId};
use pipeline::broker::{Broker, BrokerError, Letter};
use pipeline::judge::Mail;
use pipeline::write::Sink;
use race::course::Course;
use race::position::Position;
use race::time::Timestamp;
use storage::{Fence, Live, PositionWrite, RowOutcome, Touch};
use tokio::time::sleep;

use super::acker::Done;
use super::backoff::Backoff;
use super::events::Events;
use super::mailbox::Mailbox;
use super::metrics::{Notice, NoticeKind, Peer, Stage, StageKind, WriteKind, WriteStatus};
use super::names::StreamNames;
use super::persist::{Outcome, Persist, Stored, TakenOver};

/// Commits what one writer's lanes hand over.
pub(super) struct LiveSink<S> {
    pub(super) persist: Persist<S>,
    pub(super) course: Arc<Course>,
    pub(super) fence: Option<Fence>,
    pub(super) broker: Broker,
    pub(super) names: StreamNames,
    pub(super) committed: Vec<Arc<AtomicU64>>,
    pub(super) acks: flume::Sender<Done>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) events: Arc<Events>,
}

impl<S: Live> Sink for LiveSink<S> {
    type Error = TakenOver;

    async fn commit(&mut self, batch: EvaluatedBatch) -> Result<CommittedBatch, TakenOver> {
        let EvaluatedBatch { rows, parts } = batch;
        let mut committed = CommittedBatch { rejects: rows.rejects.len() as u64, ..Default::default() };
        let mut done = Done { reads: rows.reads, ..Done::default() };
        let mut stale = BTreeSet::new();
        if !rows.positions.is_empty() {
            let write = PositionWrite {
                touches: self.touches(&rows.positions, &rows.roles),
                rows: rows.positions,
                ingested_at: now(),
                fence: self.fence,
            };
            let begun = Instant::now();
            let Stored { outcomes, offered_again } = self.persist.commit(&write).await?;
            self.count(&mut committed, &outcomes, begun, &rows.ids);
            stale = self.stale(&write.rows, &rows.roles, &outcomes, offered_again);
            for ((outcome, &id), position) in outcomes.into_iter().zip(&rows.ids).zip(&write.rows) {
                match outcome {
                    Ok(_) => done.ids.push(id),
                    Err(error) => done.letters.push(self.letter(id, position, error).await),
                }
            }
        }
        observe(&self.events, Stage::decode, rows.decoded_in);
        self.events.metrics.decode_errors.inc_by(committed.rejects);
        done.letters.extend(rows.rejects.into_iter().filter_map(Letter::from_reject));
        // The rows' memory is free; their entries stay in flight until the broker knows.
        drop(rows.held);
        if !(done.ids.is_empty() && done.letters.is_empty()) {
            // The acker ends after the writers.
            let _ = self.acks.send_async(done).await;
        }
        for part in &parts {
            self.committed[part.lane].store(part.seq, Ordering::Release);
        }
        self.tell(parts, stale);
        Ok(committed)
    }
}

impl<S: Live> LiveSink<S> {
    /// Rows that change the past of an entry if they are inserted.
    fn touches(&self, positions: &[Position], roles: &[Roles]) -> Vec<Touch> {
        let mut touches = Vec::new();
        for (row, position) in positions.iter().enumerate() {
            if roles.get(row).is_some_and(|roles| roles.may_change_past()) {
                let entries = self.entries(position).map(|(event, entry)| {
                    let entry_id = self.course.events[event].entries[entry].row.id;
                    Touch { row, entry_id }
                });
                touches.extend(entries);
            }
        }
        touches
    }

    /// Entries whose state in the lane is not what is stored. In a batch that was offered again, a row that is known may
    /// have been inserted the first time.
    fn stale(
        &self,
        positions: &[Position],
        roles: &[Roles],
        outcomes: &[Outcome],
        offered_again: bool,
    ) -> BTreeSet<EntryKey> {
        let mut stale = BTreeSet::new();
        for ((position, roles), outcome) in positions.iter().zip(roles).zip(outcomes) {
            let fate = match outcome {
                Ok(RowOutcome::Inserted) => Fate::Inserted,
                Ok(_) if offered_again => Fate::Unclear,
                Ok(RowOutcome::Duplicate | RowOutcome::Conflict) => Fate::Known,
                Err(_) => Fate::Refused,
            };
            if roles.is_stale(fate) {
                stale.extend(self.entries(position));
            }
        }
        stale
    }

    fn entries(&self, position: &Position) -> impl Iterator<Item = EntryKey> {
        let uses = self.course.roster.uses(&position.device_id).unwrap_or_default();
        uses.iter().filter(|place| place.covers(position.ts)).map(|place| (place.event, place.entry))
    }

    /// The entry of a row that the database refuses, as the broker has it. While the broker is away nothing could be
    /// written of it either, so it is waited for.
    async fn letter(&self, id: StreamId, position: &Position, error: String) -> Letter {
        let mut backoff = Backoff::default();
        let found = loop {
            match self.broker.entry(&self.names.stream, id).await {
                Ok(found) => break found,
                Err(error @ (BrokerError::Refused { .. } | BrokerError::NoGroup { .. })) => {
                    self.events.peer_down(Peer::redis, &error);
                    break None;
                }
                Err(error) => {
                    self.events.peer_down(Peer::redis, &error);
                    sleep(backoff.next()).await;
                }
            }
        };
        // Once it is trimmed, or must not be read, what is known of it is better than nothing.
        let entry = found.unwrap_or_else(|| RefusedEntry {
            id,
            fields: vec![
                (b"device_id".to_vec(), position.device_id.as_bytes().to_vec()),
                (b"ts".to_vec(), position.ts.to_string().into_bytes()),
            ],
            len_bytes: 0,
            cut: true,
        });
        Letter { entry: Box::new(entry), error }
    }

    fn count(&self, committed: &mut CommittedBatch, outcomes: &[Outcome], begun: Instant, ids: &[StreamId]) {
        let mut failed = 0;
        for outcome in outcomes {
            match outcome {
                Ok(RowOutcome::Inserted) => committed.inserted += 1,
                Ok(RowOutcome::Duplicate) => committed.duplicates += 1,
                Ok(RowOutcome::Conflict) => committed.conflicts += 1,
                Err(_) => failed += 1,
            }
        }
        let metrics = &self.events.metrics;
        for (status, count) in [
            (WriteStatus::inserted, committed.inserted),
            (WriteStatus::duplicate, committed.duplicates + committed.conflicts),
            (WriteStatus::failed, failed),
        ] {
            metrics.writes.get_or_create(&WriteKind { status }).inc_by(count);
        }
        metrics.conflicts.inc_by(committed.conflicts);
        metrics.write_duration.observe(begun.elapsed().as_secs_f64());
        observe(&self.events, Stage::commit, begun.elapsed());
        #[allow(clippy::cast_precision_loss, reason = "a number to look at")]
        metrics.write_rows.observe(outcomes.len() as f64);
        if let Some(first) = ids.first() {
            #[allow(clippy::cast_precision_loss, reason = "a time to look at")]
            let age = (now().micros() - first.time().micros()).max(0) as f64 / 1e6;
            metrics.entry_to_commit.observe(age);
        }
    }

    fn tell(&self, parts: Vec<pipeline::batch::LanePart>, stale: BTreeSet<EntryKey>) {
        let metrics = &self.events.metrics;
        for part in &parts {
            let counts = part.counts;
            observe(&self.events, Stage::lane, part.took);
            for (kind, count) in [
                (Notice::unknown_device, counts.unknown),
                (Notice::not_timing, counts.not_timing),
                (Notice::late, counts.late),
                (Notice::repeated, counts.repeated),
            ] {
                if count > 0 {
                    metrics.notices.get_or_create(&NoticeKind { kind }).inc_by(count);
                }
            }
            metrics.evictions.inc_by(counts.evicted);
        }
        self.mailbox.put(Mail { parts, stale });
    }
}

/// Notes what a stage took over a batch; one that had nothing to do is not noted.
fn observe(events: &Events, stage: Stage, took: Duration) {
    if !took.is_zero() {
        events.metrics.stages.get_or_create(&StageKind { stage }).observe(took.as_secs_f64());
    }
}

/// The one place where the live path reads the clock for a row: to say when it came in.
pub(super) fn now() -> Timestamp {
    Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
}
