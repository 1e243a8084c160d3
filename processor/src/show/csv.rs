//! Tables for a spreadsheet: RFC 4180 with a header, units in the names of the columns.

use anyhow::Result;
use csv::{Terminator, WriterBuilder};
use race::time::Timestamp;

use super::board::{Board, PenaltyLine};
use super::overall::OverallBoard;
use super::words::list;

/// Rows under a header, as text.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl Iterator<Item = [Cell; N]>,
) -> Result<String> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(header)?;
    for row in rows {
        writer.write_record(row.map(|cell| cell.0))?;
    }
    Ok(String::from_utf8(writer.into_inner().map_err(csv::IntoInnerError::into_error)?)?)
}

/// A cell: a number is written as it is, a text so that no spreadsheet takes it for a formula.
pub(crate) struct Cell(String);

impl Cell {
    /// What somebody wrote. A quotation mark in front keeps a spreadsheet from computing it (OWASP, "CSV Injection").
    pub(crate) fn text(text: &str) -> Self {
        let computes = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '|', '%']);
        Self(if computes { format!("'{text}") } else { text.to_owned() })
    }

    /// A number, a flag or an instant.
    pub(crate) fn value<T: ToString + Copy>(value: T) -> Self {
        Self(value.to_string())
    }

    /// One that may not be there.
    pub(crate) fn maybe(value: Option<impl ToString>) -> Self {
        Self(value.map_or_else(String::new, |value| value.to_string()))
    }
}

const RESULTS: [&str; 20] = [
    "event",
    "stage",
    "position",
    "class_position",
    "race_number",
    "class",
    "status",
    "started_at_utc",
    "finished_at_utc",
    "laps",
    "elapsed_ms",
    "neutralised_ms",
    "penalty_ms",
    "total_ms",
    "gap_ms",
    "provisional",
    "waypoints_validated",
    "waypoints",
    "waypoints_missed",
    "penalties",
];

const OVERALL: [&str; 14] = [
    "event",
    "after_stage",
    "position",
    "class_position",
    "race_number",
    "class",
    "status",
    "completed_stages",
    "elapsed_ms",
    "penalty_ms",
    "total_ms",
    "gap_ms",
    "provisional",
    "penalties",
];

/// A row for each entry in the standings.
fn overall(board: &Board<'_>, standings: &OverallBoard<'_>) -> Result<String> {
    let rows = standings.rows.iter().map(|row| {
        [
            Cell::text(board.event.name),
            Cell::text(standings.after_stage),
            Cell::maybe(row.position),
            Cell::maybe(row.class_position),
            Cell::value(row.race_number),
            Cell::text(row.class.unwrap_or_default()),
            Cell::text(row.status.as_str()),
            Cell::value(row.completed_stages),
            Cell::maybe(row.elapsed_ms),
            Cell::value(row.penalty_ms),
            Cell::maybe(row.total_ms),
            Cell::maybe(row.gap_ms),
            Cell::value(row.provisional),
            reasons(&row.penalties),
        ]
    });
    table(OVERALL, rows)
}

fn reasons(penalties: &[PenaltyLine<'_>]) -> Cell {
    let reasons: Vec<&str> = penalties.iter().map(|penalty| penalty.reason.as_str()).collect();
    Cell::text(&reasons.join("; "))
}

/// A row for each entry in each stage, or in the standings.
pub(crate) fn results(board: &Board<'_>) -> Result<String> {
    if let Some(standings) = &board.overall {
        return overall(board, standings);
    }
    let rows = board.stages.iter().flat_map(|stage| stage.rows.iter().map(move |row| (stage, row)));
    let rows = rows.map(|(stage, row)| {
        [
            Cell::text(board.event.name),
            Cell::text(stage.name),
            Cell::maybe(row.position),
            Cell::maybe(row.class_position),
            Cell::value(row.race_number),
            Cell::text(row.class.unwrap_or_default()),
            Cell::text(row.status.as_str()),
            instant(row.started_at),
            instant(row.finished_at),
            Cell::maybe(row.laps),
            Cell::maybe(row.elapsed_ms),
            Cell::value(row.neutralised_ms),
            Cell::value(row.penalty_ms),
            Cell::maybe(row.total_ms),
            Cell::maybe(row.gap_ms),
            Cell::value(row.provisional),
            Cell::value(row.waypoints_validated),
            Cell::value(row.waypoints),
            Cell::text(&list(&row.missed)),
            reasons(&row.penalties),
        ]
    });
    table(RESULTS, rows)
}

pub(crate) fn instant(ts: Option<Timestamp>) -> Cell {
    Cell::maybe(ts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_and_never_computed() {
        let rows =
            [[Cell::text("=1+1"), Cell::value(-5)], [Cell::text("a,\"b\"\r\n"), Cell::maybe(None::<i64>)]];
        let text = table(["name", "gap_ms"], rows.into_iter()).unwrap();
        assert_eq!(text, "name,gap_ms\r\n'=1+1,-5\r\n\"a,\"\"b\"\"\r\n\",\r\n");
    }
}
