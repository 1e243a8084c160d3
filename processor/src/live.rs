//! The live channel's side of the platform: it reads the stream, the database and the changes of race records for the
//! hub, which knows none of them.
//!
//! ```text
//!  live group ───▶ feed ─────────▶ ┐
//!  stream, later ▶ delayed feeds ─▶├─▶ Sink (the hub)
//!  race:changes ─▶ race feeds ────▶│
//!  authz:changed ▶ authz ─────────▶│
//!  database ─────▶ refresh ───────▶┘  who is shown where, where everybody was last, what is faulty
//! ```
//!
//! It runs beside everything else: without race rules, while the instance stands by, and with the database away.

mod authz;
mod channel;
mod conflate;
mod feed;
mod fix;
mod handles;
mod known;
mod race;
mod refresh;
mod shown;
mod sink;
mod status;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pipeline::broker::Broker;
use storage::Audience;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use ws::fix::DelayMs;

pub(crate) use self::channel::Channel;
pub(crate) use self::feed::FeedSource;
pub(crate) use self::sink::Sink;
pub(crate) use self::status::Status;

use self::feed::Feed;
use self::known::Known;
use self::race::RaceFeed;
use self::refresh::Refresher;
use self::shown::Shown;
use crate::config::Settings;
use crate::run::events::Events;
use crate::run::reference;

/// How long the broker is waited for at the end.
const END_WITHIN: Duration = Duration::from_secs(2);

/// What is fed, and from where.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) source: FeedSource,
    /// Groups of other instances are named like ours but for the instance.
    pub(crate) group_prefix: String,
    /// Between two looks at the database.
    pub(crate) refresh: Duration,
}

impl Plan {
    pub(crate) fn of(settings: &Settings) -> Self {
        let (live, instance) = (&settings.live, &settings.instance_id);
        let source = FeedSource {
            endpoint: settings.redis.endpoint.clone(),
            stream: settings.redis.stream.clone(),
            group: format!("{}-{instance}", live.group_prefix),
            instance: instance.clone(),
            batch_size: live.batch_size,
            batch_block: live.batch_block,
        };
        Self { source, group_prefix: live.group_prefix.clone(), refresh: live.device_event_refresh }
    }
}

/// Feeds that run.
pub(crate) struct Running {
    source: FeedSource,
    broker: Broker,
    status: Arc<Status>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// Starts to feed. Whatever is away is waited for.
pub(crate) fn start<A: Audience, K: Sink>(
    plan: Plan,
    audience: A,
    sink: Arc<K>,
    events: &Arc<Events>,
    status: &Arc<Status>,
    stop: CancellationToken,
) -> Running {
    let Plan { source, group_prefix, refresh } = plan;
    let broker = |part: &str| Broker::new(source.endpoint.clone(), &format!("{}-{part}", source.instance));
    let (control, shown) = (broker("live"), Arc::new(ArcSwap::<Shown>::default()));
    let (known, changed) = (Arc::new(Known::default()), Arc::new(Notify::new()));
    let feed = Feed {
        delay: DelayMs::NONE,
        source: source.clone(),
        broker: control.clone(),
        sink: Arc::clone(&sink),
        shown: Arc::clone(&shown),
        known: Arc::clone(&known),
        events: Arc::clone(events),
        status: Arc::clone(status),
        stop: stop.clone(),
    };
    let race = RaceFeed {
        delay: DelayMs::NONE,
        broker: broker("live-race"),
        sink: Arc::clone(&sink),
        events: Arc::clone(events),
        stop: stop.clone(),
    };
    let listener = reference::listen(broker("live-reference"), Arc::clone(&changed));
    let authz = authz::run(broker("live-authz"), Arc::clone(&sink), stop.clone());
    let refresher = Refresher {
        audience,
        broker: control.clone(),
        source: source.clone(),
        group_prefix,
        every: refresh,
        sink,
        shown,
        known,
        events: Arc::clone(events),
        status: Arc::clone(status),
        changed,
        stop: stop.clone(),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(feed.run());
    tasks.spawn(race.run());
    tasks.spawn(authz);
    tasks.spawn(refresher.run());
    let listening = stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = listening.cancelled() => {}
            () = listener => {}
        }
    });
    Running { source, broker: control, status: Arc::clone(status), stop, tasks }
}

impl Running {
    /// Stops, and takes the group away, unless another process has our name and with it the group.
    pub(crate) async fn end(mut self, is_ours: bool) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!("a part of the live channel failed: {error}");
            }
        }
        self.status.is_not("the live channel has stopped");
        if !is_ours {
            return;
        }
        let (stream, group) = (&self.source.stream, &self.source.group);
        match timeout(END_WITHIN, self.broker.destroy_group(stream, group)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(group, "the live group could not be removed, another instance will: {error}");
            }
            Err(_) => tracing::warn!(group, "the live group could not be removed, another instance will"),
        }
    }
}
