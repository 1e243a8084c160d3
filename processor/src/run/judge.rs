//! The judge behind the writers: what the lanes found is saved once its positions are, and whatever they cannot know is
//! read from storage and judged anew. One transaction an entry; the field is ranked once a tick.

mod standings;
mod stored;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam::channel::{Sender, TrySendError};
use pipeline::batch::{EntryKey, Snapshot};
use pipeline::lane::News;
use race::course::Course;
use race::follow::SAVED_VERSION;
use race::judge::EntryEvaluation;
use race::record::StageResult;
use storage::{EntryRecords, Fence, Judged, Live, NewState, StoreError};
use tokio::time::{Instant, sleep, timeout};

use self::standings::Standings;
use super::backoff::Backoff;
use super::events::Events;
use super::mailbox::{Mailbox, Work};
use super::metrics::{Change, ChangeKind, Peer};
use super::persist::TakenOver;
use super::sink::now;

/// Between two rankings of the field.
const RANK_EVERY: Duration = Duration::from_millis(500);
/// Entries read from storage in one step: their queries are one, and news of others does not wait for long.
const READ_ENTRIES: usize = 64;

/// See the module.
pub(super) struct Judge<S> {
    store: S,
    course: Arc<Course>,
    fence: Fence,
    mailbox: Arc<Mailbox>,
    news: Vec<Sender<News>>,
    committed: Vec<Arc<AtomicU64>>,
    events: Arc<Events>,
    books: BTreeMap<EntryKey, Book>,
    standings: Standings,
    wanted: BTreeSet<EntryKey>,
    unsent: VecDeque<(usize, News)>,
    states: BTreeMap<usize, u64>,
}

/// What is known of one entry.
#[derive(Debug, Default)]
struct Book {
    /// The number of the last state that was handed to its lane.
    generation: u32,
    /// What is saved, if this judge saved it.
    saved: Option<EntryEvaluation>,
}

impl<S: Live> Judge<S> {
    pub(super) fn new(
        store: S,
        course: Arc<Course>,
        fence: Fence,
        mailbox: Arc<Mailbox>,
        news: Vec<Sender<News>>,
        committed: Vec<Arc<AtomicU64>>,
        events: Arc<Events>,
    ) -> Self {
        // Nobody knows what an earlier holder of the lease left undone: everybody is looked at once.
        let all = course.events.iter().enumerate();
        let wanted = all.flat_map(|(e, event)| (0..event.entries.len()).map(move |n| (e, n))).collect();
        let standings = Standings::new(&course);
        let (books, unsent, states) = Default::default();
        Self {
            store,
            course,
            fence,
            mailbox,
            news,
            committed,
            events,
            books,
            standings,
            wanted,
            unsent,
            states,
        }
    }

    /// Judges until the writers have ended.
    pub(super) async fn run(mut self) -> Result<(), TakenOver> {
        let mut ranked = Instant::now();
        loop {
            let (work, closed) = self.mailbox.take();
            self.take(work).await?;
            if !closed {
                self.read_some().await?;
            }
            self.send_news();
            if closed || ranked.elapsed() >= RANK_EVERY {
                self.rank().await?;
                ranked = Instant::now();
            }
            if closed {
                return Ok(());
            }
            if self.wanted.is_empty() {
                // Nobody wakes a judge for a rank that is due.
                drop(timeout(RANK_EVERY, self.mailbox.came()).await);
            }
        }
    }

    async fn take(&mut self, work: Work) -> Result<(), TakenOver> {
        for entry in work.stale {
            // What the lane says from now on, until it has the next state, is out of date.
            self.books.entry(entry).or_default().generation += 1;
            self.tell(entry, News::Stale(entry));
        }
        self.states.extend(work.states);
        let states: u64 = self.states.values().sum();
        self.events.metrics.states.set(i64::try_from(states).unwrap_or(i64::MAX));
        for (entry, snapshot) in work.snapshots {
            self.save_snapshot(entry, snapshot).await?;
        }
        self.wanted.extend(work.wanted);
        Ok(())
    }

    async fn save_snapshot(&mut self, entry: EntryKey, snapshot: Snapshot) -> Result<(), TakenOver> {
        let book = self.books.entry(entry).or_default();
        if snapshot.generation != book.generation {
            return Ok(());
        }
        let state = snapshot.state.map(|state| NewState {
            version: SAVED_VERSION,
            evaluated_to: Some(state.evaluated_to),
            bytes: state.bytes,
        });
        let unchanged = snapshot.evaluation.as_ref().is_none_or(|new| book.saved.as_ref() == Some(new));
        if unchanged && state.is_none() {
            return Ok(());
        }
        let Some(evaluation) = snapshot.evaluation.or_else(|| book.saved.clone()) else { return Ok(()) };
        self.save(entry, evaluation, state, None).await
    }

