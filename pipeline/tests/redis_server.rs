//! The reader against a real server.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise, its helpers too")]

mod redis_support;

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use pipeline::batch::StreamId;
use pipeline::limits::{MAX_ENTRY_BYTES, OVERSIZE_HEAD_BYTES, READ_REPLY_BYTES};
use pipeline::source::redis::{
    Endpoint, Item, ReadError, ReaderConfig, Remedy, ReplyWalk, ServerErrorKind, Start, StreamReader,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis_support::{Broker, GROUP, Pairs, STREAM, drain, entries, id};
use test_redis::{Options, Server};

fn borrowed(pairs: &Pairs) -> Vec<(&[u8], &[u8])> {
    pairs.iter().map(|(name, value)| (&name[..], &value[..])).collect()
}

/// The bytes of the server's reply to one command, as they are.
fn raw(server: &Server, command: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    socket.write_all(command.as_bytes()).unwrap();
    // Its answer to the second command ends what it says to the first.
    socket.write_all(b"\r\nQUIT\r\n").unwrap();
    let mut reply = Vec::new();
    socket.read_to_end(&mut reply).unwrap();
    reply.strip_suffix(b"+OK\r\n").unwrap().to_vec()
}

#[test]
fn what_a_server_sends_is_read_as_the_other_parser_reads_it() {
    let broker = RefCell::new(Broker::start(Options::default()));
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    let text = vec(any::<u8>(), 0..60);
    let fields = vec(vec((text.clone(), text), 1..6), 1..20);
    let deleted = vec(any::<bool>(), 20);
    runner
        .run(&(fields, deleted), |(fields, deleted)| {
            let mut broker = broker.borrow_mut();
            let _: redis::Value = broker.run(&[b"DEL", STREAM.as_bytes()]);
            broker.make_group();
            for (ms, pairs) in (1..).zip(&fields) {
                broker.add(id(ms), &borrowed(pairs));
            }
            let new = raw(&broker.server, &format!("XREADGROUP GROUP {GROUP} raw STREAMS {STREAM} >"));
            for (ms, _) in (1..=fields.len() as u64).zip(&deleted).filter(|(_, deleted)| **deleted) {
                let _: u64 = broker.run(&[b"XDEL", STREAM.as_bytes(), id(ms).to_string().as_bytes()]);
            }
            let own = raw(&broker.server, &format!("XREADGROUP GROUP {GROUP} raw STREAMS {STREAM} 0"));
            for reply in [new, own] {
                prop_assert_eq!(walked(&reply), parsed(&reply));
            }
            Ok(())
        })
        .unwrap();
}

type Answer = Vec<(StreamId, Option<Pairs>)>;

fn walked(reply: &[u8]) -> Answer {
    let (mut walk, mut at, mut read) = (ReplyWalk::default(), 0, Vec::new());
    loop {
        let (item, used) = walk.next(&reply[at..]).unwrap();
        at += used;
        match item {
            Item::Entry(entry) => {
                let pairs = entry.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
                read.push((entry.id, Some(pairs)));
            }
            Item::Gone(id) => read.push((id, None)),
            Item::End => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(at, reply.len());
    read
}

fn parsed(reply: &[u8]) -> Answer {
    type Streams = Vec<(String, Vec<(String, Option<Vec<Vec<u8>>>)>)>;
    let streams: Streams = redis::from_redis_value(redis::parse_redis_value(reply).unwrap()).unwrap();
    let pairs =
        |texts: Vec<Vec<u8>>| texts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    streams[0].1.iter().map(|(id, texts)| (id.parse().unwrap(), texts.clone().map(pairs))).collect()
}

#[tokio::test]
async fn new_entries_come_in_batches_and_stay_pending_until_they_are_acknowledged() {
    let mut broker = Broker::start(Options::default());
    for ms in 1..=1_000_u64 {
        broker.add(id(ms), &[(b"n", ms.to_string().as_bytes()), (b"payload", b"{}")]);
    }
    let mut reader = broker.reader("one", 64).await;
    let deliveries = drain(&mut reader, false).await;
    assert!(deliveries.iter().all(|delivery| delivery.len() <= 64));
    let read = entries(&deliveries);
    assert_eq!(read.iter().map(|(id, _)| id.ms).collect::<Vec<_>>(), (1..=1_000).collect::<Vec<_>>());
    assert_eq!(read[41].1[0], (b"n".to_vec(), b"42".to_vec()));
    let first = &deliveries[0];
    assert_eq!(first.interval, first.batch.entries.interval());
    let acknowledged: u64 = broker.run(&[b"XACK", STREAM.as_bytes(), GROUP.as_bytes(), b"1-0", b"1000-0"]);
    assert_eq!(acknowledged, 2);
    // The next one of that name finds what was not acknowledged; another one finds nothing.
    let own = drain(&mut broker.reader("one", 4_096).await, true).await;
    assert_eq!(entries(&own), read[1..999]);
    assert!(drain(&mut broker.reader("two", 64).await, true).await.is_empty());
    let names: String = broker.run(&[b"CLIENT", b"LIST"]);
    assert!(names.contains("name=one "), "{names}");
}

#[tokio::test]
async fn pending_entries_that_were_deleted_or_trimmed_have_only_an_id() {
    let mut broker = Broker::start(Options::default());
    for ms in 1..=10 {
        broker.add(id(ms), &[(b"payload", b"{}")]);
    }
    drain(&mut broker.reader("one", 64).await, false).await;
    let _: u64 = broker.run(&[b"XDEL", STREAM.as_bytes(), b"5-0", b"10-0"]);
    let _: u64 = broker.run(&[b"XTRIM", STREAM.as_bytes(), b"MINID", b"3-0"]);
    let own = drain(&mut broker.reader("one", 3).await, true).await;
    let gone: Vec<u64> = own.iter().flat_map(|delivery| delivery.gone.iter().map(|id| id.ms)).collect();
    assert_eq!(gone, [1, 2, 5, 10]);
    assert_eq!(entries(&own).iter().map(|(id, _)| id.ms).collect::<Vec<_>>(), [3, 4, 6, 7, 8, 9]);
}

#[tokio::test]
async fn entries_that_are_too_large_are_passed_over_and_the_others_land() {
    let mut broker = Broker::start(Options::default());
    let large: Vec<u8> = (0..MAX_ENTRY_BYTES * 16).map(|n| n.to_le_bytes()[1]).collect();
    for ms in 1..=40 {
        let payload = if ms % 10 == 5 { &large[..] } else { b"{}" };
        broker.add(id(ms), &[(b"device_id", b"3563"), (b"payload", payload)]);
    }
    for own in [false, true] {
        let mut reader = broker.reader("one", 64).await;
        let deliveries = drain(&mut reader, own).await;
        assert_eq!(entries(&deliveries).len(), 36);
        let oversized: Vec<_> = deliveries.into_iter().flat_map(|delivery| delivery.oversized).collect();
        assert_eq!(oversized.iter().map(|entry| entry.id.ms).collect::<Vec<_>>(), [5, 15, 25, 35]);
        for entry in oversized {
            assert_eq!(entry.len_bytes, large.len() as u64 + 20);
            assert_eq!(entry.fields[0], (b"device_id".to_vec(), b"3563".to_vec()));
            assert_eq!(entry.fields[1].1, large[..OVERSIZE_HEAD_BYTES - 20]);
            let told = entry.too_large(STREAM.into()).to_string();
            assert!(told.starts_with("telemetry:teltonika ") && told.contains("16777236 bytes"), "{told}");
        }
        // Large ones are asked for one by one, at first at least.
        assert!(reader.count() * large.len() / 10 <= 2 * READ_REPLY_BYTES, "{}", reader.count());
    }
}

#[tokio::test]
async fn what_is_asked_for_follows_the_size_of_entries() {
    let mut broker = Broker::start(Options::default());
    let mut reader = broker.reader("one", 100_000).await;
    let cautious = reader.count();
    for ms in 1..=10_000 {
        broker.add(id(ms), &[(b"payload", &[b'x'; 400])]);
    }
    drain(&mut reader, false).await;
    assert!(reader.count() > cautious, "{} after {cautious}", reader.count());
    for ms in 10_001..=10_020 {
        broker.add(id(ms), &[(b"payload", &[b'x'; 100_000])]);
    }
    let deliveries = drain(&mut reader, false).await;
    assert_eq!(entries(&deliveries).len(), 20);
    assert!(reader.count() <= READ_REPLY_BYTES / 50_000, "{}", reader.count());
}

#[tokio::test]
async fn a_call_that_is_dropped_loses_nothing() {
    let mut broker = Broker::start(Options::default());
    let mut reader = broker.reader("one", 16).await;
    let mut seen = 0;
    for ms in 1..=400 {
        broker.add(id(ms), &[(b"payload", &[b'x'; 3_000])]);
        let wait = Duration::from_micros(ms * 37 % 900);
        if let Ok(delivery) = tokio::time::timeout(wait, reader.next(Start::New)).await {
            seen += delivery.unwrap().batch.len();
        }
    }
    seen += entries(&drain(&mut reader, false).await).len();
    assert_eq!(seen, 400);
}

#[tokio::test]
async fn errors_of_the_server_are_told_apart_and_the_connection_stays_good() {
    let mut broker = Broker::start(Options::default());
    let mut reader = broker.reader("one", 64).await;
    let mut kind = async |remedy: Remedy| match reader.next(Start::New).await {
        Err(error @ ReadError::Server { .. }) if error.remedy() == remedy => match error {
            ReadError::Server { error, .. } => error.kind,
            _ => unreachable!(),
        },
        other => panic!("{other:?}"),
    };
    let _: u64 = broker.run(&[b"DEL", STREAM.as_bytes()]);
    assert_eq!(kind(Remedy::MakeGroup).await, ServerErrorKind::NoGroup);
    let _: String = broker.run(&[b"SET", STREAM.as_bytes(), b"no stream"]);
    assert_eq!(kind(Remedy::Stop).await, ServerErrorKind::WrongType);
    let _: u64 = broker.run(&[b"DEL", STREAM.as_bytes()]);
    broker.make_group();
    assert!(reader.next(Start::New).await.unwrap().is_empty());
    broker.add(id(1), &[(b"payload", b"{}")]);
    assert_eq!(reader.next(Start::New).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_stream_that_vanishes_while_the_reader_waits_is_an_error_and_no_silence() {
    let mut broker = Broker::start(Options::default());
    let mut config = ReaderConfig::new(STREAM, GROUP, "one");
    config.block = Duration::from_secs(30);
    let mut reader = StreamReader::connect(&broker.endpoint(), config).await.unwrap();
    let waiting = tokio::spawn(async move { reader.next(Start::New).await.map(drop) });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let _: u64 = broker.run(&[b"DEL", STREAM.as_bytes()]);
    let error = tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.remedy(), Remedy::MakeGroup, "{error}");
}

#[tokio::test]
async fn a_login_is_needed_and_never_told() {
    let options = Options { password: Some("hunter2".into()), ..Options::default() };
    let broker = Broker::start(options);
    let mut reader = broker.reader("one", 64).await;
    assert!(reader.next(Start::New).await.unwrap().is_empty());
    assert!(!format!("{reader:?}").contains("hunter"));
    let port = broker.server.port();
    for url in [
        format!("redis://:hunter3@127.0.0.1:{port}"),
        format!("redis://hunter3:hunter2@127.0.0.1:{port}"),
        format!("redis://127.0.0.1:{port}"),
    ] {
        let endpoint = Endpoint::parse(&url).unwrap();
        let error =
            StreamReader::connect(&endpoint, ReaderConfig::new(STREAM, GROUP, "c")).await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Stop, "{error}");
        assert!(!format!("{error} {error:?} {endpoint:?}").contains("hunter"), "{error:?}");
    }
}

#[tokio::test]
async fn a_password_too_many_is_no_reason_to_stop_and_too_many_clients_will_go_away() {
    let arguments = ["--maxclients", "3"].map(str::to_owned).to_vec();
    let broker = Broker::start(Options { arguments, ..Options::default() });
    let endpoint = Endpoint::parse(&format!("redis://:needless@127.0.0.1:{}", broker.server.port())).unwrap();
    let reader = || StreamReader::connect(&endpoint, ReaderConfig::new(STREAM, GROUP, "c"));
    let held = [reader().await.unwrap(), reader().await.unwrap()];
    let remedy = reader().await.unwrap_err().remedy();
    assert!(matches!(remedy, Remedy::Retry | Remedy::Reconnect), "{remedy:?}");
    drop(held);
}

#[tokio::test]
async fn another_database_is_selected_and_one_too_many_refused() {
    let broker = Broker::start(Options::default());
    let reader = |database: u32| {
        let endpoint = Endpoint::parse(&format!("{}/{database}", broker.server.url())).unwrap();
        async move { StreamReader::connect(&endpoint, ReaderConfig::new(STREAM, GROUP, "c")).await }
    };
    let error = reader(3).await.unwrap().next(Start::New).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::MakeGroup, "the group is in another database");
    assert_eq!(reader(99).await.unwrap_err().remedy(), Remedy::Stop);
}

#[tokio::test]
async fn a_server_that_dies_is_an_error_and_the_next_connection_goes_on() {
    let mut broker = Broker::start(Options { append_only: true, ..Options::default() });
    let value = vec![b'x'; 60_000];
    for ms in 1..=64 {
        broker.add(id(ms), &[(b"payload", &value)]);
    }
    let mut reader = broker.reader("one", 2).await;
    let first = reader.next(Start::New).await.unwrap();
    assert_eq!((first.len(), first.ends_reply), (2, false));
    broker.server.kill9().unwrap();
    let error = loop {
        match reader.next(Start::New).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.remedy(), Remedy::Reconnect, "{error}");
    let config = ReaderConfig::new(STREAM, GROUP, "one");
    let refused = StreamReader::connect(&broker.endpoint(), config).await.unwrap_err();
    assert_eq!(refused.remedy(), Remedy::Reconnect, "{refused}");

    broker.restart();
    let mut reader = broker.reader("one", 64).await;
    let mut read = entries(&drain(&mut reader, true).await);
    read.extend(entries(&drain(&mut reader, false).await));
    assert_eq!(read.iter().map(|(id, _)| id.ms).collect::<Vec<_>>(), (1..=64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reply_that_breaks_off_or_is_nonsense_is_an_error() {
    for (reply, broken_off) in [
        (b"*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\n".as_slice(), true),
        (b"HTTP/1.1", false),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::parse(&format!("redis://{}", listener.local_addr().unwrap())).unwrap();
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let _ = socket.read(&mut [0; 1_024]).unwrap();
            socket.write_all(b"+OK\r\n").unwrap();
            let _ = socket.read(&mut [0; 1_024]).unwrap();
            socket.write_all(reply).unwrap();
        });
        let mut reader = StreamReader::connect(&endpoint, ReaderConfig::new("s", "g", "c")).await.unwrap();
        let error = reader.next(Start::New).await.unwrap_err();
        assert_eq!(matches!(error, ReadError::Closed { within_reply: true, .. }), broken_off, "{error}");
        assert_eq!(matches!(error, ReadError::Protocol { .. }), !broken_off, "{error}");
        assert_eq!(error.remedy(), Remedy::Reconnect);
        server.join().unwrap();
    }
}
