//! Who is timed, by which tracker, when; and which lane a tracker belongs to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use foldhash::fast::FixedState;
use uuid::Uuid;

use super::feature::holds_at;
use super::tables::{EntryDevice, Tables};
use super::validate::window::Windowed;
use crate::position::DeviceId;
use crate::time::Timestamp;

/// A time in which one device times an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimingSpan {
    /// The device.
    pub device: DeviceId,
    /// From this instant on; null is always.
    pub from: Option<Timestamp>,
    /// Until before this instant; null is always.
    pub to: Option<Timestamp>,
}

/// A device times an entry of an event for some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The number of the event in the course.
    pub event: usize,
    /// The number of the entry in the event.
    pub entry: usize,
    /// From this instant on; null is always.
    pub from: Option<Timestamp>,
    /// Until before this instant; null is always.
    pub to: Option<Timestamp>,
}

impl Use {
    /// Whether a fix of this instant belongs to the entry's track.
    pub fn covers(&self, ts: Timestamp) -> bool {
        holds_at(self.from, self.to, ts)
    }
}

/// The rows of `entry_devices` by entry, each with its IMEI.
pub(super) type Carried<'a> = HashMap<Uuid, Vec<(&'a EntryDevice, &'a str)>>;

/// Looks up every row once: a course may have a hundred thousand of them.
pub(super) fn carried(tables: &Tables) -> Carried<'_> {
    let imei_of: HashMap<Uuid, &str> = tables.devices.iter().map(|d| (d.id, d.imei.as_str())).collect();
    let mut carried = Carried::new();
    for row in &tables.entry_devices {
        if let Some(imei) = imei_of.get(&row.device_id) {
            carried.entry(row.entry_id).or_default().push((row, imei));
        }
    }
    carried
}

/// The spans of an entry in order of time: at each instant the `entry_devices` row valid then, vehicle-mounted
/// before body-worn, `timing` first, then the lowest IMEI.
pub(super) fn timing_spans(carried: &Carried<'_>, entry: Uuid) -> Vec<TimingSpan> {
    let mut rows = carried.get(&entry).cloned().unwrap_or_default();
    rows.sort_by_key(|(row, imei)| (row.assigned_user_id.is_some(), !row.timing, *imei));
    let edges: BTreeSet<Timestamp> =
        rows.iter().flat_map(|(row, _)| [row.valid_from, row.valid_to]).flatten().collect();
    let starts = std::iter::once(None).chain(edges.iter().copied().map(Some));
    let ends = edges.iter().copied().map(Some).chain(std::iter::once(None));
    let mut spans: Vec<TimingSpan> = Vec::new();
    for (from, to) in starts.zip(ends) {
        // No row begins or ends within a span, so the span's first instant speaks for all of it.
        let covers = |row: &EntryDevice| {
            row.valid_from.is_none_or(|begin| from.is_some_and(|from| begin <= from))
                && row.valid_to.is_none_or(|end| to.is_some_and(|to| to <= end))
        };
        let Some((_, imei)) = rows.iter().find(|(row, _)| covers(row)) else { continue };
        match spans.last_mut() {
            Some(last) if last.device.as_ref() == *imei && last.to == from && from.is_some() => last.to = to,
            _ => spans.push(TimingSpan { device: DeviceId::from(*imei), from, to }),
        }
    }
    spans
}

/// Whether two rows say at once that theirs is the device that times an entry. One of them does, by its number, and
/// nobody has said that it should be that one.
pub(super) fn is_timed_twice(carried: &Carried<'_>, entry: Uuid) -> bool {
    let rows = carried.get(&entry).map_or(&[][..], Vec::as_slice);
    let mut timing: Vec<&EntryDevice> = rows.iter().map(|(row, _)| *row).filter(|row| row.timing).collect();
    timing.sort_by_key(|row| row.window());
    let mut longest: Option<&EntryDevice> = None;
    for row in timing {
        if longest.is_some_and(|other| other.device_id != row.device_id && other.window().meets(row.window()))
        {
            return true;
        }
        if longest.is_none_or(|other| other.window().to < row.window().to) {
            longest = Some(row);
        }
    }
    false
}

/// What each device times, and which devices must stay on one lane.
#[derive(Debug, Default)]
pub struct Roster {
    /// Looked up once for every position, so by a fast hash. Nobody but the course puts names in, and the order of
    /// the map is never seen.
    devices: HashMap<DeviceId, Carrier, FixedState>,
    /// Of all devices, each device's side by side.
    uses: Vec<Use>,
}

/// What is known of one device.
#[derive(Debug)]
struct Carrier {
    uses: Range<usize>,
    lane_key: u64,
}

impl Roster {
    pub(super) fn new<'a>(
        carried: impl Iterator<Item = &'a str>,
        entries: impl Iterator<Item = (usize, usize, &'a [TimingSpan])>,
    ) -> Self {
        let mut uses_of: BTreeMap<DeviceId, Vec<Use>> =
            carried.map(|imei| (DeviceId::from(imei), Vec::new())).collect();
        let mut carried_together: Vec<Vec<DeviceId>> = Vec::new();
        for (event, entry, spans) in entries {
            for TimingSpan { device, from, to } in spans {
                uses_of.entry(device.clone()).or_default().push(Use { event, entry, from: *from, to: *to });
            }
            carried_together.push(spans.iter().map(|s| s.device.clone()).collect());
        }
        let groups = group(uses_of.keys(), &carried_together);
        let mut roster = Self::default();
        for (device, uses) in uses_of {
            let lane_key = key_of(groups.get(&device).unwrap_or(&device));
            let first = roster.uses.len();
            roster.uses.extend(uses);
            roster.devices.insert(device, Carrier { uses: first..roster.uses.len(), lane_key });
        }
        roster
    }

    /// What a device times: nothing for one that is always shadowed by a better one, and `None` for one that no
    /// entry has.
    pub fn uses(&self, device: &str) -> Option<&[Use]> {
        self.devices.get(device).map(|carrier| &self.uses[carrier.uses.clone()])
    }

    /// All devices that an entry has, in order.
    pub fn devices(&self) -> Vec<DeviceId> {
        let mut devices: Vec<DeviceId> = self.devices.keys().cloned().collect();
        devices.sort();
        devices
    }

    /// A number that is the same for all devices whose fixes meet in one entry, so that a lane that owns it owns
    /// whole entries.
    pub fn lane_key(&self, device: &str) -> u64 {
        self.devices.get(device).map_or_else(|| key_of(device), |carrier| carrier.lane_key)
    }
}

fn key_of(device: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    device.hash(&mut hasher);
    hasher.finish()
}

/// Names each device's group by its lowest device: devices that share an entry, directly or through others.
fn group<'a>(
    devices: impl Iterator<Item = &'a DeviceId>,
    carried_together: &[Vec<DeviceId>],
) -> HashMap<DeviceId, DeviceId> {
    let mut parent: HashMap<DeviceId, DeviceId> = devices.map(|d| (d.clone(), d.clone())).collect();
    fn root(parent: &HashMap<DeviceId, DeviceId>, device: &DeviceId) -> DeviceId {
        let mut at = device.clone();
        while parent[&at] != at {
            at = parent[&at].clone();
        }
        at
    }
    for pair in carried_together.iter().flat_map(|together| together.windows(2)) {
        let (a, b) = (root(&parent, &pair[0]), root(&parent, &pair[1]));
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        parent.insert(high, low);
    }
    parent.keys().map(|device| (device.clone(), root(&parent, device))).collect()
}
