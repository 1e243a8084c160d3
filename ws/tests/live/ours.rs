//! What is ours: sequences, resuming, pace, viewport, bytes, race changes and delayed audiences.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use ws::directory::{DelayRule, Directory};
use ws::fix::{DelayMs, FixBatch, LiveFix, RaceChange, Seq};

use crate::support::{Live, bearer, config, event, fix, token, topic};

fn seq(ms: u64) -> Seq {
    Seq { ms, n: 0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_gets_what_it_missed() {
    let live = Live::start(config()).await;
    live.publish(vec![fix("a", 10)]).await;
    let mut client = live.connect_ours().await;
    assert_eq!(client.subscribe(1).await["seq"], "10-0");
    live.publish(vec![fix("a", 11), fix("d", 12), fix("b", 13)]).await;
    assert_eq!(client.json().await["seq"], "11-0");
    assert_eq!(client.json().await["seq"], "13-0");
    drop(client);
    live.publish(vec![fix("a", 14), fix("c", 15)]).await;

    let mut client = live.connect_ours().await;
    let answer = client.subscribe_with(1, &json!({"resume_from": "11-0", "id": "r"})).await;
    assert_eq!(
        (&answer["snapshot"], &answer["seq"], &answer["id"]),
        (&json!([]), &json!("15-0"), &json!("r"))
    );
    for expected in ["13-0", "14-0", "15-0"] {
        assert_eq!(client.json().await["seq"], expected);
    }
    client.is_silent().await;
    live.publish(vec![fix("b", 16)]).await;
    assert_eq!(client.json().await["seq"], "16-0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_resumed_begins_anew() {
    let live = Live::start(config()).await;
    live.publish(vec![fix("a", 10)]).await;
    let hole = Some((seq(11), seq(19)));
    live.hub
        .publish(FixBatch { fixes: vec![fix("b", 20)], hole, read_to: seq(20), ..FixBatch::default() })
        .await;
    live.settle().await;
    for (from, is_resumed) in
        [("5-0", false), ("10-0", false), ("18-0", false), ("19-0", true), ("99-0", false)]
    {
        let mut client = live.connect_ours().await;
        client.send(&json!({"type": "subscribe", "topic": topic(1), "resume_from": from})).await;
        let first = client.json().await;
        if is_resumed {
            assert_eq!((&first["type"], &first["snapshot"]), (&json!("subscribed"), &json!([])), "{from}");
            assert_eq!(client.json().await["seq"], "20-0");
        } else {
            assert_eq!((&first["type"], &first["topic"]), (&json!("resync"), &json!(topic(1))), "{from}");
            assert_eq!(client.json().await["snapshot"].as_array().unwrap().len(), 2, "{from}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pace_is_kept_and_panic_is_not_made_to_wait() {
    let live = Live::start(config()).await;
    let mut client = live.connect().await;
    client.subscribe_with(1, &json!({"max_hz": 2})).await;
    let begun = Instant::now();
    let publish = async {
        for at in 1..=150 {
            live.publish(vec![LiveFix { panic: at == 30, ..fix("a", at) }, fix("b", at)]).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let mut seen: Vec<(String, i64, Duration)> = Vec::new();
    let read = async {
        while seen.iter().filter(|(_, ts, _)| *ts == 150).count() < 2 {
            let frame = client.json().await;
            let device = frame["deviceId"].as_str().unwrap().to_owned();
            seen.push((device, frame["ts"].as_i64().unwrap(), begun.elapsed()));
        }
    };
    tokio::join!(publish, read);
    assert!(seen.iter().any(|(device, ts, _)| device == "a" && *ts == 30));
    let paced: Vec<Duration> = seen.iter().filter(|(d, ts, _)| d == "b" && *ts != 30).map(|s| s.2).collect();
    assert!((3..=6).contains(&paced.len()), "{seen:?}");
    for two in paced.windows(2) {
        assert!(two[1] - two[0] > Duration::from_millis(400), "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pace_does_not_wait_for_the_one_before() {
    let live = Live::start(config()).await;
    let mut client = live.connect().await;
    client.subscribe_with(1, &json!({"max_hz": 0.01})).await;
    live.publish(vec![fix("a", 1)]).await;
    client.is_silent().await;
    client.subscribe_with(1, &json!({"max_hz": 10})).await;
    for at in [2, 3] {
        live.publish(vec![fix("a", at)]).await;
        assert_eq!(client.json().await["ts"], at);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewport_shows_what_is_in_it_and_may_be_moved() {
    let live = Live::start(config()).await;
    let at = |device: &str, n: u64, lon: f64| LiveFix { lon, ..fix(device, n) };
    live.publish(vec![at("a", 1, 10.0), at("b", 2, 20.0), at("c", 3, 30.0)]).await;
    let mut client = live.connect().await;
    let answer = client.subscribe_with(1, &json!({"bbox": [5, 0, 25, 80]})).await;
    assert_eq!(answer["snapshot"].as_array().unwrap().len(), 2);
    let panic = LiveFix { panic: true, ..at("c", 9, 31.0) };
    live.publish(vec![
        at("a", 4, 10.0),
        at("b", 5, 10.5),
        at("c", 6, 30.0),
        at("a", 7, 26.0),
        at("b", 8, 11.0),
        panic,
    ])
    .await;
    for expected in [4, 5, 8, 9] {
        assert_eq!(client.json().await["ts"], expected);
    }
    client.is_silent().await;
    let moved = client.subscribe_with(1, &json!({"bbox": [26, 0, 35, 80]})).await;
    let devices: Vec<&Value> = moved["snapshot"].as_array().unwrap().iter().map(|e| &e["deviceId"]).collect();
    assert_eq!(devices, ["a", "c"]);
    live.publish(vec![at("a", 10, 10.0), at("c", 11, 30.0)]).await;
    assert_eq!(client.json().await["ts"], 11);
    client.is_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_say_the_same_as_text() {
    let live = Live::start(config()).await;
    let mut client = live.connect().await;
    client.subscribe_with(1, &json!({"encoding": "binary"})).await;
    let sent = LiveFix { speed_kmh: 63.5, course_deg: 214.0, panic: true, ..fix("a", 1_780_820_130_000) };
    live.publish(vec![sent.clone()]).await;
    let Message::Binary(bytes) = client.frame().await else { panic!("bytes") };
    assert_eq!((bytes[0], bytes[1]), (1, 1));
    assert_eq!(bytes[2..18], *event(1).as_bytes());
    assert_eq!(u64::from_be_bytes(bytes[18..26].try_into().unwrap()), sent.seq.ms);
    assert_eq!(i64::from_be_bytes(bytes[30..38].try_into().unwrap()), sent.ts_ms);
    assert_eq!(f64::from_be_bytes(bytes[38..46].try_into().unwrap()), sent.lat);
    assert_eq!(f64::from_be_bytes(bytes[46..54].try_into().unwrap()), sent.lon);
    assert_eq!(f32::from_be_bytes(bytes[54..58].try_into().unwrap()), sent.speed_kmh);
    assert_eq!(f32::from_be_bytes(bytes[58..62].try_into().unwrap()), sent.course_deg);
    assert_eq!(&bytes[62..], b"a");
}

fn change(at: u64, n: u128) -> RaceChange {
    RaceChange { seq: seq(at), event: event(n), json: format!(r#"{{"kind":"result","number":{at}}}"#).into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_the_race_are_a_topic_of_their_own() {
    let live = Live::start(config()).await;
    live.hub.race(DelayMs::NONE, &[], seq(4)).await;
    live.settle().await;
    let mut client = live.connect().await;
    let topic = format!("{}:race", topic(1));
    client.send(&json!({"type": "subscribe", "topic": topic, "id": 1})).await;
    let answer = client.json().await;
    assert_eq!(
        (&answer["type"], &answer["seq"], &answer["snapshot"]),
        (&json!("subscribed"), &json!("4-0"), &json!([]))
    );
    live.hub.race(DelayMs::NONE, &[change(5, 1), change(6, 2), change(7, 1)], seq(7)).await;
    live.settle().await;
    let told = client.text().await;
    let expected =
        format!(r#"{{"type":"race","topic":"{topic}","seq":"5-0","change":{{"kind":"result","number":5}}}}"#);
    assert_eq!(told, expected);
    assert_eq!(client.json().await["seq"], "7-0");
    live.publish(vec![fix("a", 8)]).await;
    client.is_silent().await;

    for (from, first) in [("5-0", "7-0"), ("4-0", "5-0"), ("3-0", "resync")] {
        let mut other = live.connect().await;
        other.send(&json!({"type": "subscribe", "topic": topic, "resume_from": from})).await;
        let answer = other.json().await;
        if first == "resync" {
            assert_eq!(answer["type"], "resync");
        } else {
            assert_eq!((&answer["type"], &answer["seq"]), (&json!("subscribed"), &json!("7-0")));
            assert_eq!(other.json().await["seq"], first);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn before_it_is_known_who_sees_it_later_nobody_sees_it() {
    let live = Live::start_unknowing(config()).await;
    let mut public = live.connect_ours().await;
    let race = format!("{}:race", topic(1));
    live.hub.race(DelayMs::NONE, &[change(900_000, 1)], seq(900_000)).await;
    live.settle().await;
    public.send(&json!({"type": "subscribe", "topic": race, "resume_from": "899999-0"})).await;
    assert_eq!(public.json().await["type"], "resync");
    assert!(public.json().await.get("seq").is_none());
    live.hub.race(DelayMs::NONE, &[change(900_001, 1)], seq(900_001)).await;
    live.settle().await;
    public.is_silent().await;

    let delay = DelayMs(300_000);
    let rule = DelayRule { event: event(1), role: None, delay };
    live.hub.set_directory(Directory::new([], [rule], [])).await;
    live.settle().await;
    live.hub.race(DelayMs::NONE, &[change(900_002, 1)], seq(900_002)).await;
    live.settle().await;
    live.hub.race(delay, &[change(600_000, 1)], seq(600_000)).await;
    live.settle().await;
    assert_eq!(public.json().await["seq"], "600000-0");

    // Whoever administers sees it as it is, for as long as they do.
    let claims = |is_admin: bool| token("7", 900, &json!({"admin_access": is_admin}));
    let authorization = format!("Bearer {}", claims(true));
    let mut admin = live.connect_with(&[("authorization", &*authorization)]).await.unwrap();
    admin.send(&json!({"type": "subscribe", "topic": race})).await;
    assert_eq!(admin.json().await["seq"], "900002-0");
    admin.send(&json!({"type": "auth", "access_token": claims(false), "extensions": true})).await;
    assert_eq!(admin.json().await["type"], "authenticated");
    live.hub.race(DelayMs::NONE, &[change(900_003, 1)], seq(900_003)).await;
    live.settle().await;
    live.hub.race(delay, &[change(600_001, 1)], seq(600_001)).await;
    live.settle().await;
    assert_eq!(admin.json().await["seq"], "600001-0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_audience_learns_nothing_of_the_present() {
    let live = Live::start(config()).await;
    let delay = DelayMs(300_000);
    let rules = [
        DelayRule { event: event(1), role: None, delay },
        DelayRule { event: event(1), role: Some("marshal".into()), delay: DelayMs::NONE },
    ];
    let directory = || {
        let members = [(event(1), Arc::from("a")), (event(2), Arc::from("a"))];
        Directory::new(members, rules.clone(), [("9".to_owned(), event(1), "marshal".to_owned())])
    };
    let mut early = live.connect().await;
    early.subscribe(1).await;
    live.hub.set_directory(directory()).await;
    live.settle().await;
    live.hub.seed(delay, vec![LiveFix { seq: Seq::ZERO, ..fix("a", 1_000) }]).await;
    live.settle().await;
    live.publish(vec![fix("a", 900_000)]).await;
    live.hub.race(DelayMs::NONE, &[change(900_001, 1)], seq(900_001)).await;
    live.settle().await;
    early.is_silent().await;

    // Every door: the snapshot, the stream, resuming, the race, another subscription of the same event.
    let mut public = live.connect_ours().await;
    let answer = public.subscribe(1).await;
    assert_eq!(answer["snapshot"][0]["ts"], 1_000, "{answer}");
    assert_eq!(answer["seq"], "0-0");
    for from in ["0-0", "899999-0", "900000-0"] {
        public.send(&json!({"type": "subscribe", "topic": topic(1), "resume_from": from})).await;
        assert_eq!(public.json().await["type"], "resync");
        assert_eq!(public.json().await["snapshot"][0]["ts"], 1_000);
    }
    public.subscribe_with(1, &json!({"max_hz": 50, "bbox": [-180, -90, 180, 90]})).await;
    public
        .send(&json!({"type": "subscribe", "topic": format!("{}:race", topic(1)), "resume_from": "900000-0"}))
        .await;
    assert_eq!(public.json().await["type"], "resync");
    assert!(public.json().await.get("seq").is_none());
    live.publish(vec![fix("a", 900_002)]).await;
    live.hub.race(DelayMs::NONE, &[change(900_003, 1)], seq(900_003)).await;
    live.settle().await;
    public.is_silent().await;

    // What was so then comes by the delayed feed.
    live.hub
        .publish(FixBatch { delay, fixes: vec![fix("a", 600_000)], hole: None, read_to: seq(600_000) })
        .await;
    live.settle().await;
    assert_eq!(public.json().await["ts"], 600_000);
    assert_eq!(early.json().await["ts"], 600_000);
    live.hub.race(delay, &[change(600_001, 1)], seq(600_001)).await;
    live.settle().await;
    assert_eq!(public.json().await["seq"], "600001-0");

    // Marshals, and those who run the event, see it as it is; and another event of the device has no rules.
    let mut marshal = live.connect_with(&[("authorization", &*bearer("9", 900))]).await.unwrap();
    assert_eq!(marshal.subscribe(1).await["snapshot"][0]["ts"], 900_002);
    let admin = format!("Bearer {}", token("7", 900, &json!({"admin_access": true})));
    let mut admin = live.connect_with(&[("authorization", &*admin)]).await.unwrap();
    assert_eq!(admin.subscribe(1).await["snapshot"][0]["ts"], 900_002);
    assert_eq!(public.subscribe(2).await["snapshot"][0]["ts"], 900_002);
}
