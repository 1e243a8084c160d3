//! Playing a race day to a broker: an open loop, which counts what it missed of its schedule and slows down for nobody.

pub mod packets;

use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use redis::{Connection, RedisError, Value};
use serde::Serialize;

use self::packets::{Packet, Packets};
use crate::folder::FolderError;

/// Commands in one pipeline at most: the broker answers some thousands within a few milliseconds.
const PIPELINE_COMMANDS: usize = 1_000;
/// What is due within so much is sent together: a wake-up for each would cost more than what it sends.
const TICK: Duration = Duration::from_millis(5);
/// What is sent so much later than it was due has missed its schedule.
const LATE: Duration = Duration::from_millis(250);
/// A share of missed entries, in parts of a thousand, above which the rate counts as not produced.
const MISSED_PER_1000: u64 = 10;
/// How long a broker may take to accept a connection, and to answer.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);
/// Batches of entries that are built ahead.
const BUILT_AHEAD: usize = 16;

/// What to send, how, and where.
#[derive(Clone)]
pub struct Target {
    /// The broker, as the `redis` crate reads it. Never shown: it may have a password in it.
    pub url: String,
    /// The stream.
    pub stream: String,
    /// How many times faster than it happened; infinite is as fast as it goes.
    pub speed: f64,
    /// About how many entries the stream keeps.
    pub max_len: u64,
}

/// Why nothing, or not everything, was sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The URL is none.
    #[error("that is no URL of a broker: redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE] is expected")]
    Url,
    /// It is not there, or does not let us in.
    #[error("the broker {address} cannot be reached: {message}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What it or the network said.
        message: String,
    },
    /// It was there and no longer takes what is sent.
    #[error("the broker {address} took {sent} entries and then no more: {message}")]
    Refused {
        /// Host and port.
        address: String,
        /// Entries that it took.
        sent: u64,
        /// What it or the network said.
        message: String,
    },
    /// The tracks cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// What became of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sending {
    /// Entries that the broker took.
    pub sent: u64,
    /// Of them, those sent later than a quarter of a second after they were due.
    pub missed_schedule: u64,
    /// The longest delay, in milliseconds.
    pub worst_ms: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How long it should have taken; 0 without a schedule.
    pub scheduled_seconds: f64,
    /// Entries a second.
    pub rate: f64,
}

impl Sending {
    /// Whether this machine and broker kept to the schedule.
    pub fn kept_schedule(&self) -> bool {
        self.missed_schedule * 1_000 <= self.sent * MISSED_PER_1000
    }
}

/// Sends the tracks of a folder; `told` is called with each number of entries.
///
/// # Errors
/// The broker is away or refuses, or the tracks cannot be read. A schedule that was not kept is no error but a fact.
pub fn send(folder: &Path, target: &Target, mut told: impl FnMut(u64)) -> Result<Sending, SendError> {
    let (address, mut connection) = connect(&target.url)?;
    let packets = Packets::open(folder, &target.stream, target.max_len)?;
    let (filled, batches) = sync_channel(BUILT_AHEAD);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for batch in packets {
                let failed = batch.is_err();
                // Nobody listens any more when sending has failed.
                if filled.send(batch).is_err() || failed {
                    break;
                }
            }
        });
        let mut pace = Pace::new(target.speed);
        for batch in batches {
            let batch: Vec<Packet> = batch?;
            let mut rest = batch.as_slice();
            while !rest.is_empty() {
                let due = pace.wait(rest);
                let (now, later) = rest.split_at(due);
                put(&mut connection, now).map_err(|message| SendError::Refused {
                    address: address.clone(),
                    sent: pace.sent,
                    message,
                })?;
                pace.count(now);
                told(now.len() as u64);
                rest = later;
            }
        }
        Ok(pace.outcome())
    })
}

