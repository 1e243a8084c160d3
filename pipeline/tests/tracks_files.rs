//! Track files as they are met: what is read, what is refused, and with which words.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise, its helpers too")]

use std::io::Write as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use pipeline::batch::{PositionBatch, Reject};
use pipeline::decode::Decoder;
use pipeline::limits::MAX_RECORD_BYTES;
use pipeline::source::{BatchSize, Source as _, TrackFile};
use race::position::Position;
use tempfile::TempDir;

const HEADER: &str = "ts,latitude,longitude,altitude,speed,angle,satellites\n";
const ROW: &str = "2026-06-07T08:15:30.000Z,41.3275,19.8187,112,63,214,11\n";
const PAYLOAD: &str =
    r#"{"device_id":"A","timestamp":"2026-06-07T08:15:30.000Z","latitude":41.3275,"longitude":19.8187}"#;

struct Read {
    positions: Vec<Position>,
    rejects: Vec<Reject>,
    notes: Vec<String>,
}

impl Read {
    /// Each reject as `line field: message`.
    fn told(&self) -> Vec<String> {
        self.rejects.iter().map(|r| format!("{} {}: {}", r.line, r.field, r.message)).collect()
    }
}

fn file(name: &str, content: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    (directory, path)
}

fn read_as(name: &str, content: &[u8], device: Option<&str>) -> Read {
    let (_directory, path) = file(name, content);
    let mut source = TrackFile::open_with(&path, device, BatchSize { records: 3, bytes: 1 << 20 }).unwrap();
    let mut decoder = Decoder::new("2026-06-08T00:00:00Z".parse().unwrap());
    let mut read = Read { positions: Vec::new(), rejects: Vec::new(), notes: Vec::new() };
    while let Some(item) = source.next() {
        match item {
            Ok(batch) => {
                let PositionBatch { positions, rejects, .. } = decoder.decode(batch);
                read.positions.extend(positions);
                read.rejects.extend(rejects);
            }
            Err(reject) => read.rejects.push(reject),
        }
    }
    assert!(source.next().is_none());
    read.notes = source.notes().to_vec();
    assert!(read.rejects.iter().all(|reject| &*reject.source == path.to_str().unwrap()));
    read
}

fn read(name: &str, content: impl AsRef<[u8]>) -> Read {
    read_as(name, content.as_ref(), None)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn gpx(points: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<gpx version=\"1.1\" xmlns=\"http://www.topografix.com/GPX/1/1\"><trk><trkseg>\n{points}\n</trkseg></trk></gpx>\n"
    )
}

#[test]
fn csv_columns_may_come_in_any_order_and_case() {
    let read = read(
        "car7.csv",
        "\u{feff} Longitude ,TS,\"latitude\",note,Speed\r\n 19.8 ,2026-06-07T08:15:30Z, 41.3,\"a, \"\"b\"\"\",63.05\r\n\r\n",
    );
    assert_eq!(read.told(), [""; 0]);
    let position = &read.positions[0];
    assert_eq!((position.latitude, position.longitude, position.speed), (41.3, 19.8, 63.1));
    assert_eq!((position.altitude, position.angle, position.satellites), (0.0, 0.0, -1));
    assert_eq!((&*position.device_id, position.codec, &position.attributes), ("car7", "csv", &None));
    assert_eq!(read.notes.len(), 1);
    assert!(read.notes[0].contains("not read: \"note\""), "{}", read.notes[0]);
}

#[test]
fn a_csv_header_that_cannot_be_used_is_one_reject() {
    for (header, words) in [
        ("ts,latitude,altitude\n", "longitude missing, found \"ts\", \"latitude\", \"altitude\""),
        ("ts;latitude;longitude\n", "ts, latitude, longitude missing, found \"ts;latitude;longitude\""),
        ("ts,latitude,longitude,Latitude\n", "column latitude is there more than once"),
        (ROW, "no header row with the columns ts, latitude, longitude"),
        ("ts,\"latitude\n", "a quote is not closed in the header row"),
    ] {
        let read = read("a.csv", format!("{header}{ROW}{ROW}"));
        assert_eq!((read.positions.len(), read.rejects.len(), read.rejects[0].line), (0, 1, 1), "{header}");
        assert!(read.rejects[0].message.contains(words), "{}", read.rejects[0]);
    }
}

