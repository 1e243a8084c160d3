//! Entries that are no positions, or that the database refuses: each becomes a dead letter with its reason, and its
//! neighbours land.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::fleet::{Entry, Key, device, fix, keys, race};
use crate::letters::{self, Fields, dlq, dlq_json, fields, fields_of, letters};
use crate::platform::{Platform, STREAM, wait};
use crate::records::stored;
use crate::worker::Worker;

const WITHIN: Duration = Duration::from_secs(60);

/// A good entry with its payload changed.
fn changed(n: u32, from: &str, to: &str) -> Fields {
    let mut entry = fix(n, 0, 0.0, 0.0);
    assert!(entry.payload.contains(from), "{from}");
    entry.payload = entry.payload.replace(from, to);
    fields_of(&entry)
}

fn with_payload(payload: &[u8]) -> Fields {
    let entry = fix(1, 0, 0.0, 0.0);
    fields(&[
        (b"ts", entry.ts.as_bytes()),
        (b"device_id", entry.device.as_bytes()),
        (b"codec", b"8E"),
        (b"payload", payload),
    ])
}

fn without(name: &str) -> Fields {
    let mut entry = fields_of(&fix(1, 0, 0.0, 0.0));
    entry.retain(|(own, _)| own != name.as_bytes());
    entry
}

/// What is wrong, and how the reason begins.
fn bad() -> Vec<(Fields, &'static str)> {
    let good = fix(1, 0, 0.0, 0.0);
    let text = good.payload.as_bytes();
    let mut not_utf8 = text.to_vec();
    not_utf8[20] = 0xff;
    let (own, ts) = (format!("\"{}\"", good.device), format!("\"{}\"", good.ts));
    let device_id = |id: &str| {
        let mut entry = changed(1, &own, &format!("\"{id}\""));
        entry[1].1 = id.as_bytes().to_vec();
        entry
    };
    let attribute = |value: &str| changed(1, "\"21\":4", &format!("\"21\":{value}"));
    let nested =
        |open: &str, close: &str| attribute(&format!("{}{}", open.repeat(100_000), close.repeat(100_000)));
    vec![
        (with_payload(&not_utf8), "payload: byte 21"),
        (with_payload(&text[..text.len() - 9]), "payload: "),
        (with_payload(b""), "payload: "),
        (with_payload(b"\0\0\0"), "payload: "),
        (with_payload(b"[]"), "payload: "),
        (with_payload(&b"[".repeat(100_000)), "payload: "),
        (with_payload(&b"{\"a\":".repeat(100_000)), "payload: "),
        (nested("[", "]"), "attributes: "),
        (nested("{\"a\":", "}").into_iter().collect(), "payload: "),
        (without("payload"), "payload: is missing"),
        (without("codec"), "codec: is missing"),
        (fields(&[(b"\xff\0odd", b"\0\xfe")]), "payload: is missing"),
        (fields(&[(b"source_id", b"1-1"), (b"error", b"none"), (b"field:x", b"")]), "payload: is missing"),
        (changed(1, "\"latitude\":", "\"latitude\":91,\"x\":"), "latitude: "),
        (changed(1, "\"latitude\":", "\"latitude\":NaN,\"x\":"), "payload: "),
        (changed(1, "\"latitude\":", "\"latitude\":\"NaN\",\"x\":"), "latitude: "),
        (changed(1, "\"longitude\":", "\"longitude\":1e999,\"x\":"), "longitude: "),
        (changed(1, "\"speed\":63", "\"speed\":-1"), "speed: "),
        (changed(1, "\"altitude\":112,", ""), "altitude: is missing"),
        (changed(1, &ts, "\"1970-01-01T00:00:00.000Z\""), "timestamp: "),
        (changed(1, &ts, "\"2106-02-07T06:28:15.000Z\""), "timestamp: "),
        (changed(1, &ts, "1780822800000"), "timestamp: "),
        (device_id(""), "device_id: "),
        (device_id(&"3".repeat(300)), "device_id: "),
        (changed(1, &own, "\"3563\\u0000\""), "device_id: "),
        (with_payload(fix(2, 0, 0.0, 0.0).payload.as_bytes()), "device_id: "),
        (attribute("\"\\u0000\""), "attributes: "),
        (attribute("\"\\ud800\""), "attributes: "),
        (attribute("1e200000"), "attributes: "),
        (changed(1, "\"attributes\":{", "\"attributes\":[],\"x\":{"), "attributes: "),
    ]
}

