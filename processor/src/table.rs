//! Results for a terminal.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ColumnConstraint, LineStyle, Table, TableStyle};
use race::course::Course;
use race::course::plan::EventPlan;
use race::judge::{EntryEvaluation, EventOutcome};
use race::record::{StageResult, StageStatus};
use race::time::Timestamp;

/// A rule below the header and blanks between the columns: ten columns have to fit a terminal.
pub(crate) const RULED: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// One table a stage, with a line for everything a person should look at.
pub(crate) fn results(course: &Course, outcomes: &[EventOutcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let event = &course.events[outcome.event];
        for (n, (stage, ranking)) in event.stages.iter().zip(&outcome.rankings).enumerate() {
            let provisional = if ranking.iter().any(|r| r.provisional) { ", provisional" } else { "" };
            let day = ranking.iter().filter_map(|r| r.started_at).min();
            let day =
                day.map_or_else(String::new, |day| format!(", times in UTC from {:.10}", day.to_string()));
            let _ = writeln!(text, "{} · {}{provisional}{day}", event.row.name, stage.row.name);
            let _ = writeln!(text, "{}", stage_table(course, event, n, &outcome.evaluations, ranking));
            for note in notes(event, n, &outcome.evaluations, ranking) {
                let _ = writeln!(text, "  {note}");
            }
            text.push('\n');
        }
    }
    text
}

fn stage_table(
    course: &Course,
    event: &EventPlan,
    stage: usize,
    evaluations: &[EntryEvaluation],
    ranking: &[StageResult],
) -> Table {
    let mut table = Table::new();
    table.load_style(RULED);
    table.set_header(["Pos", "No", "Class", "Start", "Finish", "Time", "Penalty", "Total", "Gap", "WP"]);
    for result in ranking {
        let Some(n) = event.entry_number(result.entry_id) else { continue };
        let entry = &event.entries[n].row;
        let class = course.tables.classes.iter().find(|c| Some(c.id) == entry.class_id);
        let segments = &evaluations[n].stages[stage].segments;
        let validated: usize = segments.iter().map(|s| s.validated.len()).sum();
        let all: usize =
            validated + segments.iter().map(|s| s.missed.len() + s.outstanding.len()).sum::<usize>();
        table.add_row([
            result.position.map_or_else(String::new, |p| p.to_string()),
            entry.race_number.to_string(),
            class.map_or_else(String::new, |c| c.code.clone()),
            result.started_at.map_or_else(String::new, to_the_second),
            result.finished_at.map_or_else(String::new, to_the_second),
            result.elapsed_ms.map_or_else(String::new, duration),
            if result.penalty_ms == 0 { String::new() } else { short(result.penalty_ms) },
            match (result.status, result.total_ms) {
                (StageStatus::Finished, Some(total)) => duration(total),
                (status, _) => status.as_str().to_owned(),
            },
            result.gap_ms.filter(|&gap| gap > 0).map_or_else(String::new, |gap| format!("+{}", short(gap))),
            if all == 0 { String::new() } else { format!("{validated}/{all}") },
        ]);
    }
    for n in 0..10 {
        if let Some(column) = table.column_mut(n) {
            column.set_padding((0, 0));
            // Words to the left, numbers to the right.
            let alignment = if n == 2 { CellAlignment::Left } else { CellAlignment::Right };
            column.set_cell_alignment(alignment);
            if n == 2 && course.tables.classes.is_empty() {
                column.set_constraint(ColumnConstraint::Hidden);
            }
        }
    }
    table
}

/// Missed waypoints, and how uncertain start and finish are.
fn notes(
    event: &EventPlan,
    stage: usize,
    evaluations: &[EntryEvaluation],
    ranking: &[StageResult],
) -> Vec<String> {
    let mut notes = Vec::new();
    for result in ranking {
        let Some(n) = event.entry_number(result.entry_id) else { continue };
        let number = event.entries[n].row.race_number;
        let evaluation = &evaluations[n];
        if result.status == StageStatus::NotStarted && evaluation.fixes.used > 0 {
            notes.push(format!("{number}: {} fixes, none of them through the start", evaluation.fixes.used));
        }
        for segment in &evaluation.stages[stage].segments {
            let crossing = |id: Option<_>| evaluation.crossings.iter().find(|c| Some(c.id) == id);
            let ends = [
                ("start", crossing(segment.start_crossing_id)),
                ("finish", crossing(segment.finish_crossing_id)),
            ];
            let told: Vec<String> = ends
                .iter()
                .filter_map(|(what, crossing)| {
                    let crossing = crossing.as_ref()?;
                    let review = if crossing.needs_review { ", to be reviewed" } else { "" };
                    Some(format!("{what} between fixes {} apart{review}", seconds(crossing.uncertainty_ms)))
                })
                .collect();
            if !told.is_empty() {
                notes.push(format!("{number}: {}", told.join("; ")));
            }
            if !segment.missed.is_empty() {
                let missed: Vec<String> = segment.missed.iter().map(i64::to_string).collect();
                notes.push(format!("{number}: missed {}", missed.join(", ")));
            }
            if !segment.doubtful.is_empty() {
                let doubtful: Vec<String> = segment.doubtful.iter().map(i64::to_string).collect();
                notes.push(format!(
                    "{number}: to be reviewed: a gap in the track may hide {}",
                    doubtful.join(", ")
                ));
            }
        }
    }
    notes
}

fn seconds(ms: i64) -> String {
    if ms % 1_000 == 0 { format!("{} s", ms / 1_000) } else { format!("{}.{:03} s", ms / 1_000, ms % 1_000) }
}

/// `h:mm:ss` UTC, cut: a clock to find one's way by; the official instant stands in the JSON.
fn to_the_second(ts: Timestamp) -> String {
    let seconds = ts.micros().div_euclid(1_000_000).rem_euclid(86_400);
    format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// `h:mm:ss.mmm`.
fn duration(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{sign}{hours}:{minutes:02}:{seconds:02}.{:03}", ms % 1_000)
}

/// `h:mm:ss.mmm` without leading zeros: what is added and what one is behind.
fn short(ms: i64) -> String {
    let long = duration(ms);
    long.strip_prefix("0:")
        .map_or(long.clone(), |minutes| minutes.strip_prefix('0').unwrap_or(minutes).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_every_digit() {
        assert_eq!(duration(12_600_000), "3:30:00.000");
        assert_eq!(duration(-1), "-0:00:00.001");
        assert_eq!(to_the_second(Timestamp::from_millis(-1)), "23:59:59");
        assert_eq!(short(742_769), "12:22.769");
        assert_eq!(short(5_100), "0:05.100");
        assert_eq!(short(3_600_000), "1:00:00.000");
        assert_eq!((seconds(2_000), seconds(2_005)), ("2 s".to_owned(), "2.005 s".to_owned()));
    }
}
