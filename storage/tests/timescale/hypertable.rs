//! The same on a hypertable, for a server with TimescaleDB that takes one connection at a time:
//! `TIMESCALE_URL=postgresql://… cargo test -p storage --test timescale hypertable -- --ignored`. The table
//! `positions` of that database is made anew.

use race::position::Position;
use storage::RowOutcome::{Conflict, Duplicate, Inserted};
use storage::timescale::PostgresStore;
use tokio_postgres::{Config, NoTls};

use crate::fixture::{CONFLICTS, POSITIONS, commit, fix};

const DAY: i64 = 86_400;

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
#[ignore = "needs a server with TimescaleDB, at TIMESCALE_URL"]
async fn rows_land_in_chunks_compressed_or_not() {
    let config: Config = std::env::var("TIMESCALE_URL").expect("TIMESCALE_URL is set").parse().unwrap();
    run(
        &config,
        "CREATE EXTENSION IF NOT EXISTS timescaledb; DROP TABLE IF EXISTS positions, position_conflicts",
    )
    .await;
    run(&config, &format!("{POSITIONS}; {CONFLICTS}")).await;
    run(&config, "SELECT create_hypertable('positions', 'ts', chunk_time_interval => interval '1 day')")
        .await;
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
    drop(store);
    assert_eq!(run(&config, "SELECT count(*) FROM positions").await, ["441"]);
    assert_eq!(run(&config, "SELECT count(*) FROM position_conflicts").await, ["1"]);
}
