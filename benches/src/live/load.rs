//! A load for a while, and what became of it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail, ensure};

use super::generator::{Generator, Sent};
use super::platform::Platform;
use super::receivers::{Receivers, Sample, now_us};
use super::server::Server;

/// Nothing here takes so long unless it stands still.
const PATIENCE: Duration = Duration::from_secs(60);
/// What has not come by then does not come any more.
const QUIET: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How fast and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Entries a second.
    pub(crate) rate: f64,
    /// Before anything is measured.
    pub(crate) warm: Duration,
    pub(crate) time: Duration,
}

/// Times from the entry to the client, in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

/// What came of a load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) deliveries_per_s: f64,
    /// Of what was sent, what came.
    pub(crate) delivered: f64,
    pub(crate) latency: Latency,
    /// User and system time of the server for one delivery.
    pub(crate) cpu_us: f64,
    pub(crate) sent: Sent,
    /// Of the machine, at the end.
    pub(crate) load_average: f64,
}

/// Counts at an instant.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Instant,
    us: u64,
    frames: u64,
    cpu_s: f64,
}

impl Mark {
    fn now(server: &Server, receivers: &Receivers) -> anyhow::Result<Self> {
        let cpu_s = server.cpu_s()?;
        Ok(Self { at: Instant::now(), us: now_us(), frames: receivers.frames(), cpu_s })
    }
}

/// Waits until positions reach the sessions, and then until all of them have.
pub(crate) fn awaken(
    platform: &Platform,
    generator: &Generator,
    server: &Server,
    receivers: &Receivers,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    while receivers.frames() == 0 {
        ensure!(begun.elapsed() < PATIENCE, "no position reaches a session: {}", server.log());
        generator.run(platform.socket()?, 1_000.0, Duration::from_millis(100))?;
        std::thread::sleep(QUIET / 4);
    }
    settle(receivers, None);
    receivers.take_samples();
    Ok(())
}

/// Waits until nothing more comes, or all that was expected has.
pub(crate) fn settle(receivers: &Receivers, expected: Option<u64>) {
    let (mut frames, mut since) = (receivers.frames(), Instant::now());
    while since.elapsed() < QUIET && expected.is_none_or(|expected| frames < expected) {
        std::thread::sleep(LOOK_EVERY);
        let now = receivers.frames();
        if now > frames {
            (frames, since) = (now, Instant::now());
        }
    }
}

/// Lets trackers send, each position to so many sessions.
pub(crate) fn run(
    platform: &Platform,
    generator: &Generator,
    server: &Server,
    receivers: &Receivers,
    sessions_each: usize,
    load: Load,
) -> anyhow::Result<Outcome> {
    let socket = platform.socket()?;
    let before = receivers.frames();
    let (begin, end, sent) = std::thread::scope(|scope| -> anyhow::Result<_> {
        let sending = scope.spawn(|| generator.run(socket, load.rate, load.warm + load.time));
        std::thread::sleep(load.warm);
        let begin = Mark::now(server, receivers)?;
        std::thread::sleep(load.time);
        let end = Mark::now(server, receivers)?;
        let sent = sending.join().map_err(|_| anyhow!("the generator panicked"))?;
        Ok((begin, end, sent.with_context(|| server.log())?))
    })?;
    let expected = sent.entries * sessions_each as u64;
    settle(receivers, Some(before + expected));
    let delivered = (receivers.frames() - before) as f64 / expected as f64;
    outcome(receivers, begin, end, delivered, sent)
}

/// Lets a server send by itself as fast as it can.
pub(crate) fn watch(
    server: &Server,
    receivers: &Receivers,
    warm: Duration,
    time: Duration,
) -> anyhow::Result<Outcome> {
    std::thread::sleep(warm);
    let begin = Mark::now(server, receivers)?;
    std::thread::sleep(time);
    let end = Mark::now(server, receivers)?;
    outcome(receivers, begin, end, 1.0, Sent::default())
}

fn outcome(
    receivers: &Receivers,
    begin: Mark,
    end: Mark,
    delivered: f64,
    sent: Sent,
) -> anyhow::Result<Outcome> {
    let closed = receivers.closed();
    ensure!(closed == 0, "{closed} sessions were closed");
    let frames = (end.frames - begin.frames) as f64;
    ensure!(frames > 0.0, "nothing was delivered");
    Ok(Outcome {
        deliveries_per_s: frames / (end.at - begin.at).as_secs_f64(),
        delivered,
        latency: latency(receivers.take_samples(), begin.us)?,
        cpu_us: (end.cpu_s - begin.cpu_s) * 1e6 / frames,
        sent,
        load_average: load_average()?,
    })
}

/// Of what was sent from an instant on.
fn latency(samples: Vec<Sample>, from_us: u64) -> anyhow::Result<Latency> {
    let measured = samples.into_iter().filter(|sample| sample.sent_us >= from_us);
    let mut took_us: Vec<u32> = measured.map(|sample| sample.took_us).collect();
    took_us.sort_unstable();
    let Some(last) = took_us.len().checked_sub(1) else { bail!("no position could be looked into") };
    let at = |share: f64| f64::from(took_us[((last as f64) * share).round() as usize]) / 1_000.0;
    Ok(Latency { p50_ms: at(0.5), p99_ms: at(0.99), p999_ms: at(0.999), max_ms: at(1.0) })
}

/// Of the last minute.
pub(crate) fn load_average() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    text.split(' ').next().and_then(|first| first.parse().ok()).context("no load average")
}
