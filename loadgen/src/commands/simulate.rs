//! `loadgen simulate`: a race day into a folder.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use loadgen::delivery::Network;
use loadgen::driver::Misdeeds;
use loadgen::profile::Profile;
use loadgen::receiver::Receiver;
use loadgen::simulate::{Options, simulate};
use loadgen::{fleet, folder, generated};
use race::time::Timestamp;

use crate::tell::tell;

/// Entries of a made-up course, where nobody says how many.
const ENTRIES: usize = 20;

/// Make a race day: vehicles drive a course, trackers record them, and what happened is written beside
///
/// The folder gets course.json (the course with its entries), tracks.ndjson (a telemetry payload a line, in order of
/// sending, each with its `sent_at`) and truth.json (every position's key, every crossing to the microsecond, every
/// overspeed, every missed waypoint, who finishes, which penalties are due).
///
/// `processor replay --course FOLDER/course.json FOLDER/tracks.ndjson` takes it without a broker.
#[derive(Args)]
pub(crate) struct SimulateArgs {
    /// The course to drive, see docs/COURSE.md; its own entries drive it
    #[arg(long, value_name = "FILE", required_unless_present = "generated", conflicts_with = "generated")]
    course: Option<PathBuf>,
    /// Drive a course that is made up: a stage from circle to circle, one from gate to gate, with zones
    #[arg(long)]
    generated: bool,
    /// Entries that drive: the course's own first, made-up ones where it has fewer [default: the course's own, else 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    entries: Option<u32>,
    /// What everything is drawn from
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// When the first trackers are switched on; slots of the course count as they are
    #[arg(long, value_name = "INSTANT", default_value = "2025-06-07T06:00:00Z")]
    begin: Timestamp,
    /// Seconds between two starts, of a made-up course
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = seconds, conflicts_with = "course")]
    interval: f64,
    /// Samples a second of each tracker
    #[arg(long, value_name = "HZ", default_value_t = 1.0, value_parser = rate)]
    hz: f64,
    /// How load comes: steady, ramp, start-hour, or backlog (nobody has a signal, then all at once)
    #[arg(long, value_name = "PROFILE", default_value = "steady")]
    profile: Profile,
    /// Where to write; a folder that is not there is made
    #[arg(long, short, value_name = "FOLDER")]
    output: PathBuf,
    /// Write into a folder that has a race day in it
    #[arg(long)]
    force: bool,
    /// No progress and no summary on stderr
    #[arg(long, short)]
    quiet: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    let hz: f64 = text.parse().map_err(|_| "that is no number".to_owned())?;
    if (0.01..=20.0).contains(&hz) { Ok(hz) } else { Err("samples a second are 0.01 to 20".to_owned()) }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "that is no number".to_owned())?;
    if (0.0..=3_600.0).contains(&seconds) { Ok(seconds) } else { Err("seconds are 0 to 3600".to_owned()) }
}

pub(crate) fn run(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    let there = args.output.join(folder::TRUTH);
    if there.try_exists()? && !args.force {
        bail!("{} has a race day in it; --force writes over it", args.output.display());
    }
    let mut course = match &args.course {
        None => generated::course(args.seed, args.interval)?,
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            race::course::parse(&text).with_context(|| path.display().to_string())?
        }
    };
    let asked = args.entries.map(|n| n as usize);
    let wanted = asked.or_else(|| course.entries.is_empty().then_some(ENTRIES)).unwrap_or(0);
    fleet::enter(&mut course, wanted, args.seed)?;
    let options = Options {
        entries: asked,
        seed: args.seed,
        begin: args.begin,
        profile: args.profile,
        receiver: Receiver::at_hz(args.hz),
        network: Network::default(),
        misdeeds: Misdeeds::default(),
        close_stages: args.generated,
    };
    let simulation = simulate(course, &options)?;
    ensure!(
        !simulation.sent.is_empty(),
        "nobody drives: the course's entries have no trackers; --entries adds some"
    );
    let bar = if args.quiet { ProgressBar::hidden() } else { ProgressBar::new(simulation.truth.sent) };
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} fixes {per_sec} eta {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    folder::write(&args.output, &simulation, |lines| bar.inc(lines))?;
    bar.finish_and_clear();
    if !args.quiet {
        summary(args, &simulation);
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(args: &SimulateArgs, simulation: &loadgen::simulate::Simulation) {
    let truth = &simulation.truth;
    let sum = |of: fn(&loadgen::truth::EntryTruth) -> usize| truth.entries.iter().map(of).sum::<usize>();
    tell!("folder      {}", args.output.display());
    tell!(
        "entries     {}: {} finish, {} give up",
        truth.entries.len(),
        sum(|e| usize::from(e.finishes)),
        sum(|e| usize::from(e.retired))
    );
    let keys: usize = truth.devices.iter().map(|d| d.steps_ms.len() + 1).sum();
    tell!("positions   {keys} of {} trackers, sent as {}", truth.devices.len(), truth.sent);
    tell!(
        "truth       {} crossings, {} overspeeds, {} missed waypoints, {} penalties",
        sum(|e| e.crossings.len()),
        sum(|e| e.episodes.len()),
        sum(|e| e.segments.iter().map(|s| s.missed.len()).sum()),
        sum(|e| e.penalties.len())
    );
}
