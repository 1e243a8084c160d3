//! `loadgen send`: a race day to a broker.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use loadgen::folder;
use loadgen::send::{Sending, Target, send};

use crate::exit;
use crate::tell::tell;

/// Play a race day to Redis, as the ingestion of the platform would
///
/// Entries are sent when they are due, whatever the broker does: what could not be sent in time is sent late and
/// counted. When more than one in a hundred was late the rate was not produced, and the exit code is 2.
#[derive(Args)]
pub(crate) struct SendArgs {
    /// The broker: redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], without TLS
    #[arg(long, value_name = "URL")]
    redis: String,
    /// The stream
    #[arg(long, value_name = "STREAM", default_value = "telemetry:teltonika")]
    stream: String,
    /// So many times faster than it happened; `max` is as fast as it goes, without a schedule
    #[arg(long, value_name = "K", default_value = "1", value_parser = speed)]
    speed: f64,
    /// About how many entries the stream keeps (XADD MAXLEN ~)
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    max_len: u64,
    /// Print what became of the schedule as JSON on stdout
    #[arg(long)]
    json: bool,
    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
    /// What `loadgen simulate` wrote
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        _ if text == "max" => Ok(f64::INFINITY),
        Ok(speed) if speed.is_finite() && speed > 0.0 => Ok(speed),
        _ => Err("a speed is a number above 0, or `max`".to_owned()),
    }
}

pub(crate) fn run(args: &SendArgs) -> anyhow::Result<ExitCode> {
    let truth = folder::truth(&args.folder)?;
    let target = Target {
        url: args.redis.clone(),
        stream: args.stream.clone(),
        speed: args.speed,
        max_len: args.max_len,
    };
    let bar = if args.quiet { ProgressBar::hidden() } else { ProgressBar::new(truth.sent) };
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} entries {per_sec} eta {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let sent = send(&args.folder, &target, |entries| bar.inc(entries));
    bar.finish_and_clear();
    let sending = sent?;
    if args.json {
        writeln!(std::io::stdout().lock(), "{}", serde_json::to_string(&sending)?)?;
    }
    if !args.quiet {
        summary(&sending);
    }
    if sending.sent != truth.sent {
        anyhow::bail!("the truth speaks of {} entries, and the tracks have {}", truth.sent, sending.sent);
    }
    if sending.kept_schedule() {
        return Ok(ExitCode::SUCCESS);
    }
    tell!(
        "error: this rate cannot be produced here: {} of {} entries were late, up to {} ms; {:.0} entries/s were \
         reached; take a smaller --speed",
        sending.missed_schedule,
        sending.sent,
        sending.worst_ms,
        sending.rate
    );
    Ok(ExitCode::from(exit::UNABLE))
}

fn summary(sending: &Sending) {
    tell!("sent        {} entries in {:.1} s: {:.0} entries/s", sending.sent, sending.seconds, sending.rate);
    if sending.scheduled_seconds > 0.0 {
        tell!(
            "schedule    {:.1} s; {} entries late, the latest by {} ms",
            sending.scheduled_seconds,
            sending.missed_schedule,
            sending.worst_ms
        );
    }
}
