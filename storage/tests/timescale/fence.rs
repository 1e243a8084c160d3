//! Who lost the lease commits nothing.

use std::time::Duration;

use race::position::Position;
use storage::RowOutcome::{Duplicate, Inserted};
use storage::{Committed, Fence, Live as _, PositionWrite, StoreError, Touch};
use uuid::Uuid;

use crate::fixture::{AT, Database, fix};
use crate::lease::held;

fn fenced(rows: Vec<Position>, fence: Fence) -> PositionWrite {
    let touches = (0..rows.len()).map(|row| Touch { row, entry_id: Uuid::from_u128(1) }).collect();
    PositionWrite { rows, ingested_at: AT, fence: Some(fence), touches }
}

fn is_fenced(result: &Result<Committed, StoreError>) -> bool {
    matches!(result, Err(StoreError::Fenced { .. }))
}

#[tokio::test]
async fn the_old_holder_commits_nothing() {
    let (database, old) = Database::live().await;
    let new = database.store().await;
    let lost = held(&old, "a").await;
    let first = old.write(&fenced(vec![fix("a", 1)], lost)).await.unwrap();
    assert_eq!(first.rows, [Inserted]);
    let fence = held(&new, "a").await;
    // By every way that a batch can go: plain, looked up, nothing but duplicates.
    for rows in [vec![fix("a", 2)], vec![fix("a", 1), fix("a", 2)], vec![fix("a", 1)], vec![fix("a", 3)]] {
        let refused = old.write(&fenced(rows, lost)).await;
        assert!(is_fenced(&refused), "{refused:?}");
    }
    assert_eq!(database.count("positions").await, 1);
    assert_eq!(database.rows("SELECT dirty_revision FROM processor_entry_states").await, ["1"]);
    assert_eq!(
        new.write(&fenced(vec![fix("a", 1), fix("a", 2)], fence)).await.unwrap().rows,
        [Duplicate, Inserted]
    );
    // Without a fence anybody may, and the connection still serves.
    let free = PositionWrite { fence: None, ..fenced(vec![fix("a", 4)], lost) };
    assert_eq!(old.write(&free).await.unwrap().rows, [Inserted]);
}

#[tokio::test]
async fn a_take_over_between_copy_and_commit_undoes_the_copy() {
    let (database, old) = Database::live().await;
    let new = database.store().await;
    let fence = held(&old, "a").await;
    // The COPY waits in its middle for a row that somebody else is about to insert.
    let insert = "BEGIN; INSERT INTO positions VALUES ('b', '2026-06-07T08:00:00Z', now(), 0, 0, 0, 0, 0, 0, 0, '8', '{}')";
    database.client.batch_execute(insert).await.unwrap();
    let between = Position { ts: "2026-06-07T08:00:00Z".parse().unwrap(), ..fix("b", 0) };
    let write = fenced(vec![fix("a", 1), between, fix("c", 1)], fence);
    let (writer, offered) = (old.clone(), write.clone());
    let writing = tokio::spawn(async move { writer.write(&offered).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!writing.is_finished());
    let taken = held(&new, "a").await;
    assert_eq!(taken.token, fence.token + 1, "a COPY under way does not hold up a taker");
    database.client.batch_execute("ROLLBACK").await.unwrap();
    // The taker ends it, and whoever offers it again is refused.
    let ended = writing.await.unwrap();
    assert!(matches!(ended, Err(StoreError::Retry { .. })), "{ended:?}");
    let refused = old.write(&write).await;
    assert!(is_fenced(&refused), "{refused:?}");
    assert_eq!(database.count("positions").await, 0);
    assert_eq!(database.count("processor_entry_states").await, 0);
}

#[tokio::test]
async fn a_commit_waits_for_the_taker_and_then_is_fenced() {
    let (database, store) = Database::live().await;
    let fence = held(&store, "a").await;
    for (end, fenced_off) in [("ROLLBACK", false), ("COMMIT", true)] {
        let take = "BEGIN; UPDATE processor_leases SET token = token + 1, holder = 'b'";
        database.client.batch_execute(take).await.unwrap();
        let (writer, write) = (store.clone(), fenced(vec![fix(end, 1)], fence));
        let writing = tokio::spawn(async move { writer.write(&write).await });
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!writing.is_finished());
        database.client.batch_execute(end).await.unwrap();
        let written = writing.await.unwrap();
        assert_eq!(is_fenced(&written), fenced_off, "{written:?}");
        assert_eq!(written.is_ok(), !fenced_off, "{written:?}");
    }
    assert_eq!(database.count("positions").await, 1);
}

#[tokio::test]
async fn of_a_batch_in_parts_each_part_is_fenced() {
    let (database, store) = Database::live().await;
    let fence = held(&store, "a").await;
    let rows: Vec<Position> = (0..100).map(|day| fix("a", day * 86_400)).collect();
    // Another takes over when the second part is under way.
    let trigger = "CREATE FUNCTION take() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        IF NEW.ts > (SELECT '2026-06-07T08:00:00Z'::timestamptz + interval '40 days') THEN \
        UPDATE processor_leases SET token = token + 1 WHERE token = 1; END IF; RETURN NULL; END $$; \
        CREATE TRIGGER take AFTER INSERT ON positions FOR EACH ROW EXECUTE FUNCTION take()";
    database.client.batch_execute(trigger).await.unwrap();
    let written = store.write(&fenced(rows, fence)).await;
    assert!(is_fenced(&written), "{written:?}");
    let stored = database.count("positions").await;
    assert_eq!(stored, 32, "the first of four parts");
    let marks =
        "SELECT dirty_from = (SELECT min(ts) FROM positions), dirty_revision FROM processor_entry_states";
    assert_eq!(database.rows(marks).await, ["t|1"]);
}
