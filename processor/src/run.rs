//! `processor run`, part by part: [`serve`] is the page to begin with.
//!
//! ```text
//!  name guarded ─▶ servers reached, schema checked ─▶ lease (with race rules) ─▶ shift ─▶ lease given back
//!                                                        ▲                        │
//!                                                        └── the course changed, ◀┘
//!                                                            another took over
//! ```

mod acker;
pub(crate) mod backoff;
mod courses;
pub(crate) mod ended;
pub(crate) mod events;
mod guard;
mod health;
mod http;
mod judge;
mod lease;
mod mailbox;
pub(crate) mod metrics;
mod names;
mod persist;
mod reader;
mod recompute;
pub(crate) mod reference;
pub(crate) mod relay;
mod servers;
mod shift;
mod sink;

use std::sync::Arc;

use anyhow::bail;
use pipeline::broker::Broker;
use race::course::Tables;
use storage::{Cause, Fence, Live};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::courses::Loaded;
use self::events::Events;
use self::health::Health;
use self::servers::Servers;
use self::shift::{Duty, Ended};
use crate::config::Settings;
use crate::live::Channel;

/// Serves until `stop`: everything that was read is committed and acknowledged then.
///
/// # Errors
/// What waiting cannot mend: another process has the name, the schema does not fit, a port is taken, a bug.
pub(crate) async fn serve(settings: &Settings, stop: &CancellationToken) -> anyhow::Result<()> {
    let events = Arc::new(Events::new());
    let broker = servers::broker(settings);
    let health = Arc::new(Health::new(broker.clone(), Arc::clone(&events)));
    let listen = &settings.metrics;
    let address = http::listen(&listen.host, listen.port, Arc::clone(&events), Arc::clone(&health)).await?;
    tracing::info!(instance = settings.instance_id, %address, "metrics and health are served");

    health.set_phase("waiting for redis");
    let Some(guard) = guard::take(&broker, &settings.instance_id, &events, stop).await? else {
        return Ok(());
    };
    // The name is kept until all is done: its live group is ours as long as the name is.
    let (lost, done) = (CancellationToken::new(), CancellationToken::new());
    let guard = tokio::spawn(guard::keep(guard, Arc::clone(&events), lost.clone(), done.clone()));
    let worked = serve_named(settings, broker, &events, &health, stop, &lost).await;
    done.cancel();
    guard.await?;
    worked?;
    if lost.is_cancelled() && !stop.is_cancelled() {
        bail!("another process works under the name {}; this one has stopped", settings.instance_id);
    }
    Ok(())
}

/// Serves until `stop`, or until the name is lost.
async fn serve_named(
    settings: &Settings,
    broker: Broker,
    events: &Arc<Events>,
    health: &Health,
    stop: &CancellationToken,
    lost: &CancellationToken,
) -> anyhow::Result<()> {
    let guarded = stop.child_token();
    let live = Channel::start(settings, events, health.live(), guarded.child_token()).await?;
    let live = tokio::spawn({
        let (guarded, lost) = (guarded.clone(), lost.clone());
        async move {
            // While positions that were read are still committed, clients go already.
            tokio::select! {
                () = guarded.cancelled() => {}
                () = lost.cancelled() => guarded.cancel(),
            }
            if let Some(live) = live {
                live.end(!lost.is_cancelled()).await;
            }
        }
    });
    servers::warn_of_durability(&broker).await;
    let watch =
        tokio::spawn(servers::watch(broker.clone(), names::StreamNames::of(settings), Arc::clone(events)));
    health.set_phase("waiting for postgresql");
    let worked = match Servers::reach(settings, broker, events, &guarded).await {
        Ok(Some(servers)) => {
            health.asks(servers.judge.clone());
            work(settings, &servers, events, health, &guarded).await
        }
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    watch.abort();
    guarded.cancel();
    live.await?;
    worked
}

/// Shift after shift.
async fn work<S: Live>(
    settings: &Settings,
    servers: &Servers<S>,
    events: &Arc<Events>,
    health: &Health,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let rules = servers::race_rules(settings, &servers.judge, events, stop).await?;
    if !rules {
        health.set_phase("working, without race rules");
        let duty = Duty { course: None, fence: None, takes_everything: false, cause: Cause::Fixes };
        shift::work(settings, servers, duty, events, stop).await?;
        return Ok(());
    }
    while !stop.is_cancelled() {
        health.set_phase("standing by");
        events.metrics.is_judge.set(0);
        let ttl = settings.race.lease_ttl;
        let holder = &settings.instance_id;
        let Some(fence) = lease::stand_by(&servers.judge, holder, ttl, events, stop).await? else { break };
        health.set_phase("working");
        events.metrics.is_judge.set(1);
        let tenure = stop.child_token();
        let keeper = lease::keep(servers.judge.clone(), fence, ttl, Arc::clone(events), tenure.clone());
        let keeper = tokio::spawn(keeper);
        let relays = CancellationToken::new();
        let relay =
            relay::run(servers.judge.clone(), servers.broker.clone(), Arc::clone(events), relays.clone());
        let relay = tokio::spawn(relay);
        let edited = Arc::new(Notify::new());
        let listener = Broker::new(settings.redis.endpoint.clone(), &format!("{holder}-reference"));
        let listener = tokio::spawn(reference::listen(listener, Arc::clone(&edited)));
        let worked = hold(settings, servers, fence, &edited, events, &tenure).await;
        listener.abort();
        // What the last shift found is told too.
        relays.cancel();
        relay.await?;
        keeper.abort();
        events.metrics.is_judge.set(0);
        if let Err(error) = servers.judge.release_lease(&fence).await {
            tracing::warn!("the lease could not be given back, it expires by itself: {error}");
        }
        worked?;
    }
    Ok(())
}

/// Shifts under one lease, each by the course as it then is.
async fn hold<S: Live>(
    settings: &Settings,
    servers: &Servers<S>,
    fence: Fence,
    edited: &Arc<Notify>,
    events: &Arc<Events>,
    tenure: &CancellationToken,
) -> anyhow::Result<()> {
    let mut takes_everything = true;
    let mut before: Option<Arc<Tables>> = None;
    while !tenure.is_cancelled() {
        let known = match servers::patiently(events, tenure, || {
            courses::load(&servers.judge, before.as_deref())
        })
        .await?
        {
            None => return Ok(()),
            Some(Loaded::Course(tables)) => Some(tables),
            Some(Loaded::Wrong(problems)) => {
                courses::tell(
                    &problems,
                    "the course cannot be judged by; positions are stored, race rules wait for its correction",
                );
                before.take()
            }
        };
        let shift = tenure.child_token();
        let refresh = courses::changed(
            servers.judge.clone(),
            known.clone(),
            settings.race.course_refresh,
            Arc::clone(edited),
            Arc::clone(events),
            shift.clone(),
        );
        let refresh = tokio::spawn(refresh);
        let cause = known.as_deref().map_or(Cause::Fixes, |now| courses::cause_of(before.as_deref(), now));
        let course = known.clone().map(courses::ready);
        let duty = Duty { course, fence: Some(fence), takes_everything, cause };
        let ended = shift::work(settings, servers, duty, events, &shift).await;
        refresh.abort();
        if ended? == Ended::TakenOver {
            tracing::warn!(
                token = fence.token,
                "what was to be committed was refused: another instance has taken over the lease"
            );
            return Ok(());
        }
        takes_everything = false;
        before = known;
    }
    Ok(())
}
