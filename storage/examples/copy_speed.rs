//! How many positions a second PostgreSQL takes: ready-made COPY, and the store with and without duplicates and lease.
//!
//! `cargo run --release -p storage --example copy_speed -- [ROWS] [BATCH] [DEVICES] [URL]`
//!
//! Batch by batch the one and then the other, into two tables alike, so that a noisy neighbour slows both. Without
//! a URL a server of its own is started in a temporary folder; with one, the tables `ready_made` and `positions` of
//! that database are made anew.

#[path = "../tests/support/postgres.rs"]
#[allow(unreachable_pub, dead_code, clippy::unwrap_used, reason = "shared with the tests")]
mod postgres;

use std::error::Error;
use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::SinkExt as _;
use race::position::{DeviceId, Position};
use race::time::Timestamp;
use storage::timescale::{COLUMNS, CopyBuffer, PostgresStore};
use storage::{Claim, Live as _, PositionWrite, Positions as _, RowOutcome};
use tokio_postgres::{Client, Config, NoTls, Statement};

const TABLE: &str = "DROP TABLE IF EXISTS positions, ready_made; CREATE TABLE positions (device_id text NOT NULL, \
    ts timestamptz NOT NULL, ingested_at timestamptz NOT NULL DEFAULT now(), latitude float8 NOT NULL, \
    longitude float8 NOT NULL, altitude real NOT NULL, angle real NOT NULL, speed real NOT NULL, \
    satellites smallint NOT NULL, priority smallint NOT NULL, codec text NOT NULL, attributes jsonb NOT NULL, \
    faulty boolean NOT NULL DEFAULT false);";
/// The same columns and indexes.
const READY_MADE: &str = "CREATE TABLE ready_made (LIKE positions INCLUDING ALL); CHECKPOINT";
const LEAN: &str = "CREATE UNIQUE INDEX ON positions (device_id, ts);";
const ALL: &str = "CREATE UNIQUE INDEX ON positions (device_id, ts); CREATE INDEX ON positions (ts DESC); \
    CREATE INDEX ON positions (device_id, ts DESC) WHERE faulty = FALSE;";
const AT: Timestamp = Timestamp::from_millis(1_780_900_000_000);
/// Duplicates in 10 000 rows, and whether the store commits under a lease.
const RUNS: [(u64, bool); 6] = [(0, false), (0, true), (1, true), (100, true), (500, true), (10_000, true)];
/// The lease and the marks.
const OWN: &str = include_str!("../../db-init/003_processor_state.sql");

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |n: usize, default: usize| args.get(n).map_or(Ok(default), |text| text.parse::<usize>());
    let (rows, batch, devices) = (number(0, 400_000)?, number(1, 10_000)?, number(2, 300)?);
    let (_server, config) = match args.get(3) {
        Some(url) => (None, url.parse()?),
        None => {
            // The sizes are those of a small production server; durability is left as it is.
            let server = postgres::Server::start(&["shared_buffers=512MB", "max_wal_size=4GB"]);
            let config = server.config("postgres");
            (Some(server), config)
        }
    };
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move { drop(connection.await) });
    println!("{rows} rows of {devices} devices in batches of {batch}");
    encoder(&offered(rows.min(batch), batch, devices, 0)?)?;
    for (indexes, name) in [(LEAN, "unique key only"), (ALL, "three indexes")] {
        println!("{name}:");
        for (rate, fenced) in RUNS {
            client.batch_execute(&format!("{OWN} {TABLE} {indexes} {READY_MADE}")).await?;
            let batches = (offered(rows, batch, devices, 0)?, offered(rows, batch, devices, rate)?);
            both(&client, &config, &batches.0, &batches.1, rate, fenced).await?;
        }
    }
    Ok(())
}

/// How long a row takes to encode.
fn encoder(batches: &[Vec<Position>]) -> Outcome<()> {
    let rows = batches.first().ok_or("no rows")?;
    let mut buffer = CopyBuffer::default();
    let mut best = Duration::MAX;
    let mut size = 0;
    for _ in 0..200 {
        let started = Instant::now();
        let bytes = buffer.encode(rows.iter(), AT)?;
        best = best.min(started.elapsed());
        size = bytes.len();
        buffer.reclaim(bytes);
    }
    let per_row = best.as_secs_f64() * 1e9 / rows.len() as f64;
    println!("encoder {per_row:.1} ns a row of {} bytes", size / rows.len());
    Ok(())
}