/// Unusual and right.
fn odd() -> Vec<Entry> {
    let with = |n: u32, from: &str, to: &str| {
        let mut entry = fix(n, 0, 10.0, 0.0);
        assert!(entry.payload.contains(from), "{from}");
        entry.payload = entry.payload.replace(from, to);
        entry
    };
    let mut fraction = with(11, ".000Z", ".123Z");
    fraction.ts = fraction.ts.replace(".000Z", ".123Z");
    vec![
        with(12, "\"21\":4", "\"21\":9007199254740993,\"22\":-18446744073709551617"),
        with(13, "\"speed\"", "\"odometer\":{\"km\":[1,2]},\"speed\""),
        fraction,
    ]
}

#[test]
fn what_is_no_position_is_told_with_its_reason_and_its_neighbours_land() {
    let platform = Platform::start();
    let mut worker = platform.worker(&[]);
    let (bad, odd) = (bad(), odd());
    let good: Vec<Entry> = (0..=bad.len()).map(|n| fix(3, n as i64 * 1_000, 0.0, 0.0)).chain(odd).collect();
    let (mut entries, mut expected) = (Vec::new(), Vec::new());
    for (n, entry) in good.iter().enumerate() {
        entries.push(fields_of(entry));
        if let Some((bad, reason)) = bad.get(n) {
            expected.push((entries.len(), bad, *reason));
            entries.push(bad.clone());
        }
    }
    let ids = letters::add(&platform, &entries);
    platform.wait_until_done(WITHIN);
    assert_eq!(stored(&platform), keys(&good));
    let kept = letters(&platform);
    assert_eq!(kept.len(), bad.len());
    for (at, entry, reason) in &expected {
        let letter = &kept[&ids[*at]];
        assert!(letter.error.starts_with(reason), "{reason}: {}", letter.error);
        assert_eq!((letter.attempts, letter.length_bytes), (1, None));
        let named: Fields = entry.iter().map(|(name, value)| (in_letter(name), value.clone())).collect();
        assert_eq!(letter.fields, named, "{reason}");
    }
    assert_eq!(
        platform
            .sql("SELECT attributes->>'21', attributes->>'22' FROM positions WHERE device_id LIKE '%0012'"),
        "9007199254740993|-18446744073709551617"
    );
    let count = bad.len() as f64;
    assert_eq!(worker.metric("processor_decode_errors_total"), count);
    assert_eq!(worker.metric("processor_dead_letters_total"), count);
    assert!(worker.log().contains("entry goes to the dead letters: "), "{}", worker.log());
    assert!(worker.terminate().success());

    let listed = dlq_json(&platform, &["list", "--json"]);
    let listed: BTreeSet<&str> =
        listed.as_array().unwrap().iter().map(|l| l["source_id"].as_str().unwrap()).collect();
    assert_eq!(listed, kept.keys().map(String::as_str).collect());
    for (source, letter) in &kept {
        let shown = dlq_json(&platform, &["show", &letter.id, "--json"]);
        assert_eq!(shown["source_id"], **source);
        assert_eq!(shown["error"], *letter.error);
        assert_eq!(shown["fields"].as_array().unwrap().len(), letter.fields.len());
        assert!(dlq(&platform, &["show", &letter.id]).contains(source.as_str()));
    }
    let one = kept.values().next().unwrap();
    dlq(&platform, &["drop", &one.id]);
    assert_eq!(letters(&platform).len(), bad.len() - 1);
}

/// What a field of an entry is called in its letter.
fn in_letter(name: &[u8]) -> Vec<u8> {
    let taken = matches!(name, b"source_id" | b"error" | b"attempts") || name.starts_with(b"field:");
    if taken { [b"field:", name].concat() } else { name.to_vec() }
}

/// Entries with so many at a speed that the table will not have, spread over all.
fn speeding(all: usize, bad: usize) -> (Vec<Entry>, BTreeSet<Key>) {
    let mut entries: Vec<Entry> = race(20, (all / 20) as u32);
    let mut refused = Vec::new();
    for n in 0..bad {
        // Apart by what is no divisor of anything here.
        let entry = &mut entries[(n * 7_919 + 13) % all];
        entry.payload = entry.payload.replace("\"speed\":63", "\"speed\":263");
        refused.push(entry.clone());
    }
    let refused = keys(&refused);
    assert_eq!(refused.len(), bad);
    (entries, refused)
}

