//! Judging from what is stored, whichever database it is: entries by their positions, and the field ranked.
//!
//! What `replay` saves, and what is shown, explained or tried out, all come from here.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use pipeline::batch::EntryKey;
use race::course::Course;
use race::course::plan::{EntryPlan, EventPlan};
use race::course::roster::TimingSpan;
use race::follow::{Follower, Scratch};
use race::judge::{EntryEvaluation, EventOutcome, ranking};
use race::position::{DeviceId, Position};
use race::time::Timestamp;
use storage::{Cause, Changes, EntryRecords, Positions, Records, StoreError};
use tokio::task::JoinSet;

/// Positions of one read: large enough that the query costs nothing a row, small enough to keep memory flat.
const PAGE_ROWS: usize = 20_000;

/// Entries that are judged side by side: enough that reading and following both go on with a few processors, few enough
/// that their pages are some tens of megabytes.
const ENTRIES_AT_ONCE: usize = 6;

/// All events that are stored, ready to judge by.
///
/// # Errors
/// The database does not answer, or its rows are no course.
pub(crate) async fn course(store: &impl Records) -> Result<Arc<Course>, StoreError> {
    Ok(Arc::new(Course::new(Arc::new(store.load_course().await?))))
}

/// The entries of which positions are stored already: the input alone does not tell their track.
pub(crate) async fn stored_entries(
    course: &Course,
    store: &impl Positions,
) -> Result<Vec<EntryKey>, StoreError> {
    let stored: HashSet<DeviceId> =
        store.devices_with_positions(course.roster.devices()).await?.into_iter().collect();
    let entries =
        course.events.iter().enumerate().flat_map(|(event, plan)| {
            plan.entries.iter().enumerate().map(move |(n, entry)| ((event, n), entry))
        });
    let touched = entries.filter(|(_, entry)| entry.spans.iter().any(|span| stored.contains(&span.device)));
    Ok(touched.map(|(key, _)| key).collect())
}

/// An entry as its stored positions show it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judged {
    /// What is true of it.
    pub(crate) evaluation: EntryEvaluation,
    /// The instant of its last position, used or set aside; none without one.
    pub(crate) evaluated_to: Option<Timestamp>,
}

/// Judges an entry, by its number in the course, by its stored positions. Each page is followed on a thread of its own,
/// so that others may read meanwhile.
pub(crate) async fn entry(
    course: &Arc<Course>,
    (event, number): EntryKey,
    store: &impl Positions,
) -> Result<Judged, StoreError> {
    let mut follower = Follower::new(&course.events[event]);
    let mut pages = Pages::new(&course.events[event].entries[number], store);
    while let Some(page) = pages.next().await? {
        let course = Arc::clone(course);
        follower = on_a_thread(move || {
            let mut scratch = Scratch::default();
            page.iter().for_each(|position| follower.push(&course.events[event], position, &mut scratch));
            follower
        })
        .await;
    }
    follower.track.note_faulty(pages.faulty);
    let course = Arc::clone(course);
    Ok(on_a_thread(move || {
        let plan = &course.events[event];
        let evaluation = follower.evaluation(plan, &plan.entries[number], &mut Scratch::default());
        Judged { evaluation, evaluated_to: follower.track.latest() }
    })
    .await)
}

/// Computes something without holding up what else the runtime does.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    // Nobody cancels it.
    done.unwrap_or_else(|failure| std::panic::resume_unwind(failure.into_panic()))
}

/// Gives every position of an entry's track that is not faulty, in order of time, page by page; how many are faulty.
pub(crate) async fn each_position(
    entry: &EntryPlan,
    store: &impl Positions,
    mut each: impl FnMut(&Position),
) -> Result<u64, StoreError> {
    let mut pages = Pages::new(entry, store);
    while let Some(page) = pages.next().await? {
        page.iter().for_each(&mut each);
    }
    Ok(pages.faulty)
}

/// The positions of an entry's track that are not faulty, in order of time.
struct Pages<'a, S> {
    store: &'a S,
    spans: std::slice::Iter<'a, TimingSpan>,
    /// The span that is being read, and from where on.
    at: Option<(&'a TimingSpan, Timestamp)>,
    /// How many of the spans so far are faulty.
    faulty: u64,
}

impl<'a, S: Positions> Pages<'a, S> {
    fn new(entry: &'a EntryPlan, store: &'a S) -> Self {
        Self { store, spans: entry.spans.iter(), at: None, faulty: 0 }
    }

