//! RFC 6455, where servers are known to fall short of it. A client that frames by hand.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use ws::LiveConfig;

use crate::support::{Live, bearer, config, topic, until};

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FINAL: u8 = 0x80;

struct Raw {
    socket: TcpStream,
    received: Vec<u8>,
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut out = vec![first];
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | len as u8),
        len @ 126..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FINAL | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

impl Raw {
    async fn connect(live: &Live) -> Self {
        Self::connect_and_send(live, &[]).await
    }

    /// With bytes that come together with the request.
    async fn connect_and_send(live: &Live, early: &[u8]) -> Self {
        let mut socket = TcpStream::connect(live.address()).await.unwrap();
        let head = format!(
            "GET /ws-live HTTP/1.1\r\nhost: x\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-extensions: permessage-deflate\r\nauthorization: {}\r\n\r\n",
            bearer("1", 900)
        );
        socket.write_all(&[head.as_bytes(), early].concat()).await.unwrap();
        let mut raw = Self { socket, received: Vec::new() };
        let end = loop {
            if let Some(end) = raw.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(raw.more().await > 0);
        };
        let head: Vec<u8> = raw.received.drain(..end).collect();
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 101"), "{head}");
        // The example of RFC 6455, section 1.3; and no extension is agreed on.
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        assert!(!head.contains("-extensions") && !head.contains("-protocol"), "{head}");
        raw
    }

    async fn more(&mut self) -> usize {
        timeout(Duration::from_secs(10), self.socket.read_buf(&mut self.received)).await.unwrap().unwrap_or(0)
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// First byte and payload of the next frame; `None` at the end.
    async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(&[first, length]) = self.received.first_chunk() {
                let (head, length) = match length {
                    126 if self.received.len() >= 4 => {
                        (4, usize::from(u16::from_be_bytes([self.received[2], self.received[3]])))
                    }
                    126 => (usize::MAX, 0),
                    length => (2, usize::from(length)),
                };
                if self.received.len() >= head.saturating_add(length) {
                    let frame: Vec<u8> = self.received.drain(..head + length).collect();
                    return Some((first, frame[head..].to_vec()));
                }
            }
            if self.more().await == 0 {
                return None;
            }
        }
    }

    /// The code that the server closes with; and then the end.
    async fn closed(&mut self) -> u16 {
        let (first, payload) = self.next().await.expect("a close frame");
        assert_eq!(first, FINAL | CLOSE, "{payload:?}");
        assert_eq!(self.next().await, None, "nothing behind a close frame");
        u16::from_be_bytes([payload[0], payload[1]])
    }
}