/// Adds everything while no worker runs, so that it comes as full batches; what the good ones are.
fn worked_off(platform: &Platform, entries: &[Entry], within: Duration) -> (Worker, Duration) {
    platform.add(entries);
    let begun = Instant::now();
    let worker = platform.worker(&[]);
    platform.wait_until_done(within);
    (worker, begun.elapsed())
}

fn assert_refused(platform: &Platform, entries: &[Entry], refused: &BTreeSet<Key>, reason: &str) {
    let landed: BTreeSet<Key> = keys(entries).difference(refused).cloned().collect();
    assert_eq!(stored(platform), landed);
    let kept = letters(platform);
    assert_eq!(kept.len(), refused.len());
    let by_key: std::collections::BTreeMap<Key, &Entry> =
        entries.iter().map(|entry| ((entry.device.clone(), entry.ts.clone()), entry)).collect();
    for letter in kept.values() {
        assert!(letter.error.contains(reason), "{}", letter.error);
        let field = |n: usize| String::from_utf8(letter.fields[n].1.clone()).unwrap();
        let entry = by_key[&(field(1), field(0))];
        assert!(refused.contains(&(field(1), field(0))));
        assert_eq!(letter.fields, fields_of(entry));
        assert_eq!(letter.length_bytes, None);
    }
}

#[test]
fn a_row_that_the_table_refuses_is_found_and_comes_in_once_it_is_allowed() {
    let platform = Platform::start();
    platform.sql("ALTER TABLE positions ADD CONSTRAINT slow CHECK (speed < 200)");
    let (entries, refused) = speeding(5_000, 1);
    let (mut worker, took) = worked_off(&platform, &entries, WITHIN);
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_refused(&platform, &entries, &refused, "violates check constraint \"slow\"");
    assert_eq!(worker.metric("processor_position_writes_total{status=\"failed\"}"), 1.0);
    assert!(worker.metric("processor_position_write_retries_total") >= 1.0);
    assert!(worker.log().contains("a batch was not committed"), "{}", worker.log());

    platform.sql("ALTER TABLE positions DROP CONSTRAINT slow");
    let letter = letters(&platform).into_values().next().unwrap();
    dlq(&platform, &["replay", &letter.id]);
    platform.wait_until_done(WITHIN);
    assert_eq!(stored(&platform), keys(&entries));
    assert_eq!(letters(&platform).len(), 0);
    assert!(worker.terminate().success());
}

#[test]
fn three_hundred_rows_that_a_trigger_refuses_do_not_hold_up_the_rest() {
    let platform = Platform::start();
    on_insert(&platform, "ROW", "IF NEW.speed > 200 THEN RAISE EXCEPTION 'too fast'; END IF; RETURN NEW;");
    let (entries, refused) = speeding(5_000, 300);
    let (mut worker, took) = worked_off(&platform, &entries, WITHIN);
    assert!(took < Duration::from_secs(45), "{took:?}");
    assert_refused(&platform, &entries, &refused, "too fast");
    let lines = worker.log().lines().filter(|line| line.contains("was not committed")).count();
    assert!((1..20).contains(&lines), "{lines} lines about one trouble");
    assert!(worker.terminate().success());
}

/// A trigger that runs this before each row or statement.
fn on_insert(platform: &Platform, each: &str, body: &str) {
    platform.sql(&format!(
        "CREATE SEQUENCE IF NOT EXISTS tries; CREATE TABLE trouble (lasts bool); INSERT INTO trouble VALUES (true); \
         CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$; \
         CREATE TRIGGER watch BEFORE INSERT ON positions FOR EACH {each} EXECUTE FUNCTION watch()"
    ));
}

#[test]
fn what_passes_by_itself_is_tried_again() {
    let platform = Platform::start();
    on_insert(
        &platform,
        "STATEMENT",
        "IF nextval('tries') <= 3 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; RETURN NULL;",
    );
    let entries = race(5, 100);
    let (mut worker, _) = worked_off(&platform, &entries, WITHIN);
    assert_eq!(stored(&platform), keys(&entries));
    assert_eq!(letters(&platform).len(), 0);
    assert_eq!(worker.metric("processor_position_write_retries_total"), 3.0);
    assert!(worker.terminate().success());
}

