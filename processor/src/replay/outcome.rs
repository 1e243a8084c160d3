//! The official outcome of a course: every entry judged by all that is stored of it, and the field ranked.

use std::collections::{BTreeMap, HashSet};

use pipeline::batch::EntryKey;
use race::course::Course;
use race::course::plan::{EntryPlan, EventPlan};
use race::follow::{Follower, Scratch};
use race::judge::{EntryEvaluation, EventOutcome, ranking};
use race::position::DeviceId;
use race::time::Timestamp;
use storage::{Cause, Changes, EntryRecords, Store, StoreError};

/// Positions of one read: large enough that the query costs nothing a row, small enough to keep memory flat.
const PAGE_ROWS: usize = 20_000;

/// The entries of which positions are stored already: the input alone does not tell their track.
pub(crate) async fn stored_entries(course: &Course, store: &impl Store) -> Result<Vec<EntryKey>, StoreError> {
    let stored: HashSet<DeviceId> =
        store.devices_with_positions(course.roster.devices()).await?.into_iter().collect();
    let entries =
        course.events.iter().enumerate().flat_map(|(event, plan)| {
            plan.entries.iter().enumerate().map(move |(n, entry)| ((event, n), entry))
        });
    let touched = entries.filter(|(_, entry)| entry.spans.iter().any(|span| stored.contains(&span.device)));
    Ok(touched.map(|(key, _)| key).collect())
}

/// What is true now of some of the course's events.
pub(crate) struct Outcome(Vec<EventOutcome>);

impl Outcome {
    /// Takes what the lanes judged in order, judges everybody else from the store, and ranks; only for events, by
    /// their number in the course, that are asked for.
    pub(crate) async fn of(
        course: &Course,
        store: &impl Store,
        mut judged: BTreeMap<EntryKey, EntryEvaluation>,
        is_asked: impl Fn(usize) -> bool,
    ) -> Result<Self, StoreError> {
        let mut outcomes = Vec::new();
        for (e, event) in course.events.iter().enumerate().filter(|(e, _)| is_asked(*e)) {
            let mut evaluations = Vec::with_capacity(event.entries.len());
            for (n, entry) in event.entries.iter().enumerate() {
                evaluations.push(match judged.remove(&(e, n)) {
                    Some(evaluation) => evaluation,
                    None => judge_stored(event, entry, store).await?,
                });
            }
            let rankings = (0..event.stages.len()).map(|s| ranking::rank(event, s, &evaluations)).collect();
            outcomes.push(EventOutcome { event: e, evaluations, rankings });
        }
        Ok(Self(outcomes))
    }

    /// Those of some events.
    pub(crate) fn only(self, is_asked: impl Fn(usize) -> bool) -> Vec<EventOutcome> {
        self.0.into_iter().filter(|outcome| is_asked(outcome.event)).collect()
    }

    /// Makes the store's records equal to the outcome.
    pub(crate) async fn save(&self, store: &impl Store, at: Timestamp) -> Result<Changes, StoreError> {
        let mut changes = Changes::default();
        for evaluation in self.0.iter().flat_map(|event| &event.evaluations) {
            let penalties = evaluation.stages.iter().flat_map(|stage| stage.penalties.clone());
            let records = EntryRecords {
                entry_id: evaluation.entry_id,
                crossings: evaluation.crossings.clone(),
                penalties: penalties.collect(),
            };
            changes += store.save_records(records, Cause::Replay, at).await?;
        }
        let results = self.0.iter().flat_map(|event| event.rankings.iter().flatten().cloned());
        changes += store.save_results(results.collect(), Cause::Replay, at).await?;
        Ok(changes)
    }
}

/// Judges an entry by its stored positions, page by page.
async fn judge_stored(
    event: &EventPlan,
    entry: &EntryPlan,
    store: &impl Store,
) -> Result<EntryEvaluation, StoreError> {
    let (mut follower, mut scratch) = (Follower::new(event), Scratch::default());
    for span in &entry.spans {
        let mut from = span.from.unwrap_or(Timestamp::from_micros(i64::MIN));
        follower.track.note_faulty(store.count_faulty(span.device.clone(), from, span.to).await?);
        loop {
            let page = store.read_positions(span.device.clone(), from, span.to, PAGE_ROWS).await?;
            for position in &page {
                follower.push(event, position, &mut scratch);
            }
            match page.last() {
                Some(last) if page.len() == PAGE_ROWS => from = Timestamp::from_micros(last.ts.micros() + 1),
                _ => break,
            }
        }
    }
    Ok(follower.evaluation(event, entry, &mut scratch))
}
