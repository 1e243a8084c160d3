//! What a shard knows of one feed: where every device is now, and what came last.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

use crate::directory::Directory;
use crate::fix::{LiveFix, Seq};
use crate::limits::{HISTORY_FIXES, HISTORY_RACE_CHANGES, HISTORY_TICKS};
use crate::race::RaceFrame;
use crate::tick::{Tick, TickFixes};

/// The latest fix of a device by its own time.
#[derive(Debug)]
pub(crate) struct Latest {
    pub(crate) fix: LiveFix,
    /// The tick that brought it; 0 for storage.
    pub(crate) tick: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    ticks: u64,
    read_to: Seq,
    latest: HashMap<Arc<str>, Latest, foldhash::fast::RandomState>,
    history: History<Arc<TickFixes>>,
    race: History<Arc<RaceFrame>>,
}

/// What is remembered, and from which entry on nothing is missing in it.
#[derive(Debug)]
struct History<T> {
    items: VecDeque<T>,
    fixes: usize,
    /// A client that has seen this entry and all before it lacks only what is here; `None` before the first.
    complete_after: Option<Seq>,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), fixes: 0, complete_after: None }
    }
}

impl Feed {
    /// Ticks so far: the number of the last one.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Up to which entry the feed has been read.
    pub(crate) fn read_to(&self) -> Seq {
        self.read_to
    }

    /// Takes in a tick; its number.
    pub(crate) fn apply(&mut self, tick: &Tick) -> u64 {
        self.ticks += 1;
        let data = &tick.data;
        for fix in &data.fixes {
            self.offer(fix, self.ticks);
        }
        self.read_to = self.read_to.max(data.read_to);
        self.remember(Arc::clone(data));
        self.ticks
    }

    /// Takes in what storage has, where it is newer than what is known.
    pub(crate) fn seed(&mut self, fixes: &[LiveFix]) {
        for fix in fixes {
            self.offer(fix, 0);
        }
    }

    /// Among fixes of one instant the first stays, as it does in storage.
    fn offer(&mut self, fix: &LiveFix, tick: u64) {
        match self.latest.get_mut(&fix.device) {
            Some(known) if known.fix.ts_ms >= fix.ts_ms => {}
            Some(known) => *known = Latest { fix: fix.clone(), tick },
            None => {
                self.latest.insert(Arc::clone(&fix.device), Latest { fix: fix.clone(), tick });
            }
        }
    }

    /// A fix turned out to be wrong: where it is the latest, the one before takes its place.
    pub(crate) fn withdraw(&mut self, device: &str, ts_ms: i64, before: Option<&LiveFix>) {
        let Some(known) = self.latest.get_mut(device).filter(|known| known.fix.ts_ms == ts_ms) else {
            return;
        };
        match before {
            Some(before) => known.fix = before.clone(),
            None => drop(self.latest.remove(device)),
        }
    }

    /// Forgets devices that are in no event any more.
    pub(crate) fn retain(&mut self, directory: &Directory) {
        self.latest.retain(|device, _| !directory.events_of(device).is_empty());
    }

    /// Where the devices of an event are, the latest of each that came after a tick, in the order in which they came.
    pub(crate) fn since(&self, directory: &Directory, event: Uuid, tick: u64) -> Vec<&LiveFix> {
        let known = directory.devices_of(event).iter().filter_map(|device| self.latest.get(device));
        let mut changed: Vec<&LiveFix> =
            known.filter(|known| known.tick > tick).map(|known| &known.fix).collect();
        changed.sort_by_key(|fix| fix.seq);
        changed
    }

