//! Sessions as they are opened: the upgrade, and one subscription.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use super::directus::token;
use super::frames::header;

/// Connections that are opened at the same time.
const OPENERS: usize = 8;
/// Nothing here takes so long unless it stands still.
const PATIENCE: Duration = Duration::from_secs(60);
/// An answer's head, and a bound on a snapshot.
const HEAD_BYTES: usize = 4 * 1024;
const MESSAGE_BYTES: usize = 16 << 20;

/// Opens one session for each topic, each of its own user, `first_user` being the number of the first.
pub(crate) fn open(port: u16, topics: &[String], first_user: usize) -> anyhow::Result<Vec<TcpStream>> {
    let share = topics.len().div_ceil(OPENERS).max(1);
    std::thread::scope(|scope| {
        let openers: Vec<_> = topics
            .chunks(share)
            .enumerate()
            .map(|(n, topics)| {
                scope.spawn(move || {
                    let users = first_user + n * share..;
                    topics.iter().zip(users).map(|(topic, user)| session(port, topic, user)).collect()
                })
            })
            .collect();
        let mut sessions = Vec::with_capacity(topics.len());
        for opener in openers {
            let opened: anyhow::Result<Vec<TcpStream>> =
                opener.join().map_err(|_| anyhow::anyhow!("a thread that opens sessions panicked"))?;
            sessions.extend(opened?);
        }
        Ok(sessions)
    })
}

/// One session, subscribed.
fn session(port: u16, topic: &str, user: usize) -> anyhow::Result<TcpStream> {
    let mut socket = connect(port)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    // A key is there to be repeated; nobody here checks that it is fresh.
    let request = format!(
        "GET /ws-live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Authorization: Bearer {}\r\n\r\n",
        token(user)
    );
    socket.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).context("no answer to the upgrade")?;
        head.push(byte[0]);
        ensure!(head.len() < HEAD_BYTES, "an answer without an end");
    }
    ensure!(head.starts_with(b"HTTP/1.1 101"), "not let in: {}", String::from_utf8_lossy(&head));
    socket.write_all(&text(&json!({"type": "subscribe", "topic": topic}).to_string()))?;
    loop {
        let message: Value = serde_json::from_slice(&message(&mut socket)?)?;
        match message["type"].as_str() {
            Some("subscribed") => break,
            // The subscription is on its way in: what is sent in between is counted by nobody.
            Some("position") => {}
            _ => bail!("{topic} answered {message}"),
        }
    }
    socket.set_read_timeout(None)?;
    Ok(socket)
}

/// Waits for the listener as long as it may take to come up.
fn connect(port: u16) -> anyhow::Result<TcpStream> {
    let begun = Instant::now();
    loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(socket) => return Ok(socket),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused && begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(error).context("the live channel does not listen"),
        }
    }
}

/// A frame of a client, short, with a mask of noughts.
fn text(payload: &str) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap_or(u8::MAX).min(125);
    let mut frame = vec![0x81, 0x80 | len, 0, 0, 0, 0];
    frame.extend_from_slice(payload.as_bytes());
    frame
}

/// The payload of the next frame, and nothing behind it.
fn message(socket: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let len = loop {
        if let Some((_, len)) = header(&bytes) {
            break len;
        }
        let mut byte = [0];
        socket.read_exact(&mut byte).context("no answer to the subscription")?;
        bytes.push(byte[0]);
    };
    ensure!(len <= MESSAGE_BYTES, "a message of {len} bytes");
    let mut payload = vec![0; len];
    socket.read_exact(&mut payload)?;
    Ok(payload)
}
