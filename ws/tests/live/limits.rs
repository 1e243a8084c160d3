//! Bounds on everything that a stranger can send.

use std::time::{Duration, Instant};

use futures_util::SinkExt as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use ws::LiveConfig;

use crate::support::{Live, bearer, config, fix, topic, until};

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted_in_all_by_address_and_by_user() {
    let live = Live::start(LiveConfig { max_connections_per_user: 2, ..config() }).await;
    let first = live.connect().await;
    let _second = live.connect().await;
    let authorization = bearer("1", 900);
    assert_eq!(live.connect_with(&[("authorization", &*authorization)]).await.err(), Some(429));
    live.connect_with(&[("authorization", &*bearer("2", 900))]).await.unwrap();
    drop(first);
    until("a place is free", || live.metric("processor_live_sessions") == 1.0).await;
    live.connect().await;

    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let live = Live::start(LiveConfig { max_connections_per_address: 1, trusted_proxies, ..config() }).await;
    let from = |address| [("authorization", &*authorization), ("x-forwarded-for", address)];
    let _first = live.connect_with(&from("192.0.2.1")).await.unwrap();
    assert_eq!(live.connect_with(&from("192.0.2.1")).await.err(), Some(429));
    let _other = live.connect_with(&from("192.0.2.2")).await.unwrap();

    let live = Live::start(LiveConfig { max_connections_per_address: 2, ..config() }).await;
    let _first = live.connect_with(&from("192.0.2.1")).await.unwrap();
    let _second = live.connect_with(&from("192.0.2.2")).await.unwrap();
    let mut third = TcpStream::connect(live.address()).await.unwrap();
    assert_eq!(
        third.read(&mut [0]).await.unwrap(),
        0,
        "a stranger's word for its address counts for nothing"
    );

    let live = Live::start(LiveConfig { max_connections: 1, ..config() }).await;
    let _first = live.connect().await;
    let mut second = TcpStream::connect(live.address()).await.unwrap();
    assert_eq!(second.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_counted() {
    let live = Live::start(LiveConfig { max_subscriptions: 3, ..config() }).await;
    let mut client = live.connect().await;
    for n in 1..=3 {
        client.subscribe(n).await;
    }
    client.send(&json!({"type": "subscribe", "topic": topic(4)})).await;
    assert_eq!(client.json().await["code"], "error");
    client.send(&json!({"type": "unsubscribe", "topic": topic(1)})).await;
    client.json().await;
    client.subscribe(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_that_clients_make_up_are_counted_as_one() {
    let live = Live::start(config()).await;
    for code in [3001, 4001, 4999] {
        let mut client = live.connect().await;
        client.stream.close(Some(CloseFrame { code: code.into(), reason: "".into() })).await.unwrap();
        assert_eq!(client.closed().await.0, code);
    }
    until("all are gone", || live.metric("processor_live_sessions") == 0.0).await;
    assert_eq!(live.metric("processor_live_sessions_closed_total{code=\"3000\"}"), 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_talks_too_much_is_put_out() {
    let live = Live::start(LiveConfig { max_messages_per_second: 5, ..config() }).await;
    let mut client = live.connect().await;
    for n in 0..40 {
        let message = if n % 2 == 0 { Message::text("{}") } else { Message::Ping("p".into()) };
        if client.stream.send(message).await.is_err() {
            break;
        }
    }
    assert_eq!(client.closed().await.0, 1008);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_handshakes_keep_nobody_out() {
    let handshake_timeout = Duration::from_secs(1);
    let live =
        Live::start(LiveConfig { handshake_timeout, max_connections_per_address: 10_000, ..config() }).await;
    let mut settled = live.connect().await;
    settled.subscribe(1).await;
    let mut half_open = Vec::new();
    for n in 0..2_000 {
        let mut socket = TcpStream::connect(live.address()).await.unwrap();
        match n % 4 {
            0 => {}
            1 => socket.write_all(b"GET /ws-live HTTP/1.1\r\nhost: x\r\nx: ").await.unwrap(),
            2 => socket.write_all(&[0xFF; 512]).await.unwrap(),
            _ => socket.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap(),
        }
        half_open.push(socket);
    }
    let begun = Instant::now();
    live.publish(vec![fix("a", 1)]).await;
    settled.json().await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    live.connect().await.subscribe(1).await;
    for mut socket in half_open {
        // All are put out: garbage at once, silence after its time.
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut rest)).await;
        assert!(ended.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_none_are_answered_and_closed() {
    let live = Live::start(config()).await;
    let long = format!("GET /ws-live HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(40_000));
    let many = format!("GET /ws-live HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(200));
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
    let token = bearer("1", 900);
    for (request, status) in [
        ("GET / HTTP/1.1\r\nhost: x\r\n\r\n", "404"),
        ("GET /ws-live HTTP/1.1\r\nhost: x\r\n\r\n", "426"),
        ("POST /ws-live HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", "426"),
        (&*format!("GET /ws-live HTTP/1.1\r\nhost: x\r\n{upgrade}sec-websocket-version: 13\r\n\r\n"), "401"),
        (&*format!("GET /ws-live HTTP/1.1\r\nhost: x\r\n{upgrade}authorization: {token}\r\n\r\n"), "400"),
        (
            &*format!(
                "GET /ws-live HTTP/1.1\r\nhost: x\r\n{upgrade}authorization: {token}\r\nsec-websocket-key: x\r\nsec-websocket-version: 12\r\n\r\n"
            ),
            "400",
        ),
        (&*long, "431"),
        (&*many, "431"),
    ] {
        let mut socket = TcpStream::connect(live.address()).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // What was not read may break the connection behind the answer.
        let _ = socket.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        let head = answer.lines().next().unwrap_or_default().to_owned();
        assert!(head.contains(status), "{status}: {answer:?} to {:?}", &request[..request.len().min(80)]);
    }
}
