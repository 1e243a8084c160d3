//! A worker without threads, broker or database: one lane, one writer and the judge, each of which does one small step
//! when it is told to, over a table in memory. What is not the model's is the program's own.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pipeline::batch::{EntryKey, EvaluatedBatch, Fate, LanePart, Roles, Rows, Snapshot, StreamId};
use pipeline::judge::{Desk, Mail, Reading, Recorded, Stored, Stretch, ToSave, Work};
use pipeline::lane::{Bounds, Follow, Lane, News};
use race::course::Course;
use race::follow::{Follower, SAVED_VERSION, Scratch};
use race::judge::EntryEvaluation;
use race::position::{DeviceId, Position};
use race::time::Timestamp;

/// Positions of a stretch read at once.
const PAGE_ROWS: usize = 3;
/// Entries read at once.
const READ_ENTRIES: usize = 2;
/// News on its way.
const NEWS: usize = 2;
const SAVE_AFTER_FIXES: u32 = 3;

/// An entry of the stream.
#[derive(Debug, Clone)]
pub struct Sent {
    pub position: Position,
    /// The database cannot store it.
    pub refused: bool,
}

/// What is durable.
#[derive(Debug, Default)]
struct Database {
    rows: BTreeMap<(DeviceId, Timestamp), Position>,
    states: BTreeMap<EntryKey, Row>,
    recorded: BTreeMap<EntryKey, Recorded>,
    acknowledged: BTreeSet<usize>,
    /// Rows that a person flagged.
    faulty: BTreeSet<(DeviceId, Timestamp)>,
    /// Entries of which flags were set or taken back since they were read anew: requests that are not answered.
    asked: BTreeSet<EntryKey>,
}

/// A row of the table of states.
#[derive(Debug, Default)]
struct Row {
    version: i32,
    evaluated_to: Option<Timestamp>,
    state: Vec<u8>,
    dirty_from: Option<Timestamp>,
    dirty_revision: i64,
}

/// What the judge is at.
enum Judging {
    Idle,
    Saving(VecDeque<Snapshot>),
    /// How far the lane was committed is noted, nothing is read.
    Noted(Vec<(EntryKey, u64)>),
    Reading(Vec<Reading>),
    Finishing(VecDeque<Reading>),
    /// What is saved next, and then told.
    Telling(VecDeque<Reading>, Option<News>),
}

/// What dies with the process.
struct Process {
    lane: Lane,
    evaluates: bool,
    /// The next entry of the stream to be delivered, among those that were not acknowledged at the start.
    todo: VecDeque<usize>,
    done: VecDeque<EvaluatedBatch>,
    /// Committed, and nobody was told.
    committed_batch: Option<(Vec<LanePart>, BTreeSet<EntryKey>)>,
    to_acknowledge: Vec<usize>,
    committed: Arc<AtomicU64>,
    mailbox: Work,
    /// Requests that the judge has not taken, and those it has.
    orders: BTreeSet<EntryKey>,
    taken: BTreeSet<EntryKey>,
    desk: Desk,
    judging: Judging,
    evaluations: BTreeMap<EntryKey, EntryEvaluation>,
    unsent: VecDeque<News>,
    news: VecDeque<News>,
}

pub struct World {
    course: Arc<Course>,
    sent: Vec<Sent>,
    max_states: usize,
    database: Database,
    process: Process,
    pub restarts: usize,
}

impl World {
    pub fn new(course: &Arc<Course>, sent: Vec<Sent>, max_states: usize) -> Self {
        let process = Process::new(course, (0..sent.len()).collect(), max_states);
        let (course, database) = (Arc::clone(course), Database::default());
        Self { course, sent, max_states, database, process, restarts: 0 }
    }

