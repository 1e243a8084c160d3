//! A snapshot stays as it is while others write, and writes nothing.

use race::course;
use race::position::DeviceId;
use race::time::Timestamp;
use storage::{Cause, Live as _, Positions as _, Records as _, StoreError};

use crate::fixture::{AT, commit, fix, track};
use crate::tables::race;

const VISNJAN: &str = include_str!("../../../fixtures/visnjan/course.json");

#[tokio::test]
async fn a_snapshot_stays_as_it_is_and_writes_nothing() {
    let (database, store) = race(&course::parse(VISNJAN).unwrap()).await;
    commit(&store, &[fix("a", 1)]).await;
    let (before, snapshot) = (store.load_course().await.unwrap(), store.snapshot().await.unwrap());

    commit(&store, &[fix("a", 2), fix("b", 1)]).await;
    let change = "UPDATE positions SET faulty = true WHERE device_id = 'a'; DELETE FROM penalty_formulas";
    database.client.batch_execute(change).await.unwrap();

    let (from, devices) = (Timestamp::from_micros(i64::MIN), [DeviceId::from("a"), "b".into()]);
    assert_eq!(snapshot.load_course().await.unwrap(), before);
    assert_eq!(track(&snapshot, "a").await, [fix("a", 1)], "also after the course was read");
    assert_eq!(snapshot.count_faulty("a".into(), from, None).await.unwrap(), 0);
    assert_eq!(snapshot.devices_with_positions(devices.to_vec()).await.unwrap(), devices[..1]);
    assert!(snapshot.commit_positions(vec![fix("c", 1)], AT).await.is_err());
    assert!(snapshot.save_results(Vec::new(), Cause::Manual, AT).await.is_err());
    assert!(snapshot.mark_relayed(&[1]).await.is_err());

    let later = store.snapshot().await.unwrap();
    assert_eq!(later.load_course().await.unwrap().penalty_formulas, []);
    assert_eq!(later.count_faulty("a".into(), from, None).await.unwrap(), 2);
}

#[tokio::test]
async fn a_snapshot_whose_connection_is_lost_does_not_go_on_with_another() {
    let (database, store) = race(&course::parse(VISNJAN).unwrap()).await;
    commit(&store, &[fix("a", 1)]).await;
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!(track(&snapshot, "a").await, [fix("a", 1)]);
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
               AND state = 'idle in transaction'";
    database.client.batch_execute(cut).await.unwrap();
    for _ in 0..2 {
        let from = Timestamp::from_micros(i64::MIN);
        let read = snapshot.read_positions("a".into(), from, None, 9).await;
        assert!(matches!(read, Err(StoreError::Retry { .. })), "{read:?}");
    }
}
