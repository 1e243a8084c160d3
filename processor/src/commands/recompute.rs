//! `processor recompute`: entries judged anew from their positions.

mod ask;
mod compare;
mod direct;

use std::process::ExitCode;

use clap::{ArgGroup, Args};
use race::course::Course;
use race::time::Timestamp;
use storage::{Cause, Records};
use uuid::Uuid;

use crate::exit;
use crate::recompute::{REASONS, Request, Scope};
use crate::show::source::{Opened, Purpose, SourceArgs, moment};
use crate::show::{Usage, pick};
use crate::store_url::StoreUrl;
use crate::tell::tell;

/// Judge entries anew from their positions: ask the worker of a platform for it, or do it in a file
///
/// Writes a request to the stream recompute:requests and waits for the answer of the worker that judges. Names are looked
/// up in the database of --store or POSTGRES_URL; without one, give ids. With --store sqlite:PATH it is done in the file.
/// With --dry-run nothing is written: everything is judged as of one moment, and what would change in the results is
/// printed. Exits with 0 when it is done, with 1 when it was refused or failed, with 2 when the command line is wrong, with
/// 3 when no answer came in time.
#[derive(Args)]
#[command(group = ArgGroup::new("scope").required(true).multiple(true).args(["event", "stage", "entry", "device"]))]
#[command(after_help = "Examples:
  processor recompute --device 356307042441013 --reason faulty-flag
  processor recompute --event rally-2026 --dry-run --store postgres
  processor recompute --event rally-2026 --stage 'SS 2' --reason formula-changed
  processor recompute --entry 7 --store sqlite:./race.db")]
pub(crate) struct RecomputeArgs {
    /// The event, by id, slug or name: all its entries, or where to find --stage and --entry
    #[arg(long, value_name = "EVENT", allow_hyphen_values = true)]
    event: Option<String>,
    /// All entries of this stage's event, by the stage's id or name
    #[arg(long, value_name = "STAGE", allow_hyphen_values = true, conflicts_with_all = ["entry", "device"])]
    stage: Option<String>,
    /// One entry, by race number or id
    #[arg(long, value_name = "ENTRY", allow_hyphen_values = true, conflicts_with = "device")]
    entry: Option<String>,
    /// Whoever is timed by this device: its IMEI or id
    #[arg(long, value_name = "DEVICE", conflicts_with = "event")]
    device: Option<String>,
    /// Only entries that a device times at this instant or later, as in 2026-06-07T08:00:00Z
    #[arg(long, value_name = "INSTANT")]
    from: Option<Timestamp>,
    /// Only entries that a device times at this instant or earlier
    #[arg(long, value_name = "INSTANT")]
    to: Option<Timestamp>,
    /// Why: faulty-flag, late-data, formula-changed, geometry-changed or manual
    #[arg(long, value_name = "REASON", default_value = "manual", value_parser = reason)]
    reason: Cause,
    /// Write nothing: print whose time, penalty or place would change
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// How long to wait for the answer
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Where the course is: sqlite:PATH, a postgres:// URL, or `postgres` for what POSTGRES_URL names [default: what
    /// POSTGRES_URL names, if it is set]
    #[arg(long, value_name = "URL")]
    store: Option<StoreUrl>,
    /// The broker [env: REDIS_URL]
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,
}

fn reason(text: &str) -> Result<Cause, String> {
    let known = Cause::from_word(text).filter(|cause| REASONS.contains(cause));
    known.ok_or_else(|| format!("it is one of {}", REASONS.map(Cause::as_str).join(", ")))
}

