//! The judge's books: of each entry, on which state its lane builds, what is saved, and whether it is to be read.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use race::course::Course;
use race::follow::Scratch;
use race::judge::EntryEvaluation;
use race::record::{Crossing, Penalty};

use super::mail::Work;
use super::reading::Reading;
use crate::batch::{EntryKey, SavedState, Snapshot};
use crate::lane::{FromStorage, News};

/// See the module.
#[derive(Debug)]
pub struct Desk {
    course: Arc<Course>,
    books: BTreeMap<EntryKey, Book>,
    /// Asked for by their lanes, each of which waits for an answer.
    wanted: BTreeSet<EntryKey>,
    /// Not looked at since the beginning.
    unread: BTreeSet<EntryKey>,
    /// Those of the two above that could not be read; whether its lane waits.
    put_off: BTreeMap<EntryKey, bool>,
    /// Those whose saved state is not to be believed: a person changed what is behind it.
    anew: BTreeSet<EntryKey>,
    /// The last of those asked for that was read.
    served: EntryKey,
    /// Fixes after which a state that was read is saved.
    save_after_fixes: u32,
    scratch: Scratch,
}

/// What is known of one entry.
#[derive(Debug, Default)]
struct Book {
    /// The number of the last state that was handed to its lane, and of the contradictions since.
    generation: u32,
    /// What is saved, if this judge saved it.
    saved: Option<Recorded>,
    /// What is saved is known to be out of date until the next read for its lane.
    stale: bool,
}

/// What is recorded of an entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// All its crossings in order of time.
    pub crossings: Vec<Crossing>,
    /// The penalties of all its stages.
    pub penalties: Vec<Penalty>,
}

/// What is to be saved of an entry, in one transaction.
#[derive(Debug, Clone)]
pub struct ToSave {
    /// Whose.
    pub entry: EntryKey,
    /// What is true of it.
    pub records: Recorded,
    /// How far it is evaluated; `None`: what was saved stays.
    pub state: Option<SavedState>,
    /// The [`super::Stored::dirty_revision`] at which the entry is clean.
    pub clears_dirty: Option<i64>,
}

impl Desk {
    /// Nobody knows what an earlier judge left undone: everybody is looked at once.
    ///
    /// A state that was read is saved when it has seen `save_after_fixes` positions that the saved one has not, or when
    /// the saved one is of no use.
    pub fn new(course: Arc<Course>, save_after_fixes: u32) -> Self {
        let all = course.events.iter().enumerate();
        let unread = all.flat_map(|(e, event)| (0..event.entries.len()).map(move |n| (e, n))).collect();
        let (books, wanted, put_off, anew) = Default::default();
        let (served, scratch) = Default::default();
        Self { course, books, wanted, unread, put_off, anew, served, save_after_fixes, scratch }
    }

    /// Takes what came of commits. Returns what the lanes are to be told, and what they said, to be passed to
    /// [`Desk::accept`] before anything is read.
    pub fn take(&mut self, work: Work) -> (Vec<News>, Vec<Snapshot>) {
        let mut news = Vec::with_capacity(work.stale.len());
        for entry in work.stale {
            let book = self.books.entry(entry).or_default();
            // What the lane says from now on, until it has the next state, is out of date.
            book.generation += 1;
            book.stale = true;
            news.push(News::Stale(entry));
        }
        self.wanted.extend(work.wanted);
        (news, work.snapshots.into_values().collect())
    }

    /// What a lane said: what is true of the entry now, for the ranking, and what is to be saved. Neither when it is
    /// out of date or says nothing new.
    pub fn accept(&mut self, snapshot: Snapshot) -> (Option<EntryEvaluation>, Option<ToSave>) {
        let book = self.books.entry(snapshot.entry).or_default();
        if snapshot.generation != book.generation {
            return (None, None);
        }
        let found = snapshot.evaluation.as_ref().map(Recorded::of);
        // Most fixes inside of something change nothing that is recorded: they cost no transaction.
        let unchanged = found.is_none() || found == book.saved;
        let records = found.or_else(|| book.saved.clone());
        let save = records.filter(|_| !unchanged || snapshot.state.is_some()).map(|records| ToSave {
            entry: snapshot.entry,
            records,
            state: snapshot.state,
            clears_dirty: None,
        });
        (snapshot.evaluation, save)
    }

    /// Notes what was saved.
    pub fn saved(&mut self, entry: EntryKey, records: Recorded) {
        self.books.entry(entry).or_default().saved = Some(records);
    }