    /// Does one of the things that may happen next; nothing when it cannot happen now.
    pub fn step(&mut self, what: u8, how: u8) {
        match what % 16 {
            0..=2 => self.deliver(usize::from(how % 4) + 1),
            3 => self.tick(how.is_multiple_of(2)),
            4..=5 => self.commit(usize::from(how % 3) + 1),
            6..=7 => self.tell_committed(),
            8 => self.acknowledge(usize::from(how % 8) + 1),
            9..=10 => (0..how % 32).for_each(|_| self.judge()),
            11 => self.judge(),
            12 => self.hear(),
            13 => (0..how % 4).for_each(|_| self.hear()),
            // For a while everything goes on as it should: what comes then finds states that are followed.
            14 => (0..how % 4).for_each(|_| self.go_on(0)),
            _ if how < 24 => self.restart(),
            _ if how < 128 => self.flag(usize::from(how)),
            _ => {}
        }
    }

    /// Lets everything go on fairly until nothing is left to do. Panics when that does not come.
    pub fn settle(&mut self) {
        // A lane evaluates again: one that does not has nothing due, and would be taken for idle.
        self.tick(true);
        for _ in 0..2_000 {
            if self.is_idle() {
                return;
            }
            self.go_on(4);
        }
        panic!("it goes on for ever");
    }

    /// One step of everybody, and more of the judge.
    pub fn go_on(&mut self, rows: usize) {
        self.deliver(rows);
        self.tick(true);
        self.commit(2);
        self.tell_committed();
        self.acknowledge(8);
        for _ in 0..8 {
            self.judge();
            self.hear();
        }
    }

    /// Ends the process in good order: the lane ends, all is committed, and the judge reads what is left to it.
    pub fn stop(&mut self) {
        while !self.process.todo.is_empty() {
            self.deliver(64);
            self.commit(64);
            self.tell_committed();
        }
        let fresh = Process::new(&self.course, VecDeque::new(), self.max_states);
        let mut process = std::mem::replace(&mut self.process, fresh);
        let (last, _) = process.lane.finish();
        process.done.push_back(last);
        process.lane = lane(&self.course, &process.committed, self.max_states);
        self.process = process;
        while !self.process.done.is_empty() || self.process.committed_batch.is_some() {
            self.commit(64);
            self.tell_committed();
        }
        self.acknowledge(usize::MAX);
        let mut closed = false;
        for _ in 0..2_000 {
            self.judge();
            let process = &mut self.process;
            process.unsent.clear();
            let taken = process.orders.is_empty()
                && process.mailbox.snapshots.is_empty()
                && process.mailbox.stale.is_empty()
                && process.mailbox.wanted.is_empty();
            if matches!(process.judging, Judging::Idle) && taken {
                if closed && process.desk.is_idle() {
                    return;
                }
                process.desk.close();
                closed = true;
            }
        }
        panic!("the judge does not end");
    }

    /// A person flags a stored row, or takes the flag back, and asks for its entries.
    fn flag(&mut self, which: usize) {
        // Nobody finds a row between its commit and the note that it is committed.
        if self.process.committed_batch.is_some() {
            return;
        }
        let rows = self.database.rows.len();
        let Some(row) = self.database.rows.keys().nth(which * 7_919 % rows.max(1)).cloned() else { return };
        if !self.database.faulty.remove(&row) {
            self.database.faulty.insert(row.clone());
        }
        let uses = self.course.roster.uses(&row.0).unwrap_or_default();
        for place in uses.iter().filter(|place| place.covers(row.1)) {
            self.database.asked.insert((place.event, place.entry));
            self.process.orders.insert((place.event, place.entry));
        }
    }

    fn is_idle(&self) -> bool {
        let process = &self.process;
        process.todo.is_empty()
            && process.done.is_empty()
            && process.committed_batch.is_none()
            && process.to_acknowledge.is_empty()
            && process.mailbox.snapshots.is_empty()
            && process.mailbox.wanted.is_empty()
            && process.mailbox.stale.is_empty()
            && process.orders.is_empty()
            && matches!(process.judging, Judging::Idle)
            && process.desk.is_idle()
            && process.unsent.is_empty()
            && process.news.is_empty()
            && !process.lane.is_due()
    }

