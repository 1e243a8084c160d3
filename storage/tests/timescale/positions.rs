//! What a store of positions does, whichever the database.

use race::position::{DeviceId, Position};
use race::time::Timestamp;
use storage::{Positions as _, RowOutcome, StoreError};

use crate::fixture::{AT, CONFLICTS, Database, MORE_INDEXES, POSITIONS, commit, fix, track};
use RowOutcome::{Conflict, Duplicate, Inserted};

#[tokio::test]
async fn the_first_row_stays_within_a_batch_and_across() {
    for more in [None, Some(MORE_INDEXES)] {
        let schema: Vec<&str> = [POSITIONS, CONFLICTS].into_iter().chain(more).collect();
        let database = Database::with(&schema).await;
        let store = database.store().await;
        let (first, faster) = (fix("b", 1), Position { speed: 80.0, ..fix("b", 1) });
        let as_json = Position { codec: "ndjson", attributes: Some("{}".into()), ..fix("b", 1) };
        let batch = [first.clone(), fix("a", 2), faster.clone(), as_json, fix("a", 1)];
        assert_eq!(commit(&store, &batch).await, [Inserted, Inserted, Conflict, Duplicate, Inserted]);
        let again = [faster.clone(), first.clone(), fix("a", 3)];
        assert_eq!(commit(&store, &again).await, [Conflict, Duplicate, Inserted]);
        // A writer that remembers nothing says the same.
        assert_eq!(commit(&database.store().await, &again).await, [Conflict, Duplicate, Duplicate]);
        assert_eq!(commit(&database.store().await, &[faster.clone(), faster]).await, [Conflict, Conflict]);
        assert_eq!(track(&store, "b").await, [first]);
        assert_eq!(track(&store, "a").await, [fix("a", 1), fix("a", 2), fix("a", 3)]);
        assert_eq!(database.count("position_conflicts").await, 1, "the same saying is kept once");
        assert_eq!(database.count("position_conflicts WHERE speed = 80 AND codec = '8E'").await, 1);
        let at = AT.to_string();
        assert_eq!(database.count(&format!("positions WHERE ingested_at = '{at}' AND NOT faulty")).await, 4);
        assert_eq!(commit(&store, &[]).await, []);
    }
}

