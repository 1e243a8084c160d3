//! Who takes part: the entries of a course, those that are made up for it, and their trackers.

use race::course::Tables;
use race::course::tables::{Device, Entry, EntryDevice};
use race::ids::imported_id;
use race::time::Timestamp;
use uuid::Uuid;

use crate::plan::PlanError;

/// Of so many made-up entries one has a second tracker in its vehicle, and one a tracker on a person.
const SECOND_TRACKER_EVERY: usize = 3;
const BODY_WORN_EVERY: usize = 4;
/// Of so many vehicles one more drives about that no entry is.
pub const STRAY_EVERY: usize = 20;

/// Adds entries to a course until it has so many; each gets a tracker, some more than one.
///
/// # Errors
/// The course has no event.
pub fn enter(tables: &mut Tables, entries: usize, seed: u64) -> Result<(), PlanError> {
    let event_id = tables.events.first().ok_or(PlanError::NoEvent)?.id;
    let classes: Vec<Uuid> = tables.classes.iter().map(|class| class.id).collect();
    let seed_text = seed.to_string();
    let mut number = tables.entries.iter().map(|entry| entry.race_number).max().unwrap_or(0);
    for n in tables.entries.len()..entries {
        number += 1;
        let name = [event_id.to_string(), seed_text.clone(), number.to_string()];
        let id = |table: &str, what: &str| imported_id(table, &[&name[0], &name[1], &name[2], what]);
        let entry_id = id("entries", "");
        let class_id = (!classes.is_empty()).then(|| classes[n % classes.len()]);
        let status = String::new();
        let entry = Entry { id: entry_id, event_id, class_id, vehicle_id: None, race_number: number, status };
        tables.entries.push(entry);
        let second = (n % SECOND_TRACKER_EVERY == 1).then_some("second");
        let worn = (n % BODY_WORN_EVERY == 2).then_some("worn");
        for (k, what) in [Some("first"), second, worn].into_iter().enumerate() {
            let Some(what) = what else { continue };
            let device =
                Device { id: id("devices", what), imei: imei(seed, n * 3 + k), model: String::new() };
            tables.entry_devices.push(EntryDevice {
                id: id("entry_devices", what),
                entry_id,
                device_id: device.id,
                assigned_user_id: (what == "worn").then(|| id("users", what)),
                timing: what == "first",
                valid_from: None,
                valid_to: None,
            });
            tables.devices.push(device);
        }
    }
    Ok(())
}

/// The name of a tracker: fifteen digits, as an IMEI has.
#[allow(clippy::cast_possible_truncation, reason = "less than 100 000")]
pub fn imei(seed: u64, number: usize) -> String {
    format!("86{:05}{number:08}", seed % 100_000)
}

/// An entry that drives.
#[derive(Debug, Clone)]
pub struct Starter {
    /// Whose.
    pub entry_id: Uuid,
    /// Its race number.
    pub race_number: i64,
    /// Its trackers, the one that times it first.
    pub devices: Vec<String>,
    /// The slot that the course gives it, the first one.
    pub slot: Option<Timestamp>,
}

/// The first `limit` entries of a course in the order of their slots, then of their race numbers.
pub fn starters(tables: &Tables, limit: usize) -> Vec<Starter> {
    let mut starters: Vec<Starter> = tables
        .entries
        .iter()
        .map(|entry| {
            let mut worn: Vec<&EntryDevice> =
                tables.entry_devices.iter().filter(|row| row.entry_id == entry.id).collect();
            let imei = |row: &EntryDevice| {
                tables.devices.iter().find(|d| d.id == row.device_id).map(|d| d.imei.clone())
            };
            // As the judge picks the one that times: in the vehicle, for timing, the lowest.
            worn.sort_by_key(|row| (row.assigned_user_id.is_some(), !row.timing, imei(row)));
            let slots = tables.entry_segment_starts.iter().filter(|row| row.entry_id == entry.id);
            Starter {
                entry_id: entry.id,
                race_number: entry.race_number,
                devices: worn.into_iter().filter_map(imei).collect(),
                slot: slots.filter_map(|row| row.target_at).min(),
            }
        })
        .collect();
    starters.sort_by_key(|s| (s.slot.is_none(), s.slot, s.race_number, s.entry_id));
    starters.truncate(limit);
    starters
}
