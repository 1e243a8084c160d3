//! Between snapshot and stream nothing is missed, repeated or out of order.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::sleep;
use ws::fix::{DelayMs, FixBatch, LiveFix, Seq};

use crate::support::{Live, config, event, fix};

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_and_what_follows_are_one_track() {
    let live = Live::start(config()).await;
    let stop = AtomicBool::new(false);
    let publish = async {
        let mut at = 0;
        while !stop.load(Ordering::Relaxed) {
            // Some at once, of which some devices more than once.
            let some =
                (0..(at % 5 + 1)).map(|n| fix(["a", "b", "c", "d"][((at + n) % 4) as usize], at + n + 1));
            let some: Vec<LiveFix> = some.collect();
            at += some.len() as u64;
            live.publish(some).await;
            if at % 64 < 5 {
                sleep(Duration::from_millis(1)).await;
            }
        }
        at
    };
    let watch = async {
        let mut clients = Vec::new();
        for n in 0..40 {
            sleep(Duration::from_millis(n % 7)).await;
            let mut client = live.connect().await;
            let answer = client.subscribe(1).await;
            let mut last: HashMap<String, i64> = HashMap::new();
            for entry in answer["snapshot"].as_array().unwrap() {
                last.insert(entry["deviceId"].as_str().unwrap().to_owned(), entry["ts"].as_i64().unwrap());
            }
            // Every device sends each fourth number or so: what is missed is seen by the next one of all of them.
            let mut next = None;
            for _ in 0..200 {
                let frame = client.json().await;
                let (device, ts) = (frame["deviceId"].as_str().unwrap(), frame["ts"].as_i64().unwrap());
                let newest = last.values().max().copied().unwrap_or(0);
                assert!(ts > newest, "{device} {ts} behind {newest}");
                // Numbers of device d are in no event.
                let expected = next.unwrap_or(newest) + 1;
                assert!(ts == expected || (ts == expected + 1), "{ts} behind {expected}");
                next = Some(ts);
                last.insert(device.to_owned(), ts);
            }
            clients.push(client);
        }
        stop.store(true, Ordering::Relaxed);
    };
    let (published, ()) = tokio::join!(publish, watch);
    assert!(published > 1_000, "{published}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_fix_is_shown_and_does_not_become_the_latest() {
    let live = Live::start(config()).await;
    let mut client = live.connect().await;
    client.subscribe(1).await;
    live.publish(vec![fix("a", 100)]).await;
    let late = LiveFix { seq: Seq { ms: 101, n: 0 }, ..fix("a", 50) };
    live.publish(vec![late]).await;
    assert_eq!(client.json().await["ts"], 100);
    assert_eq!(client.json().await["ts"], 50);
    let mut other = live.connect().await;
    assert_eq!(other.subscribe(1).await["snapshot"][0]["ts"], 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_begins_with_storage_and_forgets_what_was_wrong() {
    let live = Live::start(config()).await;
    let stored = |device: &str, ts: u64| LiveFix { seq: Seq::ZERO, ..fix(device, ts) };
    live.hub.seed(DelayMs::NONE, vec![stored("a", 10), stored("b", 20), stored("d", 30)]).await;
    live.settle().await;
    live.publish(vec![fix("a", 5), fix("b", 25)]).await;
    let mut client = live.connect().await;
    let latest = |answer: serde_json::Value| -> Vec<(String, i64)> {
        let entries = answer["snapshot"].as_array().unwrap().iter();
        let of =
            |e: &serde_json::Value| (e["deviceId"].as_str().unwrap().to_owned(), e["ts"].as_i64().unwrap());
        entries.map(of).collect()
    };
    assert_eq!(latest(client.subscribe(1).await), [("a".into(), 10), ("b".into(), 25)]);

    live.hub.withdraw(DelayMs::NONE, "a".into(), 10, Some(stored("a", 5))).await;
    live.settle().await;
    live.hub.withdraw(DelayMs::NONE, "b".into(), 25, None).await;
    live.settle().await;
    live.hub.withdraw(DelayMs::NONE, "b".into(), 7, None).await;
    live.settle().await;
    assert_eq!(latest(client.subscribe(1).await), [("a".into(), 5)]);

    // Nobody is in the event any more.
    live.hub.set_directory(ws::directory::Directory::new([(event(2), "a".into())], [], [])).await;
    live.settle().await;
    assert_eq!(latest(client.subscribe(1).await), []);
    assert_eq!(latest(client.subscribe(2).await), [("a".into(), 5)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_batch_moves_the_feed_on() {
    let live = Live::start(config()).await;
    let read_to = Seq { ms: 77, n: 3 };
    live.hub.publish(FixBatch { read_to, ..FixBatch::default() }).await;
    live.settle().await;
    let mut client = live.connect_ours().await;
    assert_eq!(client.subscribe(1).await["seq"], "77-3");
}
