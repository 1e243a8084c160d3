//! A start list for a terminal, a spreadsheet and paper.

use std::fmt::Write as _;

use anyhow::Result;
use race::time::Timestamp;

use super::board::fingerprint;
use super::csv::{self, Cell};
use super::page::Column::{Number, Words};
use super::page::Page;
use super::start_list::{Change, StartBoard, StartRow};
use super::words::{day, escaped, instant, list, to_the_second};
use crate::table::{hide, ruled};

/// For a terminal.
pub(crate) fn table(board: &StartBoard<'_>) -> String {
    let mut text = String::new();
    for line in headline(board).iter().filter(|line| !line.is_empty()) {
        let _ = writeln!(text, "{}", escaped(line));
    }
    let mut table = ruled(&["Pos", "No", "Class", "Start", "Handed out"], &[2, 4]);
    for row in &board.rows {
        table.add_row([
            row.start_position.to_string(),
            row.race_number.to_string(),
            row.class.map_or_else(String::new, escaped),
            row.target_at.map_or_else(String::new, to_the_second),
            handed_out(row),
        ]);
    }
    hide(&mut table, 2, board.rows.iter().all(|row| row.class.is_none()));
    let _ = writeln!(text, "{table}");
    if let Some(others) = others(board) {
        let _ = writeln!(text, "  {others}");
    }
    text
}

/// What it is the start list of; a line for that, and one for where it comes from.
fn headline(board: &StartBoard<'_>) -> [String; 2] {
    let provisional = if board.provisional { ", provisional" } else { "" };
    [format!("{} · {} · start list{provisional}", board.event.name, board.stage), about(board)]
}

/// The day, and whose results decide.
fn about(board: &StartBoard<'_>) -> String {
    let first = board.rows.iter().filter_map(|row| row.target_at).min();
    let first = first.map(|first| format!("times in UTC from {}", day(first)));
    let input = board.input_stage.map(|input| format!("by the results of {input}"));
    first.into_iter().chain(input).collect::<Vec<_>>().join(" · ")
}

/// What is handed out, in words.
fn handed_out(row: &StartRow<'_>) -> String {
    let started = if row.started { ", started" } else { "" };
    match (row.change, row.handed_out) {
        (Change::Moved, Some(before)) => {
            let position = before.start_position.map_or_else(|| "–".to_owned(), |n| n.to_string());
            let at = before.target_at.map_or_else(|| "–".to_owned(), to_the_second);
            format!("moved from {position} at {at}{started}")
        }
        (Change::Manual, _) => format!("by a person{started}"),
        (Change::Same, _) => format!("as proposed{started}"),
        _ => format!("not yet{started}"),
    }
}

fn others(board: &StartBoard<'_>) -> Option<String> {
    let others: Vec<i64> = board.others.iter().map(|other| other.race_number).collect();
    (!others.is_empty()).then(|| format!("handed out, and not in the proposal: {}", list(&others)))
}

/// For a spreadsheet.
pub(crate) fn csv(board: &StartBoard<'_>) -> Result<String> {
    let rows = board.rows.iter().map(|row| {
        [
            Cell::text(board.event.name),
            Cell::text(board.stage),
            Cell::value(row.start_position),
            Cell::value(row.race_number),
            Cell::text(row.class.unwrap_or_default()),
            csv::instant(row.target_at),
            Cell::maybe(row.handed_out.and_then(|slot| slot.start_position)),
            csv::instant(row.handed_out.and_then(|slot| slot.target_at)),
            Cell::text(row.change.as_str()),
            Cell::value(row.started),
        ]
    });
    csv::table(
        [
            "event",
            "stage",
            "start_position",
            "race_number",
            "class",
            "target_at_utc",
            "handed_out_position",
            "handed_out_at_utc",
            "change",
            "started",
        ],
        rows,
    )
}

/// On paper: the order alone, for the start; what is not handed out as it stands is said at the top.
pub(crate) fn html(board: &StartBoard<'_>, evaluated_to: Option<Timestamp>) -> Result<String> {
    let mut page = Page::new(board.event.name);
    page.section(&format!("{} · start list", board.stage), board.provisional);
    page.element("p", &about(board));
    let open = board.rows.iter().filter(|row| matches!(row.change, Change::New | Change::Moved)).count();
    if open > 0 {
        page.element("p", &format!("A proposal: {open} of its slots are not handed out as they stand here."));
    }
    page.table(
        [Number("Pos"), Number("No"), Words("Class"), Number("Start"), Words("")],
        board.rows.iter().map(|row| {
            [
                row.start_position.to_string(),
                row.race_number.to_string(),
                row.class.unwrap_or_default().to_owned(),
                row.target_at.map_or_else(String::new, to_the_second),
                if row.change == Change::Same { String::new() } else { handed_out(row) },
            ]
        }),
    );
    if let Some(others) = others(board) {
        page.element("p", &others);
    }
    page.end_section();
    let to = evaluated_to.map_or_else(
        || "no position is stored".to_owned(),
        |to| format!("judged by positions up to {}", instant(to)),
    );
    Ok(page.end(&format!("{} · {to} · revision {}", board.event.name, fingerprint(board)?)))
}
