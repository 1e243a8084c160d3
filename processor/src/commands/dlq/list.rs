//! `dlq list`: one line a letter, the newest first.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table};
use pipeline::batch::StreamId;
use pipeline::broker::KeptLetter;
use serde_json::{Value, json};

use super::{Desk, text};
use crate::table::RULED;
use crate::tell::tell;

/// Characters of a reason that are shown; `show` has the whole.
const ERROR_CHARS: usize = 120;

const ERROR_COLUMN: usize = 4;

/// List dead letters, the newest first
#[derive(Args)]
pub(super) struct ListArgs {
    /// Letters to list at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Print one JSON array in place of a table
    #[arg(long)]
    json: bool,
}

/// What is shown of a letter; its fields are not kept.
struct Line {
    id: StreamId,
    source_id: Option<StreamId>,
    device: Option<String>,
    error: String,
    attempts: Option<u64>,
    bytes: u64,
    is_cut: bool,
}

impl Line {
    fn of(letter: KeptLetter) -> Self {
        Self {
            id: letter.id,
            source_id: letter.source_id,
            device: text::device(&letter),
            bytes: text::len_bytes(&letter),
            is_cut: letter.cut_from_bytes.is_some(),
            attempts: letter.attempts,
            error: letter.error,
        }
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id.to_string(),
            "written_at": self.id.time().to_string(),
            "source_id": self.source_id.map(|id| id.to_string()),
            "device_id": self.device,
            "error": self.error,
            "attempts": self.attempts,
            "bytes": self.bytes,
            "cut": self.is_cut,
        })
    }
}

pub(super) async fn run(desk: &Desk, args: &ListArgs) -> anyhow::Result<ExitCode> {
    let limit = args.limit as usize;
    let mut lines: Vec<Line> = Vec::new();
    // One more than is shown tells whether there are more.
    while lines.len() <= limit {
        let before = lines.last().map(|line| line.id);
        let letters = desk.broker.letters(&desk.stream, before, limit + 1 - lines.len()).await?;
        if letters.is_empty() {
            break;
        }
        lines.extend(letters.into_iter().map(Line::of));
    }
    let more = lines.len() > limit;
    lines.truncate(limit);

    let mut out = std::io::stdout().lock();
    if args.json {
        let lines: Vec<Value> = lines.iter().map(Line::json).collect();
        writeln!(out, "{:#}", Value::from(lines))?;
    } else if lines.is_empty() {
        tell!("there is no dead letter");
    } else {
        writeln!(out, "{}", table(&lines))?;
    }
    if more {
        tell!("there are more: --limit shows them");
    }
    Ok(ExitCode::SUCCESS)
}

fn table(lines: &[Line]) -> Table {
    let mut table = Table::new();
    table.load_style(RULED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["Id", "When (UTC)", "Source id", "Device", "Error", "Attempts", "Bytes"]);
    for line in lines {
        let short: String = line.error.chars().take(ERROR_CHARS).collect();
        let ellipsis = if short.len() < line.error.len() { "…" } else { "" };
        table.add_row([
            line.id.to_string(),
            to_the_second(line.id),
            line.source_id.map_or_else(String::new, |id| id.to_string()),
            line.device.as_deref().map_or_else(String::new, text::escaped),
            format!("{}{ellipsis}", text::escaped(&short)),
            line.attempts.map_or_else(String::new, |attempts| attempts.to_string()),
            format!("{}{}", line.bytes, if line.is_cut { " (cut)" } else { "" }),
        ]);
    }
    for n in 0..7 {
        if let Some(column) = table.column_mut(n) {
            // The reason alone is broken over lines.
            if n != ERROR_COLUMN {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            column.set_padding((0, 1));
            if n >= 5 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table
}

/// Month, day and time: seven columns have to fit a terminal, and the id and the JSON have the year.
fn to_the_second(id: StreamId) -> String {
    let time = id.time().to_string();
    time.get(5..19).map_or(time.clone(), |short| short.replace('T', " "))
}
