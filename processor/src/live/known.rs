//! Which fix of each device a feed shows as the latest, as far as storage is concerned.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use race::position::DeviceId;
use race::time::Timestamp;

use super::fix::Fix;

/// How often storage is asked for a device that says nothing: what was on its way to storage at the first look is there
/// at the next ones. Not for ever: a device of long ago is looked for in every chunk.
const LOOKS: u8 = 3;

/// The key of a row of `positions`.
pub(super) type RowKey = (DeviceId, Timestamp);

/// The latest fixes of one feed. Written by the feed, once a batch, and by whoever looks into storage.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    devices: HashMap<DeviceId, Latest>,
    /// Fixes that were shown and are flagged as faulty: what an operator takes back is shown again.
    withdrawn: BTreeMap<DeviceId, Timestamp>,
}

#[derive(Debug, Default)]
struct Latest {
    ts: Option<Timestamp>,
    /// Looks into storage that are left; none once the feed brought something.
    looks: u8,
}

impl Known {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Whatever a panicking holder left is the latest of some devices.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The feed brought these.
    pub(super) fn published(&self, fixes: &[Fix]) {
        let mut inner = self.inner();
        for fix in fixes {
            if let Some(latest) = inner.devices.get_mut(&fix.live.device) {
                latest.ts = latest.ts.max(Some(fix.ts));
                latest.looks = 0;
            } else {
                let latest = Latest { ts: Some(fix.ts), looks: 0 };
                inner.devices.insert(Arc::clone(&fix.live.device), latest);
            }
        }
    }

    /// Only these are shown from now on; the ones of them that storage is to be asked for.
    pub(super) fn shown(&self, devices: &HashSet<DeviceId>) -> Vec<DeviceId> {
        let mut inner = self.inner();
        inner.devices.retain(|device, _| devices.contains(device));
        inner.withdrawn.retain(|device, _| devices.contains(device));
        let mut unknown = Vec::new();
        #[expect(clippy::iter_over_hash_type, reason = "sorted below")]
        for device in devices {
            let latest = inner.devices.entry(Arc::clone(device)).or_insert(Latest { ts: None, looks: LOOKS });
            if latest.looks > 0 {
                unknown.push(Arc::clone(device));
            }
        }
        unknown.sort();
        unknown
    }

    /// Storage was asked for these devices and has these fixes.
    pub(super) fn seeded(&self, asked: &[DeviceId], fixes: &[Fix]) {
        let mut inner = self.inner();
        for device in asked {
            if let Some(latest) = inner.devices.get_mut(device) {
                latest.looks = latest.looks.saturating_sub(1);
            }
        }
        for fix in fixes {
            if let Some(latest) = inner.devices.get_mut(&fix.live.device) {
                latest.ts = latest.ts.max(Some(fix.ts));
            }
        }
    }

    /// The rows that are shown as the latest, and those that are not because they were flagged.
    pub(super) fn rows(&self) -> (Vec<RowKey>, Vec<RowKey>) {
        let inner = self.inner();
        let known = inner.devices.iter();
        let mut shown: Vec<_> =
            known.filter_map(|(device, latest)| Some((Arc::clone(device), latest.ts?))).collect();
        shown.sort();
        let withdrawn = inner.withdrawn.iter().map(|(device, ts)| (Arc::clone(device), *ts));
        (shown, withdrawn.collect())
    }

    /// The fix of a device at this instant is not shown any more, but the one before it, if there is any. `false` where a
    /// newer one came meanwhile.
    pub(super) fn withdraw(&self, device: &DeviceId, ts: Timestamp, before: Option<Timestamp>) -> bool {
        let mut inner = self.inner();
        let Some(latest) = inner.devices.get_mut(device).filter(|latest| latest.ts == Some(ts)) else {
            return false;
        };
        latest.ts = before;
        inner.withdrawn.insert(Arc::clone(device), ts);
        true
    }

    /// The flag was taken back, or a newer fix came: nothing is to be looked for any more.
    pub(super) fn restore(&self, device: &DeviceId) {
        self.inner().withdrawn.remove(device);
    }
}

#[cfg(test)]
mod tests {
    use race::position::Position;
    use ws::fix::Seq;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1_000)
    }

    fn fix(device: &str, second: i64) -> Fix {
        let position = Position {
            device_id: device.into(),
            ts: at(second),
            latitude: 1.0,
            longitude: 2.0,
            altitude: 0.0,
            angle: 0.0,
            speed: 0.0,
            satellites: 9,
            priority: 0,
            codec: "8",
            attributes: None,
        };
        Fix::of(&position, Seq::ZERO)
    }

    #[test]
    fn storage_is_asked_a_few_times_for_whoever_is_silent() {
        let known = Known::default();
        let devices: HashSet<DeviceId> = ["a", "b"].map(Arc::from).into();
        let silent: [DeviceId; 1] = ["a".into()];
        assert_eq!(known.shown(&devices).len(), 2);
        known.published(&[fix("b", 5)]);
        for _ in 0..LOOKS {
            assert_eq!(known.shown(&devices), silent);
            known.seeded(&silent, &[fix("a", 3)]);
        }
        assert!(known.shown(&devices).is_empty());
        assert_eq!(known.rows().0, [("a".into(), at(3)), ("b".into(), at(5))]);
        assert!(known.shown(&HashSet::new()).is_empty());
        assert!(known.rows().0.is_empty(), "who has left is forgotten");
    }

    #[test]
    fn only_the_latest_is_withdrawn_and_it_can_come_back() {
        let known = Known::default();
        let device: DeviceId = "a".into();
        known.published(&[fix("a", 5)]);
        assert!(!known.withdraw(&device, at(4), None));
        assert!(known.withdraw(&device, at(5), Some(at(4))));
        assert_eq!(known.rows(), (vec![("a".into(), at(4))], vec![("a".into(), at(5))]));
        known.restore(&device);
        assert!(known.rows().1.is_empty());
    }
}
