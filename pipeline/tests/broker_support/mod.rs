//! A real server, a broker to command it, a plain connection to look at it, and a proxy that fails on demand.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses a part of this module"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pipeline::batch::{RefusedEntry, StreamId};
use pipeline::broker::{Broker, Letter};
use pipeline::source::redis::Endpoint;
use redis::{Connection, FromRedisValue};
use test_redis::{Options, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const STREAM: &str = "telemetry:teltonika";
pub const DLQ: &str = "telemetry:teltonika:dlq";
pub const GROUP: &str = "processor";

pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A server and a connection of the plain client.
pub struct Bench {
    pub server: Server,
    pub control: Connection,
}

impl Bench {
    pub fn start(options: Options) -> Self {
        let server = Server::start(options).expect("redis-server starts");
        let control = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        Self { server, control }
    }

    pub fn new() -> Self {
        Self::start(Options::default())
    }

    pub fn broker(&self) -> Broker {
        broker_at(&self.server.url())
    }

    /// Runs a command of words without spaces.
    pub fn run<T: FromRedisValue>(&mut self, words: &str) -> T {
        let mut command = redis::Cmd::new();
        for word in words.split(' ') {
            command.arg(word);
        }
        command.query(&mut self.control).unwrap_or_else(|error| panic!("{words}: {error}"))
    }

    /// Adds entries with the ids `1-0` to `n-0`, and reads them for a consumer.
    pub fn deliver(&mut self, n: u64, consumer: &str) {
        for ms in 1..=n {
            let _: String = self.run(&format!("XADD {STREAM} {ms}-0 n {ms}"));
        }
        let _: redis::Value =
            self.run(&format!("XREADGROUP GROUP {GROUP} {consumer} COUNT {n} STREAMS {STREAM} >"));
    }

    pub fn pending(&mut self) -> u64 {
        let (pending, ..): (u64, redis::Value, redis::Value, redis::Value) =
            self.run(&format!("XPENDING {STREAM} {GROUP}"));
        pending
    }

    /// The entries of a stream as they are.
    pub fn entries(&mut self, stream: &str) -> Vec<(String, Pairs)> {
        let found: Vec<(String, Vec<Vec<u8>>)> = self.run(&format!("XRANGE {stream} - +"));
        let pairs = |fields: Vec<Vec<u8>>| {
            fields.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect::<Pairs>()
        };
        found.into_iter().map(|(id, fields)| (id, pairs(fields))).collect()
    }
}

pub fn broker_at(url: &str) -> Broker {
    Broker::new(Endpoint::parse(url).unwrap(), "test")
}

pub fn id(ms: u64) -> StreamId {
    StreamId { ms, seq: 0 }
}

pub fn letter(id: StreamId, fields: &[(&[u8], &[u8])]) -> Letter {
    let fields: Pairs = fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    let len_bytes = fields.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum();
    Letter {
        entry: Box::new(RefusedEntry { id, fields, len_bytes, cut: false }),
        error: "payload: no such thing".into(),
    }
}

pub fn value<'p>(pairs: &'p Pairs, name: &str) -> &'p [u8] {
    &pairs.iter().find(|(n, _)| n == name.as_bytes()).unwrap_or_else(|| panic!("no field {name}")).1
}

/// Stands between a client and the server. Once armed with a word, it withholds the answer to the first thing sent
/// that has the word in it, after the server has carried it out, and cuts the connection.
pub struct Proxy {
    pub port: u16,
    pub cuts: Arc<AtomicUsize>,
    pub connections: Arc<AtomicUsize>,
    said: Arc<AtomicUsize>,
}

impl Proxy {
    /// Cuts as often as is said.
    pub async fn start(server: u16, word: &'static str, cuts: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cuts, connections) = (Arc::new(AtomicUsize::new(cuts)), Arc::new(AtomicUsize::new(0)));
        let said = Arc::new(AtomicUsize::new(0));
        let (left, count, bytes) = (Arc::clone(&cuts), Arc::clone(&connections), Arc::clone(&said));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(client, server, word, Arc::clone(&left), Arc::clone(&bytes)));
            }
        });
        Self { port, cuts, connections, said }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Bytes that the server has said.
    pub fn bytes_said(&self) -> usize {
        self.said.load(Ordering::SeqCst)
    }
}

async fn serve(
    mut client: TcpStream,
    server: u16,
    word: &'static str,
    cuts: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
) {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    let (mut asked, mut said) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut armed = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(n @ 1..) = read else { return };
                let has_word = asked[..n].windows(word.len()).any(|part| part == word.as_bytes());
                armed |= has_word && cuts.load(Ordering::SeqCst) > 0;
                server.write_all(&asked[..n]).await.unwrap();
            }
            read = server.read(&mut said) => {
                let Ok(n @ 1..) = read else { return };
                bytes.fetch_add(n, Ordering::SeqCst);
                if armed {
                    // The answer is there, so the server has done it.
                    cuts.fetch_sub(1, Ordering::SeqCst);
                    return;
                }
                if client.write_all(&said[..n]).await.is_err() {
                    return;
                }
            }
        }
    }
}
