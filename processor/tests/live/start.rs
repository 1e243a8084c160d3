//! A worker that starts, works and stops.

use std::time::Duration;

use crate::fleet::{course, disorder, keys, race};
use crate::platform::{Platform, STREAM, wait};
use crate::records::{expected, records, stored};
use crate::worker::Worker;

#[test]
fn positions_and_race_records_are_those_of_a_replay() {
    let platform = Platform::start().with_course(&course(20));
    let fixes = race(20, 300);
    let mut worker = platform.worker(&[]);
    worker.wait_until_ready();
    platform.add(&disorder(&fixes, 20, 50, 1));
    platform.wait_until_done(Duration::from_secs(30));
    assert_eq!(stored(&platform), keys(&fixes));
    let expected = expected(&platform, &fixes);
    assert!(expected.iter().any(|line| line.starts_with("result") && line.contains("|finished|")));
    wait("the records are those of a replay", Duration::from_secs(20), || records(&platform) == expected);

    let metrics = worker.metrics();
    let writes = |status: &str| metrics[&format!("processor_position_writes_total{{status=\"{status}\"}}")];
    assert_eq!(writes("inserted") as usize, fixes.len());
    assert_eq!(writes("duplicate"), metrics["processor_acks_total"] - writes("inserted"));
    assert!(writes("duplicate") > 0.0);
    assert!(worker.terminate().success(), "{}", worker.log());
    assert!(worker.log().contains("nothing was left behind"), "{}", worker.log());
    assert_eq!(records(&platform), expected);

    // Every change was told once, the last one of each record being what is true.
    let noted = platform.count("processor_outbox");
    assert!(noted >= expected.len());
    assert_eq!(platform.count("processor_outbox WHERE relayed_at IS NULL"), 0);
    let told: Vec<(String, std::collections::HashMap<String, String>)> =
        platform.redis("XRANGE race:changes - +");
    let ids: std::collections::BTreeSet<&str> =
        told.iter().map(|(_, change)| change["outbox_id"].as_str()).collect();
    assert_eq!((told.len(), ids.len()), (noted, noted));
    let finished = told.iter().filter(|(_, change)| change["kind"] == "result").map(|(_, change)| {
        let payload: serde_json::Value = serde_json::from_str(&change["payload"]).unwrap();
        (change["entry_id"].clone(), payload["status"] == "finished")
    });
    let last: std::collections::BTreeMap<String, bool> = finished.collect();
    assert_eq!(last.len(), 20);
    assert!(last.values().all(|finished| *finished), "{last:?}");
}

#[test]
fn without_the_tables_of_a_race_positions_are_stored_all_the_same() {
    let platform = Platform::start();
    let mut worker = platform.worker(&[]);
    let fixes = race(5, 100);
    platform.add(&fixes);
    worker.wait_until_ready();
    platform.wait_until_done(Duration::from_secs(30));
    assert_eq!(stored(&platform), keys(&fixes));
    assert!(worker.log().contains("race rules are off, because the database lacks"), "{}", worker.log());
    assert!(worker.terminate().success());
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let platform = Platform::start();
    let mut worker = Worker::without_log(&platform, &[("LOG_LEVEL", "debug")]);
    worker.wait_until_ready();
    let fixes = race(3, 50);
    platform.add(&fixes);
    let _: String = platform.redis(&format!("XADD {STREAM} * what ever"));
    platform.wait_until_done(Duration::from_secs(30));
    assert_eq!(stored(&platform), keys(&fixes));
    assert_eq!(worker.terminate().code(), Some(0));
}