    /// Up to `count` entries to be read next: those that lanes wait for, and of the others at least a quarter, so that
    /// all are looked at some time however many wait.
    pub fn next(&mut self, count: usize) -> Vec<EntryKey> {
        let others: Vec<EntryKey> =
            self.unread.iter().filter(|entry| !self.wanted.contains(entry)).take(count).copied().collect();
        let kept = others.len().min(count.div_ceil(4));
        // In turn: some that are asked for again and again must not keep others from being read.
        let behind = self.wanted.range((Bound::Excluded(self.served), Bound::Unbounded));
        let in_turn = behind.chain(self.wanted.range(..=self.served));
        let mut next: Vec<EntryKey> = in_turn.take(count - kept).copied().collect();
        self.served = next.last().copied().unwrap_or(self.served);
        next.extend(others.into_iter().take(count - next.len()));
        next
    }

    /// An entry is to be judged from its positions alone, whatever is saved of it or its lane says. Returns what the
    /// lane is to be told.
    pub fn read_anew(&mut self, entry: EntryKey) -> News {
        let book = self.books.entry(entry).or_default();
        book.generation += 1;
        book.stale = true;
        self.anew.insert(entry);
        self.unread.insert(entry);
        News::Stale(entry)
    }

    /// Whether what is saved of an entry is not to be believed by its next reading.
    pub fn is_read_anew(&self, entry: EntryKey) -> bool {
        self.anew.contains(&entry)
    }

    /// Whether this judge has not looked at an entry yet.
    pub fn is_first_look(&self, entry: EntryKey) -> bool {
        self.unread.contains(&entry)
    }

    /// Whether nothing is to be read.
    pub fn is_idle(&self) -> bool {
        self.wanted.is_empty() && self.unread.is_empty()
    }

    /// An entry cannot be read now: others go on. It stays asked for.
    pub fn put_off(&mut self, entry: EntryKey) {
        let waits = self.wanted.remove(&entry);
        self.unread.remove(&entry);
        *self.put_off.entry(entry).or_default() |= waits;
    }

    /// What was to be saved of an entry was not: it is read once more when those that were put off are.
    pub fn not_saved(&mut self, entry: EntryKey) {
        self.put_off.entry(entry).or_default();
    }

    /// Those that were put off are to be read again.
    pub fn recall(&mut self) {
        for (entry, waits) in std::mem::take(&mut self.put_off) {
            if waits {
                self.wanted.insert(entry);
            } else {
                self.unread.insert(entry);
            }
        }
    }

    /// The lanes have ended and ask for nothing any more: what is known to be out of date is read all the same, and
    /// nothing else.
    pub fn close(&mut self) {
        self.unread.clear();
        self.wanted.extend(self.books.iter().filter(|(_, book)| book.stale).map(|(entry, _)| *entry));
    }

    /// Judges what was read to its end. Returns what is true, what is to be saved, and what the lane is to be told after
    /// that, if it waits.
    pub fn judge(&mut self, reading: Reading) -> (EntryEvaluation, ToSave, Option<News>) {
        let key = reading.entry;
        let event = &self.course.events[key.0];
        let entry = &event.entries[key.1];
        let Reading { included, follower, dirty_revision, mut unsaved, seen, .. } = reading;
        let evaluation = follower.evaluation(event, entry, &mut self.scratch);
        let saves = dirty_revision.is_some() || reading.anew || unsaved >= self.save_after_fixes;
        let mut state = None;
        if saves && let Ok(bytes) = follower.save(event, entry) {
            unsaved = 0;
            state = Some(SavedState { evaluated_to: follower.track.latest(), bytes });
        }
        // A mark that goes while the state before it stays would leave that state to be believed.
        let clears_dirty = dirty_revision.filter(|_| state.is_some());
        let save = ToSave { entry: key, records: Recorded::of(&evaluation), state, clears_dirty };
        self.unread.remove(&key);
        self.anew.remove(&key);
        let book = self.books.entry(key).or_default();
        let was_put_off = self.put_off.remove(&key).unwrap_or_default();
        let news = (self.wanted.remove(&key) || was_put_off).then(|| {
            // Until then the lane may follow the entry by a state that is out of date, and nothing it says is taken.
            book.stale = false;
            book.generation += 1;
            let (follower, generation) = (Box::new(follower), book.generation);
            let seen = seen.into();
            News::State(FromStorage { entry: key, follower, included, generation, unsaved, seen })
        });
        (evaluation, save, news)
    }
}

impl Recorded {
    /// Of what is true.
    pub fn of(evaluation: &EntryEvaluation) -> Self {
        Self {
            crossings: evaluation.crossings.clone(),
            penalties: evaluation.stages.iter().flat_map(|stage| stage.penalties.clone()).collect(),
        }
    }
}
