//! Two instances on one group: one that judges and one that stands by, or two that share; and two of one name.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::fleet::{Entry, course, disorder, keys, race};
use crate::platform::{GROUP, Platform, STREAM, wait};
use crate::records::{expected, records, stored};
use crate::worker::Worker;

const INSERTED: &str = "processor_position_writes_total{status=\"inserted\"}";

fn holds(worker: &Worker) -> bool {
    worker.metric("processor_lease_held") > 0.0
}

/// Two workers: the one that works, and the one that stands by.
fn two(platform: &Platform) -> (Worker, Worker) {
    let first = platform.worker(&[("INSTANCE_ID", "a")]);
    wait("one works", Duration::from_secs(30), || holds(&first));
    let second = platform.worker(&[("INSTANCE_ID", "b")]);
    wait("the other stands by", Duration::from_secs(30), || {
        second.get("/readyz").is_some_and(|(status, said)| status == 200 && said.contains("standing by"))
    });
    assert!(holds(&first) && !holds(&second));
    first.wait_until_ready();
    (first, second)
}

fn assert_exact(platform: &Platform, fixes: &[Entry]) {
    platform.wait_until_done(Duration::from_secs(60));
    assert_eq!(stored(platform), keys(fixes));
    let expected = expected(platform, fixes);
    wait("the records are those of a replay", Duration::from_secs(30), || records(platform) == expected);
}

#[test]
fn whoever_stands_by_commits_within_ten_seconds_of_a_crash() {
    let platform = Platform::start().with_course(&course(20));
    let (mut first, mut second) = two(&platform);
    let fixes = race(20, 400);
    let sent = disorder(&fixes, 20, 50, 4);
    let (early, late) = sent.split_at(sent.len() / 2);
    let crashed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // At first as fast as can be, so that much is on its way at the crash; then like a fleet.
            platform.add(early);
            crashed.store(true, Ordering::Release);
            for part in late.chunks(50) {
                platform.add(part);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        wait("entries are on their way", Duration::from_secs(20), || {
            platform.count("positions") > 0 && (platform.left().0 > 0 || crashed.load(Ordering::Acquire))
        });
        first.kill9();
        let begun = Instant::now();
        // A COMMIT that was sent before may still be carried out.
        std::thread::sleep(Duration::from_millis(500));
        let before = platform.count("positions");
        wait("a new position is committed", Duration::from_secs(10), || platform.count("positions") > before);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    });
    assert_exact(&platform, &fixes);
    assert!(holds(&second));
    assert!(second.metric("processor_claimed_total") > 0.0, "{}", second.log());
    assert!(second.terminate().success());
}

#[test]
fn a_worker_that_was_stopped_and_lost_its_lease_commits_nothing_more() {
    let platform = Platform::start().with_course(&course(20));
    let (mut first, mut second) = two(&platform);
    let fixes = race(20, 500);
    platform.add(&disorder(&fixes, 20, 50, 5));
    wait("it works", Duration::from_secs(20), || first.metric(INSERTED) > 0.0);
    first.signal("STOP");
    assert!(platform.left() != (0, 0), "it was stopped in the midst of its work");
    wait("the other has taken over", Duration::from_secs(20), || holds(&second));
    assert_exact(&platform, &fixes);
    let everything = |platform: &Platform| {
        platform.sql(
            "SELECT md5(string_agg(t::text, ';' ORDER BY t::text)) FROM positions t; \
             SELECT md5(string_agg(t::text, ';' ORDER BY t::text)) FROM entry_crossings t; \
             SELECT md5(string_agg(t::text, ';' ORDER BY t::text)) FROM entry_penalties t; \
             SELECT md5(string_agg(t::text, ';' ORDER BY t::text)) FROM stage_results t; \
             SELECT holder, token FROM processor_leases",
        )
    };
    let before = everything(&platform);
    assert!(before.ends_with("b|2"), "{before}");
    first.signal("CONT");
    wait("the first stands by", Duration::from_secs(20), || {
        first.get("/readyz").is_some_and(|(status, said)| status == 200 && said.contains("standing by"))
    });
    assert!(!holds(&first) && first.is_running());
    assert!(first.log().contains("another instance has taken over the lease"), "{}", first.log());
    assert_eq!(everything(&platform), before);
    let inserted = first.metric(INSERTED) + second.metric(INSERTED);
    assert_eq!(inserted as usize, fixes.len());
    assert!(second.terminate().success());
    wait("the first works again", Duration::from_secs(20), || holds(&first));
    assert!(first.terminate().success(), "{}", first.log());
}

