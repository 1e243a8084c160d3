//! Results for a terminal.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ColumnConstraint, LineStyle, Table, TableStyle};
use race::record::StageStatus;

use crate::show::board::{Board, Row, StageBoard};
use crate::show::overall::OverallBoard;
use crate::show::words::{day, duration, escaped, short, to_the_second};

/// A rule below the header and blanks between the columns: ten columns have to fit a terminal.
pub(crate) const RULED: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// One table a stage, with a line for everything a person should look at.
pub(crate) fn results(board: &Board<'_>) -> String {
    let mut text = String::new();
    for stage in &board.stages {
        let provisional = if stage.provisional { ", provisional" } else { "" };
        let first = stage.rows.iter().filter_map(|row| row.started_at).min();
        let first = first.map_or_else(String::new, |first| format!(", times in UTC from {}", day(first)));
        let class = board.class.as_ref();
        let class = class.map_or_else(String::new, |class| format!(" · class {}", escaped(class.code)));
        let _ = writeln!(
            text,
            "{} · {}{class}{provisional}{first}",
            escaped(board.event.name),
            escaped(stage.name)
        );
        let _ = writeln!(text, "{}", stage_table(stage, board.class.is_some()));
        for row in &stage.rows {
            for note in &row.notes {
                let _ = writeln!(text, "  {}: {note}", row.race_number);
            }
        }
        text.push('\n');
    }
    if let Some(overall) = &board.overall {
        let provisional = if overall.provisional { ", provisional" } else { "" };
        let class = board.class.as_ref();
        let class = class.map_or_else(String::new, |class| format!(" · class {}", escaped(class.code)));
        let (event, stage) = (escaped(board.event.name), escaped(overall.after_stage));
        let _ = writeln!(text, "{event} · overall after {stage}{class}{provisional}");
        let _ = writeln!(text, "{}", overall_table(overall, board.class.is_some()));
    }
    text
}

fn overall_table(overall: &OverallBoard<'_>, of_class: bool) -> Table {
    const CLASS: usize = 2;
    let header = ["Pos", "No", "Class", "Stages", "Time", "Penalty", "Total", "Gap"];
    let mut table = ruled(&header, &[CLASS]);
    for row in &overall.rows {
        let position = if of_class { row.class_position } else { row.position };
        let total = row.total_ms.filter(|_| row.status != StageStatus::Dsq);
        table.add_row([
            position.map_or_else(String::new, |position| position.to_string()),
            row.race_number.to_string(),
            row.class.map_or_else(String::new, escaped),
            format!("{}/{}", row.completed_stages, overall.stages),
            row.elapsed_ms.map_or_else(String::new, duration),
            if row.penalty_ms == 0 { String::new() } else { short(row.penalty_ms) },
            total.map_or_else(|| row.status.as_str().to_owned(), duration),
            row.gap_ms.filter(|&gap| gap > 0).map_or_else(String::new, |gap| format!("+{}", short(gap))),
        ]);
    }
    hide(&mut table, CLASS, overall.rows.iter().all(|row| row.class.is_none()));
    table
}

/// Hides a column that says nothing.
pub(crate) fn hide(table: &mut Table, column: usize, is_hidden: bool) {
    if is_hidden && let Some(column) = table.column_mut(column) {
        column.set_constraint(ColumnConstraint::Hidden);
    }
}

/// A ruled table with its columns close together; those named are of words, the others of numbers.
pub(crate) fn ruled(header: &[&str], words: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(RULED);
    table.set_header(header.iter().copied());
    for n in 0..header.len() {
        if let Some(column) = table.column_mut(n) {
            column.set_padding((0, 0));
            // Words to the left, numbers to the right.
            let alignment = if words.contains(&n) { CellAlignment::Left } else { CellAlignment::Right };
            column.set_cell_alignment(alignment);
        }
    }
    table
}

fn stage_table(stage: &StageBoard<'_>, of_class: bool) -> Table {
    const CLASS: usize = 2;
    let header = ["Pos", "No", "Class", "Start", "Finish", "Time", "Penalty", "Total", "Gap", "WP"];
    let mut table = ruled(&header, &[CLASS]);
    for row in &stage.rows {
        table.add_row(cells(row, of_class));
    }
    hide(&mut table, CLASS, stage.rows.iter().all(|row| row.class.is_none()));
    table
}

fn cells(row: &Row<'_>, of_class: bool) -> [String; 10] {
    let position = if of_class { row.class_position } else { row.position };
    [
        position.map_or_else(String::new, |position| position.to_string()),
        row.race_number.to_string(),
        row.class.map_or_else(String::new, escaped),
        row.started_at.map_or_else(String::new, to_the_second),
        row.finished_at.map_or_else(String::new, to_the_second),
        row.elapsed_ms.map_or_else(String::new, duration),
        if row.penalty_ms == 0 { String::new() } else { short(row.penalty_ms) },
        match (row.status, row.total_ms) {
            (StageStatus::Finished, Some(total)) => duration(total),
            (status, _) => status.as_str().to_owned(),
        },
        row.gap_ms.filter(|&gap| gap > 0).map_or_else(String::new, |gap| format!("+{}", short(gap))),
        if row.waypoints == 0 {
            String::new()
        } else {
            format!("{}/{}", row.waypoints_validated, row.waypoints)
        },
    ]
}
