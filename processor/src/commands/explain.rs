//! `processor explain`: what an entry's times and penalties rest on.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use race::judge::EntryEvaluation;
use storage::Records;
use uuid::Uuid;

use crate::judging;
use crate::show::explain::history::Past;
use crate::show::explain::{Asked, Case, geojson, text, track};
use crate::show::source::{Looked, Opened, Purpose, SourceArgs, look};
use crate::show::words::plural;
use crate::show::{Usage, pick};
use crate::tell::tell;

/// Explain an entry: for each crossing and penalty its fixes, shapes, formula rows, arithmetic and earlier revisions
///
/// The entry is judged anew from what is stored, as of one moment; nothing is written but the file of --geojson. Exits
/// with 0 when it was explained, with 1 when the store is not there or cannot be judged by, with 2 when the command line
/// names what is not there.
#[derive(Args)]
#[command(after_help = "Examples:
  processor explain 7
  processor explain 7 --stage 'SS 1' --geojson 7.geojson
  processor explain 7 --penalty d70aa360
  POSTGRES_URL=postgres://processor@db/race processor explain 7 --store postgres --json")]
pub(crate) struct ExplainArgs {
    /// The entry, by race number or id
    #[arg(value_name = "ENTRY")]
    entry: String,
    #[command(flatten)]
    source: SourceArgs,
    /// One stage, by id or name
    #[arg(long, value_name = "STAGE", allow_hyphen_values = true)]
    stage: Option<String>,
    /// One penalty alone, by its id or how that begins
    #[arg(long, value_name = "ID")]
    penalty: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Write track, course, crossings and penalties to this file, for a map
    #[arg(long, value_name = "FILE")]
    geojson: Option<PathBuf>,
}

pub(crate) fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let text = runtime.block_on(async {
        match args.source.open(Purpose::Read).await? {
            Opened::Sqlite(store) => explain(args, &store).await,
            Opened::Postgres(store) => explain(args, &store).await,
        }
    })?;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn explain<R: Records>(args: &ExplainArgs, store: &R) -> anyhow::Result<String> {
    let Looked { store, course, event } = look(store, args.source.event.as_deref()).await?;
    let plan = &course.events[event];
    let entry = pick::entry(plan, &args.entry)?;
    let of_entry = &plan.entries[entry];
    let judged = judging::entry(&course, (event, entry), &store).await?;
    let asked = Asked {
        stage: args.stage.as_deref().map(|stage| pick::stage(plan, stage)).transpose()?,
        penalty: args.penalty.as_deref().map(|id| penalty(&judged.evaluation, id)).transpose()?,
    };
    let track = track::read(plan, of_entry, &store).await?;
    let past = Past(store.history(&[of_entry.row.id]).await?);
    let case = Case {
        course: &course,
        plan,
        entry,
        evaluation: &judged.evaluation,
        evaluated_to: judged.evaluated_to,
        track: &track,
        past: &past,
    };
    let explanation = case.explain(asked);
    if let Some(path) = &args.geojson {
        let collection = geojson::collection(&case, &explanation, asked);
        std::fs::write(path, serde_json::to_string(&collection)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
        let features = collection["features"].as_array().map_or(0, Vec::len);
        tell!("{} written to {}", plural(features, "feature"), path.display());
    }
    Ok(if args.json { serde_json::to_string_pretty(&explanation)? + "\n" } else { text::text(&explanation) })
}

/// The penalty that an id, or its beginning, names.
fn penalty(evaluation: &EntryEvaluation, wanted: &str) -> Result<Uuid, Usage> {
    let all = || evaluation.stages.iter().flat_map(|stage| &stage.penalties).map(|penalty| penalty.id);
    let wanted = wanted.to_lowercase();
    let found: Vec<Uuid> = all().filter(|id| id.to_string().starts_with(&wanted)).collect();
    match found.as_slice() {
        [id] if !wanted.is_empty() => Ok(*id),
        _ => {
            let there: Vec<String> = all().map(|id| id.to_string()).collect();
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            let count = if found.is_empty() { "no penalty" } else { "more than one penalty" };
            Err(Usage(format!("{wanted:?} is {count} of this entry; it has {there}")))
        }
    }
}
