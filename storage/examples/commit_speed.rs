//! How many positions a second the embedded database takes.
//!
//! `cargo run --release -p storage --example commit_speed -- FILE [ROWS] [BATCH] [DEVICES] [time|device] [power]`
//!
//! `time` offers all devices second by second, as a live stream does; `device` one track after another, as files
//! are read. With `power` only checkpoints wait for the disk. FILE is kept; a second run offers what is there.

use std::error::Error;
use std::time::{Duration, Instant};

use race::position::{DeviceId, Position};
use race::time::Timestamp;
use storage::sqlite::{Durability, SqliteStore};
use storage::{Positions, RowOutcome};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let file = args.first().ok_or("which file?")?;
    let number = |n: usize, default: i64| args.get(n).map_or(Ok(default), |text| text.parse::<i64>());
    let (rows, batch, devices) = (number(1, 2_000_000)?, number(2, 4_096)?, number(3, 300)?);
    let by_device = args.get(4).is_some_and(|order| order == "device");
    let durability = if args.get(5).is_some() { Durability::Checkpoints } else { Durability::EveryCommit };
    let names: Vec<DeviceId> = (0..devices).map(|n| format!("3563070424{n:05}").into()).collect();
    let store = SqliteStore::open_with(file, durability)?;
    let (mut inserted, mut busy, mut slowest) = (0, Duration::ZERO, Duration::ZERO);
    let per_device = rows / devices;
    for first in (0..rows).step_by(usize::try_from(batch)?) {
        let offered: Result<Vec<Position>, _> = (first..rows.min(first + batch))
            .map(|n| {
                let (device, second) = if by_device {
                    ((n / per_device).min(devices - 1), n)
                } else {
                    (n % devices, n / devices)
                };
                usize::try_from(device).map(|device| fix(&names[device], second))
            })
            .collect();
        let offered = offered?;
        let started = Instant::now();
        let committed = store.commit_positions(offered, Timestamp::from_millis(0)).await?;
        busy += started.elapsed();
        slowest = slowest.max(started.elapsed());
        inserted += committed.count(RowOutcome::Inserted);
    }
    let started = Instant::now();
    drop(store);
    let closing = started.elapsed();
    let per_second = f64::from(u32::try_from(rows)?) / (busy + closing).as_secs_f64();
    let size = std::fs::metadata(file)?.len();
    println!(
        "{rows} rows, {inserted} new, {per_second:.0} rows/s, slowest batch {slowest:?}, closing {closing:?}, \
         {} bytes a row",
        size / u64::try_from(rows)?
    );
    Ok(())
}

fn fix(device: &DeviceId, second: i64) -> Position {
    let step = f64::from(u32::try_from(second % 100_000).unwrap_or_default());
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