    fn deliver(&mut self, count: usize) {
        let process = &mut self.process;
        let mut rows = Rows::default();
        for n in process.todo.drain(..count.min(process.todo.len())) {
            rows.positions.push(self.sent[n].position.clone());
            rows.ids.push(StreamId { ms: n as u64, seq: 0 });
        }
        if !rows.positions.is_empty() {
            let batch = process.lane.run(rows);
            process.done.push_back(batch);
        }
    }

    fn tick(&mut self, evaluates: bool) {
        let process = &mut self.process;
        process.evaluates = evaluates;
        process.lane.set_evaluate_every(if evaluates { Duration::ZERO } else { Duration::MAX });
        if process.lane.is_due() {
            let batch = process.lane.run(Rows::default());
            process.done.push_back(batch);
        }
    }

    fn commit(&mut self, count: usize) {
        if self.process.committed_batch.is_some() {
            return;
        }
        let mut batches = self.process.done.drain(..count.min(self.process.done.len()));
        let Some(mut batch) = batches.next() else { return };
        batches.for_each(|more| batch.join(more));
        let EvaluatedBatch { rows, parts } = batch;
        let mut stale = BTreeSet::new();
        let mut marks: BTreeMap<EntryKey, Timestamp> = BTreeMap::new();
        for ((position, &roles), id) in rows.positions.iter().zip(&rows.roles).zip(&rows.ids) {
            let n = usize::try_from(id.ms).unwrap();
            let key = (Arc::clone(&position.device_id), position.ts);
            let fate = if self.sent[n].refused {
                Fate::Refused
            } else if let Entry::Vacant(row) = self.database.rows.entry(key) {
                row.insert(position.clone());
                Fate::Inserted
            } else {
                Fate::Known
            };
            let uses = self.course.roster.uses(&position.device_id).unwrap_or_default();
            for place in uses.iter().filter(|place| place.covers(position.ts)) {
                let entry = (place.event, place.entry);
                if roles.is_stale(fate) {
                    stale.insert(entry);
                }
                if roles.may_change_past() && fate == Fate::Inserted {
                    let from = marks.entry(entry).or_insert(position.ts);
                    *from = position.ts.min(*from);
                }
            }
            assert!(roles == Roles::NOBODY || !uses.is_empty());
            self.process.to_acknowledge.push(n);
        }
        for (entry, from) in marks {
            let row = self.database.states.entry(entry).or_default();
            row.dirty_from = Some(row.dirty_from.map_or(from, |before| before.min(from)));
            row.dirty_revision += 1;
        }
        self.process.committed_batch = Some((parts, stale));
        self.check_states();
    }

    fn tell_committed(&mut self) {
        let process = &mut self.process;
        let Some((parts, stale)) = process.committed_batch.take() else { return };
        for part in &parts {
            process.committed.store(part.seq, Ordering::Release);
        }
        process.mailbox.add(Mail { parts, stale });
    }

    fn acknowledge(&mut self, count: usize) {
        let waiting = &mut self.process.to_acknowledge;
        self.database.acknowledged.extend(waiting.drain(..count.min(waiting.len())));
    }

