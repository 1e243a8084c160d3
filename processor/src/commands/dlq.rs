//! `processor dlq`: the entries that could not be used, to look at, to send again and to throw away.

mod list;
mod replay;
mod show;
mod text;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use pipeline::batch::StreamId;
use pipeline::broker::{Broker, BrokerError};
use pipeline::source::redis::Endpoint;
use tokio::runtime;

use crate::exit;
use crate::tell::tell;

const REDIS_URL: &str = "redis://127.0.0.1:6379";
const STREAM: &str = "telemetry:teltonika";

/// Look at the entries that could not be used, send them again or throw them away
///
/// They are kept in the stream {STREAM}:dlq, the newest some ten thousand of them. Exits with 0 when all was done, with
/// 1 when something could not be, with 2 when the command line is wrong.
#[derive(Args)]
pub(crate) struct DlqArgs {
    /// The broker [env: REDIS_URL] [default: redis://127.0.0.1:6379]
    #[arg(long, value_name = "URL", global = true)]
    redis_url: Option<String>,
    /// The telemetry stream [env: REDIS_TELEMETRY_STREAM] [default: telemetry:teltonika]
    #[arg(long, value_name = "NAME", global = true)]
    stream: Option<String>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Replay(replay::ReplayArgs),
    Drop(DropArgs),
}

/// Delete dead letters
#[derive(Args)]
struct DropArgs {
    #[command(flatten)]
    which: Which,
    /// Do it, where all of them are meant
    #[arg(long)]
    yes: bool,
}

/// Some letters, or all.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Letters, by the ids that `list` shows
    #[arg(value_name = "ID")]
    ids: Vec<StreamId>,
    /// All letters that are there now
    #[arg(long)]
    all: bool,
}

/// A broker, and the stream whose dead letters are meant.
struct Desk {
    broker: Broker,
    stream: String,
}

/// Runs one of the commands.
pub(crate) fn run(args: &DlqArgs) -> anyhow::Result<ExitCode> {
    let url = setting(args.redis_url.as_deref(), "REDIS_URL", REDIS_URL);
    let endpoint = match Endpoint::parse(&url) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            tell!("error: {error}");
            return Ok(ExitCode::from(exit::USAGE));
        }
    };
    let stream = setting(args.stream.as_deref(), "REDIS_TELEMETRY_STREAM", STREAM);
    let desk = Desk { broker: Broker::new(endpoint, "processor-dlq"), stream };
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        match &args.action {
            Action::List(args) => list::run(&desk, args).await,
            Action::Show(args) => show::run(&desk, args).await,
            Action::Replay(args) => replay::run(&desk, args).await,
            Action::Drop(args) => desk.drop_letters(args).await,
        }
    })
}

/// What the command line says, or the environment, or nobody.
fn setting(argument: Option<&str>, variable: &str, default: &str) -> String {
    let from_environment = || std::env::var(variable).ok().filter(|value| !value.is_empty());
    argument.map(str::to_owned).or_else(from_environment).unwrap_or_else(|| default.to_owned())
}

impl Desk {
    /// The ids that are meant, the oldest first where all are.
    async fn ids(&self, which: &Which) -> Result<Vec<StreamId>, BrokerError> {
        if !which.all {
            return Ok(which.ids.clone());
        }
        let mut ids: Vec<StreamId> = Vec::new();
        loop {
            let letters = self.broker.letters(&self.stream, ids.last().copied(), usize::MAX).await?;
            if letters.is_empty() {
                ids.reverse();
                return Ok(ids);
            }
            ids.extend(letters.iter().map(|letter| letter.id));
        }
    }

    async fn drop_letters(&self, args: &DropArgs) -> anyhow::Result<ExitCode> {
        let ids = self.ids(&args.which).await?;
        if args.which.all && !args.yes {
            tell!("error: {} would be deleted for good; nothing was: say --yes", letters(ids.len()));
            return Ok(ExitCode::from(exit::USAGE));
        }
        let dropped = self.broker.drop_letters(&self.stream, &ids).await?;
        let missing = ids.len().saturating_sub(usize::try_from(dropped)?);
        tell!("{} deleted", letters(ids.len() - missing));
        if missing == 0 || args.which.all {
            return Ok(ExitCode::SUCCESS);
        }
        tell!("error: {} not there", letters(missing));
        Ok(ExitCode::from(exit::DATA))
    }
}

fn letters(count: usize) -> String {
    format!("{count} letter{}", if count == 1 { "" } else { "s" })
}
