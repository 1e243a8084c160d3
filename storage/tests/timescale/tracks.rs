//! Many tracks in one query.

use proptest::prelude::*;
use race::position::Position;
use race::time::Timestamp;
use storage::{Live as _, Positions as _, TrackSpan};

use crate::fixture::{AT, Database, commit, fix};

fn span(device: &str, from: i64, to: Option<i64>) -> TrackSpan {
    TrackSpan { device: device.into(), from: fix("", from).ts, to: to.map(|to| fix("", to).ts) }
}

#[test]
fn many_tracks_are_each_as_one_would_be() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (database, store) = runtime.block_on(async {
        let (database, store) = Database::stored().await;
        let rows: Vec<Position> =
            (0..900).map(|n| fix(&format!("{}", n % 3), n / 3 * if n % 7 == 0 { 100 } else { 1 })).collect();
        commit(&store, &rows).await;
        let flag = "UPDATE positions SET faulty = true WHERE extract(second FROM ts)::int % 5 = 0";
        database.client.batch_execute(flag).await.unwrap();
        (database, store)
    });
    let spans = prop::collection::vec((0_u8..5, -10_i64..400, prop::option::of(-10_i64..400)), 0..12);
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(spans in spans, limit in prop_oneof![Just(usize::MAX), 0..50_usize])| {
        let spans: Vec<TrackSpan> =
            spans.into_iter().map(|(device, from, to)| span(&format!("{device}"), from, to)).collect();
        runtime.block_on(async {
            let tracks = store.read_tracks(&spans, limit).await.unwrap();
            let counts = store.count_positions(&spans).await.unwrap();
            prop_assert_eq!((tracks.len(), counts.len()), (spans.len(), spans.len()));
            for ((TrackSpan { device, from, to }, track), count) in spans.into_iter().zip(tracks).zip(counts) {
                let one = store.read_positions(device.clone(), from, to, limit).await.unwrap();
                // No rule reads attributes, and a track is read without.
                let one: Vec<Position> = one.into_iter().map(|fix| Position { attributes: None, ..fix }).collect();
                prop_assert_eq!(one, track);
                let all = store.read_positions(device, from, to, usize::MAX).await.unwrap();
                prop_assert_eq!(all.len() as u64, count);
            }
            Ok(())
        })?;
    });
    drop((store, database));
}

#[tokio::test]
async fn each_span_is_a_look_into_the_index() {
    let (database, store) = Database::stored().await;
    // Statistics of a small table, and a table that has grown since.
    commit(&store, &[fix("0", 0)]).await;
    database.client.batch_execute("ANALYZE positions").await.unwrap();
    for batch in 0..10_i64 {
        let rows: Vec<Position> =
            (0..20_000).map(|n| fix(&format!("{}", n % 200), batch * 100 + n / 200)).collect();
        commit(&store, &rows).await;
    }
    let everything = TrackSpan { from: Timestamp::from_micros(i64::MIN), ..span("7", 0, None) };
    let spans: Vec<TrackSpan> =
        (0..100).map(|n| span(&format!("{n}"), 500, Some(510))).chain([everything]).collect();
    let scanned = "SELECT coalesce(sum(seq_tup_read), 0)::text, coalesce(sum(idx_scan), 0)::text \
                   FROM pg_stat_user_tables WHERE relname = 'positions'";
    // What a session did is counted when it ends.
    drop(store);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let before = database.rows(scanned).await;
    let store = database.store().await;
    for _ in 0..8 {
        let tracks = store.read_tracks(&spans, 10_000).await.unwrap();
        assert!(tracks[..100].iter().all(|track| track.len() == 10));
        assert_eq!(tracks[100].len(), 1_000);
        let counts = store.count_positions(&spans).await.unwrap();
        assert!(counts[..100].iter().all(|count| *count == 10) && counts[100] == 1_000);
    }
    let late = store.read_positions("7".into(), AT, None, 1).await.unwrap();
    assert!(late.is_empty());
    drop(store);
    let expected_scans: i64 = 8 * 2 * 101;
    for _ in 0..50 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let now = database.rows(scanned).await;
        let counts = |said: &[String]| -> (i64, i64) {
            let (read, scans) = said[0].split_once('|').unwrap();
            (read.parse().unwrap(), scans.parse().unwrap())
        };
        let ((read, scans), (read_before, scans_before)) = (counts(&now), counts(&before));
        if scans - scans_before >= expected_scans {
            assert_eq!(read, read_before, "the table was scanned");
            return;
        }
    }
    panic!("the index was not used: {:?} after {before:?}", database.rows(scanned).await);
}
