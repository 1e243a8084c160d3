//! An entry judged by what is stored: from the state that was saved, if nothing before its end has changed since, and
//! the positions behind it.

use std::collections::VecDeque;

use race::course::Course;
use race::follow::{Follower, SAVED_VERSION, Scratch};
use race::position::{DeviceId, Position};
use race::time::Timestamp;

use crate::batch::EntryKey;
use crate::limits::SEEN_INSTANTS;

/// What is saved of an entry.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// Of the saved form; 0: none was saved.
    pub version: i32,
    /// The last position that is in it.
    pub evaluated_to: Option<Timestamp>,
    /// The saved form.
    pub state: &'a [u8],
    /// The oldest instant whose evidence changed since the entry was judged last; `None`: nothing to do again.
    pub dirty_from: Option<Timestamp>,
    /// Grows with every mark.
    pub dirty_revision: i64,
}

/// A stretch of a device's track: `from <= ts` and, when given, `ts < to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The device.
    pub device: DeviceId,
    /// The first instant.
    pub from: Timestamp,
    /// The end.
    pub to: Option<Timestamp>,
}

/// An entry on its way from storage.
#[derive(Debug)]
pub struct Reading {
    pub(super) entry: EntryKey,
    pub(super) included: u64,
    pub(super) follower: Follower,
    /// What was read before it, to say that it is clean.
    pub(super) dirty_revision: Option<i64>,
    /// It begins with nothing, so that the saved state is of no use.
    pub(super) anew: bool,
    pub(super) unsaved: u32,
    pub(super) seen: VecDeque<Timestamp>,
    /// What is still to be read, the next first.
    stretches: VecDeque<Stretch>,
}

impl Reading {
    /// Begins with what is saved. `included` is how many batches of the entry's lane were committed before `stored`
    /// was read; positions are to be read after it.
    pub fn begin(course: &Course, key: EntryKey, included: u64, stored: Option<Stored<'_>>) -> Self {
        let event = &course.events[key.0];
        let entry = &event.entries[key.1];
        let restored = stored.and_then(|stored| {
            let evaluated_to = stored.evaluated_to?;
            // What changed behind its end is read with the rest.
            let is_good = stored.version == SAVED_VERSION
                && stored.dirty_from.is_none_or(|dirty_from| dirty_from > evaluated_to);
            let follower = is_good.then(|| Follower::restore(event, entry, stored.state)).flatten()?;
            Some((follower, after(evaluated_to)))
        });
        let anew = restored.is_none();
        let (follower, from) =
            restored.unwrap_or_else(|| (Follower::new(event), Timestamp::from_micros(i64::MIN)));
        let spans = entry.spans.iter().filter(|span| span.to.is_none_or(|to| to > from));
        let stretches = spans.map(|span| Stretch {
            device: span.device.clone(),
            from: span.from.map_or(from, |begin| begin.max(from)),
            to: span.to,
        });
        Self {
            entry: key,
            included,
            follower,
            dirty_revision: stored
                .filter(|stored| stored.dirty_from.is_some())
                .map(|stored| stored.dirty_revision),
            anew,
            unsaved: 0,
            seen: VecDeque::new(),
            stretches: stretches.collect(),
        }
    }

    /// The stretches that a saved state has behind it, and how many positions it has seen there; none where it begins
    /// with nothing. More stored positions than that were stored by somebody who sets no marks: another program, or this
    /// one while it had no course to judge by.
    pub fn believed(&self, course: &Course) -> Option<(Vec<Stretch>, u64)> {
        let evaluated_to = self.follower.track.latest().filter(|_| !self.anew)?;
        let end = after(evaluated_to);
        let entry = &course.events[self.entry.0].entries[self.entry.1];
        let begun = entry.spans.iter().filter(|span| span.from.is_none_or(|from| from < end));
        let stretches = begun.map(|span| Stretch {
            device: span.device.clone(),
            from: span.from.unwrap_or(Timestamp::from_micros(i64::MIN)),
            to: Some(span.to.map_or(end, |to| to.min(end))),
        });
        Some((stretches.collect(), self.follower.track.seen()))
    }

    /// Begins with nothing after all.
    pub fn disbelieve(&mut self, course: &Course) {
        let dirty_revision = self.dirty_revision;
        *self = Self { dirty_revision, ..Self::begin(course, self.entry, self.included, None) };
    }

    /// Whose it is.
    pub fn entry(&self) -> EntryKey {
        self.entry
    }

    /// What is to be read next; `None`: all was.
    pub fn next(&self) -> Option<&Stretch> {
        self.stretches.front()
    }

    /// Takes the positions of the next stretch, in order; `is_all` when there are no more in it.
    pub fn take(&mut self, course: &Course, page: &[Position], is_all: bool, scratch: &mut Scratch) {
        let event = &course.events[self.entry.0];
        for position in page {
            self.follower.push(event, position, scratch);
        }
        self.unsaved = self.unsaved.saturating_add(u32::try_from(page.len()).unwrap_or(u32::MAX));
        self.seen.extend(page.iter().map(|position| position.ts));
        self.seen.drain(..self.seen.len().saturating_sub(SEEN_INSTANTS));
        match (self.stretches.front_mut(), page.last()) {
            (Some(stretch), Some(last)) if !is_all => stretch.from = after(last.ts),
            _ => drop(self.stretches.pop_front()),
        }
    }
}

fn after(ts: Timestamp) -> Timestamp {
    Timestamp::from_micros(ts.micros().saturating_add(1))
}
