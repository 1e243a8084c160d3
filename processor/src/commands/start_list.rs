//! `processor start-list`: who starts a stage when, and handing it out.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use pipeline::broker::Broker;
use race::start_order::propose;
use storage::{Changes, Starts};

use crate::config::ConfigArgs;
use crate::exit;
use crate::judging;
use crate::show::source::{Looked, Opened, Purpose, SourceArgs, look, settings};
use crate::show::start_list::StartBoard;
use crate::show::words::{list, plural};
use crate::show::{Format, pick, starts};
use crate::tell::tell;

/// Where running workers hear that the course has changed.
const CHANGED_STREAM: &str = "reference:changed";

/// Propose the start list of a stage, beside what is handed out; with --materialize, hand it out
///
/// The proposal follows the stage's strategy and the results of its input stage, judged anew from what is stored.
/// Without --materialize nothing is written. With it, what differs goes to entry_segment_starts in one transaction:
/// rows with manual_override stay as they are, and when the slot of somebody who has started would move, nothing is
/// written unless --force is given. Exits with 0 when all was done, with 1 when something could not be, with 2 when the
/// command line names what is not there.
#[derive(Args)]
#[command(after_help = "Examples:
  processor start-list 'SS 2'
  processor start-list 'SS 2' --materialize
  processor start-list 'SS 2' --format html > start-list.html
  POSTGRES_URL=… REDIS_URL=… processor start-list 'SS 2' --store postgres --materialize")]
pub(crate) struct StartListArgs {
    /// The stage, by id or name
    #[arg(value_name = "STAGE")]
    stage: String,
    #[command(flatten)]
    source: SourceArgs,
    /// Hand the proposal out
    #[arg(long)]
    materialize: bool,
    /// Move slots of entries that have started, too
    #[arg(long, requires = "materialize")]
    force: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub(crate) fn run(args: &StartListArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let purpose = if args.materialize { Purpose::Write } else { Purpose::Read };
    let (printed, code) = runtime.block_on(async {
        anyhow::Ok(match args.source.open(purpose).await? {
            Opened::Sqlite(store) => {
                let (printed, code, changes) = start_list(args, &store).await?;
                if changes != Changes::default() {
                    tell!(
                        "the next replay stores the slots of its course file in place of these: copy them there \
                         (`--format json`), into entry_segment_starts"
                    );
                }
                (printed, code)
            }
            Opened::Postgres(store) => {
                let (printed, code, changes) = start_list(args, &store).await?;
                let told = changes == Changes::default() || announce().await?;
                (printed, if told { code } else { ExitCode::from(exit::DATA) })
            }
        })
    })?;
    printed?;
    Ok(code)
}

/// Whether the list could be printed, how it ended and what was handed out.
async fn start_list<S: Starts>(
    args: &StartListArgs,
    store: &S,
) -> anyhow::Result<(std::io::Result<()>, ExitCode, Changes)> {
    let Looked { store: snapshot, course, event } = look(store, args.source.event.as_deref()).await?;
    let plan = &course.events[event];
    let stage = pick::stage(plan, &args.stage)?;
    let judged = judging::event(&course, event, BTreeMap::new(), &snapshot).await?;
    let evaluations = &judged.outcome.evaluations;
    let proposal = propose(plan, stage, evaluations)?;
    let board = StartBoard::new(&course, plan, stage, &proposal, evaluations);
    // Nothing is handed out under a snapshot, and none is kept longer than it is needed.
    drop(snapshot);
    let text = match args.format {
        Format::Table => starts::table(&board),
        Format::Json => serde_json::to_string_pretty(&board)? + "\n",
        Format::Csv => starts::csv(&board)?,
        Format::Html => starts::html(&board, judged.evaluated_to)?,
    };
    // Whoever reads only the first lines of it has the slots handed out all the same.
    let mut out = std::io::stdout();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if !args.materialize {
        return Ok((printed, ExitCode::SUCCESS, Changes::default()));
    }
    let started = board.moved_after_start();
    if !started.is_empty() && !args.force {
        tell!(
            "error: {} started, and the proposal moves the slot of {}: nothing was handed out; --force moves it",
            if started.len() == 1 { "an entry has" } else { "entries have" },
            list(&started)
        );
        return Ok((printed, ExitCode::from(exit::DATA), Changes::default()));
    }
    let changes = store.save_starts(board.to_write()).await?;
    let kept = board.rows.len().saturating_sub(changes.inserted + changes.revised);
    tell!(
        "{} handed out: {} new, {} moved, {kept} as before",
        plural(board.rows.len(), "slot"),
        changes.inserted,
        changes.revised
    );
    if !board.others.is_empty() {
        let others: Vec<i64> = board.others.iter().map(|other| other.race_number).collect();
        tell!("not in the proposal, and left as handed out: {}", list(&others));
    }
    Ok((printed, ExitCode::SUCCESS, changes))
}

/// Tells running workers that the course has changed; whether that was done, or is not asked for.
async fn announce() -> anyhow::Result<bool> {
    let Some(endpoint) = settings(&ConfigArgs::default())?.redis else {
        tell!("REDIS_URL is not set: a running worker reads the slots when it next reads the course");
        return Ok(true);
    };
    let broker = Broker::new(endpoint, "processor-start-list");
    let entry = vec![("table", "entry_segment_starts".to_owned())];
    match broker.publish(CHANGED_STREAM, &[entry]).await {
        Ok(_) => Ok(true),
        Err(error) => {
            tell!(
                "error: {CHANGED_STREAM}: {error}; the slots are handed out, and a running worker reads them when it \
                 next reads the course"
            );
            Ok(false)
        }
    }
}
