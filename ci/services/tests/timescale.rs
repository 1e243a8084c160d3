//! The bridge to TimescaleDB speaks enough of the protocol for the drivers that tests use.

use std::pin::pin;

use test_services::Timescale;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls};

async fn connect(server: &Timescale) -> Client {
    let (client, connection) =
        tokio_postgres::connect(&server.url(), NoTls).await.expect("the bridge answers");
    tokio::spawn(connection);
    client
}

/// Copies `rows` and says how many the server took.
async fn copy(client: &Client, rows: std::ops::Range<i64>) -> Result<u64, tokio_postgres::Error> {
    let sink = client.copy_in("COPY counted (n) FROM STDIN BINARY").await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &[Type::INT8]));
    for n in rows {
        writer.as_mut().write(&[&n]).await?;
    }
    writer.finish().await
}

#[tokio::test]
async fn binary_copy_in_and_out_of_transactions() {
    if !Timescale::is_installed() {
        return;
    }
    let server = Timescale::start().expect("a database");
    let mut client = connect(&server).await;
    client.batch_execute("CREATE TABLE counted (n bigint PRIMARY KEY)").await.unwrap();
    assert_eq!(copy(&client, 0..10_000).await.unwrap(), 10_000);

    let transaction = client.transaction().await.unwrap();
    transaction.execute("DELETE FROM counted WHERE n >= $1", &[&5_000_i64]).await.unwrap();
    transaction.rollback().await.unwrap();
    let again = copy(&client, 9_999..10_001).await.unwrap_err();
    assert_eq!(again.code().unwrap().code(), "23505", "a refused COPY is told with its code");
    // And the session goes on.
    assert_eq!(client.query_one("SELECT count(*) FROM counted", &[]).await.unwrap().get::<_, i64>(0), 10_000);
}

#[tokio::test]
async fn the_next_client_waits_and_finds_a_fresh_session() {
    if !Timescale::is_installed() {
        return;
    }
    let server = Timescale::start().expect("a database");
    let first = connect(&server).await;
    first.batch_execute("CREATE TABLE kept (n int)").await.unwrap();
    first.batch_execute("SET work_mem = '1MB'; BEGIN; CREATE TABLE lost (n int)").await.unwrap();
    drop(first);
    let second = connect(&server).await;
    let row = second
        .query_one("SELECT to_regclass('kept') IS NULL, to_regclass('lost') IS NULL", &[])
        .await
        .unwrap();
    assert_eq!((row.get::<_, bool>(0), row.get::<_, bool>(1)), (false, true));
    let work_mem = second.query_one("SHOW work_mem", &[]).await.unwrap();
    assert_ne!(work_mem.get::<_, String>(0), "1MB");
}
