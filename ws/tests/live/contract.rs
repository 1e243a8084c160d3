//! What the contract says, to the byte.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use ws::fix::LiveFix;

use crate::support::{Live, config, event, fix, topic};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_another_make_sees_the_contract() {
    let live = Live::start(config()).await;
    let known = LiveFix { speed_kmh: 63.5, course_deg: 214.0, ..fix("a", 1_780_820_130_000) };
    live.publish(vec![known]).await;
    let mut client = live.connect().await;
    let topic = topic(1);
    client.send(&json!({"type": "subscribe", "topic": topic, "id": "c1"})).await;
    assert_eq!(
        client.text().await,
        format!(
            r#"{{"type":"subscribed","topic":"{topic}","id":"c1","snapshot":[{{"deviceId":"a","lat":41.5,"lon":19.25,"ts":1780820130000,"speed":63.5,"course":214}}]}}"#
        )
    );
    live.publish(vec![fix("b", 1_780_820_131_000)]).await;
    assert_eq!(
        client.text().await,
        format!(
            r#"{{"type":"position","topic":"{topic}","deviceId":"b","lat":41.5,"lon":19.25,"ts":1780820131000}}"#
        )
    );
    client.send(&json!({"type": "unsubscribe", "topic": topic, "id": "c2"})).await;
    assert_eq!(client.text().await, format!(r#"{{"type":"unsubscribed","topic":"{topic}","id":"c2"}}"#));
    live.publish(vec![fix("b", 1_780_820_132_000)]).await;
    client.is_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribing_twice_is_one_subscription() {
    let live = Live::start(config()).await;
    let mut client = live.connect().await;
    client.subscribe(1).await;
    live.publish(vec![fix("a", 1)]).await;
    client.text().await;
    let again = client.subscribe(1).await;
    assert_eq!(again["snapshot"].as_array().unwrap().len(), 1);
    live.publish(vec![fix("a", 2)]).await;
    client.text().await;
    client.is_silent().await;
    assert_eq!(live.metric("processor_live_subscriptions"), 1.0);
    client.send(&json!({"type": "unsubscribe", "topic": topic(1)})).await;
    client.text().await;
    live.publish(vec![fix("a", 3)]).await;
    client.is_silent().await;
    assert_eq!(live.metric("processor_live_subscriptions"), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_goes_to_each_of_its_events_and_one_of_none_nowhere() {
    let live = Live::start(config()).await;
    let mut client = live.connect().await;
    client.subscribe(1).await;
    client.subscribe(2).await;
    live.publish(vec![fix("d", 1), fix("c", 2), fix("a", 3)]).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let frame = client.json().await;
        seen.push((
            frame["topic"].as_str().unwrap().to_owned(),
            frame["deviceId"].as_str().unwrap().to_owned(),
        ));
    }
    seen.sort();
    assert_eq!(seen, [(topic(1), "a".into()), (topic(1), "c".into()), (topic(2), "c".into())]);
    client.is_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_no_topic_reaches_nobody() {
    let live = Live::start(config()).await;
    let mut client = live.connect().await;
    let id = event(1).to_string();
    let odd = [
        "event:".into(),
        "event:../users/me".into(),
        format!("event:{id}/../../users/me"),
        format!("event: {id}"),
        "event:0B1F6C1E-31E2-4A55-9F0E-6A4F36C4D001".into(),
        "stage:1".into(),
        String::new(),
        "x".repeat(500),
    ];
    for topic in odd {
        for kind in ["subscribe", "unsubscribe"] {
            client.send(&json!({"type": kind, "topic": topic, "id": 7})).await;
            let answer = client.json().await;
            assert_eq!(
                (&answer["type"], &answer["code"]),
                (&json!("error"), &json!("unknown-topic")),
                "{topic}"
            );
            assert_eq!(answer["id"], 7);
            let told = answer["topic"].as_str().unwrap();
            assert!(topic.starts_with(told) && told.len() <= 128);
        }
    }
    assert!(live.directus.requests().is_empty(), "{:?}", live.directus.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_understood_is_answered_and_the_session_goes_on() {
    let live = Live::start(config()).await;
    let mut client = live.connect().await;
    for text in ["", "null", "{", r#"{"type":"dance"}"#, r#"{"type":"subscribe"}"#, "[1,2]", "\u{0}"] {
        client.stream.send(Message::text(text)).await.unwrap();
        let answer = client.json().await;
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!("protocol")), "{text}");
    }
    client.subscribe(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_says_so() {
    let live = Live::start(config()).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = live.connect().await;
        client.subscribe(1).await;
        clients.push(client);
    }
    live.publish(vec![fix("a", 1)]).await;
    let address = live.address();
    let drained = tokio::spawn(live.server.drain());
    for client in &mut clients {
        assert_eq!(client.json().await["type"], "position", "what waits is written first");
        assert_eq!(client.closed().await.0, 1001);
        // Its own close frame goes out, and the connection ends.
        assert!(client.stream.next().await.is_none());
    }
    let begun = std::time::Instant::now();
    drained.await.unwrap();
    assert!(begun.elapsed() < std::time::Duration::from_secs(1), "clients that close are not waited for");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
