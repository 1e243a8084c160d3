//! What came of a comparison.

use serde::Serialize;

/// Findings of a kind that are named; the rest is counted.
const NAMED: usize = 20;

/// A store beside the truth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Every position by its key.
    pub positions: Positions,
    /// Every crossing by its instant.
    pub crossings: Crossings,
    /// Missed waypoints, penalties and who finished.
    pub penalties: Penalties,
}

impl Outcome {
    /// Whether nothing is lost, nothing is there twice, and everything is what happened.
    pub fn is_good(&self) -> bool {
        let (p, c, q) = (&self.positions, &self.crossings, &self.penalties);
        [p.lost, p.duplicated, p.wrong, p.unknown, c.missing, c.extra, c.wrong].iter().all(|n| *n == 0)
            && [q.missing, q.extra, q.wrong, q.statuses_wrong].iter().all(|n| *n == 0)
    }
}

/// Some of what was found, for a person.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Found(Vec<String>);

impl Found {
    /// Names one more, where there is room.
    pub fn add(&mut self, text: impl FnOnce() -> String) {
        if self.0.len() < NAMED {
            self.0.push(text());
        }
    }

    /// What is named.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Positions.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Positions {
    /// Keys that were sent.
    pub expected: u64,
    /// Rows of these trackers that are stored, those flagged as faulty not counted.
    pub stored: u64,
    /// Rows that a person flagged as faulty: neither lost nor compared.
    pub flagged: u64,
    /// Keys without a row.
    pub lost: u64,
    /// Rows beyond the first of a key.
    pub duplicated: u64,
    /// Rows that say something else than was sent.
    pub wrong: u64,
    /// Rows of a key that was never sent.
    pub unknown: u64,
    /// Some of them.
    pub found: Found,
}

/// Crossings.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Crossings {
    /// What happened.
    pub expected: u64,
    /// What the store says, reverse passages of gates not counted.
    pub stored: u64,
    /// What happened and is not stored.
    pub missing: u64,
    /// What is stored and did not happen.
    pub extra: u64,
    /// What is stored at an instant that noise does not explain.
    pub wrong: u64,
    /// Half of all are no farther from the truth, in milliseconds.
    pub error_median_ms: f64,
    /// 99 of 100 are no farther from it.
    pub error_p99_ms: f64,
    /// None is farther from it.
    pub error_max_ms: f64,
    /// The largest error that noise would explain, of half of them.
    pub allowed_median_ms: f64,
    /// Some of what is not as it should be.
    pub found: Found,
}

/// Missed waypoints and penalties.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Penalties {
    /// What is due.
    pub expected: u64,
    /// What the store has of these kinds.
    pub given: u64,
    /// What is due and not given.
    pub missing: u64,
    /// What is given and not due.
    pub extra: u64,
    /// What is given for other waypoints, or with another amount.
    pub wrong: u64,
    /// Waypoints that were missed.
    pub waypoints_missed: u64,
    /// Segments and zones in which noise decides: not compared.
    pub unclear: u64,
    /// Results whose status is another than what happened.
    pub statuses_wrong: u64,
    /// Some of what is not as it should be.
    pub found: Found,
}
