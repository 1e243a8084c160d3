//! `dlq replay`: entries put into their stream again.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use pipeline::batch::StreamId;
use pipeline::broker::{BrokerError, Replayed};

use super::{Desk, Which, letters};
use crate::exit;
use crate::tell::tell;

/// Put the entries of dead letters into their stream again, byte for byte, and delete the letters
///
/// Each gets a new id, and every group of the stream gets it. A letter that holds only the beginning of its entry is
/// left where it is.
#[derive(Args)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    which: Which,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

enum Outcome {
    Done(String),
    Failed(&'static str),
}

pub(super) async fn run(desk: &Desk, args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let (mut done, mut failed) = (0, 0);
    for id in desk.ids(&args.which).await? {
        let outcome = if args.dry_run { rehearse(desk, id).await } else { replay(desk, id).await };
        match outcome {
            Ok(Outcome::Done(what)) => {
                done += 1;
                writeln!(out, "{id} {what}")?;
            }
            Ok(Outcome::Failed(why)) => {
                failed += 1;
                tell!("error: {id}: {why}");
            }
            Err(error) => {
                tell!("{} {} before it failed at {id}", letters(done), verb(args.dry_run));
                return Err(error.into());
            }
        }
    }
    tell!("{} {}", letters(done), verb(args.dry_run));
    if failed > 0 {
        tell!("error: {} could not be replayed", letters(failed));
        return Ok(ExitCode::from(exit::DATA));
    }
    Ok(ExitCode::SUCCESS)
}

fn verb(dry_run: bool) -> &'static str {
    if dry_run { "would be replayed" } else { "replayed" }
}

async fn replay(desk: &Desk, id: StreamId) -> Result<Outcome, BrokerError> {
    Ok(match desk.broker.replay_letter(&desk.stream, id).await? {
        Replayed::As(new) => Outcome::Done(format!("replayed as {new}")),
        Replayed::NotThere => Outcome::Failed(NOT_THERE),
        Replayed::Cut => Outcome::Failed(CUT),
    })
}

async fn rehearse(desk: &Desk, id: StreamId) -> Result<Outcome, BrokerError> {
    Ok(match desk.broker.letter(&desk.stream, id).await? {
        None => Outcome::Failed(NOT_THERE),
        Some(letter) if !letter.is_whole() => Outcome::Failed(CUT),
        Some(letter) => Outcome::Done(format!("would be replayed: {} bytes", letter.len_bytes())),
    })
}

const NOT_THERE: &str = "there is no such letter";
const CUT: &str =
    "only the beginning of the entry is kept, so there is nothing to replay: ask its sender for it";
