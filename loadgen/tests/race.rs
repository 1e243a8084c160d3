//! A simulated race day through the pipeline, the store and the judge, beside its truth; and that what is planted is found.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

mod support;

use loadgen::profile::Profile;
use loadgen::verify::{Outcome, verify};
use rusqlite::Connection;
use storage::sqlite::SqliteStore;
use support::{RaceDay, loadgen, race_day};

async fn compared(day: &RaceDay) -> Outcome {
    let store = SqliteStore::open(day.path("race.db")).unwrap();
    verify(&store, day.folder.path(), || ()).await.unwrap()
}

fn database(day: &RaceDay) -> Connection {
    Connection::open(day.path("race.db")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_day_is_stored_and_judged_as_it_happened() {
    for profile in Profile::ALL {
        let day = race_day(12, 1, profile);
        drop(day.store().await);
        let outcome = compared(&day).await;
        assert!(outcome.is_good(), "{profile:?}: {outcome:#?}");
        let truth = &day.simulation.truth;
        // What is compared is there to be compared.
        let keys: usize = truth.devices.iter().map(|d| d.instants().count()).sum();
        assert_eq!((outcome.positions.expected, outcome.positions.stored), (keys as u64, keys as u64));
        assert!(truth.sent > keys as u64, "some are sent twice");
        assert!(truth.devices.iter().any(|d| d.entry_id.is_none()));
        assert!(truth.entries.iter().any(|e| e.retired) && truth.entries.iter().any(|e| e.finishes));
        assert!(truth.entries.iter().any(|e| e.episodes.iter().any(|episode| episode.certain)));
        let (crossings, penalties) = (&outcome.crossings, &outcome.penalties);
        assert!(crossings.expected > 40 && penalties.expected > 8 && penalties.waypoints_missed > 0);
        // Far better than what the largest error would explain.
        assert!(
            crossings.error_median_ms > 0.0 && crossings.error_median_ms < crossings.allowed_median_ms / 2.0
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planted_is_found() {
    let day = race_day(4, 11, Profile::Steady);
    drop(day.store().await);
    assert!(compared(&day).await.is_good());
    let device = &day.simulation.truth.devices[0];
    let instant = |n: usize| device.instants().nth(n).unwrap().micros();
    let database = database(&day);

    // Without its key, so that a row can be there twice at all.
    let unkeyed = "ALTER TABLE positions RENAME TO keyed; CREATE TABLE positions AS SELECT * FROM keyed";
    database.execute_batch(unkeyed).unwrap();
    let twice = "INSERT INTO positions SELECT * FROM positions WHERE device_id = ?1 AND ts = ?2";
    assert_eq!(database.execute(twice, (&device.device_id, instant(7))).unwrap(), 1);
    let positions = compared(&day).await.positions;
    assert_eq!((positions.lost, positions.duplicated, positions.wrong, positions.unknown), (0, 1, 0, 0));

    database
        .execute("DELETE FROM positions WHERE device_id = ?1 AND ts = ?2", (&device.device_id, instant(9)))
        .unwrap();
    let positions = compared(&day).await.positions;
    assert_eq!((positions.lost, positions.duplicated, positions.wrong, positions.unknown), (1, 1, 0, 0));

    let moved = "UPDATE positions SET latitude = latitude + 1e-7 WHERE device_id = ?1 AND ts = ?2";
    database.execute(moved, (&device.device_id, instant(11))).unwrap();
    let shifted = "UPDATE positions SET ts = ts + 1 WHERE device_id = ?1 AND ts = ?2";
    database.execute(shifted, (&device.device_id, instant(13))).unwrap();
    let positions = compared(&day).await.positions;
    assert_eq!((positions.lost, positions.duplicated, positions.wrong, positions.unknown), (2, 1, 1, 1));

    // A row that a person flagged is neither lost nor wrong.
    let flagged = "UPDATE positions SET faulty = 1 WHERE device_id = ?1 AND ts = ?2";
    database.execute(flagged, (&device.device_id, instant(15))).unwrap();
    let positions = compared(&day).await.positions;
    assert_eq!((positions.lost, positions.flagged), (2, 1));

    let store = format!("sqlite:{}", day.path("race.db").display());
    let output = loadgen(&["verify", "--json", "-q", "--store", &store, day.folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["positions"]["lost"], &json["positions"]["duplicated"]), (&2.into(), &1.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_did_not_happen_are_found() {
    let day = race_day(4, 11, Profile::Steady);
    drop(day.store().await);
    let database = database(&day);
    let first = "SELECT id FROM entry_crossings ORDER BY id LIMIT 1";
    let id: String = database.query_row(first, [], |row| row.get(0)).unwrap();
    let change = |sql: &str| assert_eq!(database.execute(sql, [&id]).unwrap(), 1, "{sql}");

    change("UPDATE entry_crossings SET ts = ts + 5000000 WHERE id = ?1");
    let crossings = compared(&day).await.crossings;
    assert_eq!((crossings.missing, crossings.extra, crossings.wrong), (0, 0, 1));
    assert!(crossings.error_max_ms > 4_000.0);

    change("UPDATE entry_crossings SET retracted_at = 1 WHERE id = ?1");
    let crossings = compared(&day).await.crossings;
    assert_eq!((crossings.missing, crossings.extra, crossings.wrong), (1, 0, 0));

    let first = "SELECT id FROM entry_penalties WHERE type = 'missed_waypoint' ORDER BY id LIMIT 1";
    let id: String = database.query_row(first, [], |row| row.get(0)).unwrap();
    let change = |sql: &str| assert_eq!(database.execute(sql, [&id]).unwrap(), 1, "{sql}");
    change("UPDATE entry_penalties SET penalty_ms = penalty_ms + 1 WHERE id = ?1");
    let penalties = compared(&day).await.penalties;
    assert_eq!((penalties.missing, penalties.extra, penalties.wrong), (0, 0, 1));
    change("UPDATE entry_penalties SET retracted_at = 1 WHERE id = ?1");
    let penalties = compared(&day).await.penalties;
    assert_eq!((penalties.missing, penalties.extra, penalties.wrong), (1, 0, 0));

    let results = "UPDATE stage_results SET status = 'dnf' WHERE status = 'finished'";
    let changed = database.execute(results, []).unwrap();
    assert!(changed > 0);
    // Somebody who finished may have been made dnf by a penalty; who did not finish and is said to have is wrong.
    assert_eq!(compared(&day).await.penalties.statuses_wrong, 0);
    database.execute("UPDATE stage_results SET status = 'running'", []).unwrap();
    assert!(compared(&day).await.penalties.statuses_wrong >= changed as u64);
}
