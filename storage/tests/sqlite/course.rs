//! What is saved reads back equal; what may not be is refused by name.

use std::sync::Arc;

use race::course::Tables;
use storage::{Records as _, Store as _, StoreError};

use crate::fixture::{AT, Scratch};
use crate::race_rows::{CLASS, ENTRY, EVENT, FENCE, STAGE, course, id};

#[tokio::test]
async fn every_table_reads_back_equal() {
    let scratch = Scratch::with_course().await;
    assert_eq!(scratch.store.load_course().await.unwrap(), course(1));
    let scratch = scratch.reopen();
    assert_eq!(scratch.store.load_course().await.unwrap(), course(1));
}

#[tokio::test]
async fn rows_read_back_in_the_order_of_their_ids() {
    let scratch = Scratch::new();
    let mut shuffled = course(1);
    shuffled.entries.reverse();
    shuffled.waypoints.reverse();
    shuffled.entry_segment_starts.reverse();
    scratch.store.save_course(Arc::new(shuffled), AT).await.unwrap();
    assert_eq!(scratch.store.load_course().await.unwrap(), course(1));
}

#[tokio::test]
async fn an_empty_database_has_an_empty_course() {
    assert_eq!(Scratch::new().store.load_course().await.unwrap(), Tables::default());
}

#[tokio::test]
async fn columns_of_the_schema_are_those_of_the_rows() {
    let scratch = Scratch::new();
    let serde_json::Value::Object(tables) = serde_json::to_value(course(1)).unwrap() else {
        panic!("an object")
    };
    for (table, rows) in &tables {
        // Rows leave optional columns out; over all rows of the fixture each column is there once.
        let mut given: Vec<&str> = rows
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|r| r.as_object().unwrap().keys().map(String::as_str))
            .collect();
        given.sort_unstable();
        given.dedup();
        let stored = scratch.rows(&format!("SELECT name FROM pragma_table_info('{table}') ORDER BY 1"));
        let given: Vec<String> = given.iter().map(|name| format!("Text({name:?})")).collect();
        assert_eq!(stored, given, "{table}");
    }
}

#[tokio::test]
async fn saving_the_same_course_again_writes_nothing() {
    let scratch = Scratch::with_course().await;
    let watcher = scratch.raw();
    let version = || -> i64 { watcher.query_row("PRAGMA data_version", [], |row| row.get(0)).unwrap() };
    let before = version();
    scratch.store.save_course(Arc::new(course(1)), AT).await.unwrap();
    assert_eq!(version(), before);
    let mut renamed = course(1);
    renamed.events[0].name = "Other".into();
    scratch.store.save_course(Arc::new(renamed), AT).await.unwrap();
    assert_ne!(version(), before);
}

#[tokio::test]
async fn race_numbers_and_imeis_can_be_exchanged() {
    let scratch = Scratch::with_course().await;
    let mut swapped = course(1);
    let (a, b) = swapped.entries.split_at_mut(1);
    std::mem::swap(&mut a[0].race_number, &mut b[0].race_number);
    let (a, b) = swapped.devices.split_at_mut(1);
    std::mem::swap(&mut a[0].imei, &mut b[0].imei);
    scratch.store.save_course(Arc::new(swapped.clone()), AT).await.unwrap();
    assert_eq!(scratch.store.load_course().await.unwrap(), swapped);
}

/// The course is refused with a message that has these words, and nothing of it is stored.
async fn refused(course: Tables, words: &[&str]) {
    let scratch = Scratch::with_course().await;
    let before = scratch.store.load_course().await.unwrap();
    let error = scratch.store.save_course(Arc::new(course), AT).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    for word in words {
        assert!(error.to_string().contains(word), "{word:?} in {error}");
    }
    assert_eq!(scratch.store.load_course().await.unwrap(), before);
    scratch.store.save_course(Arc::new(self::course(1)), AT).await.unwrap();
}

#[tokio::test]
async fn a_race_number_twice_is_refused() {
    let mut twice = course(1);
    twice.entries[1].race_number = twice.entries[0].race_number;
    refused(twice, &["entries", "race_number", &id(1, ENTRY, 1).to_string()]).await;
}

#[tokio::test]
async fn an_id_twice_is_refused() {
    let mut twice = course(1);
    twice.classes[1].id = twice.classes[0].id;
    refused(twice, &["classes", &id(1, CLASS, 0).to_string(), "twice"]).await;
}

#[tokio::test]
async fn a_reference_to_nothing_is_refused() {
    let mut dangling = course(1);
    dangling.geofences.remove(1);
    refused(dangling, &["neutralisations", "segments", "geofences", "not there"]).await;
    let mut dangling = course(1);
    dangling.entries[0].class_id = Some(id(1, FENCE, 0));
    refused(dangling, &["entries", &id(1, ENTRY, 0).to_string(), "classes"]).await;
    let mut dangling = course(1);
    dangling.stages[0].event_id = id(2, EVENT, 0);
    refused(dangling, &["stages", &id(1, STAGE, 0).to_string(), "events"]).await;
}
