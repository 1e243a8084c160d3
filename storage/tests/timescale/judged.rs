//! What a judge saves of an entry: all of it or nothing, and not twice.

use race::time::Timestamp;
use storage::{
    Cause, Changes, Judged, Live as _, NewState, PositionWrite, Records as _, Revision, SavedState,
    StoreError, Touch,
};
use uuid::Uuid;

use crate::fixture::{AT, fix};
use crate::lease::held;
use crate::race_rows::{ENTRY, course, id, records, result};
use crate::tables::race;

fn judged(clears_dirty: Option<i64>) -> Judged {
    let state = NewState { version: 2, evaluated_to: Some(fix("", 7).ts), bytes: vec![0, 255, 7] };
    Judged { records: records(), cause: Cause::Fixes, state: Some(state), clears_dirty }
}

fn touching(second: i64, entry_id: Uuid) -> PositionWrite {
    PositionWrite {
        rows: vec![fix("a", second)],
        ingested_at: AT,
        fence: None,
        touches: vec![Touch { row: 0, entry_id }],
    }
}

fn saved(dirty_from: Option<Timestamp>, dirty_revision: i64) -> SavedState {
    SavedState {
        entry_id: id(1, ENTRY, 0),
        version: 2,
        evaluated_to: Some(fix("", 7).ts),
        state: vec![0, 255, 7],
        dirty_from,
        dirty_revision,
    }
}

#[tokio::test]
async fn saving_twice_changes_nothing() {
    let (database, store) = race(&course(1)).await;
    let fence = held(&store, "a").await;
    let entry = id(1, ENTRY, 0);
    let first = store.save_judged(Some(&fence), &[judged(None)], AT).await.unwrap();
    assert_eq!(first, Changes { inserted: 3, ..Changes::default() });
    let versions = "SELECT (SELECT string_agg(xmin::text || ':' || xmax::text, ' ' ORDER BY id) FROM entry_crossings), \
         (SELECT string_agg(xmin::text || ':' || xmax::text, ' ') FROM processor_entry_states), \
         (SELECT count(*) FROM processor_outbox), (SELECT count(*) FROM processor_record_history)";
    let before = database.rows(versions).await;
    assert_eq!(
        store.save_judged(Some(&fence), &[judged(None)], AT.plus_millis(5)).await.unwrap(),
        Changes::default()
    );
    assert_eq!(
        store.save_judged(None, &[judged(Some(0))], AT.plus_millis(5)).await.unwrap(),
        Changes::default()
    );
    assert_eq!(database.rows(versions).await, before, "no row was written");
    assert_eq!(store.load_states(&[entry, id(1, ENTRY, 1)]).await.unwrap(), [saved(None, 0)]);
}

#[tokio::test]
async fn an_entry_that_was_marked_since_stays_dirty() {
    let (_database, store) = race(&course(1)).await;
    let entry = id(1, ENTRY, 0);
    store.write(&touching(5, entry)).await.unwrap();
    let read = store.load_states(&[entry]).await.unwrap();
    assert_eq!((read[0].version, &read[0].state[..]), (0, &[][..]), "nothing was saved yet");
    assert_eq!((read[0].dirty_from, read[0].dirty_revision), (Some(fix("", 5).ts), 1));
    store.write(&touching(4, entry)).await.unwrap();
    store.save_judged(None, &[judged(Some(1))], AT).await.unwrap();
    assert_eq!(store.load_states(&[entry]).await.unwrap(), [saved(Some(fix("", 4).ts), 2)]);
    store.save_judged(None, &[Judged { state: None, ..judged(Some(2)) }], AT).await.unwrap();
    assert_eq!(store.load_states(&[entry]).await.unwrap(), [saved(None, 2)]);
}

#[tokio::test]
async fn under_a_lost_lease_nothing_is_saved() {
    let (database, store) = race(&course(1)).await;
    let lost = held(&store, "a").await;
    store.write(&touching(5, id(1, ENTRY, 0))).await.unwrap();
    let taken = held(&store, "a").await;
    for _ in 0..2 {
        let error = store.save_judged(Some(&lost), &[judged(Some(1))], AT).await.unwrap_err();
        assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
        let error = store.save_standings(Some(&lost), &[result()], Cause::Fixes, AT).await.unwrap_err();
        assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    }
    for table in [
        "entry_crossings",
        "entry_penalties",
        "stage_results",
        "processor_outbox",
        "processor_record_history",
    ] {
        assert_eq!(database.count(table).await, 0, "{table}");
    }
    assert_eq!(
        database.rows("SELECT version, dirty_from IS NULL FROM processor_entry_states").await,
        ["0|f"]
    );
    assert_eq!(store.save_judged(Some(&taken), &[judged(Some(1))], AT).await.unwrap().inserted, 3);
    assert_eq!(store.save_standings(Some(&taken), &[result()], Cause::Fixes, AT).await.unwrap().inserted, 1);
}

#[tokio::test]
async fn what_cannot_be_stored_takes_the_state_with_it() {
    let (database, store) = race(&course(1)).await;
    store.write(&touching(5, id(1, ENTRY, 0))).await.unwrap();
    database.client.batch_execute("ALTER TABLE entry_penalties ADD CHECK (penalty_ms < 5)").await.unwrap();
    let error = store.save_judged(None, &[judged(Some(1))], AT).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    assert_eq!(database.count("entry_crossings").await, 0);
    assert_eq!(
        database.rows("SELECT version, dirty_from IS NULL FROM processor_entry_states").await,
        ["0|f"]
    );
}