/// Each batch ready-made into one table, and through the store into the other.
async fn both(
    client: &Client,
    config: &Config,
    clean: &[Vec<Position>],
    batches: &[Vec<Position>],
    rate: u64,
    fenced: bool,
) -> Outcome<()> {
    if rate == 10_000 {
        let store = PostgresStore::connect(config.clone()).await?;
        for batch in batches {
            store.commit_positions(batch.clone(), AT).await?;
        }
    }
    client.batch_execute("SET synchronous_commit = on").await?;
    let copy = client.prepare(&format!("COPY ready_made ({COLUMNS}) FROM STDIN (FORMAT binary)")).await?;
    let store = PostgresStore::connect(config.clone()).await?;
    let fence = match store.claim_lease("copy_speed", Duration::from_secs(3_600)).await? {
        Claim::Held(fence) => fenced.then_some(fence),
        other => return Err(format!("the lease is taken: {other:?}").into()),
    };
    let (mut inserted, mut cpu) = (0, 0.0);
    let (mut raw, mut stored) = (Duration::ZERO, Duration::ZERO);
    for (clean, batch) in clean.iter().zip(batches) {
        let bytes = ready_made(clean)?;
        let started = Instant::now();
        send(client, &copy, bytes).await?;
        raw += started.elapsed();
        let write = PositionWrite { rows: batch.clone(), ingested_at: AT, fence, touches: Vec::new() };
        let (before, started) = (cpu_seconds(), Instant::now());
        inserted += store.write(&write).await?.count(RowOutcome::Inserted);
        stored += started.elapsed();
        cpu += cpu_seconds() - before;
    }
    let rows = batches.iter().map(Vec::len).sum::<usize>() as f64;
    let size = client.query_one(
        "SELECT pg_table_size('positions')::float8 / (SELECT count(*) FROM positions), \
                pg_table_size('ready_made')::float8 / (SELECT count(*) FROM ready_made)",
        &[],
    );
    let size = size.await?;
    println!(
        "  {:6.2} % again{}: ready-made {:7.0} rows/s, store {:7.0}, ratio {:.2}; {inserted} inserted, {:.2} us of own \
         CPU a row, table {:.2} as large",
        rate as f64 / 100.0,
        if fenced { ", fenced" } else { "" },
        rows / raw.as_secs_f64(),
        rows / stored.as_secs_f64(),
        raw.as_secs_f64() / stored.as_secs_f64(),
        cpu * 1e6 / rows,
        size.get::<_, f64>(0) / size.get::<_, f64>(1)
    );
    Ok(())
}

/// A batch sorted and encoded, as the store does it.
fn ready_made(batch: &[Position]) -> Outcome<Bytes> {
    let mut sorted: Vec<&Position> = batch.iter().collect();
    sorted.sort_by(|a, b| (&a.device_id, a.ts).cmp(&(&b.device_id, b.ts)));
    Ok(CopyBuffer::default().encode(sorted.into_iter(), AT)?)
}

async fn send(client: &Client, copy: &Statement, mut bytes: Bytes) -> Outcome<()> {
    let mut sink = pin!(client.copy_in(copy).await?);
    while !bytes.is_empty() {
        sink.feed(bytes.split_to(bytes.len().min(64 * 1024))).await?;
    }
    sink.finish().await?;
    Ok(())
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |n: usize| fields.get(n).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

/// All devices second by second, as a live stream; of 10 000 rows `rate` were offered in an earlier batch,
/// half of them lately and half of them any time before.
fn offered(rows: usize, batch: usize, devices: usize, rate: u64) -> Outcome<Vec<Vec<Position>>> {
    let names: Vec<DeviceId> = (0..devices).map(|n| format!("3563070424{n:05}").into()).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut batches = Vec::new();
    for first in (0..rows).step_by(batch) {
        let mut offered = Vec::with_capacity(batch);
        for n in first..rows.min(first + batch) {
            let again = first > 0 && rate < 10_000 && next() % 10_000 < rate;
            let back = if next() % 2 == 0 { batch.min(first) } else { first };
            let n = if again { first - 1 - usize::try_from(next())? % back } else { n };
            offered.push(fix(&names[n % devices], i64::try_from(n / devices)?));
        }
        batches.push(offered);
    }
    Ok(batches)
}

fn fix(device: &DeviceId, second: i64) -> Position {
    let step = (second % 100_000) as f64;
    Position {
        device_id: DeviceId::clone(device),
        ts: Timestamp::from_millis(1_780_820_130_000 + second * 1_000),
        latitude: 41.327_5 + step * 1e-5,
        longitude: 19.818_7 + step * 1.3e-5,
        altitude: 112.0,
        angle: 214.0,
        speed: 63.4,
        satellites: 11,
        priority: 0,
        codec: "8E",
        attributes: Some(r#"{"16":"18446744073","21":4,"66":12750,"239":1,"240":1}"#.into()),
    }
}
