//! Lost links and killed servers: all of a batch or nothing, and never twice.

use std::sync::atomic::Ordering;
use std::time::Duration;

use race::position::Position;
use storage::RowOutcome::{Duplicate, Inserted};
use storage::timescale::PostgresStore;
use storage::{Committed, Live as _, PositionWrite, Positions as _, StoreError, Touch};

use crate::fixture::{AT, CONFLICTS, Database, POSITIONS, commit, fix, track};
use crate::lease::held;
use crate::postgres::Server;
use crate::proxy::Proxy;

fn is_retry(result: &Result<Committed, StoreError>) -> bool {
    matches!(result, Err(StoreError::Retry { .. }))
}

#[tokio::test]
async fn a_lost_answer_to_commit_stores_no_row_twice() {
    let (database, direct) = Database::stored().await;
    let proxy = Proxy::to(database.server.port()).await;
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(proxy.port).user("test").dbname(&database.name);
    let store = PostgresStore::connect(config).await.unwrap();
    let mut all = Vec::new();
    for round in 0..10 {
        let mut rows: Vec<Position> = (0..100).map(|n| fix("a", round * 100 + n)).collect();
        if round % 2 == 1 {
            // With a duplicate, and so by the other way.
            rows.push(fix("a", round * 100 - 90));
        }
        proxy.cut_after_commit();
        let lost = store.commit_positions(rows.clone(), AT).await;
        assert!(is_retry(&lost), "{lost:?}");
        assert_eq!(commit(&store, &rows).await, vec![Duplicate; rows.len()], "the rows were committed");
        rows.truncate(100);
        all.extend(rows);
    }
    assert_eq!(proxy.cuts.load(Ordering::SeqCst), 10);
    assert_eq!(track(&direct, "a").await, all);
    assert_eq!(database.count("position_conflicts").await, 0);
}

#[tokio::test]
async fn a_lost_answer_to_a_fenced_commit_marks_once() {
    let (database, direct) = Database::live().await;
    let fence = held(&direct, "a").await;
    let proxy = Proxy::to(database.server.port()).await;
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(proxy.port).user("test").dbname(&database.name);
    let store = PostgresStore::connect(config).await.unwrap();
    let touches = vec![Touch { row: 1, entry_id: uuid::Uuid::from_u128(1) }];
    let rows = vec![fix("a", 1), fix("a", 2)];
    let write = PositionWrite { rows, ingested_at: AT, fence: Some(fence), touches };
    proxy.cut_after_commit();
    let lost = store.write(&write).await;
    assert!(is_retry(&lost), "{lost:?}");
    assert_eq!(store.write(&write).await.unwrap().rows, [Duplicate, Duplicate]);
    let marks =
        "SELECT dirty_from = (SELECT max(ts) FROM positions), dirty_revision FROM processor_entry_states";
    assert_eq!(database.rows(marks).await, ["t|1"]);
}

#[tokio::test]
async fn a_connection_that_the_server_ended_is_opened_again() {
    let (database, store) = Database::stored().await;
    assert_eq!(commit(&store, &[fix("a", 1)]).await, [Inserted]);
    assert_eq!(track(&store, "a").await, [fix("a", 1)]);
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE application_name = 'processor' AND datname = current_database()";
    assert_eq!(database.client.query(end, &[]).await.unwrap().len(), 2);
    tokio::time::sleep(Duration::from_millis(200)).await;
    for _ in 0..2 {
        // It may or may not be known yet that the connection is gone.
        let tried = store.commit_positions(vec![fix("a", 2)], AT).await;
        assert!(tried.is_ok() || is_retry(&tried), "{tried:?}");
        drop(store.read_positions("a".into(), AT, None, 1).await);
    }
    assert_eq!(commit(&store, &[fix("a", 2), fix("a", 3)]).await, [Duplicate, Inserted]);
    assert_eq!(track(&store, "a").await.len(), 3);
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_nothing_behind() {
    let (database, store) = Database::stored().await;
    let rows: Vec<Position> = (0..5_000).map(|n| fix("a", n)).collect();
    for micros in [0, 300, 1_000, 3_000, 10_000, 20_000] {
        let call = store.commit_positions(rows.clone(), AT);
        drop(tokio::time::timeout(Duration::from_micros(micros), call).await);
    }
    let outcomes = commit(&store, &rows).await;
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "all or nothing");
    assert_eq!(database.count("positions").await, 5_000);
}

#[tokio::test]
async fn a_killed_server_holds_whole_batches_only() {
    let mut server = tokio::task::spawn_blocking(|| Server::start(&["fsync=on"])).await.unwrap();
    server.client("postgres").await.batch_execute(&format!("{POSITIONS}; {CONFLICTS}")).await.unwrap();
    let store = PostgresStore::connect(server.config("postgres")).await.unwrap();
    let size = 2_000_i64;
    let (mut batch, mut in_the_middle) = (0_i64, 0);
    for kill in 0..6_u64 {
        let writer = store.clone();
        let writing = tokio::spawn(async move {
            loop {
                let rows: Vec<Position> =
                    (0..size).map(|n| fix(&format!("{}", n % 7), batch * size + n)).collect();
                match writer.commit_positions(rows, AT).await {
                    Ok(_) => batch += 1,
                    Err(error) => return (batch, error),
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(150 + kill * 7)).await;
        server.kill();
        let (unanswered, error) = writing.await.unwrap();
        // Between two batches it may be known already that the connection is gone.
        assert!(matches!(error, StoreError::Retry { .. } | StoreError::Away { .. }), "{error}");
        let down = store.commit_positions(vec![fix("9", -1)], AT).await;
        assert!(matches!(down, Err(StoreError::Away { .. })), "{down:?}");
        server = tokio::task::spawn_blocking(move || {
            server.start_again();
            server
        })
        .await
        .unwrap();
        let client = server.client("postgres").await;
        let stored: i64 = client.query_one("SELECT count(*) FROM positions", &[]).await.unwrap().get(0);
        assert!(
            stored == unanswered * size || stored == (unanswered + 1) * size,
            "{stored} of {unanswered} batches"
        );
        in_the_middle += u32::from(stored == unanswered * size);
        batch = unanswered;
    }
    assert!(in_the_middle > 0, "no kill met a batch that was not committed");
}