#[tokio::test]
async fn every_part_of_the_evidence_makes_a_conflict() {
    let (database, store) = Database::stored().await;
    commit(&store, &[fix("a", 1)]).await;
    let others = [
        Position { latitude: 41.327_500_000_000_01, ..fix("a", 1) },
        Position { longitude: 19.8, ..fix("a", 1) },
        Position { altitude: 112.300_01, ..fix("a", 1) },
        Position { angle: 213.0, ..fix("a", 1) },
        Position { satellites: 12, ..fix("a", 1) },
        Position { priority: 2, ..fix("a", 1) },
        Position { attributes: Some(r#"{"1":2}"#.into()), ..fix("a", 1) },
    ];
    for store in [store, database.store().await] {
        assert_eq!(commit(&store, &others).await, [Conflict; 7]);
        assert_eq!(database.count("position_conflicts").await, 7);
    }
}

#[tokio::test]
async fn attributes_are_compared_as_they_are_stored() {
    let (_database, store) = Database::stored().await;
    let with = |json: &str| Position { attributes: Some(json.into()), ..fix("a", 1) };
    let batch = [with(r#"{"16":9007199254740993,"1":2.0}"#), with(r#"{"1": 2.0, "16": 9007199254740993}"#)];
    assert_eq!(commit(&store, &batch).await, [Inserted, Duplicate], "blanks and order of keys do not count");
    let batch = [with(r#"{"16":9007199254740992,"1":2.0}"#), with(r#"{"16":9007199254740993,"1":2.00}"#)];
    assert_eq!(commit(&store, &batch).await, [Conflict, Conflict], "every digit does");
    let read = track(&store, "a").await;
    assert_eq!(read[0].attributes.as_deref(), Some(r#"{"1": 2.0, "16": 9007199254740993}"#));
    assert_eq!(commit(&store, &read).await, [Duplicate], "what was read says what was stored");
}

#[tokio::test]
async fn faulty_rows_are_not_read_and_stay_faulty() {
    let (database, store) = Database::stored().await;
    let rows: Vec<Position> = (0..5).map(|second| fix("a", second)).collect();
    commit(&store, &rows).await;
    let flag =
        "UPDATE positions SET faulty = true WHERE ts IN ($1::text::timestamptz, $2::text::timestamptz)";
    let (one, three) = (fix("a", 1).ts.to_string(), fix("a", 3).ts.to_string());
    assert_eq!(database.client.execute(flag, &[&one, &three]).await.unwrap(), 2);
    assert_eq!(commit(&store, &rows).await, [Duplicate; 5]);
    let second = |n: i64| fix("a", n).ts;
    let read = |from, to, limit| store.read_positions("a".into(), second(from), to, limit);
    assert_eq!(read(0, None, 10).await.unwrap(), [fix("a", 0), fix("a", 2), fix("a", 4)]);
    assert_eq!(read(0, Some(second(4)), 10).await.unwrap(), [fix("a", 0), fix("a", 2)], "`to` is outside");
    assert_eq!(read(2, None, 1).await.unwrap(), [fix("a", 2)], "`from` is inside");
    assert_eq!(read(0, None, 0).await.unwrap(), []);
    let faulty = |from, to| store.count_faulty("a".into(), second(from), to);
    assert_eq!(faulty(0, None).await.unwrap(), 2);
    assert_eq!(faulty(0, Some(second(3))).await.unwrap(), 1);
    assert_eq!(faulty(3, None).await.unwrap(), 1);
}

#[tokio::test]
async fn devices_that_reported_are_found() {
    let (_database, store) = Database::stored().await;
    commit(&store, &[fix("a", 1), fix("c", 1)]).await;
    let asked: Vec<DeviceId> = ["c", "b", "a"].map(DeviceId::from).to_vec();
    assert_eq!(store.devices_with_positions(asked).await.unwrap(), ["c", "a"].map(DeviceId::from));
    assert_eq!(store.devices_with_positions(Vec::new()).await.unwrap(), []);
}

#[tokio::test]
async fn a_row_that_cannot_be_stored_undoes_its_batch() {
    let (_database, store) = Database::stored().await;
    for bad in [
        Position { latitude: f64::NAN, ..fix("z", 1) },
        Position { ts: Timestamp::from_micros(i64::MIN), ..fix("z", 1) },
        fix("z\0", 1),
        Position { attributes: Some(r#"{"a":"\u0000"}"#.into()), ..fix("z", 1) },
        Position { attributes: Some("{".into()), ..fix("z", 1) },
    ] {
        for _ in 0..2 {
            let error = store.commit_positions(vec![fix("a", 1), bad.clone()], AT).await.unwrap_err();
            assert!(matches!(error, StoreError::Refused { .. }), "{error}");
        }
    }
    assert_eq!(track(&store, "a").await, []);
    assert_eq!(commit(&store, &[fix("a", 1)]).await, [Inserted]);
    let bad = Position { attributes: Some("{".into()), ..fix("a", 1) };
    let error = store.commit_positions(vec![bad], AT).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Refused { .. }),
        "a bad row is refused even where one is stored: {error}"
    );
}

#[tokio::test]
async fn rows_that_were_removed_are_stored_again() {
    let (database, store) = Database::stored().await;
    let rows: Vec<Position> = (0..50).map(|second| fix("a", second)).collect();
    commit(&store, &rows).await;
    database
        .client
        .batch_execute("DELETE FROM positions WHERE ts >= to_timestamp(1780820020)")
        .await
        .unwrap();
    let expected = [[Duplicate; 20].as_slice(), &[Inserted; 30]].concat();
    assert_eq!(commit(&store, &rows).await, expected, "what the writer remembers is no proof");
    assert_eq!(track(&store, "a").await, rows);
}

#[tokio::test]
async fn a_batch_over_very_many_days_lands() {
    let (database, store) = Database::stored().await;
    let rows: Vec<Position> = (0..10_000).map(|day| fix("a", (day - 8_000) * 86_400)).collect();
    assert_eq!(commit(&store, &rows).await, vec![Inserted; 10_000]);
    assert_eq!(database.count("positions").await, 10_000);
    let transactions =
        database.client.query_one("SELECT count(DISTINCT xmin::text) FROM positions", &[]).await;
    assert_eq!(transactions.unwrap().get::<_, i64>(0), 313, "at most 32 days a transaction");
    assert_eq!(commit(&database.store().await, &rows).await, vec![Duplicate; 10_000]);
}

#[tokio::test]
async fn a_batch_that_the_server_has_no_memory_for_is_split() {
    let (database, store) = Database::stored().await;
    // As a server with few locks does: more than five days in one transaction are too many.
    let few_locks = "CREATE FUNCTION few_locks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        IF (SELECT count(DISTINCT ts::date) FROM offered) > 5 THEN \
            RAISE EXCEPTION 'out of shared memory' USING ERRCODE = '53200'; END IF; RETURN NULL; END $$; \
        CREATE TRIGGER few_locks AFTER INSERT ON positions REFERENCING NEW TABLE AS offered \
        FOR EACH STATEMENT EXECUTE FUNCTION few_locks()";
    database.client.batch_execute(few_locks).await.unwrap();
    let mut rows: Vec<Position> = (0..700).map(|n| fix("a", n / 7 * 86_400 + n % 7)).collect();
    assert_eq!(commit(&store, &rows).await, vec![Inserted; 700]);
    rows.push(rows[300].clone());
    rows.push(fix("a", -86_400));
    let expected = [vec![Duplicate; 701], vec![Inserted]].concat();
    assert_eq!(commit(&database.store().await, &rows).await, expected);
    let never = "CREATE OR REPLACE FUNCTION few_locks() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN RAISE EXCEPTION 'out of shared memory' USING ERRCODE = '53200'; END $$";
    database.client.batch_execute(never).await.unwrap();
    let error = store.commit_positions(vec![fix("b", 1), fix("b", 2)], AT).await.unwrap_err();
    assert!(matches!(error, StoreError::Unable { .. }), "{error}");
    assert_eq!(database.count("positions").await, 701, "and then it is for the caller to wait");
}
