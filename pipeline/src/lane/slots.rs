//! Where the states of a lane's entries are: found by the numbers of the entries in the course, without a hash.

use race::course::Course;

use super::states::Slot;
use crate::batch::EntryKey;

/// A place among the slots of a lane; it holds until its slot is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At(u32);

/// See the module.
#[derive(Debug)]
pub(super) struct Slots {
    /// Of each event, of each entry.
    at: Vec<Vec<Option<At>>>,
    /// Those in use, and some that are free.
    slots: Vec<Option<(EntryKey, Slot)>>,
    free: Vec<At>,
}

impl Slots {
    pub(super) fn new(course: &Course) -> Self {
        let at = course.events.iter().map(|event| vec![None; event.entries.len()]).collect();
        Self { at, slots: Vec::new(), free: Vec::new() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Where the slot of an entry is, if it has one.
    pub(super) fn find(&self, (event, entry): EntryKey) -> Option<At> {
        *self.at.get(event)?.get(entry)?
    }

    /// The slot at a place.
    pub(super) fn at(&mut self, at: At) -> Option<&mut Slot> {
        self.slots.get_mut(at.0 as usize)?.as_mut().map(|(_, slot)| slot)
    }

    /// The slot of an entry, if it has one.
    pub(super) fn get_mut(&mut self, entry: EntryKey) -> Option<&mut Slot> {
        self.at(self.find(entry)?)
    }

    /// Gives an entry its slot; one that it had is dropped.
    pub(super) fn insert(&mut self, entry: EntryKey, slot: Slot) -> At {
        drop(self.remove(entry));
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            // An entry has one slot, and a course has no four thousand million entries.
            At(u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX))
        });
        self.slots[at.0 as usize] = Some((entry, slot));
        self.at[entry.0][entry.1] = Some(at);
        at
    }

    /// Takes the slot of an entry away.
    pub(super) fn remove(&mut self, entry: EntryKey) -> Option<Slot> {
        let at = self.at.get_mut(entry.0)?.get_mut(entry.1)?.take()?;
        self.free.push(at);
        self.slots[at.0 as usize].take().map(|(_, slot)| slot)
    }

    /// All of them, in no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = (EntryKey, &Slot)> {
        self.slots.iter().flatten().map(|(entry, slot)| (*entry, slot))
    }
}
