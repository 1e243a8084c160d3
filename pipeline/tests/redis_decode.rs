//! Whatever an entry holds, it becomes a position or a reason that names it, and its neighbours land.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise, its helpers too")]

use pipeline::batch::{PositionBatch, RawBatch, StreamId};
use pipeline::decode::Decoder;
use race::time::Timestamp;

/// 2026-06-07T08:15:30Z.
const ADDED_MS: u64 = 1_780_820_130_000;

const PAYLOAD: &str = r#"{"device_id":"356307042441013","timestamp":"2026-06-07T08:15:30.000Z","latitude":41.3275,"longitude":19.8187,"altitude":112,"angle":214,"speed":63,"satellites":11,"priority":0,"attributes":{"16":{"__bigint":"18446744073709551615"},"21":4,"385":{"__buffer_b64":"3q2+7w=="}}}"#;

type Fields<'a> = Vec<(&'a [u8], &'a [u8])>;

fn with_payload(payload: &[u8]) -> Fields<'_> {
    vec![
        (b"ts", b"2026-06-07T08:15:30.000Z"),
        (b"device_id", b"356307042441013"),
        (b"codec", b"8E"),
        (b"payload", payload),
    ]
}

fn id(seq: u64) -> StreamId {
    StreamId { ms: ADDED_MS, seq }
}

