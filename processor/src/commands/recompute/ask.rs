//! Asking the worker, and waiting for its answer.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use pipeline::broker::{Broker, BrokerError};
use tokio::time::{Instant, sleep};

use super::RecomputeArgs;
use crate::config::ConfigArgs;
use crate::exit;
use crate::recompute::{Answer, REQUESTS, RESULTS, Request, Status};
use crate::show::Usage;
use crate::show::source::settings;
use crate::show::words::plural;
use crate::tell::tell;

/// Answers in one read.
const READ_MESSAGES: usize = 100;
/// How long a read waits for the next answer.
const WAIT: Duration = Duration::from_secs(1);
/// Between two attempts to read while the broker is away.
const AGAIN_EVERY: Duration = Duration::from_millis(500);
/// Between two turns of what moves on the terminal.
const TICK: Duration = Duration::from_millis(120);

/// Writes the request and waits for its answer.
pub(super) async fn ask(args: &RecomputeArgs, request: &Request) -> anyhow::Result<ExitCode> {
    let given = ConfigArgs { redis_url: args.redis_url.clone(), ..ConfigArgs::default() };
    let endpoint = settings(&given)?
        .redis
        .ok_or_else(|| Usage("where the worker is asked is not known: REDIS_URL is not set".to_owned()))?;
    let broker = Broker::new(endpoint, "processor-recompute");
    // Before the request: its answer is behind it.
    let seen = broker.last_message(RESULTS).await?;
    let id = broker.send(REQUESTS, &request.fields()).await?.to_string();
    let bar = ProgressBar::new_spinner();
    if let Ok(style) =
        ProgressStyle::with_template("{spinner} asked as {msg}, waiting for the answer {elapsed}")
    {
        bar.set_style(style);
    }
    bar.set_message(id.clone());
    bar.enable_steady_tick(TICK);
    if bar.is_hidden() {
        tell!("asked as {id}, waiting for the answer");
    }
    let waited = answer(&broker, seen, &id, Duration::from_secs(args.timeout)).await;
    bar.finish_and_clear();
    let Some(answer) = waited? else {
        tell!(
            "error: no answer within {}; the request {id} stays in {REQUESTS} until a worker with race rules on takes \
             it, and its answer comes to {RESULTS}",
            plural(usize::try_from(args.timeout).unwrap_or(usize::MAX), "second")
        );
        return Ok(ExitCode::from(exit::NO_ANSWER));
    };
    print(args, &answer)?;
    Ok(if answer.status == Status::Done { ExitCode::SUCCESS } else { ExitCode::from(exit::DATA) })
}

/// The answer to a request, if it comes in time.
async fn answer(
    broker: &Broker,
    mut seen: pipeline::batch::StreamId,
    id: &str,
    within: Duration,
) -> Result<Option<Answer>, BrokerError> {
    let until = Instant::now() + within;
    while Instant::now() < until {
        let wait = WAIT.min(until - Instant::now());
        match broker.messages_after(RESULTS, seen, READ_MESSAGES, wait).await {
            Ok(messages) => {
                seen = messages.last().map_or(seen, |last| last.id);
                let answers = messages.iter().filter_map(Answer::read);
                if let Some(answer) = answers.into_iter().find(|answer| answer.request_id == id) {
                    return Ok(Some(answer));
                }
            }
            Err(BrokerError::Away { .. }) => sleep(AGAIN_EVERY).await,
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Prints what became of it.
pub(super) fn print(args: &RecomputeArgs, answer: &Answer) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(answer)?)?;
        return Ok(());
    }
    let Answer { status, entries, inserted, revised, retracted, duration_ms, .. } = answer;
    writeln!(
        out,
        "{}: {} judged anew in {duration_ms} ms; records: {inserted} new, {revised} revised, {retracted} retracted",
        status.as_str(),
        if *entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") },
    )?;
    for changed in &answer.changed {
        writeln!(
            out,
            "  {}: {} new, {} revised, {} retracted",
            changed.race_number, changed.inserted, changed.revised, changed.retracted
        )?;
    }
    if !answer.message.is_empty() {
        tell!("{}{}", if *status == Status::Done { "" } else { "error: " }, answer.message);
    }
    out.flush()?;
    Ok(())
}
