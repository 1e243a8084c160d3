//! The same on a hypertable as db-init makes it: on TimescaleDB in WebAssembly, which takes one connection at a time, or
//! on the server at `TIMESCALE_URL`, whose table `positions` is made anew.

use race::position::Position;
use storage::RowOutcome::{Conflict, Duplicate, Inserted};
use storage::timescale::PostgresStore;
use storage::{Fence, Live as _, PositionWrite, Touch};
use test_services::Timescale;
use tokio_postgres::{Config, NoTls};
use uuid::Uuid;

use crate::fixture::{AT, commit, fix};

const DAY: i64 = 86_400;
/// What db-init applies.
const SCHEMA: [&str; 4] = [
    include_str!("../../../db-init/001_processor_extensions.sql"),
    include_str!("../../../db-init/002_processor_positions.sql"),
    include_str!("../../../db-init/003_processor_state.sql"),
    include_str!("../../../db-init/004_processor_policy.sql"),
];

async fn run(config: &Config, sql: &str) -> Vec<String> {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    let connection = tokio::spawn(async move { drop(connection.await) });
    let messages = client.simple_query(sql).await.unwrap();
    drop(client);
    connection.await.unwrap();
    let values = messages.into_iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    values.collect()
}

#[tokio::test]
async fn rows_land_in_chunks_compressed_or_not() {
    let (mut server, mut config) = (None, None);
    if let Ok(url) = std::env::var("TIMESCALE_URL") {
        config = Some(url.parse::<Config>().unwrap());
    } else if Timescale::is_installed() {
        server = Some(tokio::task::spawn_blocking(Timescale::start).await.unwrap().unwrap());
    }
    let Some(config) = config.or_else(|| server.as_ref()?.url().parse().ok()) else { return };
    run(&config, "DROP TABLE IF EXISTS positions, position_conflicts").await;
    for sql in SCHEMA {
        run(&config, sql).await;
    }
    let rows: Vec<Position> = (0..400).map(|n| fix(&format!("{}", n % 3), n / 10 * DAY + n % 10)).collect();
    let store = PostgresStore::connect(config.clone()).await.unwrap();
    assert!(store.timescaledb().is_some());
    assert_eq!(commit(&store, &rows).await, vec![Inserted; 400]);
    assert_eq!(commit(&store, &rows).await, vec![Duplicate; 400]);
    drop(store);
    assert_eq!(run(&config, "SELECT count(*) FROM show_chunks('positions')").await, ["40"]);
    run(
        &config,
        "ALTER TABLE positions SET (timescaledb.compress, timescaledb.compress_segmentby = 'device_id'); \
         SELECT compress_chunk(c) FROM show_chunks('positions') c LIMIT 30",
    )
    .await;
    // Late rows, rows that come again and rows that say something else, by both ways.
    let late: Vec<Position> = (0..40).map(|day| fix("0", day * DAY + 5_000)).collect();
    let other = Position { speed: 1.0, ..rows[0].clone() };
    let store = PostgresStore::connect(config.clone()).await.unwrap();
    assert_eq!(commit(&store, &late).await, vec![Inserted; 40]);
    let batch = [rows.clone(), late.clone(), vec![other, fix("0", 5_001)]].concat();
    let expected = [vec![Duplicate; 440], vec![Conflict, Inserted]].concat();
    assert_eq!(commit(&store, &batch).await, expected);
    drop(store);
    let store = PostgresStore::connect(config.clone()).await.unwrap();
    assert_eq!(commit(&store, &batch).await, [vec![Duplicate; 440], vec![Conflict, Duplicate]].concat());

    // Under the lease, over more days than one transaction takes, with a mark for the entry whose past changes.
    let old: Vec<Position> = (0..100).map(|day| fix("7", -400 * DAY + day * DAY)).collect();
    let fence = Some(Fence { name: "judge", token: 0 });
    let touches = vec![Touch { row: 3, entry_id: Uuid::from_u128(7) }];
    let write = PositionWrite { rows: old, ingested_at: AT, fence, touches };
    assert_eq!(store.write(&write).await.unwrap().rows, vec![Inserted; 100]);
    assert_eq!(store.write(&write).await.unwrap().rows, vec![Duplicate; 100]);
    drop(store);
    assert_eq!(
        run(&config, "SELECT count(*) FROM processor_entry_states WHERE dirty_revision = 1").await,
        ["1"]
    );
    assert_eq!(run(&config, "SELECT count(*) FROM positions").await, ["541"]);
    assert_eq!(run(&config, "SELECT count(*) FROM position_conflicts").await, ["1"]);
}