#[test]
fn the_second_of_one_name_does_not_start_and_a_name_comes_back_after_a_crash() {
    let platform = Platform::start().with_course(&course(5));
    let fixes = race(5, 100);
    let (early, late) = fixes.split_at(250);
    let mut first = platform.worker(&[]);
    first.wait_until_ready();
    let mut second = platform.worker(&[]);
    assert_eq!(second.end(Duration::from_secs(20)).code(), Some(1));
    assert!(second.log().contains("the instance id processor-1 is taken by pid-"), "{}", second.log());
    platform.add(early);
    platform.wait_until_done(Duration::from_secs(30));
    assert!(first.is_running());
    first.kill9();
    let begun = Instant::now();
    platform.add(late);
    let mut third = platform.worker(&[]);
    platform.wait_until_done(Duration::from_secs(20));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_exact(&platform, &fixes);
    assert!(third.terminate().success());
    // Given back, a name is free at once.
    let mut fourth = platform.worker(&[]);
    fourth.wait_until_ready();
    assert!(!fourth.log().contains("the name is in use"), "{}", fourth.log());
    assert!(fourth.terminate().success());
}

#[test]
fn without_race_rules_two_instances_share_the_load() {
    let platform = Platform::start().with_course(&course(20));
    let fixes = race(20, 800);
    let settings = [("PROCESSOR_PHASE_2_ENABLED", "false"), ("WRITE_BATCH_SIZE", "500")];
    let [mut first, mut second] = ["a", "b"].map(|name| {
        let worker = platform.worker(&[("INSTANCE_ID", name), settings[0], settings[1]]);
        worker.wait_until_ready();
        worker
    });
    platform.add(&disorder(&fixes, 20, 50, 6));
    platform.wait_until_done(Duration::from_secs(60));
    assert_eq!(stored(&platform), keys(&fixes));
    let acks = [&first, &second].map(|worker| worker.metric("processor_acks_total"));
    assert!(acks.iter().all(|acks| *acks > 0.0), "{acks:?}");
    assert!(records(&platform).is_empty());
    assert!(first.terminate().success() && second.terminate().success());
}

#[test]
fn race_rules_without_their_tables_are_an_error_that_names_them() {
    let platform = Platform::start();
    let mut worker = platform.worker(&[("PROCESSOR_PHASE_2_ENABLED", "true")]);
    assert_eq!(worker.end(Duration::from_secs(30)).code(), Some(1));
    let log = worker.log();
    assert!(log.contains("PROCESSOR_PHASE_2_ENABLED") && log.contains("entry_devices"), "{log}");
    // The name was given back.
    assert_eq!(platform.redis::<usize>("EXISTS processor:instance:processor-1"), 0);
}

/// A group as an earlier program left it: 200 of 500 entries read and never acknowledged, by a consumer that is gone.
fn half_read(platform: &Platform, fixes: &[Entry]) {
    let _: String = platform.redis(&format!("XGROUP CREATE {STREAM} {GROUP} 0 MKSTREAM"));
    platform.add(fixes);
    let _: redis::Value =
        platform.redis(&format!("XREADGROUP GROUP {GROUP} old-worker COUNT 200 STREAMS {STREAM} >"));
    assert_eq!(platform.left().0, 200);
}

#[test]
fn the_holder_takes_what_an_earlier_program_left_half_read_at_once() {
    let platform = Platform::start().with_course(&course(5));
    let fixes = race(5, 100);
    half_read(&platform, &fixes);
    let mut worker = platform.worker(&[("CLAIM_THRESHOLD_MS", "3600000")]);
    assert_exact(&platform, &fixes);
    assert_eq!(worker.metric("processor_claimed_total") as usize, 200);
    assert!(worker.terminate().success());
}

#[test]
fn without_race_rules_what_is_left_half_read_is_taken_when_it_is_old() {
    let platform = Platform::start();
    let fixes = race(5, 100);
    half_read(&platform, &fixes);
    let mut worker = platform.worker(&[("CLAIM_THRESHOLD_MS", "6000")]);
    wait("the unread are stored", Duration::from_secs(30), || platform.count("positions") >= 300);
    platform.wait_until_done(Duration::from_secs(30));
    assert_eq!(stored(&platform), keys(&fixes));
    assert_eq!(worker.metric("processor_claimed_total") as usize, 200);
    assert!(worker.metric("processor_position_writes_total{status=\"duplicate\"}").total_cmp(&0.0).is_eq());
    assert!(worker.terminate().success());
}
