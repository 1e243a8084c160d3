//! A worker that starts, works and stops.

use std::time::Duration;

use crate::fleet::{course, disorder, keys, race};
use crate::platform::{Platform, wait};
use crate::records::{expected, records, stored};

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
