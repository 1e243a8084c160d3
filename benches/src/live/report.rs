//! What was measured, against what it should be.

use serde::Serialize;

use super::load::Outcome;
use super::memory::Held;

const P50_MS: f64 = 5.0;
const P99_MS: f64 = 25.0;
const FANOUT_PER_S: f64 = 2e6;
pub(crate) const FANOUT_P99_MS: f64 = 50.0;
const OF_NODE: f64 = 8.0;
const SESSION_KIB: f64 = 16.0;
const SESSIONS: usize = 10_000;
/// Of what is sent, what must come: nothing may be left out at a pace that is held.
pub(crate) const DELIVERED: f64 = 0.999;

/// One row of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    part: String,
    what: &'static str,
    value: f64,
    unit: &'static str,
    target: Option<f64>,
    /// `None` where there is no target.
    met: Option<bool>,
    load_average: f64,
}

/// The table.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

/// What a value must not exceed, or must reach.
#[derive(Clone, Copy)]
enum Target {
    None,
    AtMost(f64),
    AtLeast(f64),
}

/// Rows of one part, under the load that the machine had.
struct Part<'a> {
    name: String,
    load_average: f64,
    lines: &'a mut Vec<Line>,
}

impl Part<'_> {
    fn add(&mut self, what: &'static str, value: f64, unit: &'static str, target: Target) {
        let (target, met) = match target {
            Target::None => (None, None),
            Target::AtMost(most) => (Some(most), Some(value <= most)),
            Target::AtLeast(least) => (Some(least), Some(value >= least)),
        };
        let (part, load_average) = (self.name.clone(), self.load_average);
        self.lines.push(Line { part, what, value, unit, target, met, load_average });
    }
}

impl Report {
    fn part(&mut self, name: String, load_average: f64) -> Part<'_> {
        Part { name, load_average, lines: &mut self.lines }
    }

    pub(crate) fn memory(&mut self, held: &[Held]) {
        for held in held {
            let name = format!("{} idle sessions", held.sessions);
            let mut part = self.part(name, held.load_average);
            part.add("resident", held.resident_bytes as f64 / f64::from(1 << 20), "MiB", Target::None);
            part.add("each session", held.session_bytes / 1024.0, "KiB", Target::AtMost(SESSION_KIB));
            let target = Target::AtLeast(held.sessions.min(SESSIONS) as f64);
            part.add("got a position afterwards", held.alive as f64, "", target);
        }
    }

    /// A pace of the fan-out; the target is that of one that reaches it.
    pub(crate) fn fanout(&mut self, rate: f64, outcome: &Outcome, node: Option<&Outcome>) {
        let mut part = self.part(format!("fan-out, {rate:.0} positions/s"), outcome.load_average);
        part.add("deliveries", outcome.deliveries_per_s, "1/s", Target::AtLeast(FANOUT_PER_S));
        part.latency(outcome, Target::None, Target::AtMost(FANOUT_P99_MS));
        part.load(outcome);
        if let Some(node) = node {
            let rate = outcome.deliveries_per_s / node.deliveries_per_s;
            part.add("deliveries, of Node's", rate, "x", Target::AtLeast(OF_NODE));
            part.add("CPU of Node for one, of ours", node.cpu_us / outcome.cpu_us, "x", Target::None);
        }
    }

    pub(crate) fn node(&mut self, outcome: &Outcome) {
        let mut part = self.part("fan-out by Node ws".into(), outcome.load_average);
        part.add("deliveries", outcome.deliveries_per_s, "1/s", Target::None);
        part.latency(outcome, Target::None, Target::None);
        part.add("server CPU for one", outcome.cpu_us, "us", Target::None);
    }

    pub(crate) fn end_to_end(&mut self, name: String, outcome: &Outcome) {
        let mut part = self.part(name, outcome.load_average);
        part.add("deliveries", outcome.deliveries_per_s, "1/s", Target::None);
        part.latency(outcome, Target::AtMost(P50_MS), Target::AtMost(P99_MS));
        part.load(outcome);
    }

    pub(crate) fn print_json(&self) -> anyhow::Result<()> {
        println!("{}", serde_json::to_string_pretty(self)?);
        Ok(())
    }

    pub(crate) fn print(&self) {
        println!("{:<38} {:<29} {:>12} {:>4} {:>9} {:>4} {:>6}", "", "", "", "", "target", "met", "load");
        let mut before = "";
        for line in &self.lines {
            let Line { part, what, value, unit, target, met, load_average } = line;
            let name = if part == before { "" } else { part };
            let target = target.map_or(String::new(), number);
            let met = met.map_or("", |met| if met { "yes" } else { "NO" });
            let value = number(*value);
            println!("{name:<38} {what:<29} {value:>12} {unit:>4} {target:>9} {met:>4} {load_average:>6.2}");
            before = part;
        }
    }
}

impl Part<'_> {
    fn latency(&mut self, outcome: &Outcome, p50: Target, p99: Target) {
        let latency = outcome.latency;
        self.add("p50", latency.p50_ms, "ms", p50);
        self.add("p99", latency.p99_ms, "ms", p99);
        self.add("p99.9", latency.p999_ms, "ms", Target::None);
        self.add("longest", latency.max_ms, "ms", Target::None);
    }

    fn load(&mut self, outcome: &Outcome) {
        self.add("of all that was sent", outcome.delivered * 100.0, "%", Target::AtLeast(DELIVERED * 100.0));
        self.add("server CPU for one", outcome.cpu_us, "us", Target::None);
        let late = outcome.sent.late as f64 / outcome.sent.entries as f64;
        self.add("sent over 10 ms late", late * 100.0, "%", Target::None);
        self.add("latest sent", outcome.sent.worst.as_secs_f64() * 1e3, "ms late", Target::None);
    }
}

/// With as many decimals as say something.
fn number(value: f64) -> String {
    if value >= 1_000.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
