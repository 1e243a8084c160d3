//! Requests and answers against a real server.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod broker_support;

use std::time::{Duration, Instant};

use broker_support::{Bench, GROUP, id};
use pipeline::batch::StreamId;
use pipeline::broker::BrokerError;

const REQUESTS: &str = "requests";
const ANSWERS: &str = "answers";
const SOON: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_request_is_its_consumers_until_it_is_answered() {
    let mut bench = Bench::new();
    let broker = bench.broker();
    let missing = broker.new_messages(REQUESTS, GROUP, "a", 10, SOON).await;
    assert!(matches!(missing, Err(BrokerError::NoGroup { .. })), "{missing:?}");
    broker.ensure_group(REQUESTS, GROUP).await.unwrap();
    assert_eq!(broker.new_messages(REQUESTS, GROUP, "a", 10, SOON).await, Ok(vec![]), "none came in time");
    let mut sent = Vec::new();
    for n in 1..=3 {
        sent.push(broker.send(REQUESTS, &[("n", n.to_string()), ("what", "x y".to_owned())]).await.unwrap());
    }
    let read = broker.new_messages(REQUESTS, GROUP, "a", 2, SOON).await.unwrap();
    assert_eq!(read.iter().map(|message| message.id).collect::<Vec<_>>(), sent[..2]);
    assert_eq!(
        (read[0].field("n"), read[0].field("what"), read[0].field("x")),
        (Some("1"), Some("x y"), None)
    );
    let own = broker.own_messages(REQUESTS, GROUP, "a", StreamId::ZERO, 10).await.unwrap();
    assert_eq!(own, read, "it is given again until it is answered");
    assert_eq!(broker.own_messages(REQUESTS, GROUP, "a", sent[0], 10).await.unwrap(), read[1..]);

    broker.answer(REQUESTS, GROUP, sent[0], ANSWERS, &[("to", sent[0].to_string())]).await.unwrap();
    let own = broker.own_messages(REQUESTS, GROUP, "a", StreamId::ZERO, 10).await.unwrap();
    assert_eq!(own, read[1..]);
    let (_, fields) = bench.entries(ANSWERS).pop().unwrap();
    assert_eq!(fields, [(b"to".to_vec(), sent[0].to_string().into_bytes())]);

    // One that was deleted meanwhile says nothing any more, and is pending all the same.
    let deleted: u64 = bench.run(&format!("XDEL {REQUESTS} {}", sent[1]));
    assert_eq!(deleted, 1);
    let own = broker.own_messages(REQUESTS, GROUP, "a", StreamId::ZERO, 10).await.unwrap();
    assert_eq!((own.len(), own[0].id, own[0].fields.len()), (1, sent[1], 0));
}

#[tokio::test]
async fn what_comes_after_is_read_without_a_group() {
    let mut bench = Bench::new();
    let broker = bench.broker();
    assert_eq!(broker.last_message(ANSWERS).await, Ok(StreamId::ZERO));
    assert_eq!(broker.messages_after(ANSWERS, StreamId::ZERO, 10, SOON).await, Ok(vec![]));
    for ms in 1..=3 {
        let _: String = bench.run(&format!("XADD {ANSWERS} {ms}-0 n {ms}"));
    }
    assert_eq!(broker.last_message(ANSWERS).await, Ok(id(3)));
    let read = broker.messages_after(ANSWERS, id(1), 10, SOON).await.unwrap();
    assert_eq!(read.iter().map(|message| message.id).collect::<Vec<_>>(), [id(2), id(3)]);
    // The last id stays when its entry goes.
    let _: u64 = bench.run(&format!("XTRIM {ANSWERS} MAXLEN = 0"));
    assert_eq!(broker.last_message(ANSWERS).await, Ok(id(3)));
    let waiting = broker.clone();
    let begun = Instant::now();
    let read =
        tokio::spawn(async move { waiting.messages_after(ANSWERS, id(3), 10, Duration::from_secs(5)).await });
    tokio::time::sleep(SOON).await;
    let _: String = bench.run(&format!("XADD {ANSWERS} 4-0 n 4"));
    let read = read.await.unwrap().unwrap();
    assert_eq!((read.len(), read[0].field("n")), (1, Some("4")));
    assert!(begun.elapsed() < Duration::from_secs(4), "it comes when it is there: {:?}", begun.elapsed());
    let _: String = bench.run("SET text x");
    assert!(matches!(broker.last_message("text").await, Err(BrokerError::Refused { .. })));
}
