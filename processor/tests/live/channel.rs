//! The live channel beside everything else that `processor run` does.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::fleet::{course, device, keys, race};
use crate::platform::{GROUP, Platform, STREAM, wait};
use crate::records::stored;
use crate::viewer::{Viewer, open_directus};
use crate::worker::Worker;

const ON: [(&str, &str); 4] = [
    // Nobody answers there, which only new subscriptions notice.
    ("DIRECTUS_BASE_URL", "http://127.0.0.1:1"),
    ("LIVE_WS_HOST", "127.0.0.1"),
    ("LIVE_WS_PORT", "0"),
    ("LIVE_DEVICE_EVENT_REFRESH_MS", "1000"),
];

fn serves(worker: &Worker) -> bool {
    worker.get("/readyz/live").is_some_and(|(status, _)| status == 200)
}

fn wait_until_it_serves(worker: &Worker) {
    wait("the live channel serves", Duration::from_secs(30), || serves(worker));
}

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&ON[..], more].concat()
}

fn groups(platform: &Platform) -> Vec<String> {
    let groups: Vec<std::collections::HashMap<String, redis::Value>> =
        platform.redis(&format!("XINFO GROUPS {STREAM}"));
    let mut names: Vec<String> =
        groups.into_iter().map(|group| redis::from_redis_value(group["name"].clone()).unwrap()).collect();
    names.sort();
    names
}

/// Where it listens, as the log says.
fn port(worker: &Worker) -> u16 {
    let log = worker.log();
    let line = log.lines().find(|line| line.contains("the live channel listens")).unwrap();
    line.rsplit_once(':').unwrap().1.trim().parse().unwrap()
}

/// What somebody without credentials is told; nothing when nobody listens.
fn knock(port: u16) -> String {
    let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = "GET /ws-live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    let mut head = [0; 12];
    socket.read_exact(&mut head).unwrap();
    String::from_utf8_lossy(&head).into_owned()
}

#[test]
fn it_is_off_without_directus_and_says_so_once() {
    let platform = Platform::start();
    let mut worker = platform.worker(&[]);
    worker.wait_until_ready();
    let (status, said) = worker.get("/readyz/live").unwrap();
    assert_eq!(status, 503);
    assert!(said.contains("DIRECTUS_BASE_URL"), "{said}");
    assert_eq!(worker.log().matches("there is no live channel").count(), 1, "{}", worker.log());
    assert_eq!(groups(&platform), [GROUP]);
    assert!(worker.terminate().success());
}

#[test]
fn its_group_comes_and_goes_with_it_and_the_durable_path_does_not_notice() {
    let platform = Platform::start().with_course(&course(5));
    let fixes = race(5, 100);
    let mut worker = platform.worker(&with(&[]));
    worker.wait_until_ready();
    wait_until_it_serves(&worker);
    wait("the devices are known", Duration::from_secs(20), || worker.metric("processor_live_devices") > 4.0);
    assert_eq!(knock(port(&worker)), "HTTP/1.1 401");
    platform.add(&fixes);
    platform.wait_until_done(Duration::from_secs(30));
    assert_eq!(stored(&platform), keys(&fixes));
    let shown = || worker.metric("processor_live_fixes_total{kind=\"published\"}") as usize;
    let skipped = || worker.metric("processor_live_fixes_total{kind=\"skipped\"}") as usize;
    wait("all of them are shown", Duration::from_secs(20), || shown() + skipped() == fixes.len());
    assert_eq!(worker.metric("processor_live_entries_total") as usize, fixes.len());
    wait("records are told", Duration::from_secs(20), || {
        worker.metric("processor_live_race_changes_total") > 0.0
    });
    assert_eq!(groups(&platform), ["live-broadcast-processor-1", GROUP]);
    assert!(worker.metrics().contains_key("processor_live_auth_attempts_total{result=\"ok\"}"));
    assert!(worker.terminate().success(), "{}", worker.log());
    assert_eq!(groups(&platform), [GROUP]);
    assert_eq!(platform.redis::<usize>("EXISTS processor:instance:processor-1"), 0);
}

