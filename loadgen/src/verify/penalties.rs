//! Penalties for missed waypoints and for being too fast, and who finished.

use std::collections::{BTreeMap, BTreeSet};

use race::course::Tables;
use race::time::Timestamp;
use serde_json::Value;
use storage::{RecordKind, StoredRecord};
use uuid::Uuid;

use super::outcome::Penalties;
use crate::truth::expected::SPEEDING;
use crate::truth::{EntryTruth, PenaltyTruth, Truth};

/// Compares the stored penalties and results of the truth's entries with what is due.
pub fn compare(truth: &Truth, course: &Tables, records: &[StoredRecord]) -> Penalties {
    let mut outcome = Penalties::default();
    let mut of_entries: BTreeMap<Uuid, Vec<&StoredRecord>> = BTreeMap::new();
    for record in records {
        of_entries.entry(record.entry_id).or_default().push(record);
    }
    for entry in &truth.entries {
        let records = of_entries.remove(&entry.entry_id).unwrap_or_default();
        let rows = |kind| records.iter().filter(move |r| r.kind == kind).map(|r| &r.record);
        let given: Vec<&Value> = rows(RecordKind::Penalty).collect();
        missed(&mut outcome, entry, &given);
        speeding(&mut outcome, entry, course, &given);
        statuses(&mut outcome, entry, course, rows(RecordKind::Result));
    }
    outcome
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_default()
}

/// Missed waypoints, a segment at a time: the same numbers, for the same amount.
fn missed(outcome: &mut Penalties, entry: &EntryTruth, given: &[&Value]) {
    let number = entry.race_number;
    for segment in &entry.segments {
        outcome.waypoints_missed += segment.missed.len() as u64;
        if !segment.unclear.is_empty() {
            outcome.unclear += 1;
            continue;
        }
        let id = segment.segment_id;
        let due: Vec<&PenaltyTruth> =
            entry.penalties.iter().filter(|p| p.segment_id == id && p.zone_id.is_none()).collect();
        let rows: Vec<&&Value> = given
            .iter()
            .filter(|row| text(row, "type") == "missed_waypoint" && text(row, "segment_id") == id.to_string())
            .collect();
        outcome.expected += due.len() as u64;
        outcome.given += rows.len() as u64;
        let (more, less) = (rows.len().saturating_sub(due.len()), due.len().saturating_sub(rows.len()));
        outcome.extra += more as u64;
        outcome.missing += less as u64;
        if more + less > 0 {
            let said = format!("{} due, {} given", due.len(), rows.len());
            outcome
                .found
                .add(|| format!("entry {number}: penalties for missed waypoints of segment {id}: {said}"));
            continue;
        }
        if due.is_empty() {
            continue;
        }
        let numbers: BTreeSet<i64> = rows
            .iter()
            .flat_map(|r| r["inputs"]["missed"].as_array().into_iter().flatten())
            .filter_map(Value::as_i64)
            .collect();
        let priced = |amounts: Vec<Option<i64>>| {
            amounts.into_iter().collect::<Option<Vec<i64>>>().map(|mut a| {
                a.sort_unstable();
                a
            })
        };
        let due_ms = priced(due.iter().map(|p| p.amount_ms).collect());
        let given_ms = priced(rows.iter().map(|r| r["penalty_ms"].as_i64()).collect());
        // A waypoint without a price is missed and in no row, so what a row names is a part of what was missed.
        let is_missed = numbers.iter().all(|n| segment.missed.contains(n));
        if !is_missed || due_ms.is_some() && due_ms != given_ms {
            outcome.wrong += 1;
            let missed = &segment.missed;
            outcome.found.add(|| {
                format!("entry {number}: segment {id}: missed {missed:?} for {due_ms:?} ms, given {numbers:?} for {given_ms:?} ms")
            });
        }
    }
}

/// Zones, a visit at a time: who was certainly too fast has a row, and who certainly was not has none.
fn speeding(outcome: &mut Penalties, entry: &EntryTruth, course: &Tables, given: &[&Value]) {
    let number = entry.race_number;
    let doubtful = entry.episodes.iter().filter(|e| !e.certain).count();
    outcome.unclear += doubtful as u64;
    for evaluator in SPEEDING {
        let rows = given.iter().filter(|row| text(row, "type") == evaluator);
        let mut rows: Vec<(&&Value, bool)> = rows.map(|row| (row, false)).collect();
        outcome.given += rows.len() as u64;
        for due in entry.penalties.iter().filter(|p| p.evaluator == evaluator) {
            outcome.expected += 1;
            let certain = entry.episodes.iter().filter(|e| e.certain && Some(e.zone_id) == due.zone_id);
            let mut found = false;
            for episode in certain {
                for (row, used) in &mut rows {
                    if is_of(row, course, episode.zone_id, [episode.from, episode.to]) {
                        (*used, found) = (true, true);
                    }
                }
            }
            if !found {
                outcome.missing += 1;
                outcome
                    .found
                    .add(|| format!("entry {number}: {evaluator} in zone {:?} is missing", due.zone_id));
            }
        }
        for (row, used) in rows {
            let may_be = entry.episodes.iter().any(|e| is_of(row, course, e.zone_id, [e.from, e.to]));
            if !used && !may_be {
                outcome.extra += 1;
                let zone = text(&row["inputs"], "zone");
                outcome.found.add(|| format!("entry {number}: {evaluator} in zone {zone:?} is not due"));
            }
        }
    }
}

/// Whether a penalty is for this zone at this time.
fn is_of(row: &Value, course: &Tables, zone_id: Uuid, [from, to]: [Timestamp; 2]) -> bool {
    let Some(zone) = course.speed_limit_zones.iter().find(|zone| zone.id == zone_id) else { return false };
    let enforced = |n: usize| row["inputs"]["enforced"][n].as_str().and_then(|t| t.parse::<Timestamp>().ok());
    let is_same =
        text(&row["inputs"], "zone") == zone.name && text(row, "segment_id") == zone.segment_id.to_string();
    is_same && enforced(0).is_none_or(|begin| begin < to) && enforced(1).is_none_or(|end| end > from)
}

/// Who finished a stage has finished it in the store.
fn statuses<'a>(
    outcome: &mut Penalties,
    entry: &EntryTruth,
    course: &Tables,
    results: impl Iterator<Item = &'a Value>,
) {
    let results: Vec<&Value> = results.collect();
    for stage in &course.stages {
        let of_stage = course.segments.iter().filter(|s| s.stage_id == stage.id);
        let mut special = of_stage.filter(|s| s.kind == race::course::tables::SegmentType::SpecialStage);
        let finished =
            special.all(|s| entry.segments.iter().any(|t| t.segment_id == s.id && t.finished_at.is_some()));
        let row = results.iter().find(|row| text(row, "stage_id") == stage.id.to_string());
        let status = row.map_or("missing", |row| text(row, "status"));
        // A penalty may exclude whoever finished.
        if finished != (status == "finished") && !(finished && matches!(status, "dsq" | "dnf")) {
            outcome.statuses_wrong += 1;
            let (number, name) = (entry.race_number, &stage.name);
            let did = if finished { "finished" } else { "did not finish" };
            outcome.found.add(|| format!("entry {number} {did} {name:?}; its result is {status}"));
        }
    }
}
