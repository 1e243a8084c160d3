//! The judge behind the writers: what the lanes found is saved once its positions are, and whatever they cannot know is
//! read from storage and judged anew. What is found of an entry is saved in one transaction, of several together; the
//! field is ranked once a tick.

mod rank;
pub(super) mod recompute;
mod standings;
mod stored;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam::channel::{Sender, TrySendError};
use pipeline::batch::EntryKey;
use pipeline::judge::{Desk, ToSave, Work};
use pipeline::lane::News;
use pipeline::limits::SAVE_EVICTED_AFTER_FIXES;
use race::course::Course;
use race::follow::SAVED_VERSION;
use storage::{Cause, EntryRecords, Fence, Judged, Live, NewState, StoreError};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use self::recompute::{Counter, Recomputes};
use self::standings::Standings;
use super::backoff::Backoff;
use super::events::Events;
use super::mailbox::Mailbox;
use super::metrics::{Change, ChangeKind, Peer};
use super::persist::TakenOver;
use super::sink::now;

/// Between two rankings of the field.
const RANK_EVERY: Duration = Duration::from_millis(500);
/// Entries read from storage in one step: their queries are one, and news of others does not wait for long.
const READ_ENTRIES: usize = 64;
/// Entries saved in one transaction: the round trips and the flush to disk are shared, and what is locked meanwhile is
/// not for long.
const SAVE_ENTRIES: usize = 64;
/// Between two attempts to read entries whose positions the database refuses to give: a person has to look.
const RECALL_EVERY: Duration = Duration::from_secs(15);
/// Times that what is broken is tried again before it is put off: others may be whole.
const BROKEN_TIMES: u32 = 4;
/// How long requests that were left behind are waited for before anybody is looked at: what they say is why records
/// change.
const LEFT_BEHIND: Duration = Duration::from_secs(2);
/// What a judge takes at most to read what is known to be out of date when the writers have ended: the next one looks
/// at everybody, so that a handover is not held up for it.
const CLOSING: Duration = Duration::from_secs(5);

/// The ways to the lanes.
pub(super) struct Lanes {
    /// Where each is told what is stored.
    pub(super) news: Vec<Sender<News>>,
    /// How many batches of each are committed.
    pub(super) committed: Vec<Arc<AtomicU64>>,
}

/// See the module.
pub(super) struct Judge<S> {
    store: S,
    course: Arc<Course>,
    fence: Fence,
    mailbox: Arc<Mailbox>,
    news: Vec<Sender<News>>,
    committed: Vec<Arc<AtomicU64>>,
    events: Arc<Events>,
    desk: Desk,
    standings: Standings,
    recomputes: Recomputes,
    /// Why records change at the first look at an entry.
    first_look: Cause,
    /// Why the field of an event changed since it was ranked last, where not by new fixes alone.
    moved_by: BTreeMap<usize, Cause>,
    unsent: VecDeque<(usize, News)>,
    states: BTreeMap<usize, u64>,
}

impl<S: Live> Judge<S> {
    pub(super) fn new(
        store: S,
        course: Arc<Course>,
        fence: Fence,
        mailbox: Arc<Mailbox>,
        lanes: Lanes,
        events: Arc<Events>,
        counter: Counter,
    ) -> Self {
        let Lanes { news, committed } = lanes;
        let desk = Desk::new(Arc::clone(&course), SAVE_EVICTED_AFTER_FIXES);
        let standings = Standings::new(&course);
        let recomputes = Recomputes::new(Arc::clone(&course), counter);
        let (unsent, states) = Default::default();
        Self {
            store,
            course,
            fence,
            mailbox,
            news,
            committed,
            events,
            desk,
            standings,
            recomputes,
            first_look: Cause::Fixes,
            moved_by: BTreeMap::new(),
            unsent,
            states,
        }
    }

    /// The same, where the first look at an entry is for another reason than new fixes.
    pub(super) fn looking_for(self, first_look: Cause) -> Self {
        Self { first_look, ..self }
    }

    /// Judges until the writers have ended.
    pub(super) async fn run(mut self) -> Result<(), TakenOver> {
        let (mut ranked, mut recalled) = (Instant::now(), Instant::now());
        drop(timeout(LEFT_BEHIND, self.recomputes.counter.looked.cancelled()).await);
        loop {
            let (work, closed) = self.mailbox.take();
            if closed {
                return self.close(work).await;
            }
            self.take(work, None).await?;
            self.take_orders();
            self.read_some().await?;
            self.send_news();
            if ranked.elapsed() >= RANK_EVERY {
                self.rank().await?;
                ranked = Instant::now();
            }
            if recalled.elapsed() >= RECALL_EVERY {
                self.desk.recall();
                recalled = Instant::now();
            }
            if self.desk.is_idle() {
                // Nobody wakes a judge for a rank that is due.
                drop(timeout(RANK_EVERY, self.mailbox.came()).await);
            }
        }
    }

