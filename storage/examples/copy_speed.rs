//! How many positions a second PostgreSQL takes: ready-made COPY, and the store with and without duplicates.
//!
//! `cargo run --release -p storage --example copy_speed -- [ROWS] [BATCH] [DEVICES] [URL]`
//!
//! Without a URL a server of its own is started in a temporary folder, and every run has a new table. With one,
//! the tables `copy_speed` and `positions` of that database are made anew.

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
use storage::{Positions as _, RowOutcome};
use tokio_postgres::{Client, Config, NoTls};

const TABLE: &str = "DROP TABLE IF EXISTS positions; CREATE TABLE positions (device_id text NOT NULL, \
    ts timestamptz NOT NULL, ingested_at timestamptz NOT NULL DEFAULT now(), latitude float8 NOT NULL, \
    longitude float8 NOT NULL, altitude real NOT NULL, angle real NOT NULL, speed real NOT NULL, \
    satellites smallint NOT NULL, priority smallint NOT NULL, codec text NOT NULL, attributes jsonb NOT NULL, \
    faulty boolean NOT NULL DEFAULT false);";
const LEAN: &str = "CREATE UNIQUE INDEX ON positions (device_id, ts);";
const ALL: &str = "CREATE UNIQUE INDEX ON positions (device_id, ts); CREATE INDEX ON positions (ts DESC); \
    CREATE INDEX ON positions (device_id, ts DESC) WHERE faulty = FALSE;";
const AT: Timestamp = Timestamp::from_millis(1_780_900_000_000);
/// Duplicates in 10 000 rows.
const RATES: [u64; 5] = [0, 1, 100, 500, 10_000];

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
        let floor = raw(&client, indexes, &offered(rows, batch, devices, 0)?).await?;
        println!("{name}: ready-made COPY, sorted {floor:8.0} rows/s");
        for rate in RATES {
            store(&client, &config, indexes, &offered(rows, batch, devices, rate)?, (rate, floor)).await?;
        }
        let floor = raw(&client, indexes, &offered(rows, batch, devices, 0)?).await?;
        println!("{name}: ready-made COPY, again  {floor:8.0} rows/s");
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

/// Ready-made bytes by one COPY a batch, rows sorted as the store sorts them.
async fn raw(client: &Client, indexes: &str, batches: &[Vec<Position>]) -> Outcome<f64> {
    client.batch_execute(&format!("{TABLE} {indexes} CHECKPOINT")).await?;
    client.batch_execute("SET synchronous_commit = on").await?;
    let mut ready: Vec<Bytes> = Vec::new();
    for batch in batches {
        let mut sorted: Vec<&Position> = batch.iter().collect();
        sorted.sort_by(|a, b| (&a.device_id, a.ts).cmp(&(&b.device_id, b.ts)));
        ready.push(CopyBuffer::default().encode(sorted.into_iter(), AT)?);
    }
    let copy = client.prepare(&format!("COPY positions ({COLUMNS}) FROM STDIN (FORMAT binary)")).await?;
    let started = Instant::now();
    for mut bytes in ready {
        let mut sink = pin!(client.copy_in(&copy).await?);
        while !bytes.is_empty() {
            sink.feed(bytes.split_to(bytes.len().min(64 * 1024))).await?;
        }
        sink.finish().await?;
    }
    let rows: usize = batches.iter().map(Vec::len).sum();
    Ok(rows as f64 / started.elapsed().as_secs_f64())
}

async fn store(
    client: &Client,
    config: &Config,
    indexes: &str,
    batches: &[Vec<Position>],
    (rate, floor): (u64, f64),
) -> Outcome<()> {
    client.batch_execute(&format!("{TABLE} {indexes} CHECKPOINT")).await?;
    let store = PostgresStore::connect(config.clone()).await?;
    if rate == 10_000 {
        for batch in batches {
            store.commit_positions(batch.clone(), AT).await?;
        }
    }
    let store = PostgresStore::connect(config.clone()).await?;
    let (mut inserted, mut busy, cpu) = (0, Duration::ZERO, cpu_seconds());
    let mut cloning = 0.0;
    for batch in batches {
        let before = cpu_seconds();
        let rows = batch.clone();
        cloning += cpu_seconds() - before;
        let started = Instant::now();
        inserted += store.commit_positions(rows, AT).await?.count(RowOutcome::Inserted);
        busy += started.elapsed();
    }
    let cpu = cpu_seconds() - cpu - cloning;
    let rows: usize = batches.iter().map(Vec::len).sum();
    let per_second = rows as f64 / busy.as_secs_f64();
    let size: i64 = client.query_one("SELECT pg_table_size('positions')", &[]).await?.get(0);
    println!(
        "  store, {:5.2} % again {per_second:8.0} rows/s, {:.2} of COPY, {inserted} inserted, {:.2} us of own CPU \
         a row, {:.0} table bytes a stored row",
        rate as f64 / 100.0,
        per_second / floor,
        cpu * 1e6 / rows as f64,
        size as f64 / client.query_one("SELECT count(*) FROM positions", &[]).await?.get::<_, i64>(0) as f64
    );
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