fn connect(url: &str) -> Result<(String, Connection), SendError> {
    let client = redis::Client::open(url).map_err(|_| SendError::Url)?;
    let address = client.get_connection_info().addr().to_string();
    let unreachable =
        |error: RedisError| SendError::Unreachable { address: address.clone(), message: words(&error) };
    let mut connection = client.get_connection_with_timeout(CONNECT).map_err(unreachable)?;
    connection.set_write_timeout(Some(ANSWER)).map_err(unreachable)?;
    connection.set_read_timeout(Some(ANSWER)).map_err(unreachable)?;
    redis::cmd("PING").query::<String>(&mut connection).map_err(unreachable)?;
    Ok((address, connection))
}

/// Gives the broker some entries in one round trip.
fn put(connection: &mut Connection, packets: &[Packet]) -> Result<(), String> {
    use redis::ConnectionLike as _;
    let bytes: Vec<u8> = packets.iter().flat_map(|packet| &packet.bytes).copied().collect();
    let answers = connection.req_packed_commands(&bytes, 0, packets.len()).map_err(|error| words(&error))?;
    for answer in answers {
        if let Value::ServerError(error) = answer {
            return Err(words(&RedisError::from(error)));
        }
    }
    Ok(())
}

/// What an error says, in one line.
fn words(error: &RedisError) -> String {
    error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

/// The schedule, and what became of it.
struct Pace {
    speed: f64,
    begun: Instant,
    /// The instant at which the first entry was sent when it happened.
    first_ms: Option<i64>,
    last_ms: i64,
    sent: u64,
    missed: u64,
    worst: Duration,
}

impl Pace {
    fn new(speed: f64) -> Self {
        let (sent, missed, worst) = (0, 0, Duration::ZERO);
        Self { speed, begun: Instant::now(), first_ms: None, last_ms: 0, sent, missed, worst }
    }

    /// When an entry is due, after the beginning.
    #[allow(clippy::cast_precision_loss, reason = "a race is shorter than 2^53 milliseconds")]
    fn due(&self, packet: &Packet) -> Duration {
        let after_ms = self.first_ms.map_or(0, |first| packet.sent_ms - first).max(0);
        if self.speed.is_finite() {
            Duration::from_secs_f64(after_ms as f64 / 1e3 / self.speed)
        } else {
            Duration::ZERO
        }
    }

    /// Waits until the first entry is due, and tells how many are due with it.
    fn wait(&mut self, packets: &[Packet]) -> usize {
        let Some(first) = packets.first() else { return 0 };
        if self.first_ms.is_none() {
            self.first_ms = Some(first.sent_ms);
            self.begun = Instant::now();
        }
        let ahead = self.due(first).saturating_sub(self.begun.elapsed());
        if !ahead.is_zero() {
            std::thread::sleep(ahead + TICK);
        }
        let now = self.begun.elapsed();
        let due = packets.iter().take(PIPELINE_COMMANDS).take_while(|packet| self.due(packet) <= now);
        due.count().max(1)
    }

    fn count(&mut self, packets: &[Packet]) {
        let now = self.begun.elapsed();
        for packet in packets {
            if self.speed.is_finite() {
                let late = now.saturating_sub(self.due(packet));
                self.missed += u64::from(late > LATE);
                self.worst = self.worst.max(late);
            }
            self.last_ms = self.last_ms.max(packet.sent_ms);
        }
        self.sent += packets.len() as u64;
    }

    #[allow(clippy::cast_precision_loss, reason = "numbers to show")]
    fn outcome(&self) -> Sending {
        let seconds = self.begun.elapsed().as_secs_f64();
        let scheduled_ms = self.first_ms.map_or(0, |first| self.last_ms - first);
        Sending {
            sent: self.sent,
            missed_schedule: self.missed,
            worst_ms: u64::try_from(self.worst.as_millis()).unwrap_or(u64::MAX),
            seconds,
            scheduled_seconds: if self.speed.is_finite() {
                scheduled_ms as f64 / 1e3 / self.speed
            } else {
                0.0
            },
            rate: self.sent as f64 / seconds.max(1e-9),
        }
    }
}
