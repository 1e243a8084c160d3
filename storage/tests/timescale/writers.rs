//! Several writers at once.

use race::position::Position;
use storage::RowOutcome::{Duplicate, Inserted};
use storage::{Positions as _, StoreError};

use crate::fixture::{AT, Database, commit, fix};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_rows_are_inserted_by_one_of_them() {
    let (database, _) = Database::stored().await;
    let mut writers = Vec::new();
    for writer in 0..4_i64 {
        let store = database.store().await;
        writers.push(tokio::spawn(async move {
            let (mut inserted, mut retries) = (0, 0);
            for batch in 0..25_i64 {
                // Each batch of a writer shares half of its rows with the next writer's, offered in another order.
                let first = (batch * 4 + writer) * 100;
                let mut rows: Vec<Position> =
                    (first..first + 200).map(|n| fix(&format!("device {}", n % 10), n)).collect();
                rows.rotate_left(usize::try_from(writer * 31 + batch).unwrap());
                loop {
                    match store.commit_positions(rows.clone(), AT).await {
                        Ok(committed) => break inserted += committed.count(Inserted),
                        Err(StoreError::Retry { .. }) => retries += 1,
                        Err(error) => panic!("{error}"),
                    }
                    assert!(retries < 100, "writers hold each other up");
                }
            }
            inserted
        }));
    }
    let mut inserted = 0;
    for writer in writers {
        inserted += writer.await.unwrap();
    }
    assert_eq!(inserted, 101 * 100, "each row was inserted by exactly one writer");
    assert_eq!(database.count("positions").await, 101 * 100);
    assert_eq!(database.count("position_conflicts").await, 0);
}

#[tokio::test]
async fn handles_of_one_store_share_its_connection() {
    let (database, store) = Database::stored().await;
    let (a, b) = (store.clone(), store);
    let (one, two) = tokio::join!(
        a.commit_positions((0..500).map(|n| fix("a", n)).collect(), AT),
        b.commit_positions((250..750).map(|n| fix("a", n)).collect(), AT)
    );
    assert_eq!(one.unwrap().count(Inserted) + two.unwrap().count(Inserted), 750);
    let connections =
        "pg_stat_activity WHERE application_name = 'processor' AND datname = current_database()";
    assert_eq!(database.count(connections).await, 1);
}

#[tokio::test]
async fn a_row_that_another_writer_is_about_to_commit_is_waited_for() {
    let (database, first) = Database::stored().await;
    commit(&first, &[fix("a", 0)]).await;
    // This one met a duplicate, and so looks before it copies.
    let store = database.store().await;
    assert_eq!(commit(&store, &[fix("a", 0), fix("b", 0)]).await, [Duplicate, Inserted]);
    for round in 1..4_i64 {
        let copy = format!(
            "BEGIN; INSERT INTO positions SELECT device_id, ts + interval '{round} s', ingested_at, latitude, \
             longitude, altitude, angle, speed, satellites, priority, codec, attributes FROM positions \
             WHERE device_id = 'a' AND ts = '{}'",
            fix("a", 0).ts
        );
        database.client.batch_execute(&copy).await.unwrap();
        let writer = store.clone();
        let rows = vec![fix("c", round), fix("a", round), fix("b", round)];
        let waiting = tokio::spawn(async move { commit(&writer, &rows).await });
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        assert!(!waiting.is_finished(), "the other may yet roll back");
        let end = if round == 2 { "ROLLBACK" } else { "COMMIT" };
        database.client.batch_execute(end).await.unwrap();
        let of_a = if round == 2 { Inserted } else { Duplicate };
        assert_eq!(waiting.await.unwrap(), [Inserted, of_a, Inserted]);
    }
    assert_eq!(database.count("positions").await, 2 + 3 * 3);
}
