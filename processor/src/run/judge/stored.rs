//! Reads entries from storage for the judge.

use pipeline::batch::EntryKey;
use pipeline::judge::{Reading, Stored, Stretch};
use race::follow::Scratch;
use storage::{Cause, Live, StoreError, TrackSpan};
use uuid::Uuid;

use super::super::persist::TakenOver;
use super::{Judge, READ_ENTRIES};

/// Positions of each track read at once: what 64 entries hold in memory is bounded by it.
const PAGE_ROWS: usize = 2_000;

impl<S: Live> Judge<S> {
    /// Reads and judges a few of the entries that are to be read.
    pub(super) async fn read_some(&mut self) -> Result<(), TakenOver> {
        let entries = self.desk.next(READ_ENTRIES);
        if entries.is_empty() {
            return Ok(());
        }
        if let Ok(readings) = self.until_done(|| self.read(&entries)).await? {
            return self.judge(readings).await;
        }
        // One of them is refused: the others are read.
        for entry in entries {
            match self.until_done(|| self.read(std::slice::from_ref(&entry))).await? {
                Ok(readings) => self.judge(readings).await?,
                Err(error) => {
                    self.desk.put_off(entry);
                    self.recomputes.failed(entry, &error);
                    self.events.race_error(self.course.events[entry.0].entries[entry.1].row.id, &error);
                }
            }
        }
        Ok(())
    }

    async fn judge(&mut self, readings: Vec<Reading>) -> Result<(), TakenOver> {
        let (mut saves, mut heard) = (Vec::with_capacity(readings.len()), Vec::new());
        for reading in readings {
            let is_first_look = self.desk.is_first_look(reading.entry());
            let (evaluation, save, news) = self.desk.judge(reading);
            // One whose records are refused is ranked all the same: a place in the field depends on all.
            self.standings.set(save.entry, evaluation);
            let cause = self.recomputes.cause(save.entry).unwrap_or(match save.clears_dirty {
                // Another course changes more than fixes that came late besides.
                _ if is_first_look && self.first_look != Cause::Fixes => self.first_look,
                Some(_) => Cause::LateData,
                None => Cause::Fixes,
            });
            if cause != Cause::Fixes {
                self.moved_by.insert(save.entry.0, cause);
            }
            saves.push((save, cause));
            heard.extend(news);
        }
        self.save(saves).await?;
        for news in heard {
            self.tell(news);
        }
        self.send_news();
        Ok(())
    }

    /// At the first look, holds what is saved against what is stored: somebody may have stored positions, older than what
    /// was evaluated, who set no marks.
    async fn verify(&self, readings: &mut [Reading]) -> Result<(), StoreError> {
        let mut spans = Vec::new();
        let mut believed = Vec::new();
        for (n, reading) in readings.iter().enumerate().filter(|(_, r)| self.desk.is_first_look(r.entry())) {
            if let Some((stretches, seen)) = reading.believed(&self.course) {
                believed.push((n, spans.len()..spans.len() + stretches.len(), seen));
                spans.extend(stretches.into_iter().map(span));
            }
        }
        if spans.is_empty() {
            return Ok(());
        }
        let counts = self.store.count_positions(&spans).await?;
        for (n, of_entry, seen) in believed {
            if counts[of_entry].iter().sum::<u64>() > seen {
                readings[n].disbelieve(&self.course);
            }
        }
        Ok(())
    }

    async fn read(&self, entries: &[EntryKey]) -> Result<Vec<Reading>, StoreError> {
        // Before the read begins: what is committed by now is in it.
        let included: Vec<u64> = entries.iter().map(|&entry| self.committed(entry)).collect();
        let ids: Vec<Uuid> = entries.iter().map(|&(e, n)| self.course.events[e].entries[n].row.id).collect();
        let saved = self.store.load_states(&ids).await?;
        let mut readings: Vec<Reading> = entries
            .iter()
            .zip(included)
            .zip(&ids)
            .map(|((&entry, included), id)| {
                let stored = saved.iter().find(|state| state.entry_id == *id).map(|state| Stored {
                    version: state.version,
                    evaluated_to: state.evaluated_to,
                    state: &state.state,
                    dirty_from: state.dirty_from,
                    dirty_revision: state.dirty_revision,
                });
                let mut reading = Reading::begin(&self.course, entry, included, stored);
                if self.desk.is_read_anew(entry) {
                    reading.disbelieve(&self.course);
                }
                reading
            })
            .collect();
        self.verify(&mut readings).await?;
        let mut scratch = Scratch::default();
        loop {
            let mut open: Vec<&mut Reading> =
                readings.iter_mut().filter(|reading| reading.next().is_some()).collect();
            if open.is_empty() {
                return Ok(readings);
            }
            let stretches = open.iter().filter_map(|reading| reading.next());
            let spans: Vec<TrackSpan> = stretches.cloned().map(span).collect();
            let pages = self.store.read_tracks(&spans, PAGE_ROWS).await?;
            for (reading, page) in open.iter_mut().zip(pages) {
                reading.take(&self.course, &page, page.len() < PAGE_ROWS, &mut scratch);
            }
        }
    }
}

fn span(stretch: Stretch) -> TrackSpan {
    TrackSpan { device: stretch.device, from: stretch.from, to: stretch.to }
}
