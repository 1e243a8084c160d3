//! What reading an entry of a stream costs: our walk, the copy into a batch and the decoding, and beside them the
//! `redis` crate making values of the same reply.
//!
//! `cargo run --release -p pipeline --example redis_walk [-- ENTRIES]`

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use pipeline::batch::RawBatch;
use pipeline::decode::Decoder;
use pipeline::source::redis::{Item, ProtocolError, ReplyWalk};
use race::time::Timestamp;

/// Rounds of each measurement; the quickest counts, as the one that was disturbed the least.
const ROUNDS: usize = 25;

fn main() -> Result<(), Box<dyn Error>> {
    let entries = std::env::args().nth(1).map_or(Ok(4_096), |text| text.parse::<u32>())?;
    let reply = reply(entries);
    println!("{entries} entries of {} bytes", reply.len() / entries.max(1) as usize);

    let mut walk = ReplyWalk::default();
    let walked = best(|| {
        let mut bytes = 0;
        each(&mut walk, &reply, |entry| {
            for (name, value) in entry.fields() {
                bytes += black_box(name.len() + value.len());
            }
        })?;
        Ok::<_, ProtocolError>(black_box(bytes))
    })?;
    let copied = best(|| {
        let mut batch = RawBatch::of_stream("telemetry:teltonika".into());
        each(&mut walk, &reply, |entry| batch.entries.push(entry))?;
        Ok::<_, ProtocolError>(black_box(batch.len()))
    })?;
    let mut decoder = Decoder::new(Timestamp::from_millis(0));
    let decoded = best(|| {
        let mut batch = RawBatch::of_stream("telemetry:teltonika".into());
        each(&mut walk, &reply, |entry| batch.entries.push(entry))?;
        Ok::<_, ProtocolError>(black_box(decoder.decode(batch).positions.len()))
    })?;
    let crate_parsed = best(|| redis::parse_redis_value(&reply).map(|value| drop(black_box(value))))?;

    for (what, time) in [
        ("walk", walked),
        ("walk, copy into a batch", copied),
        ("walk, copy, decode", decoded),
        ("redis crate: values", crate_parsed),
    ] {
        println!("{what:<28} {:>7.1} ns an entry", time.as_secs_f64() * 1e9 / f64::from(entries));
    }
    Ok(())
}

fn each(
    walk: &mut ReplyWalk,
    reply: &[u8],
    mut take: impl FnMut(pipeline::batch::Entry<'_>),
) -> Result<(), ProtocolError> {
    walk.restart();
    let mut at = 0;
    loop {
        let (item, used) = walk.next(&reply[at..])?;
        match item {
            Item::Entry(entry) => take(entry),
            Item::Need(_) | Item::End => return Ok(()),
            Item::Gone(_) | Item::Oversized(_) | Item::Error(_) => {}
        }
        at += used;
    }
}

fn best<T, E>(mut run: impl FnMut() -> Result<T, E>) -> Result<Duration, E> {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        run()?;
        best = best.min(begun.elapsed());
    }
    Ok(best)
}

fn reply(entries: u32) -> Vec<u8> {
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    let mut reply = format!("*1\r\n*2\r\n{}*{entries}\r\n", bulk("telemetry:teltonika"));
    for n in 0..entries {
        let device = format!("3563070424{:05}", n % 1_000);
        let ts = format!("2026-06-07T{:02}:{:02}:{:02}.000Z", n / 3_600 % 24, n / 60 % 60, n % 60);
        let payload = format!(
            r#"{{"device_id":"{device}","timestamp":"{ts}","latitude":41.3275,"longitude":19.8187,"altitude":112,"angle":214,"speed":63,"satellites":11,"priority":0,"attributes":{{"16":{{"__bigint":"18446744073709551615"}},"21":4,"66":12750,"239":1}}}}"#
        );
        reply += &format!("*2\r\n{}*8\r\n", bulk(&format!("{}-{n}", 1_780_820_130_000_u64)));
        for text in ["ts", &ts, "device_id", &device, "codec", "8E", "payload", &payload] {
            reply += &bulk(text);
        }
    }
    reply.into_bytes()
}
