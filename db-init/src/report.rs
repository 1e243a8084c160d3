//! The answer to `--status`.

use comfy_table::{LineStyle, Table, TableStyle};
use serde::Serialize;

use crate::guard::Applied;
use crate::plan::Step;

const RULED: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
/// As much of a checksum as a person compares; the JSON has it whole.
const SHOWN_DIGITS: usize = 12;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Applied as it is.
    Applied,
    /// To be applied.
    Pending,
    /// Applied, and changed since.
    Changed,
    /// Applied from another set: by another program, or a standalone file that was not asked for.
    Elsewhere,
}

/// One line of the report.
#[derive(Debug, Serialize)]
pub(crate) struct File {
    filename: String,
    pub(crate) state: State,
    applied_at: Option<String>,
    /// Of the file as it is now.
    checksum: Option<String>,
    /// Of the file as it was applied.
    applied_checksum: Option<String>,
}

/// The files in order, then what else the guard table remembers.
pub(crate) fn files(steps: &[Step<'_>], others: &[&Applied]) -> Vec<File> {
    let own = steps.iter().map(|step| File {
        filename: step.script.name.clone(),
        state: match (step.applied, step.changed()) {
            (None, _) => State::Pending,
            (Some(_), None) => State::Applied,
            (Some(_), Some(_)) => State::Changed,
        },
        applied_at: step.applied.map(|row| row.applied_at.clone()),
        checksum: Some(step.script.checksum.clone()),
        applied_checksum: step.applied.and_then(|row| row.checksum.clone()),
    });
    let others = others.iter().map(|row| File {
        filename: row.filename.clone(),
        state: State::Elsewhere,
        applied_at: Some(row.applied_at.clone()),
        checksum: None,
        applied_checksum: row.checksum.clone(),
    });
    own.chain(others).collect()
}

/// The report for a terminal.
pub(crate) fn table(files: &[File]) -> Table {
    let mut table = Table::new();
    table.load_style(RULED);
    table.set_header(["File", "State", "Applied at", "Applied sha256", "sha256 now"]);
    let short = |checksum: &Option<String>| {
        checksum.as_deref().map_or_else(String::new, |digits| digits.chars().take(SHOWN_DIGITS).collect())
    };
    for file in files {
        let state = match file.state {
            State::Applied => "applied",
            State::Pending => "pending",
            State::Changed => "changed",
            State::Elsewhere => "elsewhere",
        };
        table.add_row([
            file.filename.clone(),
            state.to_owned(),
            file.applied_at.clone().unwrap_or_default(),
            short(&file.applied_checksum),
            short(&file.checksum),
        ]);
    }
    table
}