/// An entry with a record of its own and the records of another, as they would be found of it.
fn judged_of(n: u8) -> Judged {
    let mut judged = judged(None);
    judged.records.entry_id = id(1, ENTRY, n);
    judged.records.crossings.clear();
    for penalty in &mut judged.records.penalties {
        penalty.entry_id = id(1, ENTRY, n);
        penalty.id = Uuid::from_u128(77 + u128::from(n));
    }
    judged
}

#[tokio::test]
async fn several_are_saved_as_each_by_itself_and_all_of_them_or_none() {
    let (database, store) = race(&course(1)).await;
    let all = [judged_of(1), judged(None)];
    assert_eq!(store.save_judged(None, &all, AT).await.unwrap().inserted, 4);
    let states = store.load_states(&[id(1, ENTRY, 0), id(1, ENTRY, 1)]).await.unwrap();
    assert_eq!(states.len(), 2);
    let penalties = "SELECT entry_id, penalty_ms, retracted_at IS NULL FROM entry_penalties ORDER BY 1, 3";
    let before = database.rows(penalties).await;
    assert_eq!(before.len(), 2);
    assert_eq!(store.save_judged(None, &all, AT).await.unwrap(), Changes::default());
    assert_eq!(store.save_judged(None, &[], AT).await.unwrap(), Changes::default());

    // The one that is refused takes the others with it, whatever their order.
    database.client.batch_execute("ALTER TABLE entry_penalties ADD CHECK (penalty_ms <> 5)").await.unwrap();
    let (mut good, mut bad) = (judged(None), judged_of(1));
    good.records.penalties.clear();
    bad.records.penalties[0].penalty_ms = 5;
    for both in [[good.clone(), bad.clone()], [bad, good.clone()]] {
        let error = store.save_judged(None, &both, AT).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
        assert_eq!(database.rows(penalties).await, before);
    }
    let error = store.save_judged(None, &[good.clone(), good.clone()], AT).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    // What was recorded is retracted although nothing is offered.
    let changes = store.save_judged(None, &[judged_of(1), good], AT).await.unwrap();
    assert_eq!(changes, Changes { retracted: 1, ..Changes::default() });
}

#[tokio::test]
async fn changes_are_told_in_the_transaction_that_makes_them() {
    let (database, store) = race(&course(1)).await;
    store.save_judged(None, &[judged(None)], AT).await.unwrap();
    store.save_results(vec![result()], Cause::Fixes, AT).await.unwrap();
    let mut fewer = judged(None);
    fewer.records.crossings.pop();
    fewer.records.penalties[0].penalty_ms = 7;
    store.save_judged(None, &[fewer], AT).await.unwrap();
    let told = "SELECT kind, payload ->> 'change', payload ->> 'revision', \
                coalesce(payload ->> 'penalty_ms', payload ->> 'direction', payload ->> 'status'), \
                event_id = (SELECT id FROM events), entry_id = (payload ->> 'entry_id')::uuid, relayed_at IS NULL \
                FROM processor_outbox ORDER BY id";
    assert_eq!(
        database.rows(told).await,
        [
            "crossing|inserted|1|enter|t|t|t",
            "crossing|inserted|1|enter|t|t|t",
            "penalty|inserted|1|340000|t|t|t",
            "result|inserted|1|340000|t|t|t",
            "crossing|retracted|2|enter|t|t|t",
            "penalty|revised|2|7|t|t|t",
        ]
    );
}

#[tokio::test]
async fn a_revision_tells_what_it_did_why_and_when() {
    let (_database, store) = race(&course(1)).await;
    let entry = id(1, ENTRY, 0);
    store.save_judged(None, &[judged(None)], AT).await.unwrap();
    store.save_results(vec![result()], Cause::Fixes, AT).await.unwrap();
    let mut fewer = Judged { cause: Cause::FaultyFlag, ..judged(None) };
    fewer.records.crossings.pop();
    fewer.records.penalties[0].penalty_ms = 7;
    store.save_judged(None, &[fewer.clone()], AT.plus_millis(5)).await.unwrap();
    store.save_judged(None, &[fewer], AT.plus_millis(6)).await.unwrap();
    store.save_judged(None, &[judged(None)], AT.plus_millis(7)).await.unwrap();
    let told: Vec<String> =
        store.history(&[entry, id(1, ENTRY, 1)]).await.unwrap().iter().map(line).collect();
    assert_eq!(
        told,
        [
            "crossing 1 inserted by fixes after 0 ms: enter",
            "crossing 1 inserted by fixes after 0 ms: enter",
            "crossing 2 retracted by faulty-flag after 5 ms: enter",
            "crossing 3 revised by fixes after 7 ms: enter",
            "penalty 1 inserted by fixes after 0 ms: 340000",
            "penalty 2 revised by faulty-flag after 5 ms: 7",
            "penalty 3 revised by fixes after 7 ms: 340000",
            "result 1 inserted by fixes after 0 ms: 340000",
        ]
    );
    assert_eq!(store.history(&[id(1, ENTRY, 1)]).await.unwrap(), []);
}

fn line(revision: &Revision) -> String {
    let Revision { kind, revision, change, cause, recorded_at, record, .. } = revision;
    let said = record
        .get("direction")
        .and_then(|said| said.as_str())
        .map_or_else(|| record["penalty_ms"].to_string(), str::to_owned);
    let after = recorded_at.millis_since(AT);
    format!("{} {revision} {} by {cause} after {after} ms: {said}", kind.as_str(), change.as_str())
}
