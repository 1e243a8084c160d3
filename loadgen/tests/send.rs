//! A race day to a real broker, and what is said where it cannot be sent.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

mod support;

use loadgen::folder;
use loadgen::profile::Profile;
use loadgen::send::{SendError, Target, send};
use support::{race_day, told};
use test_redis::{Options, Server};

fn target(url: &str, speed: f64) -> Target {
    Target { url: url.to_owned(), stream: "telemetry:teltonika".to_owned(), speed, max_len: 10_000_000 }
}

#[test]
fn every_fix_is_an_entry_of_the_contract_in_order() {
    let day = race_day(2, 5, Profile::StartHour);
    let server = Server::start(Options::default()).unwrap();
    let sending = send(day.folder.path(), &target(&server.url(), f64::INFINITY), |_| ()).unwrap();
    assert_eq!((sending.sent, sending.missed_schedule), (day.simulation.truth.sent, 0));
    let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let entries: Vec<(String, Vec<String>)> =
        redis::cmd("XRANGE").arg("telemetry:teltonika").arg("-").arg("+").query(&mut connection).unwrap();
    assert_eq!(entries.len() as u64, sending.sent);
    let tracks = std::fs::read_to_string(day.path(folder::TRACKS)).unwrap();
    for ((_, fields), line) in entries.iter().zip(tracks.lines()) {
        let mut sent: serde_json::Value = serde_json::from_str(line).unwrap();
        sent.as_object_mut().unwrap().remove("sent_at").unwrap();
        let [ts, ts_value, device, imei, codec, version, payload, text] = fields.as_slice() else {
            panic!("{fields:?}")
        };
        assert_eq!([ts, device, codec, payload], ["ts", "device_id", "codec", "payload"]);
        assert_eq!(
            (ts_value.as_str(), imei.as_str()),
            (sent["timestamp"].as_str().unwrap(), sent["device_id"].as_str().unwrap())
        );
        assert_eq!(version, "8E");
        assert_eq!(serde_json::from_str::<serde_json::Value>(text).unwrap(), sent);
    }
}

#[test]
fn a_schedule_is_kept_or_what_was_missed_is_counted() {
    let day = race_day(1, 5, Profile::StartHour);
    let server = Server::start(Options::default()).unwrap();
    let of_day = send(day.folder.path(), &target(&server.url(), 2_000.0), |_| ()).unwrap();
    assert!(of_day.seconds >= of_day.scheduled_seconds && of_day.scheduled_seconds > 0.1, "{of_day:?}");
    // A thousand years in a second: nobody keeps to that, and everything is sent all the same.
    let bench = race_day(40, 5, Profile::Steady);
    let folder = bench.folder.path().to_str().unwrap().to_owned();
    let (code, told) = told(&["send", "--redis", &server.url(), "--speed", "1000000000", "-q", &folder]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("this rate cannot be produced here"), "{told}");
}

#[test]
fn a_broker_that_is_not_there_or_refuses_is_named_without_the_password() {
    let day = race_day(1, 5, Profile::StartHour);
    let folder = day.folder.path().to_str().unwrap();
    let (code, said) = told(&["send", "--redis", "redis://:secret@127.0.0.1:1", folder]);
    assert_eq!(code, 2);
    assert!(said.contains("127.0.0.1:1 cannot be reached") && !said.contains("secret"), "{said}");
    let (code, said) = told(&["send", "--redis", "http://:secret@127.0.0.1", folder]);
    assert!(code == 2 && said.contains("no URL of a broker") && !said.contains("secret"), "{said}");
    let server =
        Server::start(Options { arguments: vec!["--maxmemory".into(), "1".into()], ..Options::default() });
    let server = server.unwrap();
    let refused = send(day.folder.path(), &target(&server.url(), f64::INFINITY), |_| ()).unwrap_err();
    assert!(matches!(refused, SendError::Refused { sent: 0, .. }), "{refused}");
}
