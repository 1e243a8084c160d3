//! What the broker itself loses, or takes back: counted, said, and survived.

use std::time::Duration;

use crate::fleet::{keys, race};
use crate::platform::{GROUP, Platform, STREAM, wait};
use crate::records::stored;
use crate::worker::Worker;

fn lost(worker: &Worker, kind: &str) -> usize {
    worker.metric(&format!("processor_stream_lost_total{{kind=\"{kind}\"}}")) as usize
}

#[test]
fn unread_entries_that_are_trimmed_are_counted_exactly() {
    let platform = Platform::start();
    let fixes = race(5, 220);
    let (early, late) = fixes.split_at(100);
    let mut worker = platform.worker(&[]);
    worker.wait_until_ready();
    platform.add(early);
    platform.wait_until_done(Duration::from_secs(30));
    // The watch must have looked at this; it looks every two seconds.
    wait("the watch has seen it", Duration::from_secs(20), || {
        worker.metric("processor_consumer_reads_total{result=\"empty\"}") >= 4.0
    });
    worker.signal("STOP");
    // A read that the broker still holds would be given the first entry.
    wait("no read waits", Duration::from_secs(10), || {
        let clients: String = platform.redis("CLIENT LIST");
        !clients.lines().any(|line| line.contains("cmd=xreadgroup") && line.contains("flags=b"))
    });
    platform.add(late);
    let _: usize = platform.redis(&format!("XTRIM {STREAM} MAXLEN 400"));
    worker.signal("CONT");
    platform.wait_until_done(Duration::from_secs(30));
    wait("the loss is counted", Duration::from_secs(20), || lost(&worker, "unread") > 0);
    assert_eq!(lost(&worker, "unread"), late.len() - 400);
    let mut kept = keys(early);
    kept.extend(keys(&late[late.len() - 400..]));
    assert_eq!(stored(&platform), kept);
    let log = worker.log();
    assert!(log.contains("ERROR 600 entries were trimmed from the stream before they were read"), "{log}");
    assert_eq!(lost(&worker, "pending"), 0);
    assert!(worker.terminate().success());
}

#[test]
fn pending_entries_that_are_trimmed_are_counted_exactly_and_do_not_stay() {
    let platform = Platform::start();
    let fixes = race(5, 100);
    let _: String = platform.redis(&format!("XGROUP CREATE {STREAM} {GROUP} 0 MKSTREAM"));
    platform.add(&fixes);
    // The worker's own, of an earlier life, and another's; half of the other's are still there.
    for (consumer, count) in [("processor-1", 100), ("another", 200)] {
        let _: redis::Value =
            platform.redis(&format!("XREADGROUP GROUP {GROUP} {consumer} COUNT {count} STREAMS {STREAM} >"));
    }
    let _: usize = platform.redis(&format!("XTRIM {STREAM} MAXLEN 300"));
    let mut worker = platform.worker(&[]);
    platform.wait_until_done(Duration::from_secs(30));
    assert_eq!(lost(&worker, "pending"), 200, "{}", worker.log());
    assert_eq!(stored(&platform), keys(&fixes[200..]));
    assert!(worker.log().contains("pending entries were trimmed or deleted"), "{}", worker.log());
    assert!(worker.terminate().success());
}

#[test]
fn entries_on_their_way_that_are_trimmed_are_not_lost() {
    let mut platform = Platform::durable();
    let fixes = race(5, 20);
    let mut worker = platform.worker(&[("CLAIM_THRESHOLD_MS", "1000"), ("CLAIM_INTERVAL_MS", "200")]);
    worker.wait_until_ready();
    platform.own_postgres.as_mut().unwrap().stop().unwrap();
    platform.add(&fixes);
    wait("all are on their way", Duration::from_secs(20), || {
        worker.metric("processor_in_flight_entries") as usize == fixes.len()
    });
    let _: usize = platform.redis(&format!("XTRIM {STREAM} MAXLEN 0"));
    // Each empty read is a second, and a look for what is pending.
    let reads = || worker.metric("processor_consumer_reads_total{result=\"empty\"}");
    let before = reads();
    wait("it has looked at what is pending", Duration::from_secs(20), || reads() >= before + 3.0);
    platform.own_postgres.as_mut().unwrap().restart().unwrap();
    // They are no longer pending: the look at them has taken them off.
    wait("all are stored", Duration::from_secs(30), || platform.count("positions") == fixes.len());
    assert_eq!(stored(&platform), keys(&fixes));
    assert_eq!(lost(&worker, "pending"), 0, "{}", worker.log());
    assert!(worker.terminate().success());
}

#[test]
fn a_stream_or_group_that_vanished_is_made_again_from_the_oldest_entry() {
    let platform = Platform::start();
    let fixes = race(5, 120);
    let (early, late) = fixes.split_at(300);
    let mut worker = platform.worker(&[]);
    worker.wait_until_ready();
    platform.add(early);
    platform.wait_until_done(Duration::from_secs(30));
    let duplicates = || worker.metric("processor_position_writes_total{status=\"duplicate\"}") as usize;
    assert_eq!(duplicates(), 0);
    let _: usize = platform.redis(&format!("XGROUP DESTROY {STREAM} {GROUP}"));
    wait("what is stored comes again", Duration::from_secs(30), || duplicates() == early.len());
    platform.wait_until_done(Duration::from_secs(30));
    let _: usize = platform.redis(&format!("DEL {STREAM}"));
    platform.add(late);
    wait("the new stream is read", Duration::from_secs(30), || platform.count("positions") == fixes.len());
    platform.wait_until_done(Duration::from_secs(30));
    assert_eq!(stored(&platform), keys(&fixes));
    let again = "the group was made again from the oldest entry";
    assert_eq!(worker.log().matches(again).count(), 2, "{}", worker.log());
    assert_eq!(duplicates(), early.len());
    assert!(worker.terminate().success());
}

#[test]
fn a_broker_that_keeps_nothing_on_disk_is_warned_of_once() {
    let platform = Platform::start();
    let _: String = platform.redis("CONFIG SET appendonly no");
    let mut worker = platform.worker(&[]);
    worker.wait_until_ready();
    let warned = "the broker keeps no append-only file";
    assert_eq!(worker.log().matches(warned).count(), 1, "{}", worker.log());
    assert!(worker.terminate().success());
}
