//! `processor dlq` against a real server: what it prints, what it changes, and the exit codes a script goes by.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::process::Command;

use redis::{Connection, FromRedisValue};
use serde_json::{Value, json};
use test_redis::{Options, Server};

const STREAM: &str = "telemetry:teltonika";
const DLQ: &str = "telemetry:teltonika:dlq";

type Pair = (Vec<u8>, Vec<u8>);

struct Bench {
    server: Server,
    control: Connection,
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn pair(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Pair {
    (name.as_ref().to_vec(), value.as_ref().to_vec())
}

impl Bench {
    fn new() -> Self {
        let server = Server::start(Options::default()).unwrap();
        let control = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        Self { server, control }
    }

    fn run<T: FromRedisValue>(&mut self, words: &str) -> T {
        let mut command = redis::Cmd::new();
        for word in words.split(' ') {
            command.arg(word);
        }
        command.query(&mut self.control).unwrap()
    }

    /// Writes a letter with the id `ms-0`.
    fn letter(&mut self, ms: u64, error: &str, fields: &[Pair]) {
        let mut command = redis::cmd("XADD");
        command.arg(DLQ).arg(format!("{ms}-0"));
        command.arg("source_id").arg(format!("{}-7", ms - 1)).arg("error").arg(error).arg("attempts").arg(3);
        for (name, value) in fields {
            command.arg(&name[..]).arg(&value[..]);
        }
        let _: String = command.query(&mut self.control).unwrap();
    }

    fn entries(&mut self, stream: &str) -> Vec<(String, Vec<Pair>)> {
        let found: Vec<(String, Vec<Vec<u8>>)> = self.run(&format!("XRANGE {stream} - +"));
        let pairs = |fields: Vec<Vec<u8>>| fields.chunks(2).map(|two| pair(&two[0], &two[1])).collect();
        found.into_iter().map(|(id, fields)| (id, pairs(fields))).collect()
    }

    fn ids(&mut self) -> Vec<String> {
        self.entries(DLQ).into_iter().map(|(id, _)| id).collect()
    }

    fn dlq(&self, args: &[&str]) -> Said {
        dlq(&self.server.url(), args)
    }
}

fn dlq(url: &str, args: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_processor"))
        .arg("dlq")
        .args(args)
        .env("REDIS_URL", url)
        .env_remove("REDIS_TELEMETRY_STREAM")
        .output()
        .unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn list_shows_the_newest_first() {
    let mut bench = Bench::new();
    let none = bench.dlq(&["list"]);
    assert_eq!((none.code, none.out.as_str()), (Some(0), ""));
    assert!(none.err.contains("no dead letter"), "{}", none.err);

    for n in 0..40_u64 {
        let device = format!("{}", 356_307_042_441_000 + n);
        let payload = json!({"device_id": device, "timestamp": "?"}).to_string();
        bench.letter(1_780_820_130_000 + n, "timestamp: is no instant", &[pair("payload", payload)]);
    }
    bench.letter(
        1_780_820_140_000,
        "evil \x1b[31m\nline",
        &[pair("device_id", "d\x1b7"), pair("payload", "{")],
    );
    let said = bench.dlq(&["list", "--limit", "3"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines[0].contains("Source id") && lines[2].contains("1780820140000-0"), "{}", said.out);
    assert!(lines[2].contains("evil \\u{1b}[31m\\nline") && lines[2].contains("d\\u{1b}7"), "{}", lines[2]);
    assert!(lines[3].contains("06-07 08:15:30") && lines[3].contains("356307042441039"), "{}", lines[3]);
    assert_eq!(lines.len(), 5);
    assert!(said.err.contains("there are more"), "{}", said.err);

    let said = bench.dlq(&["list", "--json", "--limit", "41"]);
    let listed: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    assert_eq!((listed.len(), said.err.as_str()), (41, ""), "more than is read at once");
    let payload = json!({"device_id": "356307042441000", "timestamp": "?"}).to_string();
    assert_eq!(
        listed[40],
        json!({
            "id": "1780820130000-0", "written_at": "2026-06-07T08:15:30.000Z", "source_id": "1780820129999-7",
            "device_id": "356307042441000", "error": "timestamp: is no instant", "attempts": 3,
            "bytes": "payload".len() + payload.len(), "cut": false,
        })
    );
    let other = bench.dlq(&["list", "--stream", "telemetry:other"]);
    assert!(other.err.contains("no dead letter"), "{}", other.err);
}

#[test]
fn show_tells_every_field_and_no_control_character() {
    let mut bench = Bench::new();
    let fields = [
        pair("ts", "2026\n\x1b[2J"),
        pair("raw", [0xff, 0x00]),
        pair("field:error", "theirs"),
        pair("ts", "again"),
    ];
    bench.letter(1_780_820_130_000, "ts: is no instant", &fields);
    let said = bench.dlq(&["show", "1780820130000-0"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert!(!said.out.contains('\x1b'), "{}", said.out);
    for line in [
        "source id  1780820129999-7",
        "error      ts: is no instant",
        "attempts   3",
        "  ts: 2026\\n\\u{1b}[2J",
        "  raw: /wA= (base64 of 2 bytes that are not UTF-8)",
        "  error: theirs",
        "  ts: again",
    ] {
        assert!(said.out.lines().any(|shown| shown == line), "{line}: {}", said.out);
    }
    let said = bench.dlq(&["show", "--json", "1780820130000-0"]);
    let shown: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        shown["fields"],
        json!([
            {"name": "ts", "value": "2026\n\u{1b}[2J"}, {"name": "raw", "value": {"base64": "/wA="}},
            {"name": "error", "value": "theirs"}, {"name": "ts", "value": "again"},
        ])
    );
    let missing = bench.dlq(&["show", "1-1"]);
    assert_eq!((missing.code, missing.out.as_str()), (Some(1), ""));
    assert!(missing.err.contains("1-1: there is no such letter"), "{}", missing.err);
}

#[test]
fn replay_gives_every_byte_back_and_takes_the_letter_away() {
    let mut bench = Bench::new();
    let binary: Vec<u8> = (0..=255).collect();
    let first =
        [pair("ts", "2026-06-07T08:15:30.000Z"), pair("payload", &binary), pair("", ""), pair("ts", "x")];
    bench.letter(10, "e", &[&first[..], &[pair("field:error", "own")]].concat());
    bench.letter(20, "e", &[pair("n", "2")]);
    bench.letter(
        30,
        "too large",
        &[pair("length_bytes", "16000000"), pair("cut", "1"), pair("payload", "{")],
    );

    let said = bench.dlq(&["replay", "--all", "--dry-run"]);
    assert_eq!(said.code, Some(1), "one cannot be replayed");
    assert!(said.out.contains("10-0 would be replayed") && said.out.contains("20-0"), "{}", said.out);
    assert!(said.err.contains("30-0: only the beginning"), "{}", said.err);
    assert_eq!((bench.ids().len(), bench.entries(STREAM).len()), (3, 0), "nothing was done");

    let said = bench.dlq(&["replay", "10-0"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), "1 letter replayed\n"));
    let replayed = bench.entries(STREAM);
    assert_eq!(replayed[0].1, [&first[..], &[pair("error", "own")]].concat(), "names are their own again");
    assert_eq!(said.out, format!("10-0 replayed as {}\n", replayed[0].0));
    assert_eq!(bench.ids(), ["20-0", "30-0"]);

    let said = bench.dlq(&["replay", "10-0", "20-0", "30-0"]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("10-0: there is no such letter") && said.err.contains("30-0: only"),
        "{}",
        said.err
    );
    assert!(said.err.contains("1 letter replayed"), "{}", said.err);
    assert_eq!((bench.ids(), bench.entries(STREAM).len()), (vec!["30-0".to_owned()], 2));
}

#[test]
fn replay_of_all_keeps_the_order() {
    let mut bench = Bench::new();
    for n in 1..=45_u64 {
        bench.letter(n, "e", &[pair("n", n.to_string())]);
    }
    assert_eq!(bench.dlq(&["replay", "--all"]).code, Some(0));
    let order: Vec<String> = (1..=45).map(|n| n.to_string()).collect();
    let sent =
        bench.entries(STREAM).into_iter().map(|(_, fields)| String::from_utf8(fields[0].1.clone()).unwrap());
    assert_eq!(sent.collect::<Vec<_>>(), order);
    assert_eq!(bench.ids().len(), 0);
    assert_eq!(bench.dlq(&["replay", "--all"]).code, Some(0), "nothing to do is no error");
}

#[test]
fn a_letter_stays_where_its_entry_has_no_place() {
    let mut bench = Bench::new();
    bench.letter(1, "e", &[pair("n", "1")]);
    let _: String = bench.run(&format!("SET {STREAM} text"));
    let said = bench.dlq(&["replay", "1-0"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("not a stream"), "{}", said.err);
    assert_eq!(bench.ids(), ["1-0"]);
}

#[test]
fn drop_deletes_what_is_named_and_all_only_when_told_twice() {
    let mut bench = Bench::new();
    for n in 1..=20 {
        bench.letter(n, "e", &[pair("n", "1")]);
    }
    let said = bench.dlq(&["drop", "1-0", "2-0", "99-0"]);
    assert_eq!(said.code, Some(1), "one was not there");
    assert!(
        said.err.contains("2 letters deleted") && said.err.contains("1 letter not there"),
        "{}",
        said.err
    );
    assert_eq!(bench.dlq(&["drop", "3-0"]).code, Some(0));
    let said = bench.dlq(&["drop", "--all"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("17 letters would be deleted"), "{}", said.err);
    assert_eq!(bench.ids().len(), 17);
    assert_eq!(bench.dlq(&["drop", "--all", "--yes"]).code, Some(0));
    assert_eq!((bench.ids().len(), bench.entries(STREAM).len()), (0, 0));
}

#[test]
fn a_wrong_command_line_is_told_apart_from_a_broker_that_is_away() {
    let nowhere = "redis://:hunter2@127.0.0.1:1";
    for args in [&["replay"][..], &["show", "x"], &["drop", "--all", "1-0"], &["list", "--limit", "0"], &[]] {
        assert_eq!(dlq(nowhere, args).code, Some(2), "{args:?}");
    }
    let wrong = dlq("http://:hunter2@h", &["list"]);
    assert_eq!(wrong.code, Some(2));
    let away = dlq(nowhere, &["list"]);
    assert_eq!((away.code, away.out.as_str()), (Some(1), ""));
    assert!(away.err.contains("127.0.0.1:1 is away"), "{}", away.err);
    assert!(!format!("{}{}", away.err, wrong.err).contains("hunter2"));
    // The command line counts before the environment.
    let bench = Bench::new();
    assert_eq!(dlq(nowhere, &["list", "--redis-url", &bench.server.url()]).code, Some(0));
}

#[test]
fn tls_is_used_and_the_server_must_be_whom_the_system_trusts() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let words = ["--tls-port", &port.to_string(), "--tls-cert-file", &path("cert.pem"), "--tls-key-file"];
    let words = words.into_iter().map(str::to_owned);
    let arguments =
        words.chain([path("key.pem"), "--tls-auth-clients".to_owned(), "no".to_owned()]).collect();
    let _server = Server::start(Options { arguments, ..Options::default() }).unwrap();

    let list = |host: &str, trusted: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_processor"))
            .args(["dlq", "list", "--json", "--redis-url", &format!("rediss://{host}:{port}")])
            .env("SSL_CERT_FILE", trusted)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, told) = list("localhost", &path("cert.pem"));
    assert_eq!(code, Some(0), "{told}");
    // Its certificate is not for the address.
    let (code, told) = list("127.0.0.1", &path("cert.pem"));
    assert!(code == Some(1) && told.contains("certificate"), "{code:?} {told}");
    let stranger = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(path("stranger.pem"), stranger.cert.pem()).unwrap();
    let (code, told) = list("localhost", &path("stranger.pem"));
    assert!(code == Some(1) && told.contains("certificate"), "{code:?} {told}");
    assert!(!told.contains("is away"), "trying again is of no use: {told}");
}
