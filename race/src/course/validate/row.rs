//! A row as a problem or a finding names it.

use uuid::Uuid;

use crate::course::load::Problem;
use crate::course::tables::{
    Class, Device, Entry, EntryDevice, EntrySegmentStart, Event, Geofence, Neutralisation, Override,
    PenaltyFormula, Segment, SpeedLimitZone, Stage, Waypoint,
};

/// A row that knows its table and its id.
pub(crate) trait TableRow {
    /// The table as a course file names it.
    const TABLE: &'static str;
    /// The row's id, where it has one.
    fn id(&self) -> Option<Uuid>;
}

macro_rules! table_rows {
    ($($row:ty: $table:literal),* $(,)?) => {$(
        impl TableRow for $row {
            const TABLE: &'static str = $table;
            fn id(&self) -> Option<Uuid> {
                self.id.into()
            }
        }
    )*};
}

table_rows! {
    Event: "events", Class: "classes", Entry: "entries", Device: "devices", EntryDevice: "entry_devices",
    Stage: "stages", Segment: "segments", Geofence: "geofences", Waypoint: "waypoints",
    SpeedLimitZone: "speed_limit_zones", Neutralisation: "neutralisations",
    PenaltyFormula: "penalty_formulas", EntrySegmentStart: "entry_segment_starts", Override: "overrides",
}

/// Where problems of one row go.
pub(super) struct At<'p> {
    problems: &'p mut Vec<Problem>,
    table: &'static str,
    row: usize,
    id: Option<Uuid>,
}

impl At<'_> {
    /// Adds a problem of this row.
    pub(super) fn problem(&mut self, field: &str, message: impl Into<String>) {
        self.problems.push(Problem {
            table: self.table,
            row: self.row,
            name: self.id.map(|id| id.to_string()).unwrap_or_default(),
            field: field.to_owned(),
            message: message.into(),
        });
    }
}

/// The place of one row of a table.
pub(super) fn at<'p, T: TableRow>(rows: &[T], row: usize, problems: &'p mut Vec<Problem>) -> At<'p> {
    At { problems, table: T::TABLE, row, id: rows.get(row).and_then(T::id) }
}

/// Looks at every row of a table.
pub(super) fn each<T: TableRow>(
    rows: &[T],
    problems: &mut Vec<Problem>,
    mut look: impl FnMut(&T, &mut At<'_>),
) {
    for (row, value) in rows.iter().enumerate() {
        look(value, &mut at(rows, row, problems));
    }
}