fn decoded(entries: &[Fields<'_>]) -> PositionBatch {
    let mut batch = RawBatch::of_stream("telemetry:teltonika".into());
    for (seq, fields) in (0..).zip(entries) {
        batch.entries.push_fields(id(seq), fields.iter().copied());
    }
    // When the program was started is of no meaning to a stream.
    Decoder::new(Timestamp::from_millis(0)).decode(batch)
}

/// Decodes an entry between two good ones, which must land, and gives the reason of its refusal.
fn refused(fields: &Fields<'_>) -> String {
    let good = with_payload(PAYLOAD.as_bytes());
    let batch = decoded(&[good.clone(), fields.clone(), good]);
    assert_eq!(batch.ids, [id(0), id(2)], "neighbours of {fields:?}");
    assert_eq!(batch.positions.len(), 2);
    let [reject] = batch.rejects.as_slice() else { panic!("{:?}", batch.rejects) };
    let entry = reject.entry.as_ref().unwrap();
    assert_eq!((entry.id, entry.cut), (id(1), false));
    let kept: Fields<'_> = entry.fields.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    assert_eq!(&kept, fields);
    let told = reject.to_string();
    told.strip_prefix("telemetry:teltonika 1780820130000-1: ").unwrap_or_else(|| panic!("{told}")).to_owned()
}

/// Refuses a payload in which `field` is replaced.
fn refused_with(from: &str, to: &str) -> String {
    assert!(PAYLOAD.contains(from), "{from}");
    refused(&with_payload(PAYLOAD.replace(from, to).as_bytes()))
}

#[test]
fn a_payload_is_what_counts_and_sentinels_become_strings() {
    let mut fields = with_payload(PAYLOAD.as_bytes());
    fields[0].1 = b"no instant at all";
    fields.insert(1, (b"rssi", b"\xff\xfe"));
    let batch = decoded(&[fields]);
    assert_eq!(batch.rejects, []);
    let position = &batch.positions[0];
    assert_eq!((&*position.device_id, position.codec), ("356307042441013", "8E"));
    assert_eq!(position.ts.to_string(), "2026-06-07T08:15:30.000Z");
    assert_eq!(
        position.attributes.as_deref(),
        Some(r#"{"16":"18446744073709551615","21":4,"385":"3q2+7w=="}"#)
    );
    assert_eq!((position.speed, position.satellites, position.priority), (63.0, 11, 0));
}

#[test]
fn fractions_unknown_fields_and_integers_beyond_2_53_are_kept() {
    let payload = PAYLOAD
        .replace("30.000Z", "30.123456Z")
        .replace("\"21\":4", "\"21\":9007199254740993")
        .replace("\"speed\"", "\"odometer\":18446744073709551616,\"speed\"");
    for codec in ["8", "8E", "16"] {
        let mut fields = with_payload(payload.as_bytes());
        fields[2].1 = codec.as_bytes();
        let batch = decoded(&[fields]);
        assert_eq!(batch.rejects, []);
        assert_eq!(batch.positions[0].ts.micros() % 1_000_000, 123_456);
        assert_eq!(batch.positions[0].codec, codec);
        assert!(batch.positions[0].attributes.as_deref().unwrap().contains(":9007199254740993,"));
    }
}

#[test]
fn an_entry_without_what_it_needs_is_refused() {
    let good = with_payload(PAYLOAD.as_bytes());
    let without =
        |name: &[u8]| -> Fields<'_> { good.iter().copied().filter(|field| field.0 != name).collect() };
    assert!(refused(&without(b"payload")).starts_with("payload: is missing"));
    assert!(refused(&without(b"codec")).starts_with("codec: is missing"));
    assert!(refused(&vec![]).starts_with("payload: is missing"));
    // The two others only serve to filter.
    assert_eq!(decoded(&[without(b"device_id"), without(b"ts")]).positions.len(), 2);
    let with = |at: usize, value: &'static [u8]| {
        let mut fields = good.clone();
        fields[at].1 = value;
        refused(&fields)
    };
    assert_eq!(with(1, b"1"), r#"device_id: "1" differs from the payload's "356307042441013""#);
    assert!(with(1, b"\xff\0").starts_with("device_id: "));
    for codec in [b"8e".as_slice(), b"", b"GPX", b"\xff"] {
        assert!(with(2, codec).starts_with("codec: "), "{codec:?}");
    }
}

#[test]
fn what_is_no_payload_is_refused() {
    let nested = format!("{{\"attributes\":{}", "[".repeat(500_000));
    let members = format!("{{\"attributes\":{}{}}}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    let cut = &PAYLOAD.as_bytes()[..PAYLOAD.len() - 9];
    let not_utf8 = [&PAYLOAD.as_bytes()[..20], b"\xc3\x28", &PAYLOAD.as_bytes()[20..]].concat();
    for payload in [
        b"".as_slice(),
        b"\0",
        b"null",
        b"[]",
        b"{}",
        b"\"{}\"",
        cut,
        &not_utf8,
        nested.as_bytes(),
        members.as_bytes(),
        &b"[".repeat(1_000_000),
    ] {
        let reason = refused(&with_payload(payload));
        assert!(reason.len() < 400, "{reason}");
        assert!(reason.starts_with("payload: ") || reason.starts_with("device_id: is missing"), "{reason}");
    }
    let deep = PAYLOAD.replace("\"21\":4", &format!("\"21\":{}{}", "[".repeat(70), "]".repeat(70)));
    assert!(refused(&with_payload(deep.as_bytes())).starts_with("attributes: "));
}

#[test]
fn every_field_must_be_there() {
    let fields = [
        "device_id",
        "timestamp",
        "latitude",
        "longitude",
        "altitude",
        "angle",
        "speed",
        "satellites",
        "priority",
        "attributes",
    ];
    for field in fields {
        let renamed = refused_with(&format!("\"{field}\":"), "\"other\":");
        assert!(renamed.starts_with(&format!("{field}: is missing")), "{renamed}");
        let null = PAYLOAD.replacen(&format!("\"{field}\":"), &format!("\"{field}\":null,\"other\":"), 1);
        assert!(refused(&with_payload(null.as_bytes())).starts_with(&format!("{field}: is missing")));
    }
}

#[test]
fn values_that_cannot_be_are_refused() {
    for (from, to, field) in [
        ("\"latitude\":41.3275", "\"latitude\":91", "latitude"),
        ("\"latitude\":41.3275", "\"latitude\":1e999", "latitude"),
        ("\"longitude\":19.8187", "\"longitude\":-180.001", "longitude"),
        ("\"speed\":63", "\"speed\":-1", "speed"),
        ("\"angle\":214", "\"angle\":361", "angle"),
        ("\"satellites\":11", "\"satellites\":300", "satellites"),
        ("\"priority\":0", "\"priority\":3", "priority"),
        ("2026-06-07T08:15:30.000Z", "1970-01-01T00:00:00.000Z", "timestamp"),
        ("2026-06-07T08:15:30.000Z", "2106-02-07T06:28:15.000Z", "timestamp"),
        ("2026-06-07T08:15:30.000Z", "2026-06-08T08:15:30.001Z", "timestamp"),
        ("2026-06-07T08:15:30.000Z", "yesterday", "timestamp"),
        ("\"356307042441013\"", "\"\"", "device_id"),
        ("\"356307042441013\"", &format!("\"{}\"", "3".repeat(300)), "device_id"),
        ("\"356307042441013\"", "\"3563\\u0000\"", "device_id"),
        ("\"356307042441013\"", "356307042441013", "device_id"),
        ("\"21\":4", "\"21\":\"\\u0000\"", "attributes"),
        ("\"21\":4", "\"21\":\"\\ud800\"", "attributes"),
        ("\"21\":4", "\"21\":1e200000", "attributes"),
        ("{\"16\":{\"__bigint\":\"18446744073709551615\"},", "[],\"x\":{", "attributes"),
    ] {
        let reason = refused_with(from, to);
        assert!(reason.starts_with(&format!("{field}: ")), "{to}: {reason}");
        assert!(!reason.contains('\0') && reason.len() < 400, "{reason}");
    }
}

#[test]
fn the_future_begins_a_day_after_the_entry_was_added() {
    let payload = PAYLOAD.replace("2026-06-07T08:15:30.000Z", "2026-06-08T08:15:30.000Z");
    assert_eq!(decoded(&[with_payload(payload.as_bytes())]).positions.len(), 1);
    let mut batch = RawBatch::of_stream("s".into());
    for ms in [0, 1, u64::MAX] {
        batch.entries.push_fields(StreamId { ms, seq: 0 }, with_payload(PAYLOAD.as_bytes()));
    }
    let decoded = Decoder::new(Timestamp::from_millis(0)).decode(batch);
    assert_eq!((decoded.positions.len(), decoded.rejects.len()), (1, 2));
    assert!(decoded.rejects[0].to_string().contains("no fix may be later than"));
}
