//! The reader of a stream over TLS, against a real server.
#![allow(clippy::unwrap_used, reason = "a failed test says where")]

#[allow(dead_code, reason = "shared")]
mod redis_support;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::task::Poll;
use std::time::Duration;

use pipeline::source::redis::{Endpoint, ReadError, ReaderConfig, Remedy, Start, StreamReader};
use redis_support::{Broker, GROUP, STREAM, drain, entries, id};
use test_redis::{Options, Tls};
use test_services::Authority;

fn broker(authority: &Authority, client_certificates: bool, password: Option<&str>) -> Broker {
    let server = authority.server(&["localhost"]).unwrap();
    let tls = Tls {
        certificate: server.certificate,
        key: server.key,
        authority: server.authority,
        client_certificates,
    };
    let password = password.map(str::to_owned);
    Broker::start(Options { tls: Some(tls), append_only: true, password, ..Options::default() })
}

fn endpoint(login: &str, host: &str, port: u16) -> Endpoint {
    Endpoint::parse(&format!("rediss://{login}{host}:{port}")).unwrap()
}

async fn connect(endpoint: &Endpoint) -> Result<StreamReader, ReadError> {
    let mut config = ReaderConfig::new(STREAM, GROUP, "one");
    config.block = Duration::from_millis(20);
    StreamReader::connect(endpoint, config).await
}

#[tokio::test]
async fn what_is_read_by_tls_is_what_is_read_without() {
    let authority = Authority::new().unwrap();
    let mut broker = broker(&authority, false, Some("hunter2"));
    let value: Vec<u8> = (0..150_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    for ms in 1..=40 {
        broker.add(id(ms), &[(b"payload", &value[..usize::try_from(ms).unwrap() * 3_000])]);
    }
    let trusted = endpoint(":hunter2@", "localhost", broker.server.tls_port());
    let trusted = trusted.trusting(authority.certificate_file());
    let mut reader = connect(&trusted).await.unwrap();
    let by_tls = entries(&drain(&mut reader, false).await);
    let mut plain = broker.reader("one", 64).await;
    let without = entries(&drain(&mut plain, true).await);
    assert_eq!(by_tls.len(), 40);
    assert!(by_tls == without, "the same entries, byte for byte");
    assert!(!format!("{reader:?} {trusted:?} {trusted}").contains("hunter"));
}

#[tokio::test]
async fn a_call_that_is_dropped_half_way_loses_nothing() {
    let authority = Authority::new().unwrap();
    let mut broker = broker(&authority, false, None);
    let value = vec![b'x'; 20_000];
    for ms in 1..=100 {
        broker.add(id(ms), &[(b"payload", &value)]);
    }
    // Slow enough that the reader waits within every record of TLS.
    let slow = cutting(broker.server.tls_port(), u64::MAX, Duration::from_micros(100));
    let trusted = endpoint("", "localhost", slow).trusting(authority.certificate_file());
    let mut reader = connect(&trusted).await.unwrap();
    let (mut read, mut dropped) = (Vec::new(), 0);
    while entries(&read).len() < 100 {
        // Dropped at its first wait, the next one at its second: in the middle of every state there is.
        let mut waits = 1 + dropped % 2;
        let patience = std::future::poll_fn(|_| {
            waits -= 1;
            if waits == 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        tokio::select! {
            biased;
            delivery = reader.next(Start::New) => read.push(delivery.unwrap()),
            () = patience => dropped += 1,
        }
        tokio::task::yield_now().await;
    }
    let ids: Vec<u64> = entries(&read).iter().map(|(id, _)| id.ms).collect();
    assert_eq!(ids, (1..=100).collect::<Vec<_>>());
    assert!(dropped > 50, "only {dropped} calls were dropped");
}

#[tokio::test]
async fn whom_nobody_vouches_for_is_refused_in_clear_words() {
    let (authority, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let broker = broker(&authority, false, None);
    let port = broker.server.tls_port();
    let refused = async |endpoint: Endpoint| {
        let error = connect(&endpoint).await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Stop, "{error}");
        error.to_string()
    };
    let wrong_roots = refused(endpoint("", "localhost", port).trusting(other.certificate_file())).await;
    assert!(wrong_roots.contains("no trusted root vouches for the server's certificate"), "{wrong_roots}");
    let wrong_name = refused(endpoint("", "127.0.0.1", port).trusting(authority.certificate_file())).await;
    assert!(wrong_name.contains("for another name"), "{wrong_name}");
    let no_file = refused(endpoint("", "localhost", port).trusting("/no/such.pem")).await;
    assert!(no_file.contains("/no/such.pem: No such file"), "{no_file}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || listener.accept().unwrap().0.write_all(b"-ERR unknown\r\n"));
    let no_tls = refused(endpoint("", "localhost", port).trusting(authority.certificate_file())).await;
    assert!(no_tls.contains("the server does not speak TLS on this port"), "{no_tls}");
    server.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate_is_a_clear_error() {
    let authority = Authority::new().unwrap();
    let broker = broker(&authority, true, None);
    let trusted = endpoint("", "localhost", broker.server.tls_port()).trusting(authority.certificate_file());
    let error = connect(&trusted).await.unwrap_err();
    assert!(error.to_string().contains("the server wants a client certificate"), "{error}");
    assert_eq!(error.remedy(), Remedy::Stop);
}

/// Hands bytes on in both directions, those to the client in small parts with a pause between them, and hangs up for
/// good once `most` went to it.
fn cutting(server: u16, most: u64, pause: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", server)).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let mut sent = 0;
        let mut buffer = [0; 4_096];
        while sent < most {
            let Ok(got @ 1..) = server.read(&mut buffer) else { break };
            if client.write_all(&buffer[..got]).is_err() {
                break;
            }
            sent += u64::try_from(got).unwrap();
            std::thread::sleep(pause);
        }
        let _ = client.shutdown(std::net::Shutdown::Both);
    });
    port
}

#[tokio::test]
async fn a_reply_that_is_cut_is_a_lost_connection_and_the_next_one_goes_on() {
    let authority = Authority::new().unwrap();
    let mut broker = broker(&authority, false, None);
    let value = vec![b'x'; 100_000];
    for ms in 1..=64 {
        broker.add(id(ms), &[(b"payload", &value)]);
    }
    let cut = cutting(broker.server.tls_port(), 1_000_000, Duration::ZERO);
    let mut reader =
        connect(&endpoint("", "localhost", cut).trusting(authority.certificate_file())).await.unwrap();
    let error = loop {
        match reader.next(Start::New).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ReadError::Closed { within_reply: true, .. }), "{error:?}");
    assert_eq!(error.remedy(), Remedy::Reconnect);

    broker.restart();
    let trusted = endpoint("", "localhost", broker.server.tls_port()).trusting(authority.certificate_file());
    let mut reader = connect(&trusted).await.unwrap();
    let mut read = entries(&drain(&mut reader, true).await);
    read.extend(entries(&drain(&mut reader, false).await));
    assert_eq!(read.iter().map(|(id, _)| id.ms).collect::<Vec<_>>(), (1..=64).collect::<Vec<_>>());

    broker.server.kill9().unwrap();
    let error = reader.next(Start::New).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Reconnect, "{error}");
}
