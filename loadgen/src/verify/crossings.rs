//! Crossings: each happened, at its instant but for what noise explains.

use std::collections::BTreeMap;

use race::time::Timestamp;
use storage::{RecordKind, StoredRecord};
use uuid::Uuid;

use super::outcome::Crossings;
use crate::truth::{CrossingTruth, Truth};

/// A boundary is touched, and an instant published, to within so much, in metres and milliseconds.
const ROUNDING_M: f64 = 0.02;
const ROUNDING_MS: f64 = 1.0;
/// Slower than this, in m/s, nobody can say when a boundary was crossed.
const CRAWL_MPS: f64 = 0.3;

struct Stored {
    at: Timestamp,
    uncertainty_ms: f64,
    used: bool,
}

/// Compares the stored crossings of the truth's entries with what happened.
pub fn compare(truth: &Truth, records: &[StoredRecord]) -> Crossings {
    let mut outcome = Crossings::default();
    let mut stored: BTreeMap<(Uuid, String, String), Vec<Stored>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.kind == RecordKind::Crossing) {
        let text = |field: &str| record.record[field].as_str().unwrap_or_default().to_owned();
        let (direction, status) = (text("direction"), text("status"));
        // A gate passed the other way counts for nothing, and what a person rejected did not happen.
        if direction == "reverse" || status == "rejected" {
            continue;
        }
        let Ok(at) = text("ts").parse() else { continue };
        outcome.stored += 1;
        let uncertainty_ms = record.record["uncertainty_ms"].as_f64().unwrap_or_default();
        let row = Stored { at, uncertainty_ms, used: false };
        stored.entry((record.entry_id, text("geofence_id"), direction)).or_default().push(row);
    }
    let (mut errors, mut allowances) = (Vec::new(), Vec::new());
    for entry in &truth.entries {
        for crossing in &entry.crossings {
            outcome.expected += 1;
            let key = (entry.entry_id, crossing.geofence_id.to_string(), crossing.direction.clone());
            let rows = stored.get_mut(&key).into_iter().flatten();
            let nearest =
                rows.filter(|row| !row.used).min_by_key(|row| row.at.micros().abs_diff(crossing.at.micros()));
            let what = || {
                let (number, direction, at) = (entry.race_number, &crossing.direction, crossing.at);
                format!("entry {number}: {direction} of geofence {} at {at}", crossing.geofence_id)
            };
            let Some(row) = nearest else {
                outcome.missing += 1;
                outcome.found.add(|| format!("{} is missing", what()));
                continue;
            };
            row.used = true;
            #[allow(clippy::cast_precision_loss, reason = "a difference of instants of one race")]
            let error_ms = row.at.micros().abs_diff(crossing.at.micros()) as f64 / 1e3;
            let allowed_ms = allowance_ms(truth, crossing, row.uncertainty_ms);
            if error_ms > allowed_ms {
                outcome.wrong += 1;
                outcome.found.add(|| {
                    format!(
                        "{} is stored {error_ms:.0} ms away, {allowed_ms:.0} ms is explained by noise",
                        what()
                    )
                });
            }
            errors.push(error_ms);
            allowances.push(allowed_ms);
        }
    }
    for ((entry_id, geofence, direction), rows) in &stored {
        for row in rows.iter().filter(|row| !row.used) {
            outcome.extra += 1;
            let at = row.at;
            outcome.found.add(|| {
                format!("entry {entry_id}: {direction} of geofence {geofence} at {at} did not happen")
            });
        }
    }
    errors.sort_by(f64::total_cmp);
    allowances.sort_by(f64::total_cmp);
    outcome.error_median_ms = quantile(&errors, 50);
    outcome.error_p99_ms = quantile(&errors, 99);
    outcome.error_max_ms = quantile(&errors, 100);
    outcome.allowed_median_ms = quantile(&allowances, 50);
    outcome
}

/// How far a crossing's instant may be from the truth: the largest error of a position and what a straight line between
/// two fixes leaves out, at the speed at which the boundary was approached; and fixes farther apart than two periods may
/// hide anything in between.
fn allowance_ms(truth: &Truth, crossing: &CrossingTruth, uncertainty_ms: f64) -> f64 {
    let metres = truth.noise_bound_m + crossing.slack_m + ROUNDING_M;
    #[allow(clippy::cast_precision_loss, reason = "a few thousand milliseconds")]
    let hidden_ms = (uncertainty_ms - 2.2 * truth.period_ms as f64).max(0.0);
    1e3 * metres / crossing.normal_mps.max(CRAWL_MPS) + hidden_ms + ROUNDING_MS
}

/// The least value that so many of a hundred do not exceed; 0 for none.
fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).map_or(0.0, |ms| (ms * 1e3).round() / 1e3)
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        let of = |percent| quantile(&values, percent).to_string();
        assert_eq!([of(50), of(99), of(100)], ["100", "198", "200"]);
        assert_eq!([quantile(&[], 50), quantile(&[7.0], 1)].map(|v| v.to_string()), ["0", "7"]);
    }
}
