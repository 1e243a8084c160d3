//! Marks on entries whose past changed.

use race::position::Position;
use storage::RowOutcome::{Conflict, Duplicate, Inserted};
use storage::timescale::PostgresStore;
use storage::{Live as _, PositionWrite, Positions as _, StoreError, Touch};
use uuid::Uuid;

use crate::fixture::{AT, Database, fix};

const MARKS: &str = "SELECT right(entry_id::text, 1), (extract(epoch FROM dirty_from) - 1780820000)::int, \
                     dirty_revision FROM processor_entry_states ORDER BY 1";

fn touching(rows: Vec<Position>, touches: &[(usize, u128)]) -> PositionWrite {
    let touch = |&(row, entry): &(usize, u128)| Touch { row, entry_id: Uuid::from_u128(entry) };
    PositionWrite { rows, ingested_at: AT, fence: None, touches: touches.iter().map(touch).collect() }
}

async fn write(
    store: &PostgresStore,
    rows: Vec<Position>,
    touches: &[(usize, u128)],
) -> Vec<storage::RowOutcome> {
    store.write(&touching(rows, touches)).await.unwrap().rows
}

#[tokio::test]
async fn only_inserted_rows_mark() {
    let (database, store) = Database::live().await;
    write(&store, vec![fix("a", 1), fix("a", 2)], &[]).await;
    assert_eq!(database.count("processor_entry_states").await, 0);
    let other = Position { speed: 1.0, ..fix("a", 2) };
    // A duplicate, a conflict, a new row offered twice, and new rows of two entries of which one is touched twice.
    let rows = vec![fix("a", 1), other, fix("a", 9), fix("a", 9), fix("b", 7), fix("b", 5), fix("b", 3)];
    let touches = [(0, 1), (1, 1), (3, 1), (2, 2), (4, 3), (5, 3), (5, 4)];
    let outcomes = write(&store, rows.clone(), &touches).await;
    assert_eq!(outcomes, [Duplicate, Conflict, Inserted, Duplicate, Inserted, Inserted, Inserted]);
    assert_eq!(database.rows(MARKS).await, ["2|9|1", "3|5|1", "4|5|1"]);
    write(&store, rows, &touches).await;
    assert_eq!(database.rows(MARKS).await, ["2|9|1", "3|5|1", "4|5|1"], "nothing is new");
    // Later marks keep the oldest instant, earlier ones move it.
    write(&store, vec![fix("a", 20), fix("b", 4)], &[(0, 2), (1, 3)]).await;
    assert_eq!(database.rows(MARKS).await, ["2|9|2", "3|4|2", "4|5|1"]);
}

#[tokio::test]
async fn a_mark_after_the_entry_was_judged_begins_anew() {
    let (database, store) = Database::live().await;
    let judged = "INSERT INTO processor_entry_states (entry_id, version, state, dirty_revision) \
                  VALUES ('00000000-0000-0000-0000-000000000001', 3, 'abc', 41)";
    database.client.batch_execute(judged).await.unwrap();
    write(&store, vec![fix("a", 6)], &[(0, 1)]).await;
    assert_eq!(database.rows(MARKS).await, ["1|6|42"]);
    assert_eq!(
        database.rows("SELECT version, convert_from(state, 'UTF8') FROM processor_entry_states").await,
        ["3|abc"]
    );
}

#[tokio::test]
async fn a_failed_batch_leaves_no_mark_and_a_bad_touch_is_refused() {
    let (database, store) = Database::live().await;
    let refuse = "ALTER TABLE positions ADD CONSTRAINT slow CHECK (speed < 200)";
    database.client.batch_execute(refuse).await.unwrap();
    let fast = Position { speed: 201.0, ..fix("a", 2) };
    let error = store.write(&touching(vec![fix("a", 1), fast], &[(0, 1)])).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    // A mark that cannot be set takes its rows with it.
    let refuse = "ALTER TABLE processor_entry_states ADD CHECK (dirty_revision < 1)";
    database.client.batch_execute(refuse).await.unwrap();
    let error = store.write(&touching(vec![fix("a", 1)], &[(0, 1)])).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    let error = store.write(&touching(vec![fix("a", 1)], &[(1, 1)])).await.unwrap_err();
    assert!(error.to_string().contains("row 1 of 1"), "{error}");
    assert_eq!(database.count("processor_entry_states").await, 0);
    assert_eq!(database.count("positions").await, 0);
    // The connection still serves.
    assert_eq!(store.commit_positions(vec![fix("a", 1)], AT).await.unwrap().rows, [Inserted]);
}

#[tokio::test]
async fn a_batch_in_parts_marks_with_each_part() {
    let (database, store) = Database::live().await;
    let rows: Vec<Position> = (0..100).map(|n| fix("a", (99 - n) * 86_400)).collect();
    let touches: Vec<(usize, u128)> = (0..100).filter(|row| row % 10 == 0).map(|row| (row, 1)).collect();
    let outcomes = write(&store, rows, &touches).await;
    assert_eq!(outcomes, [Inserted; 100]);
    // Row 90 is of day 9, the oldest that touches; four parts had touches.
    assert_eq!(database.rows(MARKS).await, [format!("1|{}|4", 9 * 86_400)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_mark_the_same_entries() {
    let (database, _) = Database::live().await;
    let mut writers = Vec::new();
    for writer in 0..3_i64 {
        let store = database.store().await;
        writers.push(tokio::spawn(async move {
            for batch in 0..20_i64 {
                let rows: Vec<Position> =
                    (0..30).map(|n| fix(&format!("{writer}"), batch * 30 + n)).collect();
                let mut touches: Vec<(usize, u128)> = (0..30).map(|n| (n, n as u128 % 9)).collect();
                touches.rotate_left(usize::try_from(writer * 5 + batch).unwrap());
                write(&store, rows, &touches).await;
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let expected: Vec<String> = (0..9).map(|entry| format!("{entry}|{entry}|60")).collect();
    assert_eq!(database.rows(MARKS).await, expected);
}