#[test]
fn a_bad_csv_row_costs_only_itself() {
    let mut content = format!("{HEADER}{ROW}").into_bytes();
    content.extend_from_slice(b"1,2\n");
    content.extend_from_slice(b"2026-06-07T08:15:31Z,\"41.3,19.8,1,2,3,4\n");
    content.extend_from_slice(b"2026-06-07T08:15:31Z,41.3\xff,19.8,1,2,3,4\n");
    content.extend_from_slice(b"2026-06-07T08:15:31Z,91,19.8,1,2,3,4\n");
    content.extend_from_slice(b"2026-06-07 08:15:31,41,19.8,1,2,3,4\n");
    content.extend_from_slice(&[b'x'; MAX_RECORD_BYTES + 1]);
    content.extend_from_slice(b"\n,41,19.8,,,,\n2026-06-07T08:15:32Z,41,19.8,,,,");
    let read = read("a.csv", content);
    assert_eq!(read.positions.len(), 2);
    let mut told = read.told();
    told.sort();
    assert_eq!(
        told,
        [
            "3 : has 2 fields where the header has 7",
            "4 : a quote is not closed before the end of the line",
            "5 : byte 26 is not UTF-8",
            "6 latitude: \"91\" is not a number from -90 to 90 (degrees)",
            "7 ts: \"2026-06-07 08:15:31\" is not an ISO 8601 instant with an offset, such as 2026-06-07T08:15:30.000Z",
            "8 : is longer than the 1048576 bytes allowed",
            "9 ts: is missing: an ISO 8601 instant with an offset, such as 2026-06-07T08:15:30.000Z is required",
        ]
    );
}

#[test]
fn nothing_to_read_is_told_once() {
    for (name, content) in
        [("a.csv", ""), ("a.csv", HEADER), ("a.ndjson", " \n\n"), ("a", ""), ("a", "\n"), ("a.gz", "")]
    {
        assert_eq!(read(name, content).told(), ["0 : no fixes"], "{name} {content:?}");
    }
    assert_eq!(read("a.gpx", gpx("")).told(), ["0 : no track points (trkpt): no fixes"]);
    assert_eq!(read("a.gpx", "").told(), ["0 : no track points (trkpt): no fixes"]);
    assert_eq!(read("a.csv", gzip(b"")).told(), ["0 : no fixes"]);
}

#[test]
fn the_form_is_told_by_the_content_where_the_name_does_not() {
    for (content, codec) in [
        (format!("{HEADER}{ROW}"), "csv"),
        (format!("\n\u{20}{PAYLOAD}\n"), "ndjson"),
        (gpx("<trkpt lat='1' lon='2'><time>2026-06-07T08:15:30Z</time></trkpt>"), "gpx"),
    ] {
        for bytes in [content.clone().into_bytes(), gzip(content.as_bytes())] {
            let read = read("track", bytes);
            assert_eq!(read.told(), [""; 0]);
            assert_eq!((read.positions.len(), read.positions[0].codec), (1, codec));
        }
    }
}

