//! Somebody who watches: a WebSocket client of the barest kind, and in place of Directus one that lets everybody in.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Says of everybody that they are the user `viewer`, and of every event that they may see it; its URL.
pub fn open_directus() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            std::thread::spawn(move || answer(socket));
        }
    });
    url
}

fn answer(mut socket: TcpStream) {
    let (mut read, mut part) = (Vec::new(), [0; 4_096]);
    loop {
        while let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8(read.drain(..end + 4).collect()).unwrap();
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let id = match path.strip_prefix("/items/events/") {
                Some(rest) => rest.split('?').next().unwrap().to_owned(),
                None => "viewer".to_owned(),
            };
            let body = json!({"data": {"id": id}}).to_string();
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            );
            if socket.write_all((head + &body).as_bytes()).is_err() {
                return;
            }
        }
        match socket.read(&mut part) {
            Ok(n @ 1..) => read.extend_from_slice(&part[..n]),
            _ => return,
        }
    }
}

pub struct Viewer {
    socket: TcpStream,
    bytes: Vec<u8>,
    frames: VecDeque<Value>,
}

impl Viewer {
    /// Connects with a token that only Directus knows.
    pub fn connect(port: u16) -> Self {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let request = "GET /ws-live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Authorization: Bearer a-static-token\r\n\r\n";
        socket.write_all(request.as_bytes()).unwrap();
        let mut viewer = Self { socket, bytes: Vec::new(), frames: VecDeque::new() };
        let begun = Instant::now();
        let end = loop {
            viewer.receive();
            if let Some(end) = viewer.bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "no answer");
        };
        let head: Vec<u8> = viewer.bytes.drain(..end + 4).collect();
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        viewer
    }

    pub fn subscribe(&mut self, topic: &str) {
        let text = json!({"type": "subscribe", "topic": topic}).to_string();
        // Masked with zeros, which changes nothing.
        let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        self.socket.write_all(&frame).unwrap();
    }

    fn receive(&mut self) {
        let mut part = [0; 1 << 16];
        // Nothing for now is what a time-out says.
        if let Ok(n) = self.socket.read(&mut part) {
            self.bytes.extend_from_slice(&part[..n]);
        }
    }

    /// The next frame that there is.
    fn next(&mut self) -> Option<Value> {
        self.receive();
        while let [first, second, rest @ ..] = &self.bytes[..] {
            let (head, len) = match (second & 0x7f, rest) {
                (126, [a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
                (126 | 127, _) => break,
                (len, _) => (2, usize::from(len)),
            };
            if self.bytes.len() < head + len {
                break;
            }
            let is_text = *first == 0x81;
            let frame: Vec<u8> = self.bytes.drain(..head + len).skip(head).collect();
            if is_text {
                self.frames.push_back(serde_json::from_slice(&frame).unwrap());
            }
        }
        self.frames.pop_front()
    }

    /// Waits for a frame of a kind, passing over others.
    pub fn wait_for(&mut self, kind: &str) -> Value {
        let begun = Instant::now();
        loop {
            if let Some(frame) = self.next().filter(|frame| frame["type"] == kind) {
                return frame;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "no {kind} comes");
        }
    }

    /// Every frame within a time.
    pub fn watch(&mut self, time: Duration) -> Vec<Value> {
        let (begun, mut seen) = (Instant::now(), Vec::new());
        while begun.elapsed() < time {
            seen.extend(self.next());
        }
        seen
    }
}
