//! Revisions and retractions.

use race::record::StageResult;
use serde_json::json;
use storage::{Cause, Changes, EntryRecords, Records as _, StoreError};

use crate::fixture::Scratch;
use crate::race_rows::{ENTRY, STAGE, id, records, result, ts};

const REVISIONS: &str = "SELECT id, revision, retracted_at FROM entry_crossings
                         UNION ALL SELECT id, revision, retracted_at FROM entry_penalties ORDER BY 1";

fn revisions(rows: &[(u8, u8, i64, Option<i64>)]) -> Vec<String> {
    let text = |&(table, n, revision, retracted): &(u8, u8, i64, Option<i64>)| {
        let retracted = retracted.map_or("Null".into(), |at| format!("Integer({at})"));
        format!("Text(\"{}\") Integer({revision}) {retracted}", id(1, table, n))
    };
    rows.iter().map(text).collect()
}

#[tokio::test]
async fn the_same_records_again_write_nothing() {
    let scratch = Scratch::with_course().await;
    let at = ts("2026-06-08T00:00:00Z");
    let first = scratch.store.save_records(records(), Cause::Fixes, at).await.unwrap();
    assert_eq!(first, Changes { inserted: 3, ..Changes::default() });
    assert_eq!(
        scratch
            .store
            .save_results(vec![result()], Cause::Fixes, ts("2026-06-08T00:00:00Z"))
            .await
            .unwrap()
            .inserted,
        1
    );
    let watcher = scratch.raw();
    let version = || -> i64 { watcher.query_row("PRAGMA data_version", [], |row| row.get(0)).unwrap() };
    let before = version();
    assert_eq!(
        scratch.store.save_records(records(), Cause::Fixes, at.plus_millis(1)).await.unwrap(),
        Changes::default()
    );
    assert_eq!(
        scratch.store.save_results(vec![result()], Cause::Fixes, ts("2026-06-08T00:00:00Z")).await.unwrap(),
        Changes::default()
    );
    assert_eq!(version(), before);
}

#[tokio::test]
async fn a_row_is_revised_retracted_and_comes_back() {
    let scratch = Scratch::with_course().await;
    let at = ts("2026-06-08T00:00:00Z");
    scratch.store.save_records(records(), Cause::Fixes, at).await.unwrap();

    let mut later = records();
    later.crossings.remove(1);
    later.penalties[0].inputs = json!({"peak": 28});
    let changes = scratch.store.save_records(later.clone(), Cause::Fixes, at).await.unwrap();
    assert_eq!(changes, Changes { inserted: 0, revised: 1, retracted: 1 });
    let gone = revisions(&[(100, 0, 1, None), (100, 1, 2, Some(at.micros())), (101, 0, 2, None)]);
    assert_eq!(scratch.rows(REVISIONS), gone);

    let still = scratch.store.save_records(later, Cause::Fixes, at.plus_millis(5)).await.unwrap();
    assert_eq!(still, Changes::default());
    assert_eq!(scratch.rows(REVISIONS), gone, "a retraction keeps its time");

    let changes = scratch.store.save_records(records(), Cause::Fixes, at).await.unwrap();
    assert_eq!(changes, Changes { inserted: 0, revised: 2, retracted: 0 });
    let back = revisions(&[(100, 0, 1, None), (100, 1, 3, None), (101, 0, 3, None)]);
    assert_eq!(scratch.rows(REVISIONS), back);
}

#[tokio::test]
async fn an_entry_without_records_has_all_of_its_own_retracted() {
    let scratch = Scratch::with_course().await;
    let at = ts("2026-06-08T00:00:00Z");
    scratch.store.save_records(records(), Cause::Fixes, at).await.unwrap();
    let nothing = |n| EntryRecords { entry_id: id(1, ENTRY, n), crossings: vec![], penalties: vec![] };
    assert_eq!(scratch.store.save_records(nothing(1), Cause::Fixes, at).await.unwrap(), Changes::default());
    assert_eq!(scratch.store.save_records(nothing(0), Cause::Fixes, at).await.unwrap().retracted, 3);
}

#[tokio::test]
async fn every_column_of_a_record_is_stored() {
    let scratch = Scratch::with_course().await;
    scratch.store.save_records(records(), Cause::Fixes, ts("2026-06-08T00:00:00Z")).await.unwrap();
    let crossing = "SELECT ts, direction, latitude, longitude, speed, uncertainty_ms, fix_before, fix_after,
                    needs_review, status FROM entry_crossings ORDER BY ts LIMIT 1";
    assert_eq!(
        scratch.rows(crossing),
        ["Integer(1780820130123000) Text(\"enter\") Real(41.3275123) Real(0.0) Real(63.41) Integer(1000) \
          Integer(1780820129723000) Integer(1780820130723000) Integer(0) Text(\"computed\")"]
    );
    let penalty = "SELECT segment_id, type, kind, formula_snapshot, inputs, penalty_ms, counts_for, status,
                   override_id, needs_review FROM entry_penalties";
    assert_eq!(
        scratch.rows(penalty),
        [r#"Null Text("speeding_peak") Text("DZ") Text("[{\"offence_min\":0.1,\"penalty\":10.5}]") "#
            .to_owned()
            + r#"Text("{\"fixes\":[1,2],\"peak\":27.3}") Integer(340000) Text("[\"stage\",\"start-order\"]") "#
            + r#"Text("computed") Null Integer(1)"#]
    );
}

#[tokio::test]
async fn a_result_is_revised_and_others_stay() {
    let scratch = Scratch::with_course().await;
    let other = StageResult { entry_id: id(1, ENTRY, 1), position: Some(2), ..result() };
    scratch
        .store
        .save_results(vec![result(), other], Cause::Fixes, ts("2026-06-08T00:00:00Z"))
        .await
        .unwrap();
    let slower = StageResult { total_ms: None, position: Some(3), ..result() };
    let changes =
        scratch.store.save_results(vec![slower], Cause::Fixes, ts("2026-06-08T00:00:00Z")).await.unwrap();
    assert_eq!(changes, Changes { inserted: 0, revised: 1, retracted: 0 });
    assert_eq!(
        scratch.rows("SELECT position, total_ms, revision FROM stage_results ORDER BY entry_id"),
        ["Integer(3) Null Integer(2)", "Integer(2) Integer(3940000) Integer(1)"]
    );
}

#[tokio::test]
async fn records_of_nobody_twice_or_of_another_are_refused_whole() {
    let scratch = Scratch::with_course().await;
    let at = ts("2026-06-08T00:00:00Z");
    let mut nobody = records();
    nobody.entry_id = id(9, ENTRY, 0);
    nobody.crossings.iter_mut().for_each(|c| c.entry_id = nobody.entry_id);
    nobody.penalties.clear();
    let mut twice = records();
    twice.crossings[1] = twice.crossings[0].clone();
    let mut mixed = records();
    mixed.penalties[0].entry_id = id(1, ENTRY, 1);
    for bad in [nobody, twice, mixed] {
        let error = scratch.store.save_records(bad, Cause::Fixes, at).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    }
    assert_eq!(scratch.rows(REVISIONS), revisions(&[]));
    let stage = StageResult { stage_id: id(9, STAGE, 0), ..result() };
    let error = scratch
        .store
        .save_results(vec![result(), stage], Cause::Fixes, ts("2026-06-08T00:00:00Z"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("stage_results"), "{error}");
    assert!(scratch.rows("SELECT 1 FROM stage_results").is_empty());
}
