//! The field ranked: results that changed are saved, and whoever asked for entries anew is told.

use std::collections::BTreeMap;

use pipeline::batch::EntryKey;
use race::record::StageResult;
use storage::{Cause, Changes, Live, RecordKind, StoreError};
use uuid::Uuid;

use super::super::persist::TakenOver;
use super::super::sink::now;
use super::Judge;

impl<S: Live> Judge<S> {
    /// Takes what was asked for: the lanes' states of it are out of date, and it is read from its positions alone.
    pub(super) fn take_orders(&mut self) {
        for entry in self.recomputes.take() {
            let news = self.desk.read_anew(entry);
            self.tell(news);
        }
    }

    pub(super) async fn rank(&mut self) -> Result<(), TakenOver> {
        let mut changed: BTreeMap<usize, Vec<StageResult>> = BTreeMap::new();
        for result in self.standings.changed(&self.course) {
            if let Some(event) = self.event_of(result.stage_id) {
                changed.entry(event).or_default().push(result);
            }
        }
        let mut unasked: BTreeMap<&str, (Cause, Vec<StageResult>)> = BTreeMap::new();
        for (event, results) in changed {
            if let Some(cause) = self.recomputes.cause_of_event(event) {
                self.rank_for(event, &results, cause).await?;
                continue;
            }
            let cause = self.moved_by.remove(&event).unwrap_or(Cause::Fixes);
            unasked.entry(cause.as_str()).or_insert((cause, Vec::new())).1.extend(results);
        }
        for (cause, results) in unasked.into_values() {
            self.save_results(&results, cause).await?;
        }
        let standings = &self.standings;
        self.recomputes.finish(|event| standings.is_ranked(event), self.desk.is_idle());
        Ok(())
    }

    /// Saves results of an event of which entries were asked for, and notes which of them changed.
    async fn rank_for(
        &mut self,
        event: usize,
        results: &[StageResult],
        cause: Cause,
    ) -> Result<(), TakenOver> {
        let before = self.revisions(results).await?;
        if let Some(error) = self.save_results(results, cause).await? {
            self.recomputes.not_ranked(event, &error);
        }
        let (before, after) = match (before, self.revisions(results).await?) {
            (Ok(before), Ok(after)) => (before, after),
            (Err(error), _) | (_, Err(error)) => {
                self.recomputes.not_ranked(event, &error);
                return Ok(());
            }
        };
        let entries = self.course.events[event].entries.iter().enumerate();
        let by_id: BTreeMap<Uuid, EntryKey> = entries.map(|(n, entry)| (entry.row.id, (event, n))).collect();
        let mut changes: BTreeMap<EntryKey, Changes> = BTreeMap::new();
        for (key, revision) in &after {
            let Some(entry) = by_id.get(&key.0) else { continue };
            let of_entry = changes.entry(*entry).or_default();
            match before.get(key) {
                None => of_entry.inserted += 1,
                Some(before) if before != revision => of_entry.revised += 1,
                Some(_) => {}
            }
        }
        self.recomputes.ranked(event, &changes);
        Ok(())
    }

    /// The revisions of the stored results of these entries, by entry and stage.
    async fn revisions(
        &self,
        results: &[StageResult],
    ) -> Result<Result<BTreeMap<(Uuid, Uuid), i64>, StoreError>, TakenOver> {
        let mut entries: Vec<Uuid> = results.iter().map(|result| result.entry_id).collect();
        entries.sort_unstable();
        entries.dedup();
        let stored = self.until_done(|| self.store.stored_records(&entries)).await?;
        Ok(stored.map(|records| {
            let results = records.into_iter().filter(|record| record.kind == RecordKind::Result);
            results.map(|result| ((result.entry_id, result.record_id), result.revision)).collect()
        }))
    }

    /// Saves results; where they are refused together, each for itself. The last refusal; all of them are told.
    async fn save_results(
        &self,
        results: &[StageResult],
        cause: Cause,
    ) -> Result<Option<StoreError>, TakenOver> {
        if let Ok(changes) = self.save_standings(results, cause).await? {
            self.count(changes);
            return Ok(None);
        }
        // One of them is refused, such as that of an entry that was deleted under us: the others are saved.
        let mut refusal = None;
        for result in results {
            match self.save_standings(std::slice::from_ref(result), cause).await? {
                Ok(changes) => self.count(changes),
                Err(error) => {
                    self.events.race_error(result.entry_id, &error);
                    refusal = Some(error);
                }
            }
        }
        Ok(refusal)
    }

    async fn save_standings(
        &self,
        results: &[StageResult],
        cause: Cause,
    ) -> Result<Result<Changes, StoreError>, TakenOver> {
        self.until_done(|| self.store.save_standings(Some(&self.fence), results, cause, now())).await
    }

    fn event_of(&self, stage: Uuid) -> Option<usize> {
        let has =
            |event: &race::course::plan::EventPlan| event.stages.iter().any(|plan| plan.row.id == stage);
        self.course.events.iter().position(has)
    }
}