    fn judge(&mut self) {
        let course = Arc::clone(&self.course);
        let process = &mut self.process;
        let judging = std::mem::replace(&mut process.judging, Judging::Idle);
        process.judging = match judging {
            Judging::Idle => {
                let (news, snapshots) = process.desk.take(std::mem::take(&mut process.mailbox));
                process.unsent.extend(news);
                for entry in std::mem::take(&mut process.orders) {
                    process.unsent.push_back(process.desk.read_anew(entry));
                    process.taken.insert(entry);
                }
                send_news(process);
                Judging::Saving(snapshots.into())
            }
            Judging::Saving(mut snapshots) => match snapshots.pop_front() {
                Some(snapshot) => {
                    let entry = snapshot.entry;
                    let (evaluation, save) = process.desk.accept(snapshot);
                    process.evaluations.extend(evaluation.map(|evaluation| (entry, evaluation)));
                    process.judging = Judging::Saving(snapshots);
                    return save.map_or((), |save| self.save(save));
                }
                None => {
                    let committed = process.committed.load(Ordering::Acquire);
                    let entries = process.desk.next(READ_ENTRIES).into_iter();
                    Judging::Noted(entries.map(|entry| (entry, committed)).collect())
                }
            },
            Judging::Noted(entries) => {
                let begin = |(entry, included): (EntryKey, u64)| {
                    let stored = self.database.states.get(&entry).map(|row| Stored {
                        version: row.version,
                        evaluated_to: row.evaluated_to,
                        state: &row.state,
                        dirty_from: row.dirty_from,
                        dirty_revision: row.dirty_revision,
                    });
                    let mut reading = Reading::begin(&course, entry, included, stored);
                    if process.desk.is_read_anew(entry) {
                        reading.disbelieve(&course);
                    }
                    reading
                };
                Judging::Reading(entries.into_iter().map(begin).collect())
            }
            Judging::Reading(mut readings) => {
                // One statement: all pages are of one moment.
                for reading in &mut readings {
                    let Some(stretch) = reading.next() else { continue };
                    let page = page(&self.database, stretch);
                    reading.take(&course, &page, page.len() < PAGE_ROWS, &mut Scratch::default());
                }
                if readings.iter().any(|reading| reading.next().is_some()) {
                    Judging::Reading(readings)
                } else {
                    Judging::Finishing(readings.into())
                }
            }
            Judging::Finishing(mut readings) => match readings.pop_front() {
                Some(reading) => {
                    let (evaluation, save, news) = process.desk.judge(reading);
                    process.evaluations.insert(save.entry, evaluation);
                    process.judging = Judging::Telling(readings, news);
                    return self.save(save);
                }
                None => Judging::Idle,
            },
            Judging::Telling(readings, news) => {
                process.unsent.extend(news);
                send_news(process);
                Judging::Finishing(readings)
            }
        };
        send_news(process);
    }

    fn save(&mut self, save: ToSave) {
        let row = self.database.states.entry(save.entry).or_default();
        if let Some(state) = save.state {
            (row.version, row.evaluated_to, row.state) = (SAVED_VERSION, state.evaluated_to, state.bytes);
        }
        if save.clears_dirty == Some(row.dirty_revision) {
            row.dirty_from = None;
        }
        // Whatever is saved first after a request was taken has to be what it asked for.
        if self.process.taken.remove(&save.entry) && !self.process.orders.contains(&save.entry) {
            self.database.asked.remove(&save.entry);
        }
        self.database.recorded.insert(save.entry, save.records.clone());
        self.process.desk.saved(save.entry, save.records);
        self.check_states();
    }

    fn hear(&mut self) {
        if let Some(news) = self.process.news.pop_front() {
            self.process.lane.hear(news);
        }
        send_news(&mut self.process);
    }

    /// Everything in memory is lost, and what was not acknowledged is delivered again.
    fn restart(&mut self) {
        self.restarts += 1;
        let pending = (0..self.sent.len()).filter(|n| !self.database.acknowledged.contains(n));
        // What was never delivered comes after what was.
        self.process = Process::new(&self.course, pending.collect(), self.max_states);
        self.process.orders.clone_from(&self.database.asked);
    }

    /// Every saved state is what the stored rows up to its end make, unless a mark or a request says otherwise.
    fn check_states(&self) {
        for (&(e, n), row) in &self.database.states {
            let (Some(to), event) = (row.evaluated_to, &self.course.events[e]) else { continue };
            if self.database.asked.contains(&(e, n)) || row.dirty_from.is_some_and(|from| from <= to) {
                continue;
            }
            let restored = Follower::restore(event, &event.entries[n], &row.state).expect("a state of ours");
            assert_eq!(restored, self.follow((e, n), Some(to)), "the state of {e}/{n} up to {to}");
        }
    }

