//! Revisions and retractions, as in the embedded database.

use std::sync::Arc;

use proptest::prelude::*;
use race::record::{CrossingStatus, StageResult};
use storage::sqlite::SqliteStore;
use storage::{
    Cause, Changes, EntryRecords, RecordChange, Records, Revision, Store as _, StoreError, StoredRecord,
};

use crate::fixture::{AT, Database};
use crate::race_rows::{ENTRY, FENCE, STAGE, course, id, records, result};
use crate::tables::race;

/// Both as `id revision retracted-at-in-microseconds`.
const REVISIONS: &str = "SELECT id::text, revision, (extract(epoch FROM retracted_at) * 1000000)::int8 \
     FROM (SELECT id, revision, retracted_at FROM entry_crossings \
           UNION ALL SELECT id, revision, retracted_at FROM entry_penalties) AS r ORDER BY 1";
const REVISIONS_SQLITE: &str = "SELECT id, revision, retracted_at FROM entry_crossings \
     UNION ALL SELECT id, revision, retracted_at FROM entry_penalties ORDER BY 1";
const RESULTS: &str = "SELECT entry_id, revision, position, total_ms FROM stage_results ORDER BY 1";

fn sqlite_rows(path: &std::path::Path, sql: &str) -> Vec<String> {
    let raw = rusqlite::Connection::open(path).unwrap();
    let mut statement = raw.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cells: Vec<String> = (0..columns)
            .map(|n| {
                Ok(match row.get_ref(n)? {
                    rusqlite::types::ValueRef::Null => "null".to_owned(),
                    rusqlite::types::ValueRef::Integer(n) => n.to_string(),
                    other => other.as_str().unwrap().to_owned(),
                })
            })
            .collect::<rusqlite::Result<_>>()?;
        Ok(cells.join("|"))
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

/// What one step of a judge offers: which crossings of three, and how each row says it.
type Step = (Vec<Option<u8>>, Option<u8>, Vec<(u8, u8)>);

fn step() -> impl Strategy<Value = Step> {
    let crossings = prop::collection::vec(prop::option::of(0_u8..3), 3);
    let results =
        prop::collection::btree_map(0_u8..2, 0_u8..3, 0..3).prop_map(|map| map.into_iter().collect());
    (crossings, prop::option::of(0_u8..3), results)
}

fn offered((crossings, penalty, results): &Step) -> (EntryRecords, Vec<StageResult>) {
    let full = records();
    let mut offered = EntryRecords { entry_id: full.entry_id, crossings: vec![], penalties: vec![] };
    for (n, said) in (0_u8..).zip(crossings) {
        let Some(said) = said else { continue };
        let mut row = full.crossings[0].clone();
        row.id = id(1, 100, n);
        row.ts = row.ts.plus_millis(i64::from(n));
        match said {
            0 => {}
            1 => (row.speed, row.status) = (0.1, CrossingStatus::Proposed),
            _ => (row.last_touch_at, row.needs_review) = (None, true),
        }
        offered.crossings.push(row);
    }
    if let Some(said) = penalty {
        let mut row = full.penalties[0].clone();
        match said {
            0 => {}
            1 => (row.kind, row.segment_id) = (None, Some(id(1, 5, 0))),
            _ => (row.inputs, row.counts_for) = (serde_json::json!({"peak": [1.5, null]}), vec![]),
        }
        offered.penalties.push(row);
    }
    let results = results.iter().map(|&(entry, said)| {
        let position = (said > 0).then_some(u32::from(said));
        StageResult { entry_id: id(1, ENTRY, entry), position, ..result() }
    });
    (offered, results.collect())
}

#[test]
fn every_save_does_what_it_does_in_the_embedded_database() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (database, postgres) = runtime.block_on(race(&course(1)));
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..7))| {
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("race.db");
            let sqlite = SqliteStore::open(&path).unwrap();
            sqlite.save_course(Arc::new(course(1)), AT).await.unwrap();
            let empty = "TRUNCATE entry_crossings, entry_penalties, stage_results, processor_outbox, \
                processor_record_history";
            database.client.batch_execute(empty).await.unwrap();
            let mut total = Changes::default();
            for (n, step) in (0..).zip(&steps) {
                let (records, results) = offered(step);
                let at = AT.plus_millis(n);
                let cause = Cause::ALL[usize::try_from(n).unwrap() % Cause::ALL.len()];
                let here = postgres.save_records(records.clone(), cause, at).await.unwrap();
                prop_assert_eq!(here, sqlite.save_records(records, cause, at).await.unwrap());
                total += here;
                let here = postgres.save_results(results.clone(), cause, at).await.unwrap();
                prop_assert_eq!(here, sqlite.save_results(results, cause, at).await.unwrap());
                total += here;
            }
            prop_assert_eq!(database.rows(REVISIONS).await, sqlite_rows(&path, REVISIONS_SQLITE));
            prop_assert_eq!(database.rows(RESULTS).await, sqlite_rows(&path, RESULTS));
            let told = i64::try_from(total.inserted + total.revised + total.retracted).unwrap();
            prop_assert_eq!(database.count("processor_outbox").await, told);
            let entries = [id(1, ENTRY, 0), id(1, ENTRY, 1)];
            let (history, stored) =
                (postgres.history(&entries).await.unwrap(), postgres.stored_records(&entries).await.unwrap());
            prop_assert_eq!(&history, &sqlite.history(&entries).await.unwrap());
            prop_assert_eq!(&stored, &sqlite.stored_records(&entries).await.unwrap());
            prop_assert_eq!(i64::try_from(history.len()).unwrap(), told, "one revision a change");
            prop_assert_eq!(standing(&history), stored, "what is true now is what the last revisions say");
            Ok(())
        })?;
    });
    drop((postgres, database));
}

