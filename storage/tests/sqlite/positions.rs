//! Positions: once a (device, ts), bit for bit, in whatever order they come.

use proptest::prelude::*;
use race::position::{DeviceId, Position};
use race::time::Timestamp;
use storage::{Positions, RowOutcome, StoreError};

use crate::fixture::Scratch;
use RowOutcome::{Conflict, Duplicate, Inserted};

const AT: Timestamp = Timestamp::from_millis(1_780_900_000_000);

pub(crate) fn fix(device: &str, second: i64) -> Position {
    Position {
        device_id: device.into(),
        ts: Timestamp::from_millis(second * 1_000),
        latitude: 41.327_5,
        longitude: 19.818_7,
        altitude: 112.3,
        angle: 214.0,
        speed: 63.4,
        satellites: 11,
        priority: 0,
        codec: "8E",
        attributes: None,
    }
}

async fn track(scratch: &Scratch, device: &str) -> Vec<Position> {
    let from = Timestamp::from_micros(i64::MIN);
    scratch.store.read_positions(device.into(), from, None, usize::MAX).await.unwrap()
}

async fn commit(scratch: &Scratch, rows: &[Position]) -> Vec<RowOutcome> {
    scratch.store.commit_positions(rows.to_vec(), AT).await.unwrap().rows
}

#[tokio::test]
async fn the_first_row_stays_within_a_batch_and_across() {
    let scratch = Scratch::new();
    let (first, faster) = (fix("b", 1), Position { speed: 80.0, ..fix("b", 1) });
    let as_json = Position { codec: "ndjson", attributes: Some("{}".into()), ..fix("b", 1) };
    let batch = [first.clone(), fix("a", 2), faster.clone(), as_json.clone(), fix("a", 1)];
    assert_eq!(commit(&scratch, &batch).await, [Inserted, Inserted, Conflict, Duplicate, Inserted]);
    assert_eq!(
        commit(&scratch, &[faster, first.clone(), fix("a", 3)]).await,
        [Conflict, Duplicate, Inserted]
    );
    assert_eq!(track(&scratch, "b").await, [first]);
    assert_eq!(track(&scratch, "a").await, [fix("a", 1), fix("a", 2), fix("a", 3)]);
    assert_eq!(
        scratch.rows("SELECT device_id, ts, ingested_at, speed, codec, attributes FROM position_conflicts"),
        [r#"Text("b") Integer(1000000) Integer(1780900000000000) Real(80.0) Text("8E") Text("{}")"#],
        "the same saying is kept once"
    );
    assert_eq!(commit(&scratch, &[]).await, []);
}

#[tokio::test]
async fn every_part_of_the_evidence_makes_a_conflict() {
    let scratch = Scratch::new();
    commit(&scratch, &[fix("a", 1)]).await;
    let others = [
        Position { latitude: 41.327_500_000_000_01, ..fix("a", 1) },
        Position { longitude: 19.8, ..fix("a", 1) },
        Position { altitude: 112.300_01, ..fix("a", 1) },
        Position { angle: 213.0, ..fix("a", 1) },
        Position { satellites: 12, ..fix("a", 1) },
        Position { priority: 2, ..fix("a", 1) },
        Position { attributes: Some(r#"{"1":2}"#.into()), ..fix("a", 1) },
    ];
    assert_eq!(commit(&scratch, &others).await, [Conflict; 7]);
    assert_eq!(commit(&scratch, &others).await, [Conflict; 7]);
    assert_eq!(scratch.rows("SELECT count(*) FROM position_conflicts"), ["Integer(7)"]);
}

#[tokio::test]
async fn faulty_rows_are_not_read_and_stay_faulty() {
    let scratch = Scratch::new();
    let rows: Vec<Position> = (0..5).map(|second| fix("a", second)).collect();
    commit(&scratch, &rows).await;
    scratch.raw().execute("UPDATE positions SET faulty = 1 WHERE ts IN (1000000, 3000000)", []).unwrap();
    assert_eq!(commit(&scratch, &rows).await, [Duplicate; 5]);
    let second = |n: i64| Timestamp::from_millis(n * 1_000);
    let read = |from, to, limit| scratch.store.read_positions("a".into(), second(from), to, limit);
    assert_eq!(read(0, None, 10).await.unwrap(), [fix("a", 0), fix("a", 2), fix("a", 4)]);
    assert_eq!(read(0, Some(second(4)), 10).await.unwrap(), [fix("a", 0), fix("a", 2)], "`to` is outside");
    assert_eq!(read(2, None, 1).await.unwrap(), [fix("a", 2)], "`from` is inside");
    assert_eq!(read(0, None, 0).await.unwrap(), []);
    let faulty = |from, to| scratch.store.count_faulty("a".into(), second(from), to);
    assert_eq!(faulty(0, None).await.unwrap(), 2);
    assert_eq!(faulty(0, Some(second(3))).await.unwrap(), 1);
    assert_eq!(faulty(3, None).await.unwrap(), 1);
}

#[tokio::test]
async fn devices_that_reported_are_found() {
    let scratch = Scratch::new();
    commit(&scratch, &[fix("a", 1), fix("c", 1)]).await;
    let asked: Vec<DeviceId> = ["c", "b", "a"].map(DeviceId::from).to_vec();
    let found = scratch.store.devices_with_positions(asked).await.unwrap();
    assert_eq!(found, ["c", "a"].map(DeviceId::from));
}

#[tokio::test]
async fn a_row_that_cannot_be_stored_undoes_its_batch() {
    let scratch = Scratch::new();
    for bad in [Position { latitude: f64::NAN, ..fix("z", 1) }, Position { codec: "morse", ..fix("z", 1) }] {
        let error = scratch.store.commit_positions(vec![fix("a", 1), bad], AT).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("position of z"), "{error}");
    }
    assert_eq!(track(&scratch, "a").await, []);
    assert_eq!(commit(&scratch, &[fix("a", 1)]).await, [Inserted]);
}

#[tokio::test]
async fn committed_rows_are_there_when_the_process_never_closed_the_file() {
    let scratch = Scratch::new();
    commit(&scratch, &[fix("a", 1), fix("a", 2)]).await;
    // What a killed process leaves: the file and its write-ahead log as they are, nothing checkpointed.
    let left = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("race.db{suffix}");
        std::fs::copy(scratch.path().with_file_name(&name), left.path().join(&name)).unwrap();
    }
    let store = storage::sqlite::SqliteStore::open(left.path().join("race.db")).unwrap();
    let read = store.read_positions("a".into(), Timestamp::from_millis(0), None, 10).await.unwrap();
    assert_eq!(read, [fix("a", 1), fix("a", 2)]);
    let again = store.commit_positions(vec![fix("a", 2), fix("a", 3)], AT).await.unwrap();
    assert_eq!(again.rows, [Duplicate, Inserted]);
}

fn bits64() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        Just(-0.0),
        Just(0.0),
        Just(f64::MIN_POSITIVE / 3.0),
        (-180..180).prop_map(f64::from)
    ]
    .prop_filter("finite", |f| f.is_finite())
}

