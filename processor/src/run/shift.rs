//! One shift: a course, a lease where there is one, and the pipeline, from the first pending entry to the last
//! acknowledgement. Whatever changes among the first two ends the shift in good order, and the next one begins.

use std::sync::Arc;
use std::time::Duration;

use pipeline::in_flight::{Gauge, Ledger};
use pipeline::lane::Follow;
use pipeline::limits::RAW_BATCHES;
use pipeline::topology::{self, Panicked, Stages, Threads};
use pipeline::write::{self, WriteLimits};
use race::course::Course;
use storage::{Cause, Fence, Live};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Servers;
use super::acker;
use super::events::Events;
use super::judge::{Judge, Lanes};
use super::mailbox::Mailbox;
use super::names::StreamNames;
use super::persist::{Persist, TakenOver};
use super::reader::{ClaimRules, StreamSource};
use super::recompute::{Place, Requests};
use super::sink::{LiveSink, now};
use crate::config::Settings;

/// Commits on their way to the acker: it joins them, so that a few are enough.
const DONE_COMMITS: usize = RAW_BATCHES;
/// Between two looks at what is on its way.
const GAUGE_EVERY: Duration = Duration::from_millis(500);

/// What a shift works with.
pub(super) struct Duty {
    /// `None`: positions only.
    pub(super) course: Option<Arc<Course>>,
    /// `None` without race rules: then instances share the stream.
    pub(super) fence: Option<Fence>,
    /// Nobody else works: whatever is pending is taken first.
    pub(super) takes_everything: bool,
    /// Why records change at the first look at an entry.
    pub(super) cause: Cause,
}

/// How a shift ended, when it did in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was told to stop, and everything it had read is committed and acknowledged.
    Stopped,
    /// Another instance has taken over the lease.
    TakenOver,
}

/// Works until `stop`, then finishes what was read.
///
/// # Errors
/// A stage panicked or could not be started: a bug, or no resources.
pub(super) async fn work<S: Live>(
    settings: &Settings,
    servers: &Servers<S>,
    duty: Duty,
    events: &Arc<Events>,
    stop: &CancellationToken,
) -> anyhow::Result<Ended> {
    let names = StreamNames::of(settings);
    let follow = match (&duty.course, duty.fence) {
        (Some(_), Some(_)) => Follow::Backed { max_states: settings.device_state_max },
        _ => Follow::Nothing,
    };
    let judges = matches!(follow, Follow::Backed { .. });
    let course = duty.course.unwrap_or_else(|| Arc::new(Course::new(Arc::default())));
    let writers = servers.writers.len();
    // Without a state to follow a lane only hands on, and more than one for each writer is of no use.
    let lanes = if judges { settings.lanes.max(writers) } else { writers };
    let config = topology::Config { lanes, writers, received_at: now(), follow };
    let Stages { raw, done, strays, news, committed, gauge, ledger, threads } =
        topology::start(&course, &config)?;

    let stop = stop.child_token();
    let mailbox = Arc::new(Mailbox::default());
    let (acks, acks_in) = flume::bounded(DONE_COMMITS);
    let acker = acker::run(acks_in, servers.broker.clone(), names.clone(), Arc::clone(events));
    let acker = tokio::spawn(ending(acker, stop.clone()));
    let source = StreamSource {
        endpoint: settings.redis.endpoint.clone(),
        names: names.clone(),
        broker: servers.broker.clone(),
        claims: ClaimRules {
            threshold: settings.redis.claim_threshold,
            interval: settings.redis.claim_interval,
            everything_until: duty.takes_everything.then_some(settings.race.lease_ttl),
        },
        ledger: ledger.clone(),
        raw,
        acks: acks.clone(),
        events: Arc::clone(events),
        stop: stop.clone(),
    };
    let reader = tokio::spawn(source.run());
    let gauges = tokio::spawn(watch_gauges(gauge, ledger, Arc::clone(events)));
    let judge = match duty.fence.filter(|_| judges) {
        Some(fence) => {
            let (store, mailbox, events) = (servers.judge.clone(), Arc::clone(&mailbox), Arc::clone(events));
            let (requests, counter) = Requests::open(
                Place { endpoint: settings.redis.endpoint.clone(), consumer: names.consumer.clone() },
                servers.judge.clone(),
                Arc::clone(&course),
                servers.broker.clone(),
                Arc::clone(&mailbox),
                Arc::clone(&events),
                stop.clone(),
            );
            let lanes = Lanes { news, committed: committed.clone() };
            let judge = Judge::new(store, Arc::clone(&course), fence, mailbox, lanes, events, counter)
                .looking_for(duty.cause);
            let requests = tokio::spawn(requests.run());
            Some((tokio::spawn(ending(judge.run(), stop.clone())), requests))
        }
        None => None,
    };
    let limits = WriteLimits {
        rows: settings.write.batch_rows,
        bytes: settings.write.batch_bytes,
        age: settings.write.batch_age,
    };
    let mut written = JoinSet::new();
    // Strays wait for nobody and nobody for them; the judge's store has a connection for batches that it does not use.
    let stores = servers.writers.iter().chain([&servers.judge]);
    for (store, done) in stores.zip(done.into_iter().chain([strays])) {
        let mut sink = LiveSink {
            persist: Persist::new(store.clone(), Arc::clone(events)),
            course: Arc::clone(&course),
            fence: duty.fence,
            broker: servers.broker.clone(),
            names: names.clone(),
            committed: committed.clone(),
            acks: acks.clone(),
            mailbox: Arc::clone(&mailbox),
            events: Arc::clone(events),
        };
        written.spawn(async move { write::run(done, limits, &mut sink).await.map(drop) });
    }
    drop(acks);

    // The stages end in the order in which they hand on; each end is told to what comes after it.
    let mut ended = Ended::Stopped;
    while let Some(writer) = written.join_next().await {
        if let Err(TakenOver) = writer? {
            ended = Ended::TakenOver;
            // What the others still hold is refused as well, or was committed before.
            stop.cancel();
        }
    }
    mailbox.close();
    if let Some((judge, requests)) = judge {
        if let Err(TakenOver) = judge.await? {
            ended = Ended::TakenOver;
        }
        // The judge's last outcomes are answered.
        requests.await?;
    }
    stop.cancel();
    reader.await?;
    acker.await?;
    gauges.abort();
    join(threads).await?;
    Ok(ended)
}

/// Runs a part without which the others must not go on: when it ends, in whatever way, the shift does.
async fn ending<T>(part: impl Future<Output = T>, stop: CancellationToken) -> T {
    let _stops = stop.drop_guard();
    part.await
}

/// Waits for the threads without holding up the runtime.
async fn join(threads: Threads) -> anyhow::Result<()> {
    let joined: Result<_, Panicked> = tokio::task::spawn_blocking(|| threads.join()).await?;
    joined?;
    Ok(())
}

async fn watch_gauges(gauge: Gauge, ledger: Ledger, events: Arc<Events>) {
    loop {
        let level = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        events.metrics.in_flight.set(level(gauge.now_bytes()));
        events.metrics.in_flight_entries.set(level(ledger.len()));
        tokio::time::sleep(GAUGE_EVERY).await;
    }
}
