//! What was published before, and why it changed.

use race::judge::EntryEvaluation;
use race::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use storage::{RecordChange, RecordKind, Revision};
use uuid::Uuid;

/// All revisions of the records of one entry, ordered by kind, record and revision.
#[derive(Debug, Default)]
pub(crate) struct Past(pub(crate) Vec<Revision>);

/// One revision, and how it differs from the one before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RevisionLine {
    /// `crossing`, `penalty` or `result`.
    pub(crate) record_kind: &'static str,
    pub(crate) record_id: Uuid,
    pub(crate) revision: i64,
    pub(crate) recorded_at: Timestamp,
    /// `inserted`, `revised` or `retracted`.
    pub(crate) change: &'static str,
    /// Why the entry was judged again.
    pub(crate) cause: String,
    /// What it changed.
    pub(crate) differences: Vec<Difference>,
    /// The record as this revision left it.
    pub(crate) record: Value,
}

/// A column that a revision changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Difference {
    pub(crate) column: String,
    pub(crate) before: Value,
    pub(crate) after: Value,
}

impl Past {
    /// The revisions of a record; of a result by its stage.
    pub(crate) fn of(&self, record: Uuid) -> Vec<RevisionLine> {
        let of_record: Vec<&Revision> =
            self.0.iter().filter(|revision| revision.record_id == record).collect();
        let before = std::iter::once(None).chain(of_record.iter().copied().map(Some));
        of_record.iter().zip(before).map(|(revision, before)| line(revision, before)).collect()
    }

    /// Crossings and penalties that were published and stand no longer: the retraction of each, which says what it was.
    pub(crate) fn retracted(&self, now: &EntryEvaluation) -> Vec<RevisionLine> {
        let stands = |id: Uuid| {
            now.crossings.iter().any(|crossing| crossing.id == id)
                || now.stages.iter().flat_map(|stage| &stage.penalties).any(|penalty| penalty.id == id)
        };
        let mut lines: Vec<RevisionLine> = Vec::new();
        for revision in &self.0 {
            let is_last = !self.0.iter().any(|other| {
                (other.kind, other.record_id) == (revision.kind, revision.record_id)
                    && other.revision > revision.revision
            });
            let is_gone = revision.change == RecordChange::Retracted && revision.kind != RecordKind::Result;
            if is_last && is_gone && !stands(revision.record_id) {
                lines.push(line(revision, None));
            }
        }
        lines
    }
}

fn line(revision: &Revision, before: Option<&Revision>) -> RevisionLine {
    RevisionLine {
        record_kind: revision.kind.as_str(),
        record_id: revision.record_id,
        revision: revision.revision,
        recorded_at: revision.recorded_at,
        change: revision.change.as_str(),
        cause: revision.cause.clone(),
        differences: before.map(|before| differences(&before.record, &revision.record)).unwrap_or_default(),
        record: revision.record.clone(),
    }
}

/// Columns that say something else, in order of their names.
fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else { return Vec::new() };
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let said = |row: &serde_json::Map<String, Value>, name: &str| row.get(name).cloned().unwrap_or_default();
    let changed = names.into_iter().filter_map(|name| {
        let (before, after) = (said(before, name), said(after, name));
        (before != after).then(|| Difference { column: name.clone(), before, after })
    });
    changed.collect()
}
