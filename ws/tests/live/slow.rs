//! Clients that do not read: bounded, then closed, and nobody else notices.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use ws::LiveConfig;
use ws::directory::Directory;
use ws::fix::{LiveFix, Seq};

use crate::support::{Live, config, event, fix, topic, until};

const THRESHOLD_BYTES: usize = 64 * 1024;

fn tuned(slow_client: Duration) -> LiveConfig {
    LiveConfig { backpressure_threshold_bytes: THRESHOLD_BYTES, slow_client, ..config() }
}

/// As many bytes as a client that reads may come to wait for while the machine is busy.
const ENOUGH_BYTES: usize = 1024 * 1024;

/// Fixes of two devices until more is out than the system and the session keep for a client.
async fn flood(live: &Live, from: u64, panic_every: Option<u64>) -> u64 {
    let mut at = from;
    for _ in 0..400 {
        let some = (0..100).map(|n| {
            let at = at + n;
            let panic = panic_every.is_some_and(|every| at.is_multiple_of(every));
            LiveFix { panic, ..fix(if at.is_multiple_of(2) { "a" } else { "b" }, at) }
        });
        live.publish(some.collect()).await;
        at += 100;
        sleep(Duration::from_millis(1)).await;
    }
    at
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_reading_is_closed_and_others_lose_nothing() {
    let patient = LiveConfig { backpressure_threshold_bytes: ENOUGH_BYTES, ..tuned(Duration::from_secs(1)) };
    let live = Live::start(patient).await;
    let mut stuck = live.connect().await;
    stuck.subscribe(1).await;
    let mut other = live.connect().await;
    other.subscribe(1).await;
    let reads = async {
        let mut worst = Duration::ZERO;
        for at in 1..=40_000 {
            let begun = Instant::now();
            let frame = other.json().await;
            assert_eq!(frame["ts"], at);
            worst = worst.max(begun.elapsed());
        }
        worst
    };
    let (_, worst) = tokio::join!(flood(&live, 1, None), reads);
    assert!(worst < Duration::from_millis(500), "{worst:?}");
    until("closed", || live.metric("processor_live_sessions") == 1.0).await;
    assert_eq!(live.metric("processor_live_sessions_closed_total{code=\"4408\"}"), 1.0);
    // What was written before is still read; the close frame is behind half a chunk that never left.
    drop(stuck);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_again_gets_the_latest_of_each_device_and_every_panic() {
    let live = Live::start(tuned(Duration::from_secs(60))).await;
    for ours in [false, true] {
        let mut client = if ours { live.connect_ours().await } else { live.connect().await };
        client.subscribe(1).await;
        let from = if ours { 1_000_001 } else { 1 };
        let end = flood(&live, from, Some(1_000)).await;
        let mut last: HashMap<String, i64> = HashMap::new();
        let (mut panics, mut frames, mut gaps, mut skipped) = (0, 0_u64, 0, 0);
        let newest = i64::try_from(end - 1).unwrap();
        while last.values().max() != Some(&newest)
            || last.len() < 2
            || last.values().min() < Some(&(newest - 1))
        {
            let frame: Value = client.json().await;
            if frame["type"] == "gap" {
                gaps += 1;
                skipped += frame["skipped"].as_u64().unwrap();
                continue;
            }
            assert_eq!(frame["type"], "position", "{frame}");
            let (device, ts) =
                (frame["deviceId"].as_str().unwrap().to_owned(), frame["ts"].as_i64().unwrap());
            let before = last.insert(device, ts).unwrap_or(0);
            assert!(ts > before, "{ts} behind {before}");
            frames += 1;
            panics += u64::from(ts % 1_000 == 0);
        }
        assert_eq!(panics, 40);
        assert!(frames < 20_000, "{frames} of 40000 were not worth sending");
        assert_eq!(gaps > 0, ours);
        if ours {
            assert!((40_000 - frames..=40_000).contains(&skipped), "{skipped} and {frames}");
        }
        // It is as good as any other now.
        live.publish(vec![fix("a", end), fix("a", end + 1)]).await;
        let next = [client.json().await["ts"].as_u64(), client.json().await["ts"].as_u64()];
        assert_eq!(next, [Some(end), Some(end + 1)]);
    }
    assert!(live.metric("processor_live_conflated_total") > 20_000.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paced_client_that_does_not_read_is_bounded_too() {
    let live = Live::start(tuned(Duration::from_secs(60))).await;
    let mut client = live.connect().await;
    client.subscribe_with(1, &json!({"max_hz": 50})).await;
    for round in 0..200 {
        live.publish((0..100).map(|n| fix("a", round * 100 + n + 1)).collect()).await;
        sleep(Duration::from_millis(5)).await;
    }
    let mut last = 0;
    while last < 20_000 {
        let frame = client.json().await;
        if frame["type"] == "position" {
            last = frame["ts"].as_i64().unwrap();
        }
    }
    let read = timeout(Duration::from_millis(100), client.json()).await;
    assert!(read.is_err(), "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_is_bounded_too() {
    let live = Live::start(tuned(Duration::from_secs(60))).await;
    let mut stuck = live.connect().await;
    stuck.subscribe(1).await;
    // Each has to be delivered, so that only closing helps.
    for at in 0..200 {
        let panics = (0..100).map(|n| LiveFix { panic: true, ..fix("a", at * 100 + n + 1) });
        live.publish(panics.collect()).await;
    }
    until("closed", || live.metric("processor_live_sessions") == 0.0).await;
    assert_eq!(live.metric("processor_live_sessions_closed_total{code=\"4408\"}"), 1.0);
    drop(stuck);
}

/// So many devices in each of so many events, and a fix of each.
async fn crowd(live: &Live, events: u128, devices: u64) {
    let names: Vec<Arc<str>> = (0..devices).map(|n| format!("{n:015}").into()).collect();
    let members = (1..=events).flat_map(|n| names.iter().map(move |name| (event(n), Arc::clone(name))));
    live.hub.set_directory(Directory::new(members, [], [])).await;
    live.settle().await;
    live.publish((1..).zip(&names).map(|(at, name)| fix(name, at)).collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_may_be_longer_than_what_may_wait() {
    let live = Live::start(LiveConfig { backpressure_threshold_bytes: 4096, ..config() }).await;
    let (events, devices) = (16, 2_000);
    crowd(&live, events, devices).await;
    let mut client = live.connect().await;
    // Some megabytes that nobody reads yet: they wait as snapshots that are not made.
    for n in 1..=events {
        client.send(&json!({"type": "subscribe", "topic": topic(n), "id": n.to_string()})).await;
    }
    until("a few are open", || live.metric("processor_live_subscriptions") == 16.0).await;
    sleep(Duration::from_millis(600)).await;
    assert!(live.metric("processor_live_queue_bytes") < 2.0 * 200_000.0);
    live.publish(vec![fix("000000000000000", devices + 1)]).await;
    let mut begun = HashMap::new();
    let mut followed = 0;
    while begun.len() < 16 || followed < 16 {
        let frame = client.json().await;
        let topic = frame["topic"].as_str().unwrap().to_owned();
        if frame["type"] == "subscribed" {
            let snapshot = frame["snapshot"].as_array().unwrap();
            assert_eq!(snapshot.len() as u64, devices);
            let is_newest = snapshot[0]["ts"] == devices + 1;
            followed += usize::from(is_newest);
            assert_eq!(begun.insert(topic, is_newest), None, "one answer for each");
        } else {
            assert_eq!((&frame["type"], &frame["ts"]), (&json!("position"), &json!(devices + 1)));
            assert_eq!(begun.get(&topic), Some(&false), "only behind a snapshot that lacks it");
            followed += 1;
        }
    }
    assert_eq!(live.metric("processor_live_sessions"), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_to_resume_begins_anew() {
    let live = Live::start(LiveConfig { backpressure_threshold_bytes: 4096, ..config() }).await;
    live.publish(vec![fix("a", 1)]).await;
    for at in 2..=100 {
        live.publish(vec![fix("a", at)]).await;
    }
    let mut client = live.connect_ours().await;
    assert_eq!(client.subscribe_with(1, &json!({"resume_from": "90-0"})).await["snapshot"], json!([]));
    for at in 91..=100 {
        assert_eq!(client.json().await["ts"], at);
    }
    client.send(&json!({"type": "subscribe", "topic": topic(1), "resume_from": "1-0"})).await;
    assert_eq!(client.json().await["type"], "resync");
    assert_eq!(client.json().await["snapshot"][0]["ts"], 100);
    client.is_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_is_given_up() {
    let live = Live::start(LiveConfig { ping_interval: Duration::from_millis(300), ..config() }).await;
    let mut answering = live.connect().await;
    let silent = live.connect().await;
    let answers = async {
        loop {
            // Reading is what answers pings.
            let _ = timeout(Duration::from_millis(50), answering.frame()).await;
        }
    };
    tokio::select! {
        () = answers => {}
        () = until("given up", || live.metric("processor_live_sessions") == 1.0) => {}
    }
    drop(silent);
    live.publish(vec![LiveFix { seq: Seq::ZERO, ..fix("a", 1) }]).await;
    answering.subscribe(1).await;
}
