//! Trackers that put their fixes into the stream at a fixed pace, whether or not anybody keeps up.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail, ensure};
use race::time::Timestamp;

use super::fleet::{imei, payload};
use super::platform::command;
use super::receivers::now_us;

/// Between two looks at what is due.
const LOOK_EVERY: Duration = Duration::from_micros(500);
/// Entries sent at once at most.
const AT_ONCE: usize = 2_000;
/// An entry that leaves so long after it was due was missed: it measures the generator.
const LATE: Duration = Duration::from_millis(10);
/// Older entries are dropped from the stream when there are so many.
const STREAM_ENTRIES: &str = "1000000";
/// What is filled in when an entry is sent: 24 characters, seven digits, three digits.
const TS: &str = "0000-00-00T00:00:00.000Z";
const LONGITUDE: &str = "19.7777777";
const LATITUDE: &str = "41.3275333";
/// Driven in a second, in ten millionths of a degree: 20 m/s.
const DRIVEN_E7: usize = 2_400;

/// The entries of a device, ready but for the instant and the place.
#[derive(Debug)]
struct Tracker {
    command: Vec<u8>,
    timestamps: [usize; 2],
    longitude: usize,
    microseconds: usize,
    /// Where it is at first.
    longitude_e7: usize,
}

impl Tracker {
    fn new(stream: &str, device: usize) -> anyhow::Result<Self> {
        let imei = imei(device);
        let (latitude, longitude) = (LATITUDE.parse()?, LONGITUDE.parse()?);
        let payload = payload(&imei, TS, (latitude, longitude), 0, device);
        let mut text = Vec::new();
        let fields = ["ts", TS, "device_id", &imei, "codec", "8E", "payload", &payload];
        let mut words = vec!["XADD", stream, "MAXLEN", "~", STREAM_ENTRIES, "*"];
        words.extend(fields);
        command(&mut text, &words);
        let find = |what: &str, from: usize| {
            let found = text[from..].windows(what.len()).position(|some| some == what.as_bytes());
            found.map(|at| from + at).with_context(|| format!("no {what} in an entry"))
        };
        let first = find(TS, 0)?;
        let timestamps = [first, find(TS, first + TS.len())?];
        let longitude = find(LONGITUDE, 0)? + "19.".len();
        let microseconds = find(LATITUDE, 0)? + "41.3275".len();
        let longitude_e7 = device * 1_000 % 5_000_000;
        Ok(Self { command: text, timestamps, longitude, microseconds, longitude_e7 })
    }

    /// Appends the entry of an instant.
    fn entry(&self, to: &mut Vec<u8>, ts: &[u8], microseconds: u64, second: usize) {
        let begin = to.len();
        to.extend_from_slice(&self.command);
        let entry = &mut to[begin..];
        for at in self.timestamps {
            entry[at..at + TS.len()].copy_from_slice(ts);
        }
        let longitude_e7 = (self.longitude_e7 + second * DRIVEN_E7) % 10_000_000;
        digits(&mut entry[self.longitude..self.longitude + 7], longitude_e7 as u64);
        digits(&mut entry[self.microseconds..self.microseconds + 3], microseconds);
    }
}

fn digits(to: &mut [u8], mut number: u64) {
    for digit in to.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

/// All trackers of a run; they send one after another.
#[derive(Debug)]
pub(crate) struct Generator {
    trackers: Vec<Tracker>,
}

/// What was sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    pub(crate) entries: u64,
    /// Of them, so many left long after they were due.
    pub(crate) late: u64,
    /// The longest that one of them was late.
    pub(crate) worst: Duration,
}

impl Generator {
    /// Of these devices, in this order.
    pub(crate) fn new(stream: &str, devices: impl Iterator<Item = usize>) -> anyhow::Result<Self> {
        let trackers: anyhow::Result<Vec<_>> = devices.map(|device| Tracker::new(stream, device)).collect();
        let trackers = trackers?;
        ensure!(!trackers.is_empty(), "no devices");
        Ok(Self { trackers })
    }

    /// Sends so many entries a second for so long, then waits until the broker has taken all of them.
    pub(crate) fn run(&self, mut socket: TcpStream, per_second: f64, time: Duration) -> anyhow::Result<Sent> {
        let answers = socket.try_clone()?;
        let total = (per_second * time.as_secs_f64()) as usize;
        let answered = std::thread::spawn(move || take_answers(answers, total));
        let mut sent = Sent::default();
        let mut out = Vec::new();
        let mut next = 0;
        let begun = Instant::now();
        while next < total {
            let elapsed = begun.elapsed();
            let due = ((elapsed.as_secs_f64() * per_second) as usize + 1).min(total).min(next + AT_ONCE);
            if due <= next {
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
            let was_due = Duration::from_secs_f64(next as f64 / per_second);
            let late = elapsed.saturating_sub(was_due);
            sent.worst = sent.worst.max(late);
            if late > LATE {
                sent.late += (due - next) as u64;
            }
            out.clear();
            let now_us = now_us();
            let ts = Timestamp::from_millis(i64::try_from(now_us / 1_000)?).to_string();
            for n in next..due {
                let tracker = &self.trackers[n % self.trackers.len()];
                tracker.entry(&mut out, ts.as_bytes(), now_us % 1_000, n / self.trackers.len());
            }
            socket.write_all(&out)?;
            sent.entries += (due - next) as u64;
            next = due;
        }
        answered.join().map_err(|_| anyhow!("the thread that reads answers panicked"))??;
        Ok(sent)
    }
}

/// Reads the answers, one id for each entry.
fn take_answers(mut socket: TcpStream, entries: usize) -> anyhow::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let (mut ids, mut before) = (0, b'\n');
    while ids < entries {
        let read = socket.read(&mut buffer)?;
        ensure!(read > 0, "the broker took {ids} of {entries} entries and closed the connection");
        for (n, byte) in buffer[..read].iter().enumerate() {
            match (before, byte) {
                (b'\n', b'$') => ids += 1,
                (b'\n', b'-') => bail!("{}", String::from_utf8_lossy(&buffer[n..read])),
                _ => {}
            }
            before = *byte;
        }
    }
    Ok(())
}