fn bits32() -> impl Strategy<Value = f32> {
    prop_oneof![
        any::<f32>(),
        Just(-0.0),
        Just(f32::MIN_POSITIVE / 3.0),
        (0_i16..3_600).prop_map(|n| f32::from(n) / 10.0)
    ]
    .prop_filter("finite", |f| f.is_finite())
}

prop_compose! {
    /// Any position of one of three devices within few instants, so that keys meet.
    fn position()(
        device in 0_u8..3, ts in -3_i64..6, latitude in bits64(), longitude in bits64(),
        altitude in bits32(), angle in bits32(), speed in bits32(), satellites in any::<i16>(),
        priority in any::<i16>(), codec in prop::sample::select(vec!["8", "8E", "16", "csv", "gpx", "ndjson"]),
        attributes in prop::option::of("\\{\"[0-9]{1,3}\":\"\\PC{0,9}\"\\}"),
    ) -> Position {
        Position {
            device_id: format!("device {device}").into(), ts: Timestamp::from_micros(ts), latitude, longitude,
            altitude, angle, speed, satellites, priority, codec, attributes: attributes.map(Into::into),
        }
    }
}

/// One row a key.
fn distinct(mut rows: Vec<Position>) -> Vec<Position> {
    rows.sort_by(|a, b| (&a.device_id, a.ts).cmp(&(&b.device_id, b.ts)));
    rows.dedup_by(|a, b| (&a.device_id, a.ts) == (&b.device_id, b.ts));
    rows
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

const EVIDENCE: &str =
    "device_id, ts, latitude, longitude, altitude, angle, speed, satellites, priority, attributes";

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_finite_position_reads_back_bit_for_bit(rows in prop::collection::vec(position(), 1..20)) {
        let rows = distinct(rows);
        run(async {
            let scratch = Scratch::new();
            commit(&scratch, &rows).await;
            let scratch = scratch.reopen();
            let mut read = Vec::new();
            for device in 0..3 {
                read.extend(track(&scratch, &format!("device {device}")).await);
            }
            assert_eq!(read, rows);
            assert!(read.iter().zip(&rows).all(|(read, row)| read.same_evidence(row)));
            assert!(commit(&scratch, &rows).await.iter().all(|&outcome| outcome == Duplicate));
        });
    }

    #[test]
    fn order_and_batches_do_not_matter(
        rows in prop::collection::vec(position(), 1..20).prop_map(distinct),
        shuffle in any::<prop::sample::Index>(),
        size in 1_usize..7,
    ) {
        run(async {
            let (straight, other) = (Scratch::new(), Scratch::new());
            commit(&straight, &rows).await;
            let mut shuffled = [rows.clone(), rows.clone()].concat();
            shuffled.rotate_left(shuffle.index(rows.len()));
            shuffled[..rows.len()].reverse();
            for batch in shuffled.chunks(size) {
                commit(&other, batch).await;
            }
            assert_eq!(straight.rows("SELECT * FROM positions"), other.rows("SELECT * FROM positions"));
            assert!(other.rows("SELECT 1 FROM position_conflicts").is_empty());
        });
    }

    #[test]
    fn nothing_that_was_said_is_lost(rows in prop::collection::vec(position(), 1..40), size in 1_usize..9) {
        run(async {
            let all = format!("SELECT {EVIDENCE} FROM positions UNION SELECT {EVIDENCE} FROM position_conflicts");
            let (forward, backward) = (Scratch::new(), Scratch::new());
            let mut outcomes = Vec::new();
            for batch in rows.chunks(size) {
                outcomes.extend(commit(&forward, batch).await);
            }
            let reversed: Vec<Position> = rows.iter().rev().cloned().collect();
            commit(&backward, &reversed).await;
            assert_eq!(forward.rows(&all), backward.rows(&all));
            let stored = forward.rows("SELECT 1 FROM positions").len();
            assert_eq!(outcomes.iter().filter(|&&outcome| outcome == Inserted).count(), stored);
        });
    }
}
