//! The live channel as it is run, from the entry in the broker to the frame at the client, on throwaway servers: called by
//! `ci/bench-live`, which says what it prints.

mod client;
mod course;
#[path = "../cpu.rs"]
mod cpu;
mod directus;
#[path = "../fleet.rs"]
mod fleet;
mod frames;
mod generator;
mod load;
mod memory;
#[path = "../platform.rs"]
mod platform;
mod receivers;
mod report;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

use self::course::Events;
use self::generator::Generator;
use self::load::{Load, Outcome};
use self::platform::Platform;
use self::receivers::Receivers;
use self::report::Report;
use self::server::Server;

/// 20 000 devices, one fix a second each, and who looks on.
const FIELD: Events = Events { first: 0, events: 100, first_device: 0, devices_each: 200 };
const SESSIONS_EACH: usize = 10;
/// One event that everybody looks at.
const CROWD: Events = Events { first: 100, events: 1, first_device: 20_000, devices_each: 1_000 };
const CROWD_SESSIONS: usize = 1_000;
/// In the fan-out one of so many positions is looked into: to look into all would cost what is to be measured.
const LOOKED_INTO: u64 = 13;
const IDLE: [usize; 2] = [1_000, 10_000];

/// Parts of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Memory,
    Fanout,
    EndToEnd,
}

/// Measures the live channel of `processor run`.
#[derive(Debug, Parser)]
struct Args {
    /// Parts to run; all where none is given.
    parts: Vec<Part>,
    /// How long each load is measured.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Seconds of load before that.
    #[arg(long, default_value_t = 3)]
    warm: u64,
    /// Positions a second of the fan-out, each to 1 000 sessions; the next pace only where one was held.
    #[arg(long, value_delimiter = ',', default_values_t = [2_400.0, 3_200.0, 4_000.0])]
    rates: Vec<f64>,
    /// Threads that sessions are spread over; as many as the processor takes by itself where this is not given.
    #[arg(long)]
    shards: Option<usize>,
    /// Another build of the processor than the one beside this program, such as that of an older state.
    #[arg(long)]
    processor: Option<PathBuf>,
    /// Compares with a server in Node.js that stands in this folder with what it needs.
    #[arg(long)]
    node: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// What all parts share.
struct Bench {
    args: Args,
    platform: Platform,
    directus: String,
    report: Report,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let statements: Vec<String> = [FIELD, CROWD].iter().flat_map(|events| events.statements()).collect();
    let platform = Platform::start(&statements)?;
    let mut bench = Bench { args, platform, directus: directus::start()?, report: Report::default() };
    for part in [Part::Memory, Part::Fanout, Part::EndToEnd] {
        if bench.args.parts.is_empty() || bench.args.parts.contains(&part) {
            match part {
                Part::Memory => bench.memory(),
                Part::Fanout => bench.fanout(),
                Part::EndToEnd => bench.end_to_end(),
            }
            .with_context(|| format!("{part:?}"))?;
        }
    }
    if bench.args.json {
        bench.report.print_json()
    } else {
        bench.report.print();
        Ok(())
    }
}

impl Bench {
    fn server(&self, stream: &str) -> anyhow::Result<Server> {
        let Args { shards, processor, .. } = &self.args;
        Server::processor(&self.platform, &self.directus, stream, *shards, processor.as_deref())
    }

    fn load(&self, rate: f64) -> Load {
        let Args { warm, seconds, .. } = self.args;
        Load { rate, warm: Duration::from_secs(warm), time: Duration::from_secs(seconds) }
    }

    fn memory(&mut self) -> anyhow::Result<()> {
        let stream = "telemetry:idle";
        let server = self.server(stream)?;
        let held = memory::run(&self.platform, &server, stream, FIELD, &IDLE)?;
        self.report.memory(&held);
        server.end()
    }

    fn fanout(&mut self) -> anyhow::Result<()> {
        let node = self.node()?;
        let stream = "telemetry:crowd";
        let server = self.server(stream)?;
        let sessions = client::open(server.port, &CROWD.topics(CROWD_SESSIONS), 0)?;
        let receivers = Receivers::start(sessions, LOOKED_INTO)?;
        let generator = Generator::new(stream, CROWD.devices())?;
        load::awaken(&self.platform, &generator, &server, &receivers)?;
        for rate in self.args.rates.clone() {
            let load = self.load(rate);
            let outcome = load::run(&self.platform, &generator, &server, &receivers, CROWD_SESSIONS, load)?;
            self.report.fanout(rate, &outcome, node.as_ref());
            if outcome.delivered < report::DELIVERED || outcome.latency.p99_ms > report::FANOUT_P99_MS {
                break;
            }
        }
        receivers.end()?;
        server.end()
    }

    /// The same sessions at a server in Node.js.
    fn node(&mut self) -> anyhow::Result<Option<Outcome>> {
        let Some(folder) = &self.args.node else { return Ok(None) };
        let topics = CROWD.topics(CROWD_SESSIONS);
        let topic = topics.first().context("no topic")?;
        let server = Server::node(folder, topic, CROWD.devices_each)?;
        let sessions = client::open(server.port, &topics, 0)?;
        let receivers = Receivers::start(sessions, LOOKED_INTO)?;
        server.signal("USR2")?;
        let Load { warm, time, .. } = self.load(0.0);
        let outcome = load::watch(&server, &receivers, warm, time)?;
        receivers.end()?;
        server.end()?;
        self.report.node(&outcome);
        Ok(Some(outcome))
    }

    fn end_to_end(&mut self) -> anyhow::Result<()> {
        let stream = "telemetry:field";
        let server = self.server(stream)?;
        let sessions = client::open(server.port, &FIELD.topics(SESSIONS_EACH), 0)?;
        let receivers = Receivers::start(sessions, 1)?;
        let generator = Generator::new(stream, FIELD.devices())?;
        load::awaken(&self.platform, &generator, &server, &receivers)?;
        let load = self.load(FIELD.devices().len() as f64);
        let outcome = load::run(&self.platform, &generator, &server, &receivers, SESSIONS_EACH, load)?;
        let name = format!("{} devices, {} sessions", FIELD.devices().len(), FIELD.events * SESSIONS_EACH);
        self.report.end_to_end(name, &outcome);
        receivers.end()?;
        server.end()
    }
}
