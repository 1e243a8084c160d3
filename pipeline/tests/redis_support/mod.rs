//! A server with a stream and a group, and a reader of it.

use std::time::Duration;

use pipeline::batch::StreamId;
use pipeline::source::redis::{Delivery, Endpoint, ReaderConfig, Start, StreamReader};
use redis::{Connection, Value};
use test_redis::{Options, Server};

pub(crate) const STREAM: &str = "telemetry:teltonika";
pub(crate) const GROUP: &str = "processor";

pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A server, and a connection to command it.
pub(crate) struct Broker {
    pub(crate) server: Server,
    pub(crate) control: Connection,
}

impl Broker {
    /// Starts a server with an empty stream and its group.
    pub(crate) fn start(options: Options) -> Self {
        let server = Server::start(options).expect("redis-server starts");
        let control = connect(&server);
        let mut broker = Self { server, control };
        broker.make_group();
        broker
    }

    pub(crate) fn make_group(&mut self) {
        let _: Value =
            self.run(&[b"XGROUP", b"CREATE", STREAM.as_bytes(), GROUP.as_bytes(), b"0", b"MKSTREAM"]);
    }

    /// Starts the server again and connects anew.
    pub(crate) fn restart(&mut self) {
        self.server.restart().expect("redis-server starts again");
        self.control = connect(&self.server);
    }

    pub(crate) fn run<T: redis::FromRedisValue>(&mut self, words: &[&[u8]]) -> T {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query(&mut self.control).expect("the server does what it is told")
    }

    pub(crate) fn add(&mut self, id: StreamId, fields: &[(&[u8], &[u8])]) {
        let id = id.to_string();
        let mut words: Vec<&[u8]> = vec![b"XADD", STREAM.as_bytes(), id.as_bytes()];
        words.extend(fields.iter().flat_map(|(name, value)| [*name, *value]));
        let _: String = self.run(&words);
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::parse(&self.server.url()).unwrap()
    }

    pub(crate) async fn reader(&self, consumer: &str, batch_records: usize) -> StreamReader {
        let mut config = ReaderConfig::new(STREAM, GROUP, consumer);
        config.block = Duration::from_millis(20);
        config.batch_records = batch_records;
        StreamReader::connect(&self.endpoint(), config).await.expect("the broker lets the reader in")
    }
}

fn connect(server: &Server) -> Connection {
    redis::Client::open(server.url()).unwrap().get_connection().unwrap()
}

pub(crate) fn id(ms: u64) -> StreamId {
    StreamId { ms, seq: 0 }
}

/// Everything that is there now, delivery by delivery: reads until one says that nothing is left.
pub(crate) async fn drain(reader: &mut StreamReader, own: bool) -> Vec<Delivery> {
    let (mut deliveries, mut after) = (Vec::new(), StreamId::ZERO);
    loop {
        let start = if own { Start::OwnAfter(after) } else { Start::New };
        let delivery = reader.next(start).await.unwrap();
        assert!(delivery.ends_reply || !delivery.is_empty(), "what is empty ends its reply");
        let Some((_, last)) = delivery.interval else { return deliveries };
        after = last;
        deliveries.push(delivery);
    }
}

/// The entries of some deliveries, in order.
pub(crate) fn entries(deliveries: &[Delivery]) -> Vec<(StreamId, Pairs)> {
    let of = |delivery: &Delivery| -> Vec<_> {
        let pairs = |entry: pipeline::batch::Entry<'_>| {
            entry.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
        };
        delivery.batch.entries.iter().map(|entry| (entry.id, pairs(entry))).collect()
    };
    deliveries.iter().flat_map(of).collect()
}
