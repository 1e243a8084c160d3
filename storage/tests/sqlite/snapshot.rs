//! A snapshot stays as it is while others write, and writes nothing.

use std::sync::Arc;

use race::course::Tables;
use race::time::Timestamp;
use storage::{Cause, Positions as _, Records as _, Store as _};

use crate::fixture::{AT, Scratch};
use crate::positions::fix;
use crate::race_rows::course;

#[tokio::test]
async fn a_snapshot_stays_as_it_is_and_writes_nothing() {
    let scratch = Scratch::with_course().await;
    scratch.store.commit_positions(vec![fix("a", 1)], AT).await.unwrap();
    let snapshot = scratch.store.snapshot().await.unwrap();

    scratch.store.commit_positions(vec![fix("a", 2), fix("b", 1)], AT).await.unwrap();
    let fewer = Tables { penalty_formulas: Vec::new(), ..course(1) };
    scratch.store.save_course(Arc::new(fewer.clone()), AT).await.unwrap();
    scratch.raw().execute("UPDATE positions SET faulty = 1 WHERE device_id = 'a'", []).unwrap();

    let from = Timestamp::from_micros(i64::MIN);
    assert_eq!(snapshot.load_course().await.unwrap(), course(1));
    assert_eq!(snapshot.read_positions("a".into(), from, None, 9).await.unwrap(), [fix("a", 1)]);
    assert_eq!(snapshot.count_faulty("a".into(), from, None).await.unwrap(), 0);
    assert_eq!(snapshot.devices_with_positions(vec!["a".into(), "b".into()]).await.unwrap(), ["a".into()]);
    assert!(snapshot.commit_positions(vec![fix("c", 1)], AT).await.is_err());
    assert!(snapshot.save_results(Vec::new(), Cause::Manual, AT).await.is_err());

    let later = snapshot.snapshot().await.unwrap();
    assert_eq!(later.load_course().await.unwrap(), fewer, "a snapshot is of when it is taken");
    assert_eq!(later.count_faulty("a".into(), from, None).await.unwrap(), 2);
}
