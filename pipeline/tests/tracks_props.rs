//! What holds for every track: no bytes break it, and no form, compression or batch size changes it.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise, its helpers too")]

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use pipeline::batch::{FIELDS, PositionBatch, RawBatch, RawForm, Reject};
use pipeline::decode::Decoder;
use pipeline::source::{BatchSize, Memory, Source, TrackFile};
use proptest::prelude::*;
use race::position::Position;
use race::time::Timestamp;

const DEVICE: &str = "356307042441013";

/// All that a source gives, decoded.
fn drain(mut source: impl Source) -> (Vec<Position>, Vec<Reject>) {
    let mut decoder = Decoder::new("2026-06-08T00:00:00Z".parse().unwrap());
    let (mut positions, mut rejects) = (Vec::new(), Vec::new());
    while let Some(item) = source.next() {
        match item {
            Ok(batch) => {
                let records = batch.len();
                let decoded: PositionBatch = decoder.decode(batch);
                assert_eq!(decoded.positions.len() + decoded.rejects.len(), records);
                positions.extend(decoded.positions);
                rejects.extend(decoded.rejects);
            }
            Err(reject) => rejects.push(reject),
        }
    }
    rejects.sort_by(|a, b| (a.line, &a.message).cmp(&(b.line, &b.message)));
    (positions, rejects)
}

fn read(path: &Path, records: usize) -> (Vec<Position>, Vec<Reject>) {
    drain(TrackFile::open_with(path, Some(DEVICE), BatchSize { records, bytes: 1 << 20 }).unwrap())
}

prop_compose! {
    fn position()(
        micros in 946_684_800_000_000_i64..1_780_000_000_000_000,
        latitude in -90.0_f64..=90.0,
        longitude in -180.0_f64..=180.0,
        altitude in -100_000.0_f32..=100_000.0,
        angle in 0.0_f32..=360.0,
        tenths in 0_u16..=65_535,
        satellites in -1_i16..=255,
    ) -> Position {
        Position {
            device_id: DEVICE.into(),
            ts: Timestamp::from_micros(micros),
            latitude,
            longitude,
            altitude,
            angle,
            speed: f32::from(tenths) / 10.0,
            satellites,
            priority: 0,
            codec: "",
            attributes: None,
        }
    }
}

fn csv_of(positions: &[Position]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(FIELDS).unwrap();
    for p in positions {
        let satellites = if p.satellites < 0 { String::new() } else { p.satellites.to_string() };
        let numbers = [p.latitude, p.longitude, p.altitude.into(), p.speed.into(), p.angle.into()];
        let mut row = vec![p.ts.to_string()];
        row.extend(numbers.iter().map(f64::to_string));
        row.push(satellites);
        writer.write_record(row).unwrap();
    }
    writer.into_inner().unwrap()
}

fn gpx_of(positions: &[Position]) -> Vec<u8> {
    let mut text = "<gpx xmlns:e=\"x\"><trk><trkseg>".to_owned();
    for p in positions {
        text.push_str(&format!(
            "<trkpt lat=\"{}\" lon='{}'><ele>{}</ele><time>{}</time>",
            p.latitude, p.longitude, p.altitude, p.ts
        ));
        match p.satellites {
            0 => text.push_str("<fix>none</fix>"),
            1.. => text.push_str(&format!("<sat>{}</sat>", p.satellites)),
            _ => {}
        }
        let speed = f64::from(p.speed) / 3.6;
        text.push_str(&format!(
            "<extensions><e:speed>{speed}</e:speed><e:course>{}</e:course></extensions></trkpt>\n",
            p.angle
        ));
    }
    text.push_str("</trkseg></trk></gpx>");
    text.into_bytes()
}

fn ndjson_of(positions: &[Position]) -> Vec<u8> {
    let mut text = String::new();
    for p in positions {
        let satellites = if p.satellites < 0 { "null".into() } else { p.satellites.to_string() };
        text.push_str(&format!(
            "{{\"device_id\":\"x\",\"timestamp\":\"{}\",\"latitude\":{},\"longitude\":{},\"altitude\":{},\"angle\":{},\"speed\":{},\"satellites\":{satellites}}}\n",
            p.ts, p.latitude, p.longitude, p.altitude, p.angle, p.speed
        ));
    }
    text.into_bytes()
}

fn write(path: &Path, content: &[u8], compressed: bool) {
    if compressed {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        std::fs::write(path, encoder.finish().unwrap()).unwrap();
    } else {
        std::fs::write(path, content).unwrap();
    }
}

