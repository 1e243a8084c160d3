//! A broker, feeds that run, and what is sent to them.

use std::sync::Arc;
use std::time::Duration;

use pipeline::source::redis::Endpoint;
use race::position::{DeviceId, Position};
use race::time::Timestamp;
use storage::{Audience, AudienceRows, StoreError};
use test_redis::{Options, Server};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use ws::fix::DelayMs;

use super::book::Book;
use crate::live::{FeedSource, Plan, Running, Status, start};
use crate::run::events::Events;

pub(super) const STREAM: &str = "telemetry:teltonika";
pub(super) const EVENT: Uuid = Uuid::from_u128(1);
pub(super) const LIVE: DelayMs = DelayMs::NONE;
/// 2026-06-07T08:00:00Z.
pub(super) const BEGIN_MS: i64 = 1_780_819_200_000;

/// A database without positions.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows(pub(super) AudienceRows);

impl Audience for Rows {
    async fn audience(&self) -> Result<AudienceRows, StoreError> {
        Ok(self.0.clone())
    }

    async fn latest_positions(
        &self,
        _: &[DeviceId],
        _: Option<Timestamp>,
    ) -> Result<Vec<Position>, StoreError> {
        Ok(Vec::new())
    }

    async fn flagged(&self, _: &[(DeviceId, Timestamp)]) -> Result<Vec<usize>, StoreError> {
        Ok(Vec::new())
    }
}

/// The devices `1` to `devices` in one event.
pub(super) fn rows(devices: u32) -> Rows {
    let members = (1..=devices).map(|n| (EVENT, device(n).into())).collect();
    Rows(AudienceRows { members, ..AudienceRows::default() })
}

pub(super) fn device(n: u32) -> String {
    format!("35630704244{n:04}")
}

pub(super) struct Bench {
    pub(super) server: Server,
    pub(super) book: Arc<Book>,
    pub(super) events: Arc<Events>,
    pub(super) status: Arc<Status>,
}

/// An entry to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) device: u32,
    pub(super) second: i64,
    pub(super) priority: u8,
}

impl Sent {
    pub(super) fn of(device: u32, second: i64) -> Self {
        Self { device, second, priority: 0 }
    }

    pub(super) fn fields(&self) -> [(&'static str, String); 4] {
        let (device, ts) = (device(self.device), Timestamp::from_millis(BEGIN_MS + self.second * 1_000));
        let payload = format!(
            r#"{{"device_id":"{device}","timestamp":"{ts}","latitude":41.3,"longitude":19.8,"altitude":1,"angle":90,"speed":63,"satellites":11,"priority":{},"attributes":{{}}}}"#,
            self.priority
        );
        [("ts", ts.to_string()), ("device_id", device), ("codec", "8E".into()), ("payload", payload)]
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        let server = Server::start(Options::default()).unwrap();
        Self { server, book: Book::new(), events: Arc::new(Events::new()), status: Arc::default() }
    }

    pub(super) fn plan(&self, instance: &str) -> Plan {
        let source = FeedSource {
            endpoint: Endpoint::parse(&self.server.url()).unwrap(),
            stream: STREAM.into(),
            group: format!("live-broadcast-{instance}"),
            instance: instance.into(),
            batch_size: 100,
            batch_block: Duration::from_secs(25),
        };
        Plan { source, group_prefix: "live-broadcast".into(), refresh: Duration::from_millis(300) }
    }

    /// Feeds that know who is shown where and read the stream.
    pub(super) async fn start<A: Audience>(&self, audience: A) -> Running {
        let (plan, stop) = (self.plan("a"), CancellationToken::new());
        let running = start(plan, audience, Arc::clone(&self.book), &self.events, &self.status, stop);
        self.book
            .until("it reads", |_| {
                let groups: Vec<String> = self.groups();
                (self.status.trouble().is_none() && groups.iter().any(|name| name == "live-broadcast-a"))
                    .then_some(())
            })
            .await;
        self.book
            .until("it knows the devices", |_| (self.events.metrics.live_devices.get() > 0).then_some(()))
            .await;
        running
    }

    pub(super) fn control(&self) -> redis::Connection {
        redis::Client::open(self.server.url()).unwrap().get_connection().unwrap()
    }

    pub(super) fn redis<T: redis::FromRedisValue>(&self, words: &str) -> T {
        let mut command = redis::Cmd::new();
        for word in words.split(' ') {
            command.arg(word);
        }
        command.query(&mut self.control()).unwrap()
    }

    pub(super) fn groups(&self) -> Vec<String> {
        let found: redis::RedisResult<Vec<std::collections::HashMap<String, redis::Value>>> =
            redis::cmd("XINFO").arg("GROUPS").arg(STREAM).query(&mut self.control());
        let found = found.unwrap_or_default().into_iter();
        found.map(|group| redis::from_redis_value(group["name"].clone()).unwrap()).collect()
    }

    /// Adds entries, each with the id that it is given; their ids.
    pub(super) fn add_as(&self, sent: impl IntoIterator<Item = (String, Sent)>) -> Vec<String> {
        let mut pipeline = redis::pipe();
        for (id, sent) in sent {
            let command = pipeline.cmd("XADD").arg(STREAM).arg(id);
            for (name, value) in sent.fields() {
                command.arg(name).arg(value);
            }
        }
        pipeline.query(&mut self.control()).unwrap()
    }

    /// Adds entries; their ids.
    pub(super) fn add(&self, sent: &[Sent]) -> Vec<String> {
        self.add_as(sent.iter().map(|sent| ("*".into(), *sent)))
    }
}