#[test]
fn it_serves_while_the_instance_stands_by_and_cleans_up_after_a_crash() {
    let platform = Platform::start().with_course(&course(5));
    let mut first = platform.worker(&with(&[("INSTANCE_ID", "a")]));
    first.wait_until_ready();
    let mut second = platform.worker(&with(&[("INSTANCE_ID", "b")]));
    second.wait_until_ready();
    assert!(second.get("/readyz").unwrap().1.contains("standing by"));
    wait_until_it_serves(&first);
    wait_until_it_serves(&second);
    wait("the devices are known", Duration::from_secs(20), || second.metric("processor_live_devices") > 4.0);
    let fixes = race(5, 20);
    platform.add(&fixes);
    let shown = |worker: &Worker| worker.metric("processor_live_fixes_total{kind=\"published\"}") as usize;
    wait("both show all of it", Duration::from_secs(20), || {
        (shown(&first), shown(&second)) == (fixes.len(), fixes.len())
    });
    first.kill9();
    assert_eq!(groups(&platform), ["live-broadcast-a", "live-broadcast-b", GROUP]);
    wait("its group is removed", Duration::from_secs(30), || {
        !groups(&platform).contains(&"live-broadcast-a".into())
    });
    assert!(second.terminate().success());
    assert_eq!(groups(&platform), [GROUP]);
}

#[test]
fn it_begins_and_goes_on_without_the_database() {
    let mut platform = Platform::durable().with_course(&course(5));
    platform.own_postgres.as_mut().unwrap().stop().unwrap();
    let mut worker = platform.worker(&with(&[("PROCESSOR_PHASE_2_ENABLED", "false")]));
    wait_until_it_serves(&worker);
    assert_eq!(worker.get("/readyz").unwrap().0, 503);
    assert_eq!(knock(port(&worker)), "HTTP/1.1 401");
    platform.own_postgres.as_mut().unwrap().restart().unwrap();
    worker.wait_until_ready();
    wait("the devices are known", Duration::from_secs(20), || worker.metric("processor_live_devices") > 4.0);
    platform.own_postgres.as_mut().unwrap().stop().unwrap();
    wait("the outage is known", Duration::from_secs(30), || {
        worker.get("/readyz").is_some_and(|(s, _)| s == 503)
    });
    let fixes = race(5, 20);
    platform.add(&fixes);
    wait("all of it is shown", Duration::from_secs(20), || {
        worker.metric("processor_live_fixes_total{kind=\"published\"}") as usize == fixes.len()
    });
    assert!(serves(&worker));
    platform.own_postgres.as_mut().unwrap().restart().unwrap();
    platform.wait_until_done(Duration::from_secs(30));
    assert_eq!(stored(&platform), keys(&fixes));
    assert!(worker.terminate().success());
}

#[test]
fn a_port_that_is_taken_ends_with_1_and_half_a_certificate_with_2() {
    let platform = Platform::start();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut worker = platform.worker(&[&ON[..2], &[("LIVE_WS_PORT", &port)]].concat());
    assert_eq!(worker.end(Duration::from_secs(30)).code(), Some(1));
    assert!(worker.log().contains("LIVE_WS_PORT"), "{}", worker.log());
    assert_eq!(
        platform.redis::<usize>("EXISTS processor:instance:processor-1"),
        0,
        "the name was given back"
    );
    let mut worker = platform.worker(&with(&[("LIVE_WS_TLS_CERT", "cert.pem")]));
    assert_eq!(worker.end(Duration::from_secs(30)).code(), Some(2));
    assert!(worker.log().contains("LIVE_WS_TLS_KEY is needed with it"), "{}", worker.log());
    let mut worker =
        platform.worker(&with(&[("LIVE_WS_TLS_CERT", "cert.pem"), ("LIVE_WS_TLS_KEY", "key.pem")]));
    assert_eq!(worker.end(Duration::from_secs(30)).code(), Some(1));
    assert!(worker.log().contains("cert.pem"), "{}", worker.log());
}

