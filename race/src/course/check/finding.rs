//! One thing that a roadbook editor should look at, and how it names its rows.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use crate::course::tables::{
    Entry, Event, Geofence, PenaltyFormula, Segment, SpeedLimitZone, Stage, Tables, Waypoint,
};
use crate::course::validate::row::TableRow;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The row cannot mean what it says; results there are arbitrary.
    Error,
    /// Probably not meant: something is not enforced, not timed or counted twice.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// The word used in listings and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A row that a finding concerns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RowRef {
    /// The table.
    pub table: &'static str,
    /// The row's index in its array, from 0.
    pub row: usize,
    /// The row's id, where it has one.
    pub id: Option<Uuid>,
    /// What a person calls it: a number with a kind, a name, a race number.
    pub label: String,
}

impl fmt::Display for RowRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.table, self.row)?;
        if !self.label.is_empty() {
            write!(f, " {}", self.label)?;
        }
        match self.id {
            Some(id) => write!(f, " ({id})"),
            None => Ok(()),
        }
    }
}

/// Something that a roadbook editor should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A name that stays, for filtering; listed in `docs/COURSE.md`.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// The rows it is about, the one to look at first in front.
    pub rows: Vec<RowRef>,
    /// What is the case, with metres.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        for (n, row) in self.rows.iter().enumerate() {
            write!(f, "{}{row}", if n == 0 { " -- " } else { ", " })?;
        }
        Ok(())
    }
}

/// A row that a person has a name for.
pub(super) trait Labelled: TableRow {
    /// That name.
    fn label(&self, tables: &Tables) -> String;

    /// The row as a finding refers to it.
    fn row_ref(&self, row: usize, tables: &Tables) -> RowRef {
        RowRef { table: Self::TABLE, row, id: self.id(), label: self.label(tables) }
    }
}

impl Labelled for Event {
    fn label(&self, _: &Tables) -> String {
        self.name.clone()
    }
}

impl Labelled for Entry {
    fn label(&self, _: &Tables) -> String {
        format!("no. {}", self.race_number)
    }
}

impl Labelled for Stage {
    fn label(&self, _: &Tables) -> String {
        self.name.clone()
    }
}

impl Labelled for Segment {
    fn label(&self, tables: &Tables) -> String {
        let stage = tables.stages.iter().find(|stage| stage.id == self.stage_id);
        format!("{} segment {}", stage.map_or("", |stage| stage.name.as_str()), self.sort_order)
    }
}

impl Labelled for Geofence {
    fn label(&self, _: &Tables) -> String {
        self.name.clone()
    }
}

impl Labelled for Waypoint {
    fn label(&self, _: &Tables) -> String {
        format!("{} {}", self.number, self.kind).trim_end().to_owned()
    }
}

impl Labelled for SpeedLimitZone {
    fn label(&self, tables: &Tables) -> String {
        if !self.name.is_empty() {
            return self.name.clone();
        }
        let number = |id: Option<Uuid>| tables.waypoints.iter().find(|w| Some(w.id) == id).map(|w| w.number);
        match (number(self.dz_waypoint_id), number(self.fz_waypoint_id)) {
            (Some(dz), Some(fz)) => format!("{dz}-{fz}"),
            (Some(dz), None) => dz.to_string(),
            _ => String::new(),
        }
    }
}

impl Labelled for PenaltyFormula {
    fn label(&self, _: &Tables) -> String {
        format!("{} {}", self.evaluator, self.kind.as_deref().unwrap_or_default()).trim_end().to_owned()
    }
}
