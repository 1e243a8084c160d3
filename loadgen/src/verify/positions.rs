//! Positions: every key that was sent is there once, and says what was sent.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use foldhash::fast::FixedState;
use race::position::{DeviceId, Position};
use race::time::Timestamp;
use serde::Deserialize;
use storage::Records;

use super::VerifyError;
use super::outcome::Positions;
use crate::folder::{FolderError, TRACKS};
use crate::truth::Truth;

/// Rows read at once.
const PAGE_ROWS: usize = 20_000;

/// What was sent for each key, as a number that stands for it: by tracker, then by instant in microseconds.
pub type Contents = BTreeMap<String, BTreeMap<i64, u64>>;

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    device_id: &'a str,
    timestamp: Timestamp,
    latitude: f64,
    longitude: f64,
    altitude: f32,
    angle: f32,
    speed: f32,
    satellites: i16,
    priority: i16,
}

/// Reads what was sent.
///
/// # Errors
/// The tracks cannot be read, or say two things for one key.
pub fn contents(folder: &Path) -> Result<Contents, FolderError> {
    let path = folder.join(TRACKS);
    let file = File::open(&path).map_err(|error| FolderError::io(&path, error))?;
    let mut lines = BufReader::with_capacity(1 << 20, file);
    let (mut contents, mut text, mut number) = (Contents::new(), String::new(), 0_u64);
    loop {
        text.clear();
        if lines.read_line(&mut text).map_err(|error| FolderError::io(&path, error))? == 0 {
            return Ok(contents);
        }
        number += 1;
        let wrong = |problem: &dyn ToString| {
            FolderError::content(&path, &format!("line {number}: {}", problem.to_string()))
        };
        let sent: Payload<'_> = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
        let says = digest(
            [sent.latitude, sent.longitude],
            [sent.altitude, sent.angle, sent.speed],
            [sent.satellites, sent.priority],
        );
        let of_device = match contents.get_mut(sent.device_id) {
            Some(of_device) => of_device,
            None => contents.entry(sent.device_id.to_owned()).or_default(),
        };
        if of_device.insert(sent.timestamp.micros(), says).is_some_and(|before| before != says) {
            return Err(wrong(&"says something else than an earlier line for the same tracker and instant"));
        }
    }
}

fn digest(place: [f64; 2], measured: [f32; 3], counted: [i16; 2]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    // -0 and 0 are one place.
    place.iter().for_each(|v| hasher.write_u64((v + 0.0).to_bits()));
    measured.iter().for_each(|v| hasher.write_u32((v + 0.0).to_bits()));
    counted.iter().for_each(|v| hasher.write_i16(*v));
    hasher.finish()
}

fn stored_digest(row: &Position) -> u64 {
    digest(
        [row.latitude, row.longitude],
        [row.altitude, row.angle, row.speed],
        [row.satellites, row.priority],
    )
}

/// Compares the stored positions of every tracker with what was sent.
///
/// # Errors
/// The store cannot be read, or the folder's truth and tracks are not of one race day.
pub async fn compare<R: Records>(
    store: &R,
    truth: &Truth,
    contents: &Contents,
    folder: &Path,
    mut told: impl FnMut(),
) -> Result<Positions, VerifyError> {
    let mut outcome = Positions::default();
    let nothing = BTreeMap::new();
    for device in &truth.devices {
        let name: DeviceId = DeviceId::from(device.device_id.as_str());
        let sent = contents.get(&device.device_id).unwrap_or(&nothing);
        let mut missing: BTreeMap<i64, u64> = BTreeMap::new();
        for instant in device.instants() {
            let says = sent.get(&instant.micros()).ok_or_else(|| {
                let problem = format!("has no fix of {name} at {instant}, of which the truth speaks");
                FolderError::content(&folder.join(TRACKS), &problem)
            })?;
            missing.insert(instant.micros(), *says);
        }
        outcome.expected += missing.len() as u64;
        let mut last: Option<i64> = None;
        for row in rows(store, &name).await? {
            outcome.stored += 1;
            let (at, key) = (row.ts, row.ts.micros());
            if last == Some(key) {
                outcome.duplicated += 1;
                outcome.found.add(|| format!("{name} at {at} is stored twice"));
                continue;
            }
            last = Some(key);
            match missing.remove(&key) {
                None => {
                    outcome.unknown += 1;
                    outcome.found.add(|| format!("{name} at {at} was never sent"));
                }
                Some(says) if says != stored_digest(&row) => {
                    outcome.wrong += 1;
                    outcome.found.add(|| format!("{name} at {at} says something else than was sent"));
                }
                Some(_) => {}
            }
        }
        // Which rows are flagged is not told; how many are is.
        let flagged = if missing.is_empty() {
            0
        } else {
            store.count_faulty(name.clone(), Timestamp::from_micros(i64::MIN), None).await?
        };
        outcome.flagged += flagged;
        outcome.lost += (missing.len() as u64).saturating_sub(flagged);
        if missing.len() as u64 > flagged {
            for key in missing.keys() {
                outcome.found.add(|| format!("{name} at {} is lost", Timestamp::from_micros(*key)));
            }
        }
        told();
    }
    Ok(outcome)
}

/// All rows of a tracker that are not faulty, by instant.
async fn rows<R: Records>(store: &R, device: &DeviceId) -> Result<Vec<Position>, VerifyError> {
    let (mut rows, mut from, mut limit) = (Vec::new(), Timestamp::from_micros(i64::MIN), PAGE_ROWS);
    loop {
        let mut page = store.read_positions(device.clone(), from, None, limit).await?;
        if page.len() < limit {
            rows.append(&mut page);
            return Ok(rows);
        }
        // The last instant may go on behind the page: it is read again with the next one.
        let Some(last) = page.last().map(|row| row.ts) else { return Ok(rows) };
        if last == from {
            limit *= 2;
            continue;
        }
        page.retain(|row| row.ts < last);
        rows.append(&mut page);
        from = last;
    }
}