/// What is true by the revisions, which count from 1 without a gap.
fn standing(history: &[Revision]) -> Vec<StoredRecord> {
    let mut standing = Vec::new();
    for of_one in
        history.chunk_by(|a, b| (a.entry_id, a.kind, a.record_id) == (b.entry_id, b.kind, b.record_id))
    {
        for (n, revision) in (1..).zip(of_one) {
            assert_eq!(revision.revision, n);
            assert_eq!(revision.change == RecordChange::Inserted, n == 1, "{revision:?}");
        }
        let last = of_one.last().unwrap();
        if last.change != RecordChange::Retracted {
            let Revision { kind, record_id, entry_id, revision, record, .. } = last.clone();
            standing.push(StoredRecord { kind, record_id, entry_id, revision, record });
        }
    }
    standing
}

#[tokio::test]
async fn every_column_of_a_record_is_stored() {
    let (database, store) = race(&course(1)).await;
    let mut decided = records();
    for crossing in &mut decided.crossings {
        crossing.override_id = Some(decided.entry_id);
        crossing.set_at = Some(AT);
    }
    let decided_by = decided.entry_id;
    store.save_records(decided, Cause::Fixes, AT).await.unwrap();
    store.save_results(vec![result()], Cause::Fixes, AT).await.unwrap();
    let crossing =
        "SELECT to_jsonb(c) - 'id' - 'entry_id' - 'geofence_id' FROM entry_crossings c ORDER BY ts LIMIT 1";
    assert_eq!(
        database.rows(&format!("SET TimeZone = 'UTC'; {crossing}")).await,
        [r#"{"ts": "2026-06-07T08:15:30.123+00:00", "speed": 63.41, "set_at": "2026-06-08T06:26:40+00:00", "#
            .to_owned()
            + r#""status": "computed", "latitude": 41.3275123, "revision": 1, "direction": "enter", "#
            + r#""fix_after": "2026-06-07T08:15:30.723+00:00", "longitude": 0, "#
            + r#""fix_before": "2026-06-07T08:15:29.723+00:00", "#
            + &format!(r#""override_id": "{decided_by}", "needs_review": false, "retracted_at": null, "#)
            + r#""last_touch_at": "2026-06-07T08:15:30.373+00:00", "uncertainty_ms": 1000}"#]
    );
    let penalty = "SELECT to_jsonb(p) - 'id' - 'entry_id' - 'stage_id' - 'formula_id' FROM entry_penalties p";
    assert_eq!(
        database.rows(penalty).await,
        [r#"{"kind": "DZ", "type": "speeding_peak", "inputs": {"peak": 27.3, "fixes": [1, 2]}, "#.to_owned()
            + r#""status": "computed", "revision": 1, "counts_for": ["stage", "start-order"], "penalty_ms": 340000, "#
            + r#""segment_id": null, "override_id": null, "needs_review": true, "retracted_at": null, "#
            + r#""formula_snapshot": [{"penalty": 10.5, "offence_min": 0.1}]}"#]
    );
    let result = "SELECT to_jsonb(r) - 'entry_id' - 'stage_id' FROM stage_results r";
    assert_eq!(
        database.rows(result).await,
        [r#"{"laps": null, "gap_ms": 0, "status": "finished", "clean_ms": 3600000, "position": 1, "revision": 1, "#
            .to_owned()
            + r#""total_ms": 3940000, "elapsed_ms": 3600000, "penalty_ms": 340000, "started_at": "#
            + r#""2026-06-07T08:15:30.123+00:00", "finished_at": "2026-06-07T09:15:30.123+00:00", "provisional": false, "#
            + r#""class_position": null, "neutralised_ms": 0}"#]
    );
}

#[tokio::test]
async fn records_of_nobody_twice_or_of_another_are_refused_whole() {
    let (database, store) = race(&course(1)).await;
    let mut nobody = records();
    nobody.entry_id = id(9, ENTRY, 0);
    nobody.crossings.iter_mut().for_each(|c| c.entry_id = nobody.entry_id);
    nobody.penalties.clear();
    let mut twice = records();
    twice.crossings[1] = twice.crossings[0].clone();
    let mut mixed = records();
    mixed.penalties[0].entry_id = id(1, ENTRY, 1);
    for bad in [nobody, twice, mixed] {
        let error = store.save_records(bad, Cause::Fixes, AT).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    }
    let stage = StageResult { stage_id: id(9, STAGE, 0), ..result() };
    let error = store.save_results(vec![result(), stage], Cause::Fixes, AT).await.unwrap_err();
    assert!(error.to_string().contains("stage_results"), "{error}");
    let both = "(SELECT 1 FROM entry_crossings UNION ALL SELECT 1 FROM stage_results) AS r";
    assert_eq!(database.count(both).await, 0);
    // The connection still serves.
    assert_eq!(store.save_records(records(), Cause::Fixes, AT).await.unwrap().inserted, 3);
}

#[tokio::test]
async fn an_entry_that_is_deleted_meanwhile_refuses_and_does_not_block() {
    let (database, store) = race(&course(1)).await;
    // Checked at commit, as in the tables of somebody else.
    let deferred = "ALTER TABLE entry_crossings DROP CONSTRAINT entry_crossings_entry_id_fkey, \
        ADD FOREIGN KEY (entry_id) REFERENCES entries DEFERRABLE INITIALLY DEFERRED; \
        CREATE FUNCTION remove() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        DELETE FROM overrides; DELETE FROM entry_devices; DELETE FROM entry_segment_starts; \
        DELETE FROM entries WHERE id = NEW.entry_id; RETURN NULL; END $$; \
        CREATE TRIGGER remove AFTER INSERT ON entry_penalties FOR EACH ROW EXECUTE FUNCTION remove()";
    database.client.batch_execute(deferred).await.unwrap();
    let error = store.save_records(records(), Cause::Fixes, AT).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    assert_eq!(database.count("entry_crossings").await, 0);
    // Somebody deletes it and has not decided yet.
    database.client.batch_execute("DROP TRIGGER remove ON entry_penalties").await.unwrap();
    let entry = id(1, ENTRY, 0);
    let delete = format!(
        "BEGIN; DELETE FROM overrides; DELETE FROM entry_devices; DELETE FROM entry_segment_starts; \
         DELETE FROM entries WHERE id = '{entry}'"
    );
    database.client.batch_execute(&delete).await.unwrap();
    let started = std::time::Instant::now();
    let error = store.save_records(records(), Cause::Fixes, AT).await.unwrap_err();
    assert!(matches!(error, StoreError::Retry { .. }), "{error}");
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
    database.client.batch_execute("COMMIT").await.unwrap();
    let error = store.save_records(records(), Cause::Fixes, AT).await.unwrap_err();
    assert!(error.to_string().contains("not in entries"), "{error}");
}

/// Tables as an administration tool makes them: keys of its own, `json`, and some columns of ours never made.
async fn foreign() -> (Database, storage::timescale::PostgresStore) {
    let (database, store) = race(&course(1)).await;
    database
        .client
        .batch_execute(
            "ALTER TABLE entry_crossings DROP fix_before, DROP fix_after, ALTER ts TYPE timestamptz(3), \
                ADD sort integer, ALTER speed TYPE real; \
             ALTER TABLE entry_penalties ALTER inputs TYPE json, ALTER formula_snapshot TYPE json; \
             ALTER TABLE stage_results DROP CONSTRAINT stage_results_pkey, ADD id uuid PRIMARY KEY, DROP laps; \
             DROP TABLE processor_outbox, processor_record_history",
        )
        .await
        .unwrap();
    (database, store)
}

#[tokio::test]
async fn tables_of_others_take_what_they_have_columns_for() {
    let (database, store) = foreign().await;
    for expected in [3, 0] {
        let changes = store.save_records(records(), Cause::Fixes, AT).await.unwrap();
        assert_eq!(changes, Changes { inserted: expected, ..Changes::default() });
        let changes = store.save_results(vec![result()], Cause::Fixes, AT).await.unwrap();
        assert_eq!(changes.inserted, expected.min(1));
    }
    let mut later = records();
    later.penalties[0].inputs = serde_json::json!({"peak": 28});
    later.crossings.clear();
    let changes = store.save_records(later, Cause::Fixes, AT).await.unwrap();
    assert_eq!(changes, Changes { inserted: 0, revised: 1, retracted: 2 });
    let slower = StageResult { total_ms: None, ..result() };
    assert_eq!(store.save_results(vec![slower], Cause::Fixes, AT).await.unwrap().revised, 1);
    assert_eq!(database.rows("SELECT revision, total_ms, id IS NULL FROM stage_results").await, ["2|null|f"]);
    assert_eq!(id(1, FENCE, 0), records().crossings[0].geofence_id);
    let entry = [id(1, ENTRY, 0)];
    assert_eq!(store.history(&entry).await.unwrap(), [], "there is no table for it");
    let stored = store.stored_records(&entry).await.unwrap();
    assert_eq!(stored.iter().map(|record| record.revision).collect::<Vec<_>>(), [2, 2], "{stored:?}");
    assert_eq!(stored[0].record.get("fix_before"), None);
}