    /// Where the devices of an event are, in the order of their names.
    pub(crate) fn snapshot<'a>(
        &'a self,
        directory: &'a Directory,
        event: Uuid,
    ) -> impl Iterator<Item = &'a LiveFix> {
        let devices = directory.devices_of(event).iter();
        devices.filter_map(|device| self.latest.get(device)).map(|known| &known.fix)
    }

    fn remember(&mut self, data: Arc<TickFixes>) {
        let history = &mut self.history;
        if let Some((_, last)) = data.hole {
            // Nobody can be taken across what was left out.
            history.items.clear();
            history.fixes = 0;
            history.complete_after = Some(last);
        }
        if history.complete_after.is_none() {
            history.complete_after = Some(data.fixes.first().map_or(data.read_to, |fix| fix.seq));
        }
        history.fixes += data.fixes.len();
        history.items.push_back(data);
        while history.fixes > HISTORY_FIXES || history.items.len() > HISTORY_TICKS {
            let Some(oldest) = history.items.pop_front() else { break };
            history.fixes -= oldest.fixes.len();
            history.complete_after = Some(oldest.read_to);
        }
    }

    /// What came of an event behind an entry; `None` when not all of it is known.
    pub(crate) fn after(&self, event: Uuid, seen: Seq) -> Option<impl Iterator<Item = &LiveFix>> {
        if self.history.complete_after? > seen || seen > self.read_to {
            return None;
        }
        let begin = self.history.items.partition_point(|data| data.read_to <= seen);
        let data = self.history.items.iter().skip(begin);
        Some(data.flat_map(move |data| data.of_event(event)).filter(move |fix| fix.seq > seen))
    }

    /// Takes in a change of a race record.
    pub(crate) fn apply_race(&mut self, frame: Arc<RaceFrame>) {
        let history = &mut self.race;
        if history.complete_after.is_none() {
            history.complete_after = Some(frame.seq);
        }
        history.items.push_back(frame);
        while history.items.len() > HISTORY_RACE_CHANGES {
            let Some(oldest) = history.items.pop_front() else { break };
            history.complete_after = Some(oldest.seq);
        }
    }

    /// The stream of changes has been read up to this entry and nothing came.
    pub(crate) fn race_begins(&mut self, read_to: Seq) {
        self.race.complete_after.get_or_insert(read_to);
    }

    /// Changes of an event behind an entry; `None` when not all of them are known.
    pub(crate) fn race_after(&self, event: Uuid, seen: Seq) -> Option<Vec<&Arc<RaceFrame>>> {
        if self.race.complete_after? > seen {
            return None;
        }
        let begin = self.race.items.partition_point(|frame| frame.seq <= seen);
        Some(self.race.items.iter().skip(begin).filter(|frame| frame.event == event).collect())
    }

    /// The last change of any event, which a client may resume from.
    pub(crate) fn race_read_to(&self) -> Option<Seq> {
        self.race.items.back().map(|frame| frame.seq).or(self.race.complete_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fix::FixBatch;

    const EVENT: Uuid = Uuid::from_u128(1);

    fn seq(ms: u64) -> Seq {
        Seq { ms, n: 0 }
    }

    fn fix(device: &str, at: u64, ts_ms: i64) -> LiveFix {
        let (lat, lon) = (at as f64, 0.0);
        let (device, seq) = (device.into(), seq(at));
        LiveFix { seq, device, lat, lon, ts_ms, speed_kmh: 0.0, course_deg: 0.0, panic: false }
    }

    fn directory() -> Directory {
        Directory::new([(EVENT, "a".into()), (EVENT, "b".into())], [], [])
    }

    fn tick(fixes: Vec<LiveFix>, hole: Option<(Seq, Seq)>) -> Tick {
        let read_to = fixes.last().map(|fix| fix.seq).or(hole.map(|hole| hole.1)).unwrap_or_default();
        Tick::new(FixBatch { fixes, hole, read_to, ..FixBatch::default() }, &directory())
    }

    fn seqs<'a>(fixes: impl IntoIterator<Item = &'a LiveFix>) -> Vec<u64> {
        fixes.into_iter().map(|fix| fix.seq.ms).collect()
    }

    #[test]
    fn the_latest_is_by_the_time_of_the_fix() {
        let (mut feed, directory) = (Feed::default(), directory());
        feed.seed(&[fix("a", 0, 50)]);
        feed.apply(&tick(vec![fix("a", 1, 100), fix("b", 2, 10)], None));
        feed.apply(&tick(vec![fix("a", 3, 90), fix("a", 4, 100)], None));
        assert_eq!(seqs(feed.snapshot(&directory, EVENT)), [1, 2]);
        feed.apply(&tick(vec![fix("a", 5, 110)], None));
        assert_eq!(seqs(feed.since(&directory, EVENT, 2)), [5]);
        assert_eq!(seqs(feed.since(&directory, EVENT, 0)), [2, 5]);

        feed.withdraw("a", 100, None);
        assert_eq!(seqs(feed.snapshot(&directory, EVENT)), [5, 2], "it is not the latest");
        feed.withdraw("a", 110, Some(&fix("a", 1, 100)));
        assert_eq!(seqs(feed.snapshot(&directory, EVENT)), [1, 2]);
        feed.withdraw("b", 10, None);
        assert_eq!(seqs(feed.snapshot(&directory, EVENT)), [1]);
    }

    #[test]
    fn who_comes_back_gets_what_came_behind_and_no_hole_is_crossed() {
        let mut feed = Feed::default();
        assert!(feed.after(EVENT, seq(0)).is_none());
        feed.apply(&tick(vec![fix("a", 5, 1), fix("b", 6, 1)], None));
        feed.apply(&tick(vec![fix("c", 7, 2), fix("a", 8, 2)], None));
        assert!(feed.after(EVENT, seq(4)).is_none(), "what came before the first is not known");
        assert_eq!(seqs(feed.after(EVENT, seq(5)).unwrap()), [6, 8]);
        assert_eq!(seqs(feed.after(EVENT, seq(6)).unwrap()), [8]);
        assert_eq!(seqs(feed.after(EVENT, seq(8)).unwrap()), [0; 0]);
        assert!(feed.after(EVENT, seq(9)).is_none(), "nobody can have seen it");
        feed.apply(&tick(vec![fix("a", 20, 3)], Some((seq(9), seq(15)))));
        assert!(feed.after(EVENT, seq(8)).is_none());
        assert!(feed.after(EVENT, seq(14)).is_none());
        assert_eq!(seqs(feed.after(EVENT, seq(15)).unwrap()), [20]);
    }

    #[test]
    fn a_long_history_makes_room() {
        let mut feed = Feed::default();
        for n in 1..=HISTORY_TICKS as u64 + 2 {
            feed.apply(&tick(vec![fix("a", n, n as i64)], None));
        }
        assert!(feed.after(EVENT, seq(1)).is_none());
        assert_eq!(feed.after(EVENT, seq(2)).unwrap().count(), HISTORY_TICKS);
    }
}