#[test]
fn gzip_may_have_several_members_and_keeps_what_was_read_when_it_breaks() {
    let mut members = gzip(format!("{HEADER}{ROW}").as_bytes());
    members.extend(gzip(ROW.as_bytes()));
    assert_eq!(read("a.csv.gz", &members).positions.len(), 2);
    // The name need not say it.
    assert_eq!(read("a.csv", &members).positions.len(), 2);

    let rows: String =
        (0..20_000).map(|n| ROW.replace("41.3275", &format!("41.{}", n * 7919 % 99_991))).collect();
    let whole = gzip(format!("{HEADER}{rows}").as_bytes());
    let cut = read("a.csv.gz", &whole[..whole.len() / 2]);
    assert!((1_000..20_000).contains(&cut.positions.len()), "{}", cut.positions.len());
    assert_eq!(cut.rejects.len(), 1);
    assert_eq!(cut.rejects[0].line as usize, cut.positions.len() + 2);
    assert!(cut.rejects[0].message.starts_with("the gzip data is cut short"), "{}", cut.rejects[0]);

    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0xff);
    let damaged = read("a.csv.gz", damaged);
    assert!(!damaged.positions.is_empty());
    assert!(
        damaged.told().last().unwrap().contains("the gzip data is damaged"),
        "{:?}",
        damaged.told().last()
    );

    let sum = read("a.csv.gz", &whole[..whole.len() - 8]);
    assert_eq!((sum.positions.len(), sum.rejects.len()), (20_000, 1));
    for length in [2, 5, 12] {
        let stub = read("a.csv.gz", &whole[..length]);
        assert_eq!(stub.rejects.len(), 1, "{:?}", stub.told());
        assert!(stub.rejects[0].message.contains("gzip data is cut short"), "{:?}", stub.told());
    }
}

#[test]
fn progress_counts_bytes_on_disk() {
    let rows = format!("{HEADER}{}", ROW.repeat(5_000));
    for content in [rows.clone().into_bytes(), gzip(rows.as_bytes())] {
        let (_directory, path) = file("a.csv", &content);
        let mut source =
            TrackFile::open_with(&path, None, BatchSize { records: 100, bytes: 1 << 20 }).unwrap();
        let progress = source.progress();
        let mut seen = progress.read_bytes();
        while source.next().is_some() {
            assert!(progress.read_bytes() >= seen);
            seen = progress.read_bytes();
        }
        assert_eq!((seen, progress.total_bytes()), (content.len() as u64, content.len() as u64));
    }
}

#[test]
fn batches_close_at_their_size() {
    let rows = format!("{HEADER}{}", ROW.repeat(10));
    let (_directory, path) = file("a.csv", rows.as_bytes());
    for (size, expected) in [
        (BatchSize { records: 4, bytes: 1 << 20 }, vec![4, 4, 2]),
        (BatchSize { records: 0, bytes: 1 << 20 }, vec![1; 10]),
        (BatchSize { records: 4_096, bytes: 100 }, vec![3, 3, 3, 1]),
        (BatchSize::default(), vec![10]),
    ] {
        let mut source = TrackFile::open_with(&path, None, size).unwrap();
        let lengths: Vec<usize> = std::iter::from_fn(|| source.next()).map(|b| b.unwrap().len()).collect();
        assert_eq!(lengths, expected, "{size:?}");
    }
}

#[test]
fn utf_16_is_told_apart() {
    let told = read("a.csv", b"\xff\xfet\0s\0").told();
    assert!(told[0].contains("is UTF-16"), "{told:?}");
}

