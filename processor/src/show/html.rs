//! The results board on paper.

use race::course::tables::CountsFor;
use race::record::StageStatus;

use super::board::{Board, PenaltyLine, Row, StageBoard};
use super::overall::{OverallBoard, OverallRow};
use super::page::Column::{Number, Words};
use super::page::Page;
use super::words::{day, duration, instant, short, to_the_second};

/// The board as one page. `fingerprint` is that of [`Board::fingerprint`].
pub(crate) fn results(board: &Board<'_>, fingerprint: &str) -> String {
    let class = board.class.as_ref().map(|class| {
        if class.name.is_empty() { class.code.to_owned() } else { format!("{} {}", class.code, class.name) }
    });
    let class = class.map_or_else(String::new, |class| format!(" · class {class}"));
    let mut page = Page::new(&format!("{}{class}", board.event.name));
    for stage in &board.stages {
        page.section(stage.name, stage.provisional);
        of_stage(&mut page, stage, board.class.is_some());
        page.end_section();
    }
    if let Some(overall) = &board.overall {
        page.section(&format!("Overall after {}", overall.after_stage), overall.provisional);
        standings(&mut page, overall, board.class.is_some());
        page.end_section();
    }
    page.end(&foot(board, fingerprint))
}

fn standings(page: &mut Page, overall: &OverallBoard<'_>, of_class: bool) {
    if !overall.provisional {
        page.element("p", "official");
    }
    page.table(
        [
            Number("Pos"),
            Number("No"),
            Words("Class"),
            Number("Stages"),
            Number("Time"),
            Number("Penalty"),
            Number("Total"),
            Number("Gap"),
        ],
        overall.rows.iter().map(|row| {
            let position = if of_class { row.class_position } else { row.position };
            [
                position.map_or_else(String::new, |position| position.to_string()),
                row.race_number.to_string(),
                row.class.unwrap_or_default().to_owned(),
                format!("{}/{}", row.completed_stages, overall.stages),
                row.elapsed_ms.map_or_else(String::new, duration),
                if row.penalty_ms == 0 { String::new() } else { short(row.penalty_ms) },
                row.total_ms.map_or_else(|| row.status.as_str().to_owned(), duration),
                row.gap_ms.filter(|&gap| gap > 0).map_or_else(String::new, |gap| format!("+{}", short(gap))),
            ]
        }),
    );
    let of_row = |row: &'_ OverallRow<'_>| (row.race_number, CountsFor::Overall);
    penalties(page, overall.rows.iter().map(|row| (of_row(row), row.penalties.as_slice())));
}

/// Whose penalties, each with its reason; a number goes with the total that stands on the board.
fn penalties<'a>(page: &mut Page, of: impl Iterator<Item = ((i64, CountsFor), &'a [PenaltyLine<'a>])>) {
    let lines = of.flat_map(|(row, lines)| lines.iter().map(move |line| (row, line)));
    let lines: Vec<[String; 4]> = lines
        .map(|((number, total), line)| {
            let amount = if line.effect == "time" { short(line.penalty_ms) } else { line.effect.to_owned() };
            let note = if line.counts_for.contains(&total) { "" } else { " (not in this total)" };
            [number.to_string(), amount, format!("{}{note}", line.reason), line.id.to_string()]
        })
        .collect();
    if !lines.is_empty() {
        page.element("h3", "Penalties");
        page.table([Number("No"), Number("Penalty"), Words("Reason"), Words("Id")], lines.into_iter());
    }
}

fn foot(board: &Board<'_>, fingerprint: &str) -> String {
    let to = board.evaluated_to.map_or_else(
        || "no position is stored".to_owned(),
        |to| format!("judged by positions up to {}", instant(to)),
    );
    format!("{} · {to} · revision {fingerprint}", board.event.name)
}

fn of_stage(page: &mut Page, stage: &StageBoard<'_>, of_class: bool) {
    let first = stage.rows.iter().filter_map(|row| row.started_at).min();
    let closed = stage.closed_at.map(|at| format!("closed {}", instant(at)));
    let about: Vec<String> = first
        .map(|first| format!("times in UTC from {}", day(first)))
        .into_iter()
        .chain(closed)
        .chain((!stage.provisional).then(|| "official".to_owned()))
        .collect();
    page.element("p", &about.join(" · "));
    page.table(
        [
            Number("Pos"),
            Number("No"),
            Words("Class"),
            Number("Start"),
            Number("Finish"),
            Number("Time"),
            Number("Penalty"),
            Number("Total"),
            Number("Gap"),
            Number("WP"),
        ],
        stage.rows.iter().map(|row| cells(row, of_class)),
    );
    let of_row = |row: &'_ Row<'_>| (row.race_number, CountsFor::Stage);
    penalties(page, stage.rows.iter().map(|row| (of_row(row), row.penalties.as_slice())));
    let notes = stage.rows.iter().flat_map(|row| row.notes.iter().map(move |note| (row, note)));
    let notes: Vec<[String; 2]> =
        notes.map(|(row, note)| [row.race_number.to_string(), note.clone()]).collect();
    if !notes.is_empty() {
        page.element("h3", "Notes");
        page.table([Number("No"), Words("Note")], notes.into_iter());
    }
}

fn cells(row: &Row<'_>, of_class: bool) -> [String; 10] {
    let position = if of_class { row.class_position } else { row.position };
    let text = |ms: Option<i64>| ms.map_or_else(String::new, duration);
    [
        position.map_or_else(String::new, |position| position.to_string()),
        row.race_number.to_string(),
        row.class.unwrap_or_default().to_owned(),
        row.started_at.map_or_else(String::new, to_the_second),
        row.finished_at.map_or_else(String::new, to_the_second),
        text(row.elapsed_ms),
        if row.penalty_ms == 0 { String::new() } else { short(row.penalty_ms) },
        match (row.status, row.total_ms) {
            (StageStatus::Finished, Some(total)) => duration(total),
            (status, Some(total)) => format!("{} {}", status.as_str(), duration(total)),
            (status, None) => status.as_str().to_owned(),
        },
        row.gap_ms.filter(|&gap| gap > 0).map_or_else(String::new, |gap| format!("+{}", short(gap))),
        if row.waypoints == 0 {
            String::new()
        } else {
            format!("{}/{}", row.waypoints_validated, row.waypoints)
        },
    ]
}