pub(crate) fn run(args: &RecomputeArgs) -> anyhow::Result<ExitCode> {
    if args.from.is_some() && args.to.is_some() && args.from > args.to {
        tell!("error: --from is after --to");
        return Ok(ExitCode::from(exit::USAGE));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(recompute(args))
}

async fn recompute(args: &RecomputeArgs) -> anyhow::Result<ExitCode> {
    let is_set = std::env::var_os("POSTGRES_URL").is_some_and(|url| !url.is_empty());
    let store = args.store.clone().or_else(|| is_set.then_some(StoreUrl::Platform));
    let Some(store) = store else {
        if args.dry_run {
            return Err(Usage("a dry run needs --store, or POSTGRES_URL".to_owned()).into());
        }
        return ask::ask(args, &by_id(args)?).await;
    };
    let source = SourceArgs { store, event: None };
    let purpose = if args.dry_run { Purpose::Read } else { Purpose::Write };
    match source.open(purpose).await? {
        Opened::Sqlite(store) if args.dry_run => direct::dry_run(args, &store).await,
        Opened::Sqlite(store) => direct::recompute(args, &store).await,
        Opened::Postgres(store) if args.dry_run => direct::dry_run(args, &store).await,
        Opened::Postgres(store) => {
            let request = by_name(args, &moment(&store).await?.1)?;
            // The snapshot has ended: nothing is held while the answer is waited for.
            drop(store);
            ask::ask(args, &request).await
        }
    }
}

/// The request, by what the course calls things.
fn by_name(args: &RecomputeArgs, course: &Course) -> Result<Request, Usage> {
    if let Some(device) = &args.device {
        let request = request(args, Scope::Device(device.clone()));
        request.entries(course).map_err(Usage)?;
        return Ok(request);
    }
    let event = &course.events[pick::event(course, args.event.as_deref())?];
    let scope = match (&args.stage, &args.entry) {
        (Some(stage), _) => Scope::Stage(event.stages[pick::stage(event, stage)?].row.id),
        (None, Some(entry)) => Scope::Entry(event.entries[pick::entry(event, entry)?].row.id),
        (None, None) => Scope::Event(event.row.id),
    };
    Ok(request(args, scope))
}

/// The request, where nobody can look up a name.
fn by_id(args: &RecomputeArgs) -> Result<Request, Usage> {
    let id = |what: &str, text: &String| {
        text.parse::<Uuid>().map_err(|_| {
            Usage(format!("{text:?} is no id; to name the {what} otherwise, give --store or POSTGRES_URL"))
        })
    };
    let scope = match (&args.device, &args.entry, &args.stage, &args.event) {
        (Some(device), ..) => Scope::Device(device.clone()),
        (None, Some(entry), ..) => Scope::Entry(id("entry", entry)?),
        (None, None, Some(stage), _) => Scope::Stage(id("stage", stage)?),
        (None, None, None, Some(event)) => Scope::Event(id("event", event)?),
        (None, None, None, None) => return Err(Usage("nothing is named".to_owned())),
    };
    Ok(request(args, scope))
}

fn request(args: &RecomputeArgs, scope: Scope) -> Request {
    let user = std::env::var("USER").ok().filter(|user| !user.is_empty());
    let requested_by =
        user.map_or_else(|| "processor recompute".to_owned(), |user| format!("processor recompute, {user}"));
    Request { scope, from: args.from, to: args.to, reason: args.reason, requested_by: Some(requested_by) }
}

/// The events of which entries are meant, by their numbers, and how many entries; or why they cannot be judged.
async fn events(
    request: &Request,
    course: &Course,
    store: &impl Records,
) -> anyhow::Result<(Vec<usize>, usize)> {
    let entries = request.entries(course).map_err(Usage)?;
    let ids: Vec<Uuid> = entries.iter().map(|&(event, n)| course.events[event].entries[n].row.id).collect();
    let incomplete = store.incomplete(&ids).await?;
    if !incomplete.is_empty() {
        anyhow::bail!(
            "the positions that records of {} of these entries rest on are not all kept any more (archived, or their \
             days are gone): they cannot be judged anew",
            incomplete.len()
        );
    }
    let mut events: Vec<usize> = entries.iter().map(|(event, _)| *event).collect();
    events.sort_unstable();
    events.dedup();
    Ok((events, entries.len()))
}
