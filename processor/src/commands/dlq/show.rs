//! `dlq show`: all there is of one letter.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use pipeline::batch::StreamId;
use pipeline::broker::KeptLetter;
use serde_json::{Value, json};

use super::{Desk, text};
use crate::exit;
use crate::tell::tell;

/// Show a dead letter with every field of its entry
#[derive(Args)]
pub(super) struct ShowArgs {
    /// The letter, by the id that `list` shows
    id: StreamId,
    /// Print one JSON object; bytes that are not UTF-8 are an object with the key "base64"
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(desk: &Desk, args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let Some(letter) = desk.broker.letter(&desk.stream, args.id).await? else {
        tell!("error: {}: there is no such letter", args.id);
        return Ok(ExitCode::from(exit::DATA));
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", document(&letter))?;
    } else {
        lines(&letter, &mut out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(letter: &KeptLetter, out: &mut impl Write) -> std::io::Result<()> {
    let unknown = || "unknown".to_owned();
    writeln!(out, "id         {}", letter.id)?;
    writeln!(out, "written    {}", letter.id.time())?;
    writeln!(out, "source id  {}", letter.source_id.map_or_else(unknown, |id| id.to_string()))?;
    writeln!(out, "error      {}", text::escaped(&letter.error))?;
    writeln!(out, "attempts   {}", letter.attempts.map_or_else(unknown, |attempts| attempts.to_string()))?;
    match letter.cut_from_bytes {
        Some(bytes) => writeln!(out, "bytes      the first {} of {bytes}", letter.len_bytes())?,
        None => writeln!(out, "bytes      {}", letter.len_bytes())?,
    }
    writeln!(out, "fields")?;
    for (name, value) in &letter.fields {
        writeln!(out, "  {}: {}", text::readable(name), text::readable(value))?;
    }
    Ok(())
}

/// Fields are pairs, since a stream keeps their order and allows a name twice.
fn document(letter: &KeptLetter) -> Value {
    let fields: Vec<Value> = letter
        .fields
        .iter()
        .map(|(name, value)| json!({"name": text::as_json(name), "value": text::as_json(value)}))
        .collect();
    json!({
        "id": letter.id.to_string(),
        "written_at": letter.id.time().to_string(),
        "source_id": letter.source_id.map(|id| id.to_string()),
        "error": letter.error,
        "attempts": letter.attempts,
        "bytes": text::len_bytes(letter),
        "cut": letter.cut_from_bytes.is_some(),
        "fields": fields,
    })
}