    /// What is saved and what is ranked is what one replay of the stored rows in order gives. Unless `all`, only of
    /// entries that were looked at: a judge that ends reads nobody for the first time.
    pub fn check_records(&self, all: bool) {
        for (e, event) in self.course.events.iter().enumerate() {
            for (n, entry) in event.entries.iter().enumerate() {
                let follower = self.follow((e, n), None);
                let truth = follower.evaluation(event, entry, &mut Scratch::default());
                if !all && !self.process.evaluations.contains_key(&(e, n)) {
                    continue;
                }
                let recorded = self.database.recorded.get(&(e, n));
                assert_eq!(recorded, Some(&Recorded::of(&truth)), "records of {e}/{n}");
                // How many fixes were used is no part of a ranking and changes with each of them.
                let ranked = self.process.evaluations.get(&(e, n)).cloned().unwrap();
                assert_eq!(ranked.stages, truth.stages, "ranking of {e}/{n}");
            }
        }
    }

    fn follow(&self, (e, n): EntryKey, to: Option<Timestamp>) -> Follower {
        let event = &self.course.events[e];
        let (mut follower, mut scratch) = (Follower::new(event), Scratch::default());
        for span in &event.entries[n].spans {
            let rows =
                self.database.rows.range((Arc::clone(&span.device), Timestamp::from_micros(i64::MIN))..);
            for ((device, ts), position) in rows {
                let is_in = span.from.is_none_or(|from| from <= *ts) && span.to.is_none_or(|to| *ts < to);
                let is_flagged = self.database.faulty.contains(&(Arc::clone(device), *ts));
                if *device == span.device && is_in && !is_flagged && to.is_none_or(|to| *ts <= to) {
                    follower.push(event, position, &mut scratch);
                }
            }
        }
        follower
    }
}

impl Process {
    fn new(course: &Arc<Course>, todo: VecDeque<usize>, max_states: usize) -> Self {
        let committed = Arc::default();
        Self {
            lane: lane(course, &committed, max_states),
            evaluates: true,
            todo,
            done: VecDeque::new(),
            committed_batch: None,
            to_acknowledge: Vec::new(),
            committed,
            mailbox: Work::default(),
            orders: BTreeSet::new(),
            taken: BTreeSet::new(),
            desk: Desk::new(Arc::clone(course), SAVE_AFTER_FIXES),
            judging: Judging::Idle,
            evaluations: BTreeMap::new(),
            unsent: VecDeque::new(),
            news: VecDeque::new(),
        }
    }
}

fn lane(course: &Arc<Course>, committed: &Arc<AtomicU64>, max_states: usize) -> Lane {
    let bounds = Bounds {
        evaluate_every: Duration::ZERO,
        waiting_fixes: 6,
        save_after_fixes: 4,
        save_evicted_after_fixes: SAVE_AFTER_FIXES,
    };
    Lane::bounded(0, 1, course, &Follow::Backed { max_states }, Arc::clone(committed), bounds)
}

fn send_news(process: &mut Process) {
    let room = NEWS.saturating_sub(process.news.len()).min(process.unsent.len());
    process.news.extend(process.unsent.drain(..room));
}

fn page(database: &Database, stretch: &Stretch) -> Vec<Position> {
    let rows = database.rows.range((Arc::clone(&stretch.device), stretch.from)..);
    let rows = rows
        .take_while(|((device, ts), _)| *device == stretch.device && stretch.to.is_none_or(|to| *ts < to));
    let sound = rows.filter(|(key, _)| !database.faulty.contains(key));
    sound.take(PAGE_ROWS).map(|(_, position)| position.clone()).collect()
}