/// Bytes that come close to a track, so that more than the first check is met.
fn almost(form: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&'static str] = match form {
        "csv" => &[
            "ts,latitude,longitude\n",
            "2026-06-07T08:15:30Z,",
            "41.3,",
            "19.8",
            "\n",
            "\r\n",
            "\"",
            ",",
            "é",
            " ",
        ],
        "gpx" => &[
            "<trkpt lat='1' lon=\"2\">",
            "</trkpt>",
            "<time>",
            "2026-06-07T08:15:30Z",
            "</time>",
            "<gpx>",
            "</gpx>",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "<?",
            "?>",
            "<",
            ">",
            "/",
            "&amp;",
            "&#0;",
            "\n",
            "<e:speed>",
            "</e:speed>",
        ],
        _ => &[
            "{\"device_id\":\"A\",\"timestamp\":\"2026-06-07T08:15:30Z\",\"latitude\":1,\"longitude\":2",
            ",\"attributes\":",
            "{",
            "}",
            "[",
            "]",
            "\"a\":",
            "\"__bigint\":",
            "\"1\"",
            "\\u0000",
            "\\ud83d",
            "1e200000",
            "-0",
            ",",
            "\n",
            "\"",
            "null",
        ],
    };
    let piece = prop_oneof![
        9 => proptest::sample::select(pieces.to_vec()).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// The bytes as a file of each form; nothing panics, every record is accounted for, and batches do not matter.
fn survives(bytes: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a", "a.csv", "a.gpx", "a.ndjson"] {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let whole = read(&path, 4_096);
        assert!(!whole.0.is_empty() || !whole.1.is_empty(), "{name} gives nothing");
        assert_eq!(whole, read(&path, 1), "{name}");
        for reject in &whole.1 {
            assert!(!reject.to_string().chars().any(char::is_control), "{reject:?}");
        }
    }
}

proptest! {
    #[test]
    fn a_track_is_the_same_in_every_form(
        positions in proptest::collection::vec(position(), 1..30),
        records in 0_usize..12,
        compressed: bool,
    ) {
        let directory = tempfile::tempdir().unwrap();
        for (codec, content) in
            [("csv", csv_of(&positions)), ("gpx", gpx_of(&positions)), ("ndjson", ndjson_of(&positions))]
        {
            let path = directory.path().join(format!("track.{codec}{}", if compressed { ".gz" } else { "" }));
            write(&path, &content, compressed);
            let expected: Vec<Position> = positions.iter().map(|p| Position { codec, ..p.clone() }).collect();
            prop_assert_eq!(read(&path, records), (expected, Vec::new()), "{}", codec);
        }
    }

    #[test]
    fn any_bytes_give_a_position_or_a_reject(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        survives(&bytes);
        let mut compressed = vec![0x1f, 0x8b, 8];
        compressed.extend(&bytes);
        survives(&compressed);
    }

    #[test]
    fn any_csv_gives_a_position_or_a_reject(bytes in almost("csv")) {
        survives(&bytes);
    }

    #[test]
    fn any_gpx_gives_a_position_or_a_reject(bytes in almost("gpx")) {
        survives(&bytes);
    }

    #[test]
    fn any_payload_gives_a_position_or_a_reject(bytes in almost("ndjson")) {
        survives(&bytes);
    }

    #[test]
    fn any_record_from_memory_gives_a_position_or_a_reject(
        fields in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 7),
        device in proptest::option::of(".{0,70}"),
    ) {
        let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
        let mut row = RawBatch::new("memory".into(), "csv", RawForm::Fields, device.map(Into::into));
        row.push(1, &fields);
        let mut json = RawBatch::new("memory".into(), "8E", RawForm::Json, None);
        json.push(2, &fields[..1]);
        let (positions, rejects) = drain(Memory::new(vec![row, json]));
        prop_assert_eq!(positions.len() + rejects.len(), 2);
    }

    /// Attributes stay valid JSON and keep their meaning, sentinels apart.
    #[test]
    fn attributes_say_what_they_said(value in json_object()) {
        let text = value.to_string();
        let payload = format!(
            "{{\"device_id\":\"A\",\"timestamp\":\"2026-06-07T08:15:30Z\",\"latitude\":1,\"longitude\":2,\"attributes\":{text}}}"
        );
        let mut batch = RawBatch::new("memory".into(), "8E", RawForm::Json, None);
        batch.push(1, &[payload.as_bytes()]);
        let (positions, rejects) = drain(Memory::new(vec![batch]));
        prop_assert_eq!(rejects, vec![]);
        let stored = positions[0].attributes.as_deref().unwrap_or("{}");
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(stored).unwrap(), value);
    }
}

fn json_object() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "[^\u{0}]{0,8}".prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::hash_map("[^\u{0}]{0,6}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    proptest::collection::hash_map("[^\u{0}]{0,6}", nested, 0..6)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}