fn subscribe() -> Vec<u8> {
    json!({"type": "subscribe", "topic": topic(1), "id": "é"}).to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_may_come_in_pieces_with_pings_between() {
    let live = Live::start(config()).await;
    let mut raw = Raw::connect(&live).await;
    let text = subscribe();
    // Cut within a character.
    let cut = text.windows(2).position(|two| two == "é".as_bytes()).unwrap() + 1;
    raw.send(&frame(TEXT, &text[..cut])).await;
    raw.send(&frame(FINAL | PING, b"between")).await;
    assert_eq!(raw.next().await, Some((FINAL | PONG, b"between".to_vec())));
    raw.send(&frame(CONTINUATION, b"")).await;
    raw.send(&frame(FINAL | PONG, b"nobody asked")).await;
    for byte in frame(FINAL | CONTINUATION, &text[cut..]) {
        raw.send(&[byte]).await;
    }
    let (first, payload) = raw.next().await.unwrap();
    assert_eq!(first, FINAL | TEXT);
    assert!(String::from_utf8(payload).unwrap().contains("\"id\":\"é\""));
    raw.send(&frame(FINAL | PING, &[7; 125])).await;
    assert_eq!(raw.next().await, Some((FINAL | PONG, vec![7; 125])));
    raw.send(&close(1000, b"bye")).await;
    assert_eq!(raw.closed().await, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_with_the_request_is_read() {
    let live = Live::start(config()).await;
    let mut raw = Raw::connect_and_send(&live, &frame(FINAL | TEXT, &subscribe())).await;
    assert_eq!(raw.next().await.unwrap().0, FINAL | TEXT);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_against_the_protocol_is_answered_with_its_code() {
    let live = Live::start(config()).await;
    let unmasked = |first: u8, payload: &[u8]| [&[first, payload.len() as u8], payload].concat();
    let invalid = [0xCE, 0xBA, 0xED, 0xA0, 0x80];
    let length_only = |first: u8, length: u64| [&[first, 0xFF][..], &length.to_be_bytes(), &[0; 4]].concat();
    for (what, bytes, code) in [
        ("a reserved bit", frame(FINAL | 0x40 | TEXT, b"{}"), 1002),
        ("a reserved bit of a ping", frame(FINAL | 0x10 | PING, b""), 1002),
        ("a reserved opcode", frame(FINAL | 0x3, b""), 1002),
        ("a reserved control opcode", frame(FINAL | 0xB, b""), 1002),
        ("a text without a mask", unmasked(FINAL | TEXT, b"{}"), 1002),
        ("a ping without a mask", unmasked(FINAL | PING, b""), 1002),
        ("a close without a mask", unmasked(FINAL | CLOSE, &[3, 0xE8]), 1002),
        ("a ping in pieces", frame(PING, b"x"), 1002),
        ("a long ping", frame(FINAL | PING, &[0; 126]), 1002),
        ("a long close", close(1000, &[b'x'; 124]), 1002),
        ("half a close code", frame(FINAL | CLOSE, &[3]), 1002),
        ("close code 999", close(999, b""), 1002),
        ("close code 1005", close(1005, b""), 1002),
        ("close code 1006", close(1006, b""), 1002),
        ("close code 1015", close(1015, b""), 1002),
        ("close code 2999", close(2999, b""), 1002),
        ("close code 5000", close(5000, b""), 1002),
        ("a reason that is no text", close(1000, &invalid), 1007),
        ("a text that is none", frame(FINAL | TEXT, &invalid), 1007),
        (
            "a text that is none, in pieces",
            [frame(TEXT, &invalid[..3]), frame(FINAL, &invalid[3..])].concat(),
            1007,
        ),
        ("half a character", frame(FINAL | TEXT, &[0xC3]), 1007),
        ("a piece of nothing", frame(FINAL | CONTINUATION, b"{}"), 1002),
        ("a message within another", [frame(TEXT, b"{"), frame(FINAL | TEXT, b"}")].concat(), 1002),
        ("bytes", frame(FINAL | BINARY, b"{}"), 1003),
        ("a giant", length_only(FINAL | TEXT, 1 << 40), 1009),
        ("a giant beyond all bounds", length_only(FINAL | TEXT, u64::MAX), 1009),
        ("a giant ping", length_only(FINAL | PING, 1 << 40), 1002),
    ] {
        let mut raw = Raw::connect(&live).await;
        raw.send(&bytes).await;
        assert_eq!(raw.closed().await, code, "{what}");
    }
    until("all are gone", || live.metric("processor_live_sessions") == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_many_pieces_is_bounded_as_a_whole() {
    let live = Live::start(LiveConfig { max_message_bytes: 1000, ..config() }).await;
    let mut raw = Raw::connect(&live).await;
    raw.send(&frame(TEXT, &[b' '; 600])).await;
    raw.send(&frame(CONTINUATION, &[b' '; 399])).await;
    raw.send(&frame(FINAL, b"x")).await;
    assert_eq!(raw.next().await.unwrap().0, FINAL | TEXT, "1000 bytes are an answerable message");
    raw.send(&frame(TEXT, &[b' '; 600])).await;
    raw.send(&frame(FINAL, &[b' '; 401])).await;
    assert_eq!(raw.closed().await, 1009);
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_of_nothing_do_not_go_on_for_ever() {
    let live = Live::start(LiveConfig { max_message_bytes: 1600, ..config() }).await;
    let mut raw = Raw::connect(&live).await;
    for more in [150, 170] {
        raw.send(&frame(TEXT, b"{")).await;
        raw.send(&frame(CONTINUATION, b"").repeat(more)).await;
        raw.send(&frame(FINAL, b"}")).await;
        if more == 150 {
            assert_eq!(raw.next().await.unwrap().0, FINAL | TEXT, "patched together it is a message");
        }
    }
    assert_eq!(raw.closed().await, 1009);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_behind_a_close() {
    let live = Live::start(config()).await;
    for first in [close(1000, b""), close(3333, "ünd tschüss".as_bytes()), frame(FINAL | CLOSE, b"")] {
        let mut raw = Raw::connect(&live).await;
        let code = first.get(6..8).map(|code| [code[0] ^ 0x12, code[1] ^ 0x34]);
        raw.send(
            &[first, close(1001, b"again"), frame(FINAL | PING, b"p"), frame(FINAL | TEXT, b"{}")].concat(),
        )
        .await;
        let (kind, payload) = raw.next().await.unwrap();
        assert_eq!((kind, payload.get(..2)), (FINAL | CLOSE, code.as_ref().map(|code| &code[..])));
        assert_eq!(raw.next().await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_ends_nobody_else() {
    let live = Live::start(config()).await;
    let mut settled = live.connect().await;
    settled.subscribe(1).await;
    let mut random = 0x9E37_79B9_u32;
    for _ in 0..200 {
        let mut raw = Raw::connect(&live).await;
        let garbage: Vec<u8> = (0..300)
            .map(|_| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (random >> 24) as u8
            })
            .collect();
        // It may be put out in the midst of it.
        let _ = raw.socket.write_all(&garbage).await;
        let _ = raw.socket.shutdown().await;
        while raw.more().await > 0 {}
    }
    until("all are gone", || live.metric("processor_live_sessions") == 1.0).await;
    settled.subscribe(2).await;
}
