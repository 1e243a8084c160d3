//! Entries judged by what is stored: from the state that was saved, if nothing before its end has changed since, and the
//! positions behind it.

use race::follow::{Follower, SAVED_VERSION, Scratch};
use race::position::Position;
use race::time::Timestamp;
use storage::{Live, NewState, SavedState, StoreError, TrackSpan};
use uuid::Uuid;

use pipeline::batch::EntryKey;
use pipeline::lane::{FromStorage, News};
use pipeline::limits::SAVE_EVICTED_AFTER_FIXES;

use super::super::persist::TakenOver;
use super::{Judge, READ_ENTRIES, records};

/// Positions of each track read at once: what 64 entries hold in memory is bounded by it.
const PAGE_ROWS: usize = 2_000;
/// Instants told to a lane, so that it knows a repeat of one: a tracker repeats some dozen.
const SEEN: usize = 256;

/// An entry on its way from storage.
struct Reading {
    entry: EntryKey,
    included: u64,
    follower: Follower,
    /// What was read before it, to say that it is clean.
    dirty_revision: Option<i64>,
    /// It begins with nothing, so that the saved state is of no use.
    anew: bool,
    unsaved: u32,
    seen: Vec<Timestamp>,
    /// What is still to be read, the next first.
    spans: Vec<TrackSpan>,
}

impl<S: Live> Judge<S> {
    /// Reads and judges a few of the entries that are wanted.
    pub(super) async fn read_some(&mut self) -> Result<(), TakenOver> {
        let entries: Vec<EntryKey> = self.wanted.iter().take(READ_ENTRIES).copied().collect();
        if entries.is_empty() {
            return Ok(());
        }
        let read = self.until_done(|| self.read(&entries)).await?;
        for entry in &entries {
            self.wanted.remove(entry);
        }
        match read {
            Ok(read) => {
                for reading in read {
                    self.judge(reading).await?;
                }
            }
            Err(error) => {
                for (event, entry) in entries {
                    self.events.race_error(self.course.events[event].entries[entry].row.id, &error);
                }
            }
        }
        Ok(())
    }

    async fn judge(&mut self, reading: Reading) -> Result<(), TakenOver> {
        let key = reading.entry;
        let course = std::sync::Arc::clone(&self.course);
        let event = &course.events[key.0];
        let entry = &event.entries[key.1];
        let mut unsaved = reading.unsaved;
        let evaluation = reading.follower.evaluation(event, entry, &mut Scratch::default());
        let saves = reading.dirty_revision.is_some() || reading.anew || unsaved >= SAVE_EVICTED_AFTER_FIXES;
        let bytes = if saves { reading.follower.save(event, entry).ok() } else { None };
        let state = bytes.map(|bytes| {
            unsaved = 0;
            NewState { version: SAVED_VERSION, evaluated_to: reading.follower.track.latest(), bytes }
        });
        let found = records(&evaluation);
        // One whose records are refused is ranked all the same: a place in the field depends on all.
        self.standings.set(key, evaluation);
        self.save(key, found, state, reading.dirty_revision).await?;
        let book = self.books.entry(key).or_default();
        book.generation += 1;
        let generation = book.generation;
        let state = FromStorage {
            entry: key,
            follower: Box::new(reading.follower),
            included: reading.included,
            generation,
            unsaved,
            seen: reading.seen,
        };
        self.tell(key, News::State(state));
        self.send_news();
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
                self.begin(entry, included, saved.iter().find(|state| state.entry_id == *id))
            })
            .collect();
        let mut scratch = Scratch::default();
        loop {
            let open: Vec<usize> = (0..readings.len()).filter(|&n| !readings[n].spans.is_empty()).collect();
            if open.is_empty() {
                return Ok(readings);
            }
            let spans: Vec<TrackSpan> = open.iter().map(|&n| readings[n].spans[0].clone()).collect();
            let pages = self.store.read_tracks(&spans, PAGE_ROWS).await?;
            for (n, page) in open.into_iter().zip(pages) {
                let event = &self.course.events[readings[n].entry.0];
                readings[n].take(event, &page, &mut scratch);
            }
        }
    }

    fn begin(&self, key: EntryKey, included: u64, saved: Option<&SavedState>) -> Reading {
        let event = &self.course.events[key.0];
        let entry = &event.entries[key.1];
        let restored = saved.and_then(|saved| {
            let evaluated_to = saved.evaluated_to?;
            let is_good = saved.version == SAVED_VERSION
                && saved.dirty_from.is_none_or(|dirty_from| dirty_from > evaluated_to);
            let follower = is_good.then(|| Follower::restore(event, entry, &saved.state)).flatten()?;
            Some((follower, Timestamp::from_micros(evaluated_to.micros().saturating_add(1))))
        });
        let anew = restored.is_none();
        let (follower, from) =
            restored.unwrap_or_else(|| (Follower::new(event), Timestamp::from_micros(i64::MIN)));
        let spans = entry.spans.iter().filter(|span| span.to.is_none_or(|to| to > from));
        let spans = spans.map(|span| TrackSpan {
            device: span.device.clone(),
            from: span.from.map_or(from, |begin| begin.max(from)),
            to: span.to,
        });
        Reading {
            entry: key,
            included,
            follower,
            dirty_revision: saved
                .filter(|saved| saved.dirty_from.is_some())
                .map(|saved| saved.dirty_revision),
            anew,
            unsaved: 0,
            seen: Vec::new(),
            spans: spans.collect(),
        }
    }
}

impl Reading {
    /// Takes a page of the first span.
    fn take(&mut self, event: &race::course::plan::EventPlan, page: &[Position], scratch: &mut Scratch) {
        for position in page {
            self.follower.push(event, position, scratch);
        }
        self.unsaved = self.unsaved.saturating_add(u32::try_from(page.len()).unwrap_or(u32::MAX));
        self.seen.extend(page.iter().map(|position| position.ts));
        self.seen.drain(..self.seen.len().saturating_sub(SEEN));
        match page.last() {
            Some(last) if page.len() >= PAGE_ROWS => {
                self.spans[0].from = Timestamp::from_micros(last.ts.micros().saturating_add(1));
            }
            _ => {
                self.spans.remove(0);
            }
        }
    }
}