#[test]
fn gpx_points_are_read_with_their_extensions_and_lines() {
    let read = read(
        "car7.gpx",
        gpx(r#"<!-- <trkpt lat="0" lon="0"/> -->
<trkpt lat="41.3275" lon="19.8187"><ele>112.5</ele><time>2026-06-07T08:15:30Z</time><sat>11</sat>
  <extensions><gpxtpx:TrackPointExtension xmlns:gpxtpx="x"><gpxtpx:speed>12.5</gpxtpx:speed>
  <gpxtpx:course>214</gpxtpx:course><x:time>no</x:time></gpxtpx:TrackPointExtension></extensions>
</trkpt>
<trkpt lon='19.8&#49;' lat='41.3'><time><![CDATA[2026-06-07T08:15:31]]>.5<!-- half -->Z</time><fix>none</fix><sat>9</sat></trkpt>
<trkpt lat="1" lon="2"/>
<trkpt lat="1" lon="2"><time>&lol;</time></trkpt>
<trkpt lat="1" lon=2><time>2026-06-07T08:15:31Z</time></trkpt>
<trkpt lat="1" lon="2"><time>2026-06-07T08:15:32Z</time><speed>-1</speed></trkpt>"#),
    );
    let [first, second] = &read.positions[..] else { panic!("{:?}", read.told()) };
    assert_eq!((first.latitude, first.longitude, first.altitude), (41.3275, 19.8187, 112.5));
    assert_eq!((first.speed, first.angle, first.satellites), (45.0, 214.0, 11));
    assert_eq!((&*first.device_id, first.codec), ("car7", "gpx"));
    assert_eq!((second.longitude, second.satellites), (19.81, 0));
    assert_eq!(second.ts.to_string(), "2026-06-07T08:15:31.500Z");
    let mut told = read.told();
    told.sort();
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(told[1].starts_with("11 : the attributes of \"trkpt lat"), "{told:#?}");
    assert!(told[2].starts_with("12 speed: \"-1\" is not a number"), "{told:#?}");
    assert!(told[3].starts_with("9 ts: is missing"), "{told:#?}");
    assert!(told[0].starts_with("10 : \"&lol;\" cannot be read"), "{told:#?}");
}

#[test]
fn gpx_routes_and_waypoints_are_no_fixes() {
    let content = "<gpx><wpt lat='1' lon='2'><time>2026-06-07T08:15:31Z</time></wpt><rte><rtept lat='1' lon='2'/></rte></gpx>";
    assert_eq!(read("a.gpx", content).told(), ["0 : no track points (trkpt): no fixes"]);
}

#[test]
fn malformed_gpx_keeps_what_was_good() {
    let point = "<trkpt lat='1' lon='2'><time>2026-06-07T08:15:31Z</time></trkpt>\n";
    for (rest, line, words) in [
        ("</trk>", 4, "end of \"trk\" where \"trkseg\" is open"),
        ("< trkpt>", 4, "begins no element"),
        ("<trkpt lat='1", 6, "inside the markup begun in line 4"),
        ("<!-- ", 6, "inside the markup begun in line 4"),
        ("<!ELEMENT>", 4, "neither comment nor CDATA"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]>", 4, "a document type with declarations of its own is not read"),
        (&"<a>".repeat(100), 4, "elements lie more than 64 deep"),
    ] {
        let read = read("a.gpx", gpx(&format!("{point}{rest}")));
        assert_eq!((read.positions.len(), read.rejects.len()), (1, 1), "{rest}: {:?}", read.told());
        assert_eq!(read.rejects[0].line, line, "{rest}: {:?}", read.told());
        assert!(read.rejects[0].message.contains(words), "{rest}: {:?}", read.told());
    }
    let cut = read("a.gpx", format!("<gpx><trk><trkseg>\n{point}<trkpt lat='1' lon='2'>"));
    assert_eq!(cut.positions.len(), 1);
    assert_eq!(cut.told(), ["3 : the file ends inside \"trkpt\": not well-formed"]);
}

#[test]
fn overlong_gpx_elements_cost_only_themselves() {
    let long = "x".repeat(MAX_RECORD_BYTES + 1);
    let time = "<time>2026-06-07T08:15:31Z</time>";
    let read = read(
        "a.gpx",
        gpx(&format!(
            "<!-- {long} --><desc>{long}</desc><desc><![CDATA[{long}]]></desc>
<trkpt lat='1' lon='2' a='{long}>'>{time}</trkpt>
<trkpt lat='1' lon='2'><time>{long}</time></trkpt>
<trkpt lat='1' lon='2'><x a='{long}'/>{time}</trkpt>
<desc a='{long}'/>
<trkpt lat='1' lon='2'>{time}</trkpt>"
        )),
    );
    assert_eq!(read.positions.len(), 1, "{:?}", read.told());
    let lines: Vec<u64> = read.rejects.iter().map(|reject| reject.line).collect();
    assert_eq!(lines, [4, 5, 6, 7]);
    assert!(read.rejects.iter().all(|reject| reject.message.contains("longer than the 1048576 bytes")));
}

#[test]
fn payloads_keep_their_devices_unless_one_is_given() {
    let row = |device: &str| PAYLOAD.replace("\"A\"", device);
    let content = format!("{}\n\n{}\n{}\n", row("\"A\""), row("\"B\""), row("null"));
    let devices = |read: &Read| read.positions.iter().map(|p| p.device_id.to_string()).collect::<Vec<_>>();

    let own = read_as("car7.ndjson", content.as_bytes(), None);
    assert_eq!((devices(&own), own.told().len()), (vec!["A".into(), "B".into(), "car7".into()], 0));

    let given = read_as("car7.ndjson", content.as_bytes(), Some("C"));
    assert_eq!(devices(&given), ["C", "C"]);
    assert_eq!(
        given.told(),
        [
            "3 device_id: \"B\" differs from \"A\", the first device of the file; leave out DEVICE= to keep each row's own device"
        ]
    );

    let one = read_as("car7.ndjson", format!("{}\n{}", row("null"), row("\"A\"")).as_bytes(), Some("C"));
    assert_eq!((devices(&one), one.told().len()), (vec!["C".to_owned(); 2], 0));
}

#[test]
fn payload_fields_are_checked_and_defaulted() {
    let payload = |more: &str| PAYLOAD.replace("41.3275", &format!("41.3275{more}"));
    let full = read(
        "a.ndjson",
        payload(
            r#","altitude":112,"angle":214,"speed":63.25,"satellites":11,"priority":2,"x":[{}],"attributes":{"16":{"__bigint":"18446744073709551615"}}"#,
        ),
    );
    let position = &full.positions[0];
    assert_eq!((position.altitude, position.angle, position.speed), (112.0, 214.0, 63.3));
    assert_eq!((position.satellites, position.priority, position.codec), (11, 2, "ndjson"));
    assert_eq!(position.attributes.as_deref(), Some(r#"{"16":"18446744073709551615"}"#));

    let bare = read("a.ndjson", payload(r#","altitude":null,"attributes":{},"latitude":1"#));
    assert_eq!((bare.positions[0].satellites, bare.positions[0].latitude), (-1, 1.0));
    assert_eq!(bare.positions[0].attributes, None);

    for (document, words) in [
        ("{".to_owned(), "no telemetry payload in JSON: EOF while parsing an object at column 1"),
        ("[]".to_owned(), "invalid type: sequence, expected an object with device_id"),
        (format!("{PAYLOAD}x"), "trailing characters"),
        ("{}".to_owned(), "timestamp: is missing"),
        (payload(r#","latitude":null"#), "latitude: is missing"),
        (payload(r#","latitude":"41""#), "latitude: \"\\\"41\\\"\" is not a number"),
        (payload(r#","device_id":1"#), "device_id: \"1\" is not a device id"),
        (payload(r#","device_id":"""#), "device_id: \"\" is not a device id"),
        (payload(r#","device_id":"a\u0007""#), "device_id: \"a\\u{7}\" is not a device id"),
        (payload(r#","priority":3"#), "priority: \"3\" is not a whole number from 0 to 2"),
        (payload(r#","satellites":256"#), "satellites: \"256\" is not a whole number from 0 to 255"),
        (payload(r#","timestamp":1780820130"#), "\"1780820130\" is not an ISO 8601 instant"),
        (payload(r#","attributes":[]"#), "attributes: \"[]\" is not an object"),
        (payload(r#","attributes":{"a":"\u0000"}"#), "attributes: \\u0000 cannot be stored"),
        (
            payload(&format!(r#","attributes":{{"a":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000))),
            "attributes: objects and arrays lie more than 64 deep",
        ),
    ] {
        let read = read("a.ndjson", &document);
        assert_eq!((read.positions.len(), read.rejects.len()), (0, 1), "{words}");
        let told = format!("{}: {}", read.rejects[0].field, read.rejects[0].message);
        assert!(told.contains(words), "{words}: {told}");
    }
    // Not even the parser's own words may be long, or reach a terminal as they are.
    let long = read("a.ndjson", format!("\"{}\"", "x\u{7f}".repeat(10_000)));
    assert!(long.told()[0].len() < 400 && !long.told()[0].contains('\u{7f}'), "{:?}", long.told());
    let bomb = "[".repeat(500_000);
    assert_eq!(read("a.ndjson", format!("{bomb}\n{PAYLOAD}\n{{\"x\":{bomb}\n")).positions.len(), 1);
}
