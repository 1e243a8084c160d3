//! `processor results`: who is where, by all that is stored.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use storage::Records;

use crate::judging;
use crate::show::board::{Board, Part};
use crate::show::source::{Looked, Opened, Purpose, SourceArgs, look};
use crate::show::{Format, csv, html, pick};
use crate::table;

/// Print results: every stage of an event, or one, of all entries or of a class
///
/// Everything is judged anew from the stored positions and the stored course, as of one moment; nothing is written.
/// Exits with 0 when there are results, with 1 when the store is not there or cannot be judged by, with 2 when the
/// command line names what is not there.
#[derive(Args)]
#[command(after_help = "Examples:
  processor results
  processor results --stage 'SS 1' --class T1
  processor results --overall --stage 'SS 3'
  processor results --event rally-2026 --format html > results.html
  POSTGRES_URL=postgres://processor@db/race processor results --store postgres --format csv")]
pub(crate) struct ResultsArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// One stage, by id or name
    #[arg(long, value_name = "STAGE", allow_hyphen_values = true)]
    stage: Option<String>,
    /// One class, by its code
    #[arg(long, value_name = "CODE", allow_hyphen_values = true)]
    class: Option<String>,
    /// The overall standings after that stage, or after the last one, in place of the stages themselves
    #[arg(long)]
    overall: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub(crate) fn run(args: &ResultsArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let text = runtime.block_on(async {
        match args.source.open(Purpose::Read).await? {
            Opened::Sqlite(store) => results(args, &store).await,
            Opened::Postgres(store) => results(args, &store).await,
        }
    })?;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn results<R: Records>(args: &ResultsArgs, store: &R) -> anyhow::Result<String> {
    let Looked { store, course, event } = look(store, args.source.event.as_deref()).await?;
    let plan = &course.events[event];
    let part = Part {
        stage: args.stage.as_deref().map(|stage| pick::stage(plan, stage)).transpose()?,
        class: args.class.as_deref().map(|class| pick::class(&course, plan, class)).transpose()?,
        overall: args.overall,
    };
    let judged = judging::event(&course, event, BTreeMap::new(), &store).await?;
    let board = Board::new(&course, &judged.outcome, judged.evaluated_to, &part);
    Ok(match args.format {
        Format::Table => table::results(&board),
        Format::Json => serde_json::to_string_pretty(&board)? + "\n",
        Format::Csv => csv::results(&board)?,
        Format::Html => html::results(&board, &board.fingerprint()?),
    })
}
