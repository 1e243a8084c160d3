//! The last keys that were stored of each device.
//!
//! A tracker that got no answer sends its last records again, so this is where most duplicates are. The memory
//! only says where to look: whether a row is stored, the database says. It lives and ends with its connection.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use race::position::DeviceId;
use race::time::Timestamp;

/// Keys remembered of a device: a tracker repeats one packet, some dozen records.
const KEYS_PER_DEVICE: usize = 64;
/// Devices remembered, some 14 MB of keys. When there are more all are forgotten: a device that still reports
/// is back with its next row, and a repeat that is not recognised costs time, not correctness.
const MAX_DEVICES: usize = 25_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Recent {
    devices: HashMap<DeviceId, Stored, RandomState>,
}

/// What was stored of one device.
#[derive(Debug, Default)]
struct Stored {
    keys: VecDeque<Timestamp>,
    /// The latest of them, which nearly every fix is later than.
    newest: Option<Timestamp>,
}

impl Recent {
    /// The remembered keys of a device.
    pub(super) fn of(&self, device: &DeviceId) -> Keys<'_> {
        Keys(self.devices.get(device))
    }

    /// Remembers keys of one device, given in the order of time.
    pub(super) fn remember(&mut self, device: &DeviceId, stored: impl ExactSizeIterator<Item = Timestamp>) {
        if self.devices.len() >= MAX_DEVICES && !self.devices.contains_key(device) {
            self.devices.clear();
        }
        let remembered = match self.devices.get_mut(device) {
            Some(remembered) => remembered,
            None => self.devices.entry(DeviceId::clone(device)).or_default(),
        };
        let Stored { keys, newest } = remembered;
        let passed_over = stored.len().saturating_sub(KEYS_PER_DEVICE);
        for ts in stored.skip(passed_over) {
            if *newest >= Some(ts) && keys.contains(&ts) {
                continue;
            }
            if keys.len() == KEYS_PER_DEVICE {
                keys.pop_front();
            }
            keys.push_back(ts);
            // One that is forgotten makes this too late a bound at worst, and costs a search.
            *newest = (*newest).max(Some(ts));
        }
    }

    /// Forgets everything: the database does not hold what was remembered.
    pub(super) fn clear(&mut self) {
        self.devices.clear();
    }
}

/// The remembered keys of one device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys<'a>(Option<&'a Stored>);

impl Keys<'_> {
    pub(super) fn contain(&self, ts: Timestamp) -> bool {
        // A fix newer than all that is remembered, as nearly every fix is, needs no search.
        self.0.is_some_and(|Stored { keys, newest }| *newest >= Some(ts) && keys.contains(&ts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1_000)
    }

    #[test]
    fn the_last_keys_of_each_device_are_kept() {
        let mut recent = Recent::default();
        let (a, b): (DeviceId, DeviceId) = ("a".into(), "b".into());
        recent.remember(&a, (0..200_u8).map(|second| at(i64::from(second))));
        recent.remember(&a, [at(100), at(199)].into_iter());
        assert!(recent.of(&a).contain(at(199)) && recent.of(&a).contain(at(100)));
        assert!(!recent.of(&a).contain(at(136)) && !recent.of(&a).contain(at(200)));
        assert!(!recent.of(&b).contain(at(199)));
        assert_eq!(recent.devices[&a].keys.len(), KEYS_PER_DEVICE);
    }

    #[test]
    fn memory_is_bounded() {
        let mut recent = Recent::default();
        for device in 0..=MAX_DEVICES {
            recent.remember(&format!("{device}").into(), [at(1)].into_iter());
        }
        assert_eq!(recent.devices.len(), 1);
    }
}
