//! The durable path against what its servers can do at most, all in one run on the same throwaway servers: called by
//! `ci/bench-durable`, which says what it prints.
//!
//! A figure by itself says more of the machine than of the program, so every figure stands beside the floor of its
//! round: the same entries read and acknowledged by a raw client while ready-made rows are copied by another.

mod course;
mod cpu;
mod durable;
mod fleet;
mod floor;
mod node;
mod platform;
mod report;
mod stream;
mod worker;

use std::path::PathBuf;

use clap::Parser;

use self::durable::Indexes;
use self::floor::Floor;
use self::platform::Platform;
use self::report::{Line, Report};
use self::stream::Stream;
use self::worker::{Rules, Worked};

/// Measures `processor run` from Redis to committed and acknowledged rows, beside the raw floors.
#[derive(Debug, Parser)]
struct Args {
    /// Entries of the stream, from 1 000 devices.
    #[arg(default_value_t = 500_000)]
    entries: usize,
    /// Rounds of the clean runs; of each figure the median is printed.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Rows of a transaction, of the floor and of the processor.
    #[arg(long, default_value_t = 10_000)]
    batch: usize,
    /// Lanes of the processor; as many as it takes by itself where this is not given.
    #[arg(long)]
    lanes: Option<usize>,
    /// Another build of the processor than the one beside this program, such as that of an older state.
    #[arg(long)]
    processor: Option<PathBuf>,
    /// Leaves out the runs with duplicates.
    #[arg(long)]
    clean_only: bool,
    /// Compares with a worker in Node.js that stands in this folder with what it needs.
    #[arg(long)]
    node: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// One run of the processor.
    fn work(&self, platform: &Platform, stream: &Stream, rules: Rules) -> anyhow::Result<Worked> {
        let processor = self.processor.as_deref();
        worker::run(platform, stream, rules, self.batch, self.lanes, processor)
    }
}

/// Repeats in 10 000 entries.
const REPEATS: [u32; 3] = [1, 100, 500];

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let platform = Platform::start(&course::statements())?;
    let mut report = Report::new(args.entries, args.batch);
    let clean = Stream::clean(args.entries);
    platform.fill(&clean)?;
    let floor = Floor::new(&clean, args.batch)?;
    // The files of the write-ahead log are made by the first who needs them, and then used again.
    platform.empty(Indexes::Lean)?;
    floor.copy(&platform)?;
    let mut clean_work = None;
    for indexes in [Indexes::Lean, Indexes::Today] {
        let (mut copies, mut reads, mut both) = (Vec::new(), Vec::new(), Vec::new());
        let (mut off, mut on, mut node) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..args.rounds.max(1) {
            platform.empty(indexes)?;
            copies.push(floor.copy(&platform)?);
            reads.push(floor.read(&platform)?);
            platform.empty(indexes)?;
            let beside = floor.both(&platform)?;
            both.push(beside);
            for (rules, runs) in [(Rules::Off, &mut off), (Rules::On, &mut on)] {
                platform.empty(indexes)?;
                runs.push(args.work(&platform, &clean, rules)?.beside(beside));
            }
            if let Some(folder) = &args.node {
                platform.empty(indexes)?;
                node.push(node::run(&platform, &clean, folder)?.beside(beside));
            }
        }
        report.add(Line::floor(indexes, "raw COPY alone", &copies));
        report.add(Line::floor(indexes, "raw XREADGROUP + XACK alone", &reads));
        report.add(Line::floor(indexes, "both side by side: the floor", &both));
        report.add(Line::worker(indexes, "processor, race rules off", &off, report::OF_FLOOR));
        report.add(Line::worker(indexes, "processor, race rules on", &on, report::OF_FLOOR));
        if !node.is_empty() {
            report.add(Line::node(indexes, &node, &on));
        }
        if indexes == Indexes::Lean {
            clean_work = report::median(&on).cloned();
        }
    }
    if !args.clean_only
        && let Some(clean_work) = clean_work
    {
        repeats(&args, &platform, &clean_work, &mut report)?;
    }
    if args.json { report.print_json() } else { report.print() }
}

/// The same fixes, some of them sent again.
fn repeats(args: &Args, platform: &Platform, clean: &Worked, report: &mut Report) -> anyhow::Result<()> {
    for per_10_000 in REPEATS {
        let stream = Stream::with_repeats(args.entries, per_10_000);
        platform.fill(&stream)?;
        let mut runs = Vec::new();
        for _ in 0..args.rounds.max(1) {
            platform.empty(Indexes::Lean)?;
            runs.push(args.work(platform, &stream, Rules::On)?.beside(clean.rate));
        }
        report.add(Line::repeats(per_10_000, &runs, clean));
    }
    Ok(())
}