    /// The next positions; `None` behind the last.
    async fn next(&mut self) -> Result<Option<Vec<Position>>, StoreError> {
        loop {
            let (span, from) = match self.at.take() {
                Some(at) => at,
                None => {
                    let Some(span) = self.spans.next() else { return Ok(None) };
                    let from = span.from.unwrap_or(Timestamp::from_micros(i64::MIN));
                    self.faulty += self.store.count_faulty(span.device.clone(), from, span.to).await?;
                    (span, from)
                }
            };
            let page = self.store.read_positions(span.device.clone(), from, span.to, PAGE_ROWS).await?;
            if let Some(last) = page.last().filter(|_| page.len() == PAGE_ROWS) {
                self.at = Some((span, Timestamp::from_micros(last.ts.micros() + 1)));
            }
            if !page.is_empty() {
                return Ok(Some(page));
            }
        }
    }
}

/// An event as its stored positions show it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JudgedEvent {
    /// What is true of it.
    pub(crate) outcome: EventOutcome,
    /// The instant of the last position of any entry that was read; none without one.
    pub(crate) evaluated_to: Option<Timestamp>,
}

/// Judges an event, by its number in the course, and ranks it. Entries in `judged`, by their number in the event, are
/// taken as they are; the others are read, some at a time.
pub(crate) async fn event(
    course: &Arc<Course>,
    number: usize,
    mut judged: BTreeMap<usize, EntryEvaluation>,
    store: &impl Positions,
) -> Result<JudgedEvent, StoreError> {
    let plan = &course.events[number];
    let mut unread =
        (0..plan.entries.len()).filter(|n| !judged.contains_key(n)).collect::<Vec<_>>().into_iter();
    let mut evaluated_to = None;
    let mut reading = JoinSet::new();
    loop {
        while reading.len() < ENTRIES_AT_ONCE
            && let Some(n) = unread.next()
        {
            let (course, store) = (Arc::clone(course), store.clone());
            reading.spawn(async move { Ok((n, entry(&course, (number, n), &store).await?)) });
        }
        let Some(read) = reading.join_next().await else { break };
        let read: Result<(usize, Judged), StoreError> =
            read.unwrap_or_else(|failure| std::panic::resume_unwind(failure.into_panic()));
        let (n, read) = read?;
        evaluated_to = evaluated_to.max(read.evaluated_to);
        judged.insert(n, read.evaluation);
    }
    // By number, in whichever order they were done.
    let evaluations = judged.into_values().collect();
    Ok(JudgedEvent { outcome: ranked(plan, number, evaluations), evaluated_to })
}

/// The outcome of an event whose entries were all judged, in their order; `number` is its own in the course.
pub(crate) fn ranked(plan: &EventPlan, number: usize, evaluations: Vec<EntryEvaluation>) -> EventOutcome {
    let rankings = (0..plan.stages.len()).map(|stage| ranking::rank(plan, stage, &evaluations)).collect();
    EventOutcome { event: number, evaluations, rankings }
}

/// What is true now of some of the course's events.
pub(crate) struct Outcome(Vec<EventOutcome>);

impl Outcome {
    /// Takes what the lanes judged in order, judges everybody else from the store, and ranks; only for events, by
    /// their number in the course, that are asked for.
    pub(crate) async fn of(
        course: &Arc<Course>,
        store: &impl Positions,
        judged: BTreeMap<EntryKey, EntryEvaluation>,
        is_asked: impl Fn(usize) -> bool,
    ) -> Result<Self, StoreError> {
        let mut by_event: BTreeMap<usize, BTreeMap<usize, EntryEvaluation>> = BTreeMap::new();
        for ((event, entry), evaluation) in judged {
            by_event.entry(event).or_default().insert(entry, evaluation);
        }
        let mut outcomes = Vec::new();
        for number in (0..course.events.len()).filter(|number| is_asked(*number)) {
            let judged = by_event.remove(&number).unwrap_or_default();
            outcomes.push(event(course, number, judged, store).await?.outcome);
        }
        Ok(Self(outcomes))
    }

    /// Those of some events.
    pub(crate) fn only(self, is_asked: impl Fn(usize) -> bool) -> Vec<EventOutcome> {
        self.0.into_iter().filter(|outcome| is_asked(outcome.event)).collect()
    }

    /// Makes the store's records equal to the outcome.
    pub(crate) async fn save(
        &self,
        store: &impl Records,
        cause: Cause,
        at: Timestamp,
    ) -> Result<Changes, StoreError> {
        let mut changes = Changes::default();
        for evaluation in self.0.iter().flat_map(|event| &event.evaluations) {
            let penalties = evaluation.stages.iter().flat_map(|stage| stage.penalties.clone());
            let records = EntryRecords {
                entry_id: evaluation.entry_id,
                crossings: evaluation.crossings.clone(),
                penalties: penalties.collect(),
            };
            changes += store.save_records(records, cause, at).await?;
        }
        let results = self.0.iter().flat_map(|event| event.rankings.iter().flatten().cloned());
        changes += store.save_results(results.collect(), cause, at).await?;
        Ok(changes)
    }
}
