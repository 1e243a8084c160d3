//! What sessions cost that only wait.

use std::time::Duration;

use anyhow::ensure;

use super::client;
use super::course::Events;
use super::generator::Generator;
use super::load::{load_average, settle};
use super::platform::Platform;
use super::receivers::Receivers;
use super::server::Server;

/// How long after the last of them has subscribed the memory is looked at.
const REST: Duration = Duration::from_secs(3);

/// Memory with so many sessions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) sessions: usize,
    pub(crate) resident_bytes: u64,
    /// What each of them added.
    pub(crate) session_bytes: f64,
    /// Of them, so many got a position afterwards.
    pub(crate) alive: u64,
    pub(crate) load_average: f64,
}

/// Opens sessions, first some and then all, and looks at the memory of the server each time.
pub(crate) fn run(
    platform: &Platform,
    server: &Server,
    stream: &str,
    events: Events,
    counts: &[usize],
) -> anyhow::Result<Vec<Held>> {
    // The first ones take what is there once, whoever comes.
    let first = client::open(server.port, &events.topics(1), 0)?;
    let receivers = Receivers::start(first, 1)?;
    // One position of each event, once it is known who is in it.
    let generator = Generator::new(stream, events.devices().take(events.events))?;
    let one_of_each = |rate: f64| {
        generator.run(platform.socket()?, rate, Duration::from_secs_f64(events.events as f64 / rate))
    };
    super::load::awaken(platform, &generator, server, &receivers)?;
    std::thread::sleep(REST);
    let (mut opened, mut held, mut all) = (0, Vec::new(), Vec::new());
    let at_first = server.resident_bytes()?;
    for &count in counts {
        let each = count.div_ceil(events.events);
        let mut topics = events.topics(each);
        topics.truncate(count);
        let topics = topics.split_off(opened.min(topics.len()));
        let sockets = client::open(server.port, &topics, events.events + opened)?;
        opened += sockets.len();
        let expected = sockets.len() as u64;
        let receiving = Receivers::start(sockets, 1)?;
        std::thread::sleep(REST);
        let resident_bytes = server.resident_bytes()?;
        all.push((receiving, expected));
        held.push(Held {
            sessions: opened,
            resident_bytes,
            session_bytes: resident_bytes.saturating_sub(at_first) as f64 / opened as f64,
            alive: 0,
            load_average: load_average()?,
        });
    }
    one_of_each(1_000.0)?;
    let mut alive = 0;
    for ((receiving, expected), held) in all.into_iter().zip(&mut held) {
        settle(&receiving, Some(expected));
        ensure!(receiving.closed() == 0, "{} sessions were closed: {}", receiving.closed(), server.log());
        alive += receiving.frames();
        held.alive = alive;
        receiving.end()?;
    }
    receivers.end()?;
    Ok(held)
}