#[test]
fn a_viewer_sees_what_was_stored_what_comes_and_what_is_flagged() {
    let platform = Platform::start().with_course(&course(5));
    let fixes = race(5, 4);
    let directus = open_directus();
    let mut worker = platform.worker(&with(&[("DIRECTUS_BASE_URL", &directus)]));
    worker.wait_until_ready();
    wait_until_it_serves(&worker);
    // Stored before the devices are looked for, or shown as it comes: the snapshot has it either way.
    platform.add(&fixes[..5]);
    platform.wait_until_done(Duration::from_secs(20));
    let published = "processor_live_fixes_total{kind=\"published\"}";
    wait("all of them are known", Duration::from_secs(20), || {
        worker.metric("processor_live_seeds_total") + worker.metric(published) > 4.0
    });

    let topic = "event:00000000-0000-0000-0000-000000000001";
    let mut viewer = Viewer::connect(port(&worker));
    viewer.subscribe(topic);
    let subscribed = viewer.wait_for("subscribed");
    assert_eq!(subscribed["snapshot"].as_array().unwrap().len(), 5, "{subscribed}");
    platform.add(&fixes[5..10]);
    let mut seen: Vec<String> =
        (0..5).map(|_| viewer.wait_for("position")["deviceId"].as_str().unwrap().to_owned()).collect();
    seen.sort();
    assert_eq!(seen, (1..=5).map(device).collect::<Vec<_>>());
    platform.wait_until_done(Duration::from_secs(20));

    let flag = format!("UPDATE positions SET faulty = true WHERE device_id = '{}'", device(1));
    platform.sql(&flag);
    let _: String = platform.redis("XADD reference:changed * what faulty");
    wait("it is withdrawn", Duration::from_secs(20), || {
        worker.metric("processor_live_withdrawn_total") > 0.0
    });
    let mut other = Viewer::connect(port(&worker));
    other.subscribe(topic);
    let subscribed = other.wait_for("subscribed");
    assert_eq!(subscribed["snapshot"].as_array().unwrap().len(), 4, "{subscribed}");
    assert!(!subscribed.to_string().contains(&device(1)), "{subscribed}");

    // From now on this audience sees it later.
    platform.sql("INSERT INTO live_delays VALUES ('00000000-0000-0000-0000-000000000001', NULL, 4)");
    let _: String = platform.redis("XADD reference:changed * what delays");
    wait("the delay counts", Duration::from_secs(20), || worker.metric("processor_live_delayed_feeds") > 0.0);
    viewer.watch(Duration::from_millis(500));
    platform.add(&fixes[10..15]);
    let early = viewer.watch(Duration::from_millis(3_000));
    assert!(early.iter().all(|frame| !is_of(frame, &fixes[10..15])), "{early:?}");
    let late = viewer.watch(Duration::from_millis(4_000));
    assert_eq!(late.iter().filter(|frame| is_of(frame, &fixes[10..15])).count(), 5, "{late:?}");
    assert!(worker.terminate().success(), "{}", worker.log());
}

#[test]
fn what_was_committed_and_not_told_at_a_crash_is_told_by_the_one_that_stood_by() {
    let platform = Platform::start().with_course(&course(5));
    let fixes = race(5, 400);
    let directus = open_directus();
    let start = |instance| {
        let worker = platform.worker(&with(&[("DIRECTUS_BASE_URL", &directus), ("INSTANCE_ID", instance)]));
        worker.wait_until_ready();
        wait_until_it_serves(&worker);
        worker
    };
    let mut first = start("a");
    let second = start("b");
    let mut viewer = Viewer::connect(port(&second));
    viewer.subscribe("event:00000000-0000-0000-0000-000000000001:race");
    viewer.wait_for("subscribed");
    let untold = "processor_outbox WHERE relayed_at IS NULL";
    let mut left = 0;
    for part in fixes.chunks(50) {
        platform.add(part);
        // Told five times a second: between a commit and that there is time enough to be killed.
        if platform.count(untold) > 0 {
            first.signal("STOP");
            left = platform.count(untold);
            if left > 0 {
                break;
            }
            first.signal("CONT");
        }
    }
    assert!(left > 0, "it was stopped between COMMIT and telling");
    let waiting: std::collections::BTreeSet<String> =
        platform.sql(&format!("SELECT id FROM {untold}")).lines().map(str::to_owned).collect();
    first.kill9();
    platform.add(&fixes);
    let mut told = std::collections::BTreeSet::new();
    let begun = std::time::Instant::now();
    while !waiting.is_subset(&told) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{told:?} of {waiting:?}");
        for frame in viewer.watch(Duration::from_millis(200)) {
            if frame["type"] == "race" {
                told.insert(frame["change"]["outbox_id"].to_string().trim_matches('"').to_owned());
            }
        }
    }
}

/// Whether a frame is a position of one of these.
fn is_of(frame: &serde_json::Value, fixes: &[crate::fleet::Entry]) -> bool {
    let of = |fix: &crate::fleet::Entry| {
        let payload: serde_json::Value = serde_json::from_str(&fix.payload).unwrap();
        frame["deviceId"] == *fix.device
            && frame["lat"] == payload["latitude"]
            && frame["lon"] == payload["longitude"]
    };
    frame["type"] == "position" && fixes.iter().any(of)
}
