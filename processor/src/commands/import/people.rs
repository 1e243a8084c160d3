//! Entries with their trackers and classes, and what a missed waypoint costs.

use std::collections::BTreeSet;
use std::str::FromStr;

use race::course::tables::{
    BelongsTo, Class, CountsFor, Device, Entry, EntryDevice, Operator, PenaltyFormula, Tables,
};
use race::ids::imported_id;
use uuid::Uuid;

use super::options::seconds;

/// `NUMBER[=DEVICE][:CLASS]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryOption {
    number: i64,
    device: String,
    class: Option<String>,
}

impl FromStr for EntryOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rest, class) = match text.split_once(':') {
            Some((rest, class)) => (rest, Some(class.trim())),
            None => (text, None),
        };
        let (number, device) = rest.split_once('=').unwrap_or((rest, rest));
        let (number, device) = (number.trim(), device.trim());
        if device.is_empty() || class == Some("") {
            return Err("a device or class that is named is not empty".to_owned());
        }
        Ok(Self {
            number: number.parse().map_err(|_| format!("race number {number:?} is no whole number"))?,
            device: device.to_owned(),
            class: class.map(ToOwned::to_owned),
        })
    }
}

/// `[KIND=]SECONDS`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MissedOption {
    kind: Option<String>,
    seconds: f64,
}

impl FromStr for MissedOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, amount) = match text.split_once('=') {
            Some((kind, amount)) => (Some(kind.trim().to_uppercase()), amount),
            None => (None, text),
        };
        Ok(Self { kind, seconds: seconds(amount)? })
    }
}

/// A number or kind that options name twice, if any.
pub(super) fn named_twice(entries: &[EntryOption], missed: &[MissedOption]) -> Option<String> {
    let mut numbers = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    let entry = entries.iter().find(|entry| !numbers.insert(entry.number));
    let kind = missed.iter().find(|missed| !kinds.insert(&missed.kind));
    entry.map(|entry| format!("--entry {}: the number is given twice", entry.number)).or_else(|| {
        kind.map(|m| format!("--missed: {} is given twice", m.kind.as_deref().unwrap_or("every kind")))
    })
}

/// Adds entries, devices and classes; each device and class once.
pub(super) fn add(tables: &mut Tables, event_id: Uuid, event: &str, entries: &[EntryOption]) {
    for entry in entries {
        let number = entry.number.to_string();
        let class_id = entry.class.as_ref().map(|code| {
            let id = imported_id("classes", &[event, code]);
            if !tables.classes.iter().any(|class| class.id == id) {
                let sort_order = i64::try_from(tables.classes.len()).unwrap_or(i64::MAX);
                tables.classes.push(Class {
                    id,
                    event_id,
                    code: code.clone(),
                    name: code.clone(),
                    sort_order,
                });
            }
            id
        });
        let device_id = imported_id("devices", &[&entry.device]);
        if !tables.devices.iter().any(|device| device.id == device_id) {
            let (imei, model) = (entry.device.clone(), String::new());
            tables.devices.push(Device { id: device_id, imei, model });
        }
        let entry_id = imported_id("entries", &[event, &number]);
        tables.entries.push(Entry {
            id: entry_id,
            event_id,
            class_id,
            vehicle_id: None,
            race_number: entry.number,
            status: String::new(),
        });
        tables.entry_devices.push(EntryDevice {
            id: imported_id("entry_devices", &[event, &number, &entry.device]),
            entry_id,
            device_id,
            assigned_user_id: None,
            timing: true,
            valid_from: None,
            valid_to: None,
        });
    }
}

/// What each missed waypoint of a kind costs, for the whole event.
pub(super) fn missed(event_id: Uuid, event: &str, missed: &MissedOption) -> PenaltyFormula {
    const EVALUATOR: &str = "missed_waypoint";
    let kind = missed.kind.as_deref().unwrap_or_default();
    PenaltyFormula {
        id: imported_id("penalty_formulas", &[event, EVALUATOR, kind]),
        event_id,
        belongs_to_type: BelongsTo::Event,
        belongs_to_id: event_id,
        class_id: None,
        kind: missed.kind.clone(),
        evaluator: EVALUATOR.to_owned(),
        offence_min: 0.0,
        offence_max: None,
        operator: Operator::PerUnit,
        base: 0.0,
        penalty: missed.seconds,
        counts_for: vec![CountsFor::Stage, CountsFor::Overall, CountsFor::StartOrder],
        retroactive: false,
        enabled: true,
        valid_from: None,
        valid_to: None,
    }
}
