//! Several handles and several connections to one file.

use std::sync::Arc;

use race::time::Timestamp;
use storage::sqlite::SqliteStore;
use storage::{Positions, Records as _, RowOutcome, Store as _, StoreError};

use crate::fixture::Scratch;
use crate::positions::fix;
use crate::race_rows::course;

const AT: Timestamp = Timestamp::from_millis(0);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn handles_of_two_connections_share_one_truth() {
    let scratch = Scratch::new();
    let other = SqliteStore::open(scratch.path()).unwrap();
    let mut writers = Vec::new();
    for n in 0..4 {
        let store = if n % 2 == 0 { scratch.store.clone() } else { other.clone() };
        writers.push(tokio::spawn(async move {
            let mut inserted = 0;
            for batch in 0..20 {
                let rows = (0..10).map(|second| fix("a", batch * 10 + second)).collect();
                let committed = store.commit_positions(rows, AT).await.unwrap();
                inserted += committed.count(RowOutcome::Inserted);
            }
            inserted
        }));
    }
    let mut inserted = 0;
    for writer in writers {
        inserted += writer.await.unwrap();
    }
    assert_eq!(inserted, 200);
    assert_eq!(other.read_positions("a".into(), AT, None, 1_000).await.unwrap().len(), 200);
}

#[tokio::test]
async fn a_course_is_seen_by_another_connection() {
    let scratch = Scratch::new();
    let other = SqliteStore::open(scratch.path()).unwrap();
    scratch.store.save_course(Arc::new(course(1)), AT).await.unwrap();
    assert_eq!(other.load_course().await.unwrap(), course(1));
}

#[tokio::test]
async fn many_may_open_a_new_file_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("race.db");
    let openers: Vec<_> = (0..6)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || SqliteStore::open(path))
        })
        .collect();
    for opener in openers {
        opener.join().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_locked_database_is_worth_another_try() {
    let scratch = Scratch::new();
    let raw = scratch.raw();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = scratch.store.commit_positions(vec![fix("a", 1)], AT).await.unwrap_err();
    assert!(matches!(error, StoreError::Retry { .. }), "{error}");
    raw.execute_batch("ROLLBACK").unwrap();
    let committed = scratch.store.commit_positions(vec![fix("a", 1)], AT).await.unwrap();
    assert_eq!(committed.count(RowOutcome::Inserted), 1);
}
