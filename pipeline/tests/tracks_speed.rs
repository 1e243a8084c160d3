//! How many fixes a second one core reads and decodes. Not run by default, as it says nothing when the machine is
//! busy: `cargo test --release -p pipeline --test tracks_speed -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise, its helpers too")]

use std::io::{BufWriter, Write as _};
use std::time::Instant;

use pipeline::decode::Decoder;
use pipeline::source::{Source as _, TrackFile};
use race::time::Timestamp;

const FIXES: u32 = 2_000_000;

/// Peak memory of this process in MiB, where the system tells it.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn measure(name: &str, write: impl Fn(&mut dyn std::io::Write, &str, f64, u32)) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    let mut file = BufWriter::new(std::fs::File::create(&path).unwrap());
    if name.ends_with("csv") {
        writeln!(file, "ts,latitude,longitude,altitude,speed,angle,satellites").unwrap();
    }
    if name.ends_with("gpx") {
        writeln!(file, "<gpx><trk><trkseg>").unwrap();
    }
    let start = 1_780_820_130_000;
    for n in 0..FIXES {
        let ts = Timestamp::from_millis(start + i64::from(n) * 100).to_string();
        write(&mut file, &ts, 41.0 + f64::from(n % 9_999_991) * 1e-7, n % 360);
    }
    if name.ends_with("gpx") {
        writeln!(file, "</trkseg></trk></gpx>").unwrap();
    }
    file.into_inner().unwrap();

    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let begin = Instant::now();
        let mut source = TrackFile::open(&path, None).unwrap();
        let mut decoder = Decoder::new("2026-07-07T00:00:00Z".parse().unwrap());
        let mut positions = 0;
        while let Some(item) = source.next() {
            let decoded = decoder.decode(item.unwrap());
            assert!(decoded.rejects.is_empty(), "{}", decoded.rejects[0]);
            positions += decoded.positions.len();
        }
        assert_eq!(positions, FIXES as usize);
        best = best.min(begin.elapsed().as_secs_f64());
    }
    println!("{name}: {:.2} M fixes/s, peak memory {} MiB", f64::from(FIXES) / best / 1e6, peak_mib());
}

#[test]
#[ignore = "a measurement"]
fn fixes_per_second() {
    measure("356307042441013.csv", |file, ts, degrees, n| {
        writeln!(file, "{ts},{degrees:.7},19.8187123,112.5,{}.3,{n},11", n % 130).unwrap();
    });
    measure("356307042441013.gpx", |file, ts, degrees, n| {
        writeln!(
            file,
            "<trkpt lat=\"{degrees:.7}\" lon=\"19.8187123\"><ele>112.5</ele><time>{ts}</time><speed>{}.3</speed></trkpt>",
            n % 36
        )
        .unwrap();
    });
    measure("356307042441013.ndjson", |file, ts, degrees, n| {
        writeln!(
            file,
            r#"{{"device_id":"356307042441013","timestamp":"{ts}","latitude":{degrees:.7},"longitude":19.8187123,"altitude":112,"angle":{n},"speed":63,"satellites":11,"priority":0,"attributes":{{"16":{{"__bigint":"18446744073709551615"}},"21":4,"240":1,"239":1,"66":12765,"385":{{"__buffer_b64":"3q2+7w=="}}}}}}"#
        )
        .unwrap();
    });
}