    /// Saves what is true of an entry, and keeps it for the ranking.
    async fn save(
        &mut self,
        key: EntryKey,
        evaluation: EntryEvaluation,
        state: Option<NewState>,
        clears_dirty: Option<i64>,
    ) -> Result<(), TakenOver> {
        let judged = Judged { records: records(&evaluation), state, clears_dirty };
        let entry_id = evaluation.entry_id;
        let saved = self.until_done(|| self.store.save_judged(Some(&self.fence), &judged, now())).await?;
        self.events.metrics.evaluations.inc();
        // A place in the field depends on all: one whose records are refused is ranked all the same.
        self.standings.set(key, evaluation.clone());
        match saved {
            Ok(changes) => {
                self.count(changes);
                self.books.entry(key).or_default().saved = Some(evaluation);
            }
            Err(error) => self.events.race_error(entry_id, &error),
        }
        Ok(())
    }

    async fn rank(&mut self) -> Result<(), TakenOver> {
        let changed = self.standings.changed(&self.course);
        if changed.is_empty() {
            return Ok(());
        }
        if let Ok(changes) = self.save_standings(&changed).await? {
            self.count(changes);
            return Ok(());
        }
        // One of them is refused, such as that of an entry that was deleted under us: the others are saved.
        for result in &changed {
            match self.save_standings(std::slice::from_ref(result)).await? {
                Ok(changes) => self.count(changes),
                Err(error) => self.events.race_error(result.entry_id, &error),
            }
        }
        Ok(())
    }

    async fn save_standings(
        &self,
        results: &[StageResult],
    ) -> Result<Result<storage::Changes, StoreError>, TakenOver> {
        self.until_done(|| self.store.save_standings(Some(&self.fence), results)).await
    }

    /// Tries until the database has answered; what it refuses is the caller's. At the end of a shift so is what is broken:
    /// the next shift, and its positions, do not wait until somebody has mended the tables of records.
    async fn until_done<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<Result<T, StoreError>, TakenOver> {
        let mut backoff = Backoff::default();
        loop {
            match call().await {
                Err(StoreError::Fenced { .. }) => return Err(TakenOver),
                Err(error @ StoreError::Broken { .. }) if self.mailbox.is_closed() => return Ok(Err(error)),
                Err(
                    error @ (StoreError::Away { .. } | StoreError::Retry { .. } | StoreError::Broken { .. }),
                ) => {
                    self.events.peer_down(Peer::postgres, &error);
                    sleep(backoff.next()).await;
                }
                done => {
                    if !backoff.is_fresh() {
                        self.events.peer_up(Peer::postgres);
                    }
                    return Ok(done);
                }
            }
        }
    }

    fn count(&self, changes: storage::Changes) {
        for (change, count) in [
            (Change::inserted, changes.inserted),
            (Change::revised, changes.revised),
            (Change::retracted, changes.retracted),
        ] {
            if count > 0 {
                self.events.metrics.changes.get_or_create(&ChangeKind { change }).inc_by(count as u64);
            }
        }
    }

    /// The lane of an entry; none for an entry that no device times.
    fn lane(&self, (event, entry): EntryKey) -> Option<usize> {
        let span = self.course.events[event].entries[entry].spans.first()?;
        Some(pipeline::topology::lane_of(&self.course, &span.device, self.news.len()))
    }

    fn tell(&mut self, entry: EntryKey, news: News) {
        if let Some(lane) = self.lane(entry) {
            self.unsent.push_back((lane, news));
        }
    }

    /// Tells the lanes; what a full channel does not take waits, in its order.
    fn send_news(&mut self) {
        let mut full = BTreeSet::new();
        for (lane, news) in std::mem::take(&mut self.unsent) {
            if full.contains(&lane) {
                self.unsent.push_back((lane, news));
                continue;
            }
            // A lane that has ended needs no news.
            if let Err(TrySendError::Full(news)) = self.news[lane].try_send(news) {
                full.insert(lane);
                self.unsent.push_back((lane, news));
            }
        }
    }

    /// How far the batches of an entry's lane are committed.
    fn committed(&self, entry: EntryKey) -> u64 {
        self.lane(entry).map_or(0, |lane| self.committed[lane].load(Ordering::Acquire))
    }
}

fn records(evaluation: &EntryEvaluation) -> EntryRecords {
    EntryRecords {
        entry_id: evaluation.entry_id,
        crossings: evaluation.crossings.clone(),
        penalties: evaluation.stages.iter().flat_map(|stage| stage.penalties.clone()).collect(),
    }
}
