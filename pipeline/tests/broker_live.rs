//! Groups and ranges that a live channel reads, against a real server.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod broker_support;

use std::time::Duration;

use broker_support::{Bench, STREAM, id};
use pipeline::batch::StreamId;
use pipeline::broker::BrokerError;
use pipeline::source::redis::{Delivery, Endpoint, ReaderConfig, Start, StreamReader};

const LIVE: &str = "live-broadcast-a";

async fn reader(bench: &Bench, read_count: usize) -> StreamReader {
    let mut config = ReaderConfig::new(STREAM, LIVE, "a");
    config.block = Duration::from_millis(20);
    (config.no_ack, config.read_count) = (true, read_count);
    StreamReader::connect(&Endpoint::parse(&bench.server.url()).unwrap(), config).await.unwrap()
}

fn ids(delivery: &Delivery) -> Vec<u64> {
    delivery.batch.entries.iter().map(|entry| entry.id.ms).collect()
}

fn add(bench: &mut Bench, ms: std::ops::RangeInclusive<u64>) {
    for ms in ms {
        let _: String = bench.run(&format!("XADD {STREAM} {ms}-0 n {ms}"));
    }
}

#[tokio::test]
async fn a_group_begins_at_the_end_or_where_it_is_told_and_nothing_of_it_is_pending() {
    let mut bench = Bench::new();
    let broker = bench.broker();
    assert_eq!(broker.set_group(STREAM, LIVE, None).await, Ok(StreamId::ZERO), "the stream is made");
    add(&mut bench, 1..=3);
    assert_eq!(broker.set_group(STREAM, LIVE, None).await, Ok(id(3)), "it is there, and is set anew");
    add(&mut bench, 4..=9);
    let mut reader = reader(&bench, 4).await;
    let first = reader.next(Start::New).await.unwrap();
    assert_eq!((ids(&first), first.is_full, first.ends_reply), (vec![4, 5, 6, 7], true, true));
    let second = reader.next(Start::New).await.unwrap();
    assert_eq!((ids(&second), second.is_full), (vec![8, 9], false));
    let none = reader.next(Start::New).await.unwrap();
    assert!(none.is_empty() && !none.is_full);
    let (pending, ..): (u64, redis::Value, redis::Value, redis::Value) =
        bench.run(&format!("XPENDING {STREAM} {LIVE}"));
    assert_eq!(pending, 0);
    assert_eq!(broker.set_group(STREAM, LIVE, Some(id(7))).await, Ok(id(7)));
    assert_eq!(ids(&reader.next(Start::New).await.unwrap()), [8, 9]);

    assert_eq!(broker.destroy_group(STREAM, LIVE).await, Ok(true));
    assert_eq!(broker.destroy_group(STREAM, LIVE).await, Ok(false));
    assert_eq!(broker.destroy_group("nothing", LIVE).await, Ok(false));
    let _: String = bench.run("SET text x");
    assert!(matches!(broker.destroy_group("text", LIVE).await, Err(BrokerError::Refused { .. })));
    assert!(matches!(broker.set_group("text", LIVE, None).await, Err(BrokerError::Refused { .. })));
    assert_eq!(broker.set_group(STREAM, LIVE, Some(id(8))).await, Ok(id(8)), "made where it is told");
    assert_eq!(ids(&reader.next(Start::New).await.unwrap()), [9]);
}

#[tokio::test]
async fn a_range_is_read_without_a_group_and_ends_where_it_is_told() {
    let mut bench = Bench::new();
    let broker = bench.broker();
    let mut reader = reader(&bench, 3).await;
    let none = reader.next(Start::Between(StreamId::ZERO, id(9))).await.unwrap();
    assert!(none.is_empty() && none.ends_reply, "there is no stream");
    add(&mut bench, 1..=9);
    let (mut after, mut read) = (id(1), Vec::new());
    loop {
        let part = reader.next(Start::Between(after, id(7))).await.unwrap();
        let Some((_, last)) = part.interval else { break };
        assert!(part.len() <= 3 && (part.is_full == (part.len() == 3)));
        after = last;
        read.extend(ids(&part));
    }
    assert_eq!(read, [2, 3, 4, 5, 6, 7]);
    assert!(reader.next(Start::Between(id(7), id(3))).await.unwrap().is_empty());
    // An entry that is too large is passed over, and what comes behind it is read.
    let large = "x".repeat(pipeline::limits::MAX_ENTRY_BYTES + 1);
    let _: String =
        redis::cmd("XADD").arg(STREAM).arg("10-0").arg("a").arg(&large).query(&mut bench.control).unwrap();
    add(&mut bench, 11..=11);
    let part = reader.next(Start::Between(id(9), id(u64::MAX))).await.unwrap();
    assert_eq!((part.oversized.len(), part.oversized[0].id, ids(&part)), (1, id(10), vec![11]));
    let _: String = bench.run("SET text x");
    let messages = broker.messages_between(STREAM, id(7), id(9), 10).await.unwrap();
    assert_eq!(messages.iter().map(|message| message.id).collect::<Vec<_>>(), [id(8), id(9)]);
    assert_eq!(messages[1].field("n"), Some("9"));
    assert_eq!(broker.messages_between(STREAM, StreamId::ZERO, id(9), 2).await.unwrap().len(), 2);
    assert_eq!(broker.messages_between("nothing", StreamId::ZERO, id(9), 2).await, Ok(vec![]));
    assert!(broker.messages_between("text", StreamId::ZERO, id(9), 2).await.is_err());
}

#[tokio::test]
async fn groups_of_the_dead_are_destroyed_and_no_others() {
    let mut bench = Bench::new();
    let broker = bench.broker();
    let idle = Duration::from_secs(10);
    let destroyed = broker.destroy_abandoned_groups(STREAM, "live-broadcast", LIVE, idle).await;
    assert_eq!(destroyed, Ok(vec![]), "there is no stream");
    add(&mut bench, 1..=1);
    for group in ["processor", LIVE, "live-broadcast-dead", "live-broadcast-b", "live-broadcast-read"] {
        let _: String = bench.run(&format!("XGROUP CREATE {STREAM} {group} 0"));
    }
    let guard = broker.guard_instance("b", idle).await.unwrap();
    let _: redis::Value =
        bench.run(&format!("XREADGROUP GROUP live-broadcast-read c COUNT 1 STREAMS {STREAM} >"));
    let destroyed = broker.destroy_abandoned_groups(STREAM, "live-broadcast", LIVE, idle).await.unwrap();
    assert_eq!(destroyed, ["live-broadcast-dead"]);
    guard.release().await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut destroyed = broker
        .destroy_abandoned_groups(STREAM, "live-broadcast", LIVE, Duration::from_millis(5))
        .await
        .unwrap();
    destroyed.sort();
    assert_eq!(destroyed, ["live-broadcast-b", "live-broadcast-read"]);
}

#[tokio::test]
async fn the_broker_tells_its_time() {
    let mut bench = Bench::new();
    let before: (u64, u64) = bench.run("TIME");
    let now_ms = bench.broker().now_ms().await.unwrap();
    let after: (u64, u64) = bench.run("TIME");
    let ms = |(seconds, micros): (u64, u64)| seconds * 1_000 + micros / 1_000;
    assert!((ms(before)..=ms(after)).contains(&now_ms));
}