    /// Reads what is known to be out of date, if that is soon done, and ranks the field for the last time.
    async fn close(&mut self, work: Work) -> Result<(), TakenOver> {
        let deadline = Instant::now() + CLOSING;
        self.take(work, Some(deadline)).await?;
        self.desk.close();
        while !self.desk.is_idle() {
            let Ok(read) = timeout_at(deadline, self.read_some()).await else { break };
            read?;
            // Nobody hears it.
            self.unsent.clear();
        }
        timeout(CLOSING, self.rank()).await.unwrap_or(Ok(()))
    }

    /// Takes what came of commits. What cannot be saved by the deadline is not: the next judge looks at everybody.
    async fn take(&mut self, work: Work, deadline: Option<Instant>) -> Result<(), TakenOver> {
        self.states.extend(&work.states);
        let states: u64 = self.states.values().sum();
        self.events.metrics.states.set(i64::try_from(states).unwrap_or(i64::MAX));
        let (news, snapshots) = self.desk.take(work);
        for news in news {
            self.tell(news);
        }
        let mut saves = Vec::new();
        for snapshot in snapshots {
            let entry = snapshot.entry;
            let (evaluation, save) = self.desk.accept(snapshot);
            if let Some(evaluation) = evaluation {
                // A place in the field depends on more than what is recorded of an entry.
                self.standings.set(entry, evaluation);
            }
            saves.extend(save.map(|save| (save, Cause::Fixes)));
        }
        match deadline {
            None => self.save(saves).await,
            Some(deadline) => timeout_at(deadline, self.save(saves)).await.unwrap_or(Ok(())),
        }
    }

    /// Saves what is true of entries, and why it is looked at. Those that somebody asked for go each for itself, so that
    /// what changed of each is known.
    async fn save(&mut self, saves: Vec<(ToSave, Cause)>) -> Result<(), TakenOver> {
        let is_asked = |(save, _): &(ToSave, Cause)| self.recomputes.cause(save.entry).is_some();
        let (asked, unasked): (Vec<_>, Vec<_>) = saves.into_iter().partition(is_asked);
        for save in asked {
            self.save_some(vec![save]).await?;
        }
        self.save_some(unasked).await
    }

    async fn save_some(&mut self, saves: Vec<(ToSave, Cause)>) -> Result<(), TakenOver> {
        let mut saves = saves.into_iter().peekable();
        while saves.peek().is_some() {
            let some: Vec<(ToSave, Cause)> = saves.by_ref().take(SAVE_ENTRIES).collect();
            let judged: Vec<Judged> = some.iter().map(|(save, cause)| self.judged(save, *cause)).collect();
            let some: Vec<ToSave> = some.into_iter().map(|(save, _)| save).collect();
            if let Ok(changes) = self.save_judged(&judged).await? {
                self.saved(some, changes);
                continue;
            }
            // One of them is refused: the others are saved.
            for (save, judged) in some.into_iter().zip(judged) {
                match self.save_judged(std::slice::from_ref(&judged)).await? {
                    Ok(changes) => self.saved(vec![save], changes),
                    Err(error) => {
                        self.events.metrics.evaluations.inc();
                        self.desk.not_saved(save.entry);
                        self.recomputes.failed(save.entry, &error);
                        self.events.race_error(judged.records.entry_id, &error);
                    }
                }
            }
        }
        Ok(())
    }

    fn judged(&self, save: &ToSave, cause: Cause) -> Judged {
        let (event, entry) = save.entry;
        Judged {
            records: EntryRecords {
                entry_id: self.course.events[event].entries[entry].row.id,
                crossings: save.records.crossings.clone(),
                penalties: save.records.penalties.clone(),
            },
            cause,
            state: save.state.as_ref().map(|state| NewState {
                version: SAVED_VERSION,
                evaluated_to: state.evaluated_to,
                bytes: state.bytes.clone(),
            }),
            clears_dirty: save.clears_dirty,
        }
    }

    async fn save_judged(
        &self,
        judged: &[Judged],
    ) -> Result<Result<storage::Changes, StoreError>, TakenOver> {
        self.until_done(|| self.store.save_judged(Some(&self.fence), judged, now())).await
    }

    fn saved(&mut self, saves: Vec<ToSave>, changes: storage::Changes) {
        self.events.metrics.evaluations.inc_by(saves.len() as u64);
        self.count(changes);
        for save in saves {
            self.recomputes.saved(save.entry, changes);
            self.desk.saved(save.entry, save.records);
        }
    }

    /// Tries until the database has answered; what it refuses is the caller's. At the end of a shift so is what is broken:
    /// the next shift, and its positions, do not wait until somebody has mended the tables of records.
    async fn until_done<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<Result<T, StoreError>, TakenOver> {
        let (mut backoff, mut broken) = (Backoff::default(), 0);
        loop {
            match call().await {
                Err(StoreError::Fenced { .. }) => return Err(TakenOver),
                Err(error @ StoreError::Broken { .. })
                    if broken >= BROKEN_TIMES || self.mailbox.is_closed() =>
                {
                    return Ok(Err(error));
                }
                Err(
                    error @ (StoreError::Away { .. }
                    | StoreError::Retry { .. }
                    | StoreError::Unable { .. }
                    | StoreError::Broken { .. }),
                ) => {
                    broken += u32::from(matches!(error, StoreError::Broken { .. }));
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

    fn tell(&mut self, news: News) {
        if let Some(lane) = self.lane(news.entry()) {
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
