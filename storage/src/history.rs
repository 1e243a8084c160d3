//! What became of a record over time: its revisions, and why each of them came.

use race::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::tables::{Kind, Ledger};

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// A row of `entry_crossings`.
    Crossing,
    /// A row of `entry_penalties`.
    Penalty,
    /// A row of `stage_results`.
    Result,
}

impl RecordKind {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Crossing, Self::Penalty, Self::Result];

    /// The word used in rows and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crossing => "crossing",
            Self::Penalty => "penalty",
            Self::Result => "result",
        }
    }

    /// The kind that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What a revision did to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordChange {
    /// It was not there.
    Inserted,
    /// It says something else, or came back after a retraction.
    Revised,
    /// It is no longer true.
    Retracted,
}

impl RecordChange {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Inserted, Self::Revised, Self::Retracted];

    /// The word used in rows and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inserted => "inserted",
            Self::Revised => "revised",
            Self::Retracted => "retracted",
        }
    }

    /// The change that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.as_str() == word)
    }
}

/// Why records were judged again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// New fixes, in order.
    Fixes,
    /// Positions older than what was evaluated.
    LateData,
    /// An operator flagged positions as faulty, or took a flag back.
    FaultyFlag,
    /// Penalty formulas were edited.
    FormulaChanged,
    /// Geofences, waypoints, zones or neutralisations were edited.
    GeometryChanged,
    /// Other reference data was edited, or the program judges by other rules than before.
    CourseChanged,
    /// A person decided.
    Override,
    /// A person asked for it.
    Manual,
    /// Recorded tracks were replayed.
    Replay,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Fixes,
        Self::LateData,
        Self::FaultyFlag,
        Self::FormulaChanged,
        Self::GeometryChanged,
        Self::CourseChanged,
        Self::Override,
        Self::Manual,
        Self::Replay,
    ];

    /// The word used in rows, requests and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fixes => "fixes",
            Self::LateData => "late-data",
            Self::FaultyFlag => "faulty-flag",
            Self::FormulaChanged => "formula-changed",
            Self::GeometryChanged => "geometry-changed",
            Self::CourseChanged => "course-changed",
            Self::Override => "override",
            Self::Manual => "manual",
            Self::Replay => "replay",
        }
    }

    /// The cause that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

/// One revision of a record: what it said from then on, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// What the record is.
    pub kind: RecordKind,
    /// Its id; of a result, its stage's.
    pub record_id: Uuid,
    /// Whose it is.
    pub entry_id: Uuid,
    /// Counts from 1.
    pub revision: i64,
    /// When it was stored.
    pub recorded_at: Timestamp,
    /// What it did.
    pub change: RecordChange,
    /// A [`Cause`], or the word of a newer program.
    pub cause: String,
    /// The row by its columns as the revision left it, for a retraction as it last stood. Instants are RFC 3339 in UTC.
    pub record: Value,
}

/// A record that is true now.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRecord {
    /// What it is.
    pub kind: RecordKind,
    /// Its id; of a result, its stage's.
    pub record_id: Uuid,
    /// Whose it is.
    pub entry_id: Uuid,
    /// How many times it was written.
    pub revision: i64,
    /// The row by its columns, as in [`Revision::record`].
    pub record: Value,
}

/// Columns that hold floats: a database may write a whole one without its point.
const FLOATS: [&str; 3] = ["latitude", "longitude", "speed"];

/// Brings a record, as a database has written it, into the one form: as the record itself is serialised, by columns.
pub(crate) fn normalise(kind: RecordKind, mut record: Value) -> Value {
    for (column, of) in Ledger::of(kind).columns {
        let Some(value) = record.get_mut(*column) else { continue };
        let normal = match (of, &*value) {
            (Kind::Instant, Value::Number(micros)) => {
                micros.as_i64().map(|micros| json!(Timestamp::from_micros(micros)))
            }
            (Kind::Instant, Value::String(text)) => text.parse::<Timestamp>().ok().map(|ts| json!(ts)),
            (_, Value::Number(number)) if FLOATS.contains(column) => {
                number.as_f64().map(|float| json!(float))
            }
            _ => None,
        };
        if let Some(normal) = normal {
            *value = normal;
        }
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_what_they_are_the_words_of() {
        assert!(RecordKind::ALL.iter().all(|kind| RecordKind::from_word(kind.as_str()) == Some(*kind)));
        assert!(
            RecordChange::ALL.iter().all(|change| RecordChange::from_word(change.as_str()) == Some(*change))
        );
        assert!(Cause::ALL.iter().all(|cause| Cause::from_word(cause.as_str()) == Some(*cause)));
        assert_eq!(
            (Cause::from_word("Fixes"), RecordKind::from_word(""), RecordChange::from_word("x")),
            (None, None, None)
        );
    }

    #[test]
    fn both_databases_mean_the_same_record() {
        let ours = normalise(
            RecordKind::Crossing,
            json!({"ts": 1_780_820_130_123_000_i64, "latitude": 41.0, "last_touch_at": null, "status": "computed"}),
        );
        let theirs = normalise(
            RecordKind::Crossing,
            json!({"ts": "2026-06-07T10:15:30.123+02:00", "latitude": 41, "last_touch_at": null, "status": "computed"}),
        );
        assert_eq!(ours, theirs);
        assert_eq!(ours["ts"], "2026-06-07T08:15:30.123Z");
    }
}