#[test]
fn while_there_is_no_room_nothing_is_given_up() {
    let platform = Platform::start();
    // What still has room goes in: rows of the other devices.
    on_insert(
        &platform,
        "ROW",
        "IF NEW.device_id LIKE '%1' AND (SELECT lasts FROM trouble) THEN \
         RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END IF; RETURN NEW;",
    );
    let entries = race(4, 1);
    platform.add(&entries);
    let mut worker = platform.worker(&[]);
    let of_others = entries.iter().filter(|entry| !entry.device.ends_with('1')).count();
    wait("what there is room for lands", WITHIN, || platform.count("positions") == of_others);
    // The other one has failed as often as it takes to give up one that others overtake.
    let retries = worker.metric("processor_position_write_retries_total");
    wait("it is tried again and again", WITHIN, || {
        worker.metric("processor_position_write_retries_total") >= retries + 12.0
    });
    assert_eq!(letters(&platform).len(), 0);
    assert_eq!(worker.metric("processor_peer_up{peer=\"postgres\"}"), 0.0);
    platform.sql("UPDATE trouble SET lasts = false");
    platform.wait_until_done(WITHIN);
    assert_eq!(stored(&platform), keys(&entries));
    assert_eq!(letters(&platform).len(), 0);
    assert!(worker.log().contains("no space left on device"), "{}", worker.log());
    assert!(worker.terminate().success());
}

const KILLS: &str =
    "IF NEW.speed > 200 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW;";

#[test]
fn a_row_that_ends_its_own_connection_does_not_stop_the_rest() {
    let platform = Platform::start();
    on_insert(&platform, "ROW", KILLS);
    let (entries, refused) = speeding(5_000, 1);
    let (mut worker, took) = worked_off(&platform, &entries, WITHIN);
    assert!(took < Duration::from_secs(45), "{took:?}");
    assert_refused(&platform, &entries, &refused, "terminating connection");
    assert!(worker.terminate().success());
}

#[test]
fn such_a_row_is_found_out_when_it_is_all_there_is() {
    let platform = Platform::start();
    on_insert(&platform, "ROW", KILLS);
    let (entries, refused) = speeding(20, 1);
    let one: Vec<Entry> =
        entries.iter().filter(|entry| !keys(&[(*entry).clone()]).is_disjoint(&refused)).cloned().collect();
    let (mut worker, _) = worked_off(&platform, &one, WITHIN);
    assert_refused(&platform, &one, &refused, "terminating connection");
    // Nothing of the trial stays.
    assert_eq!(platform.count("positions"), 0);
    platform.add(&[fix(2, 0, 0.0, 0.0)]);
    platform.wait_until_done(WITHIN);
    assert_eq!(platform.count("positions"), 1);
    assert!(worker.terminate().success());
}

#[test]
fn thousands_of_days_do_not_hold_up_todays_positions() {
    let platform = Platform::start();
    let mut worker = platform.worker(&[]);
    worker.wait_until_ready();
    // Every day that a fix may bear and that is past.
    let days = 9_600;
    let days: Vec<Entry> = platform
        .sql(&format!(
            "SELECT to_char('2000-01-01T12:00:00'::timestamp + n * interval '1 day', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') \
             FROM generate_series(0, {days} - 1) n"
        ))
        .lines()
        .map(|ts| {
            let mut entry = fix(1, 0, 0.0, 0.0);
            entry.payload = entry.payload.replace(&entry.ts, ts);
            entry.ts = ts.to_owned();
            entry
        })
        .collect();
    platform.add(&days);
    let mut slowest = Duration::ZERO;
    let mut usual = Vec::new();
    for second in 0..200 {
        let entry = fix(2, second * 1_000, 0.0, 0.0);
        let begun = Instant::now();
        platform.add(std::slice::from_ref(&entry));
        let landed = format!("positions WHERE device_id = '{}' AND ts = '{}'", device(2), entry.ts);
        wait("a fix of today lands", WITHIN, || platform.count(&landed) == 1);
        slowest = slowest.max(begun.elapsed());
        usual.push(entry);
        if platform.left() == (0, 0) {
            break;
        }
    }
    platform.wait_until_done(WITHIN);
    eprintln!("the slowest fix took {slowest:?}");
    assert!(slowest < Duration::from_secs(15), "{slowest:?}");
    assert_eq!(stored(&platform), keys(&days).union(&keys(&usual)).cloned().collect());
    let dead: usize = platform.redis(&format!("XLEN {STREAM}:dlq"));
    assert_eq!(dead, 0);
    assert!(worker.terminate().success());
}
