//! Rows that come again, at every rate, one writer after another and the way its batches take.

use std::collections::HashSet;

use race::position::Position;
use storage::RowOutcome::{Duplicate, Inserted};

use crate::fixture::{Database, MORE_INDEXES, commit, fix};

/// Two hundredths of a percent and such are few rows: every so manieth row is one of an earlier batch.
fn batches(every: usize) -> Vec<Vec<Position>> {
    let mut sent: Vec<Position> = Vec::new();
    let mut batches = Vec::new();
    for batch in 0..30_i64 {
        let mut rows = Vec::new();
        for n in 0..1_000_i64 {
            let at = usize::try_from(batch * 1_000 + n).unwrap();
            // Some lately sent, some long ago; the same row may come more than once.
            let again = if n % 2 == 0 { at.saturating_sub(1_200) } else { at * 7 % sent.len().max(1) };
            match sent.get(again) {
                Some(row) if every > 0 && batch > 0 && at % every == 0 => rows.push(row.clone()),
                _ => rows.push(fix(&format!("device {}", n * 37 % 50), batch * 20 + n / 50)),
            }
        }
        sent.extend(rows.iter().cloned());
        batches.push(rows);
    }
    batches
}

#[tokio::test]
async fn each_row_is_stored_once_at_every_rate() {
    // 0, 0.01, 1, 50 and 100 % of the rows come again.
    for every in [0, 10_000, 100, 2, 1] {
        let (database, store) = Database::stored().await;
        if every == 2 {
            database.client.batch_execute(MORE_INDEXES).await.unwrap();
        }
        let mut stored = HashSet::new();
        for batch in batches(every) {
            let outcomes = commit(&store, &batch).await;
            assert_eq!(outcomes.len(), batch.len());
            for (row, outcome) in batch.iter().zip(outcomes) {
                let new = stored.insert((row.device_id.clone(), row.ts));
                let expected = if new { Inserted } else { Duplicate };
                assert_eq!(outcome, expected, "{} at {}, every {every}", row.device_id, row.ts);
            }
        }
        assert_eq!(database.count("positions").await, i64::try_from(stored.len()).unwrap());
        assert_eq!(database.count("position_conflicts").await, 0);
    }
}

#[tokio::test]
async fn few_batches_fail_on_their_way() {
    let (database, store) = Database::stored().await;
    for batch in batches(1_500) {
        commit(&store, &batch).await;
    }
    // Rows of failed COPYs are dead rows of the table: inserted, and gone.
    database.client.batch_execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
    drop(store);
    let mut dead = None;
    for _ in 0..100 {
        let sql =
            "SELECT n_tup_ins - n_live_tup, n_live_tup FROM pg_stat_user_tables WHERE relname = 'positions'";
        let row = database.client.query_one(sql, &[]).await.unwrap();
        if row.get::<_, i64>(1) > 20_000 {
            dead = Some(row.get::<_, i64>(0));
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let dead = dead.expect("the server counts its rows");
    assert!(dead <= 2_000, "{dead} rows were written in vain");
}
