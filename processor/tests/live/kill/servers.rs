//! The servers are killed under a worker that lives.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use super::bench::{Bench, DEVICES, PATIENCE, parts};
use crate::fleet::{Entry, disorder, race};
use crate::platform::{Platform, STREAM, wait};

/// Of each server.
const KILLS: usize = 3;

/// Adds entries; those that the broker did not answer for are not sent again.
fn feed(url: &str, entries: &[Entry]) -> (BTreeSet<String>, usize) {
    let (mut answered, mut unanswered) = (BTreeSet::new(), 0);
    let mut connection: Option<redis::Connection> = None;
    for some in entries.chunks(5) {
        let mut pipeline = redis::pipe();
        for entry in some {
            let command = pipeline.cmd("XADD").arg(STREAM).arg("*");
            for (name, value) in entry.fields() {
                command.arg(name).arg(value);
            }
        }
        let opened = connection.take().map_or_else(|| redis::Client::open(url).unwrap().get_connection(), Ok);
        let sent = opened.and_then(|mut opened| {
            let ids: Vec<String> = pipeline.query(&mut opened)?;
            connection = Some(opened);
            Ok(ids)
        });
        match sent {
            Ok(ids) => answered.extend(ids),
            Err(_) => unanswered += some.len(),
        }
        thread::sleep(Duration::from_millis(2));
    }
    (answered, unanswered)
}

/// What the stream holds, by id.
fn held(platform: &Platform) -> BTreeMap<String, Entry> {
    let entries: Vec<(String, BTreeMap<String, String>)> = platform.redis(&format!("XRANGE {STREAM} - +"));
    let entry = |mut fields: BTreeMap<String, String>| Entry {
        device: fields.remove("device_id").unwrap(),
        ts: fields.remove("ts").unwrap(),
        payload: fields.remove("payload").unwrap(),
    };
    entries.into_iter().map(|(id, fields)| (id, entry(fields))).collect()
}

#[test]
fn servers_that_are_killed_lose_nothing_that_they_answered_for() {
    let mut bench = Bench::new(Platform::durable());
    let sent = disorder(&race(DEVICES, 120), 15, 20, 3);
    let mut worker = bench.worker();
    worker.wait_until_ready();
    let (mut answered, mut unanswered) = (BTreeSet::new(), 0);
    let url = bench.platform.redis.url();
    for (n, part) in parts(&sent, 2 * KILLS + 1).enumerate() {
        let (before, rows) = (bench.platform.redis::<usize>(&format!("XLEN {STREAM}")), stored_rows(&bench));
        let fed = thread::scope(|scope| {
            let feeder = scope.spawn(|| feed(&url, part));
            // In the midst of it: some of what is coming is there, and some of it was committed.
            wait("entries come", PATIENCE, || {
                bench.platform.redis::<usize>(&format!("XLEN {STREAM}")) > before
            });
            wait("rows come", PATIENCE, || stored_rows(&bench) > rows);
            match n {
                n if n == 2 * KILLS => {}
                n if n % 2 == 0 => {
                    bench.platform.redis.kill9().unwrap();
                    wait("the worker notices", PATIENCE, || !is_up(&worker, "redis"));
                    bench.platform.redis.restart().unwrap();
                }
                _ => {
                    bench.platform.own_postgres.as_mut().unwrap().kill9().unwrap();
                    wait("the worker notices", PATIENCE, || !is_up(&worker, "postgres"));
                    bench.platform.own_postgres.as_mut().unwrap().restart().unwrap();
                }
            }
            feeder.join().unwrap()
        });
        answered.extend(fed.0);
        unanswered += fed.1;
        wait("the worker is back", PATIENCE, || is_up(&worker, "redis") && is_up(&worker, "postgres"));
    }
    assert!(worker.is_running());
    let held = held(&bench.platform);
    let lost: Vec<&String> = answered.iter().filter(|id| !held.contains_key(*id)).collect();
    assert!(lost.is_empty(), "the broker answered for them, and they are gone: {lost:?}");
    println!("{} held, {unanswered} sent and not answered for", held.len());
    assert!(unanswered > 0, "the broker was never killed under load");
    bench.expect_all(&held.into_values().collect::<Vec<_>>());
    assert!(worker.terminate().success(), "{}", worker.log());
    bench.expect_idle_restart();
}

fn is_up(worker: &crate::worker::Worker, peer: &str) -> bool {
    worker.metric(&format!("processor_peer_up{{peer=\"{peer}\"}}")) > 0.0
}

fn stored_rows(bench: &Bench) -> usize {
    bench.platform.count("positions")
}
