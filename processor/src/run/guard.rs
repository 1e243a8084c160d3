//! The name of this process among all: two with one name would share a live group, and each would show half of the dots.

use std::sync::Arc;
use std::time::Duration;

use pipeline::broker::{Beat, Broker, BrokerError, Guard};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::events::Events;
use super::metrics::Peer;

/// How long a name outlives a machine that crashed, or a process where the broker does not tell who is connected.
const TTL: Duration = Duration::from_secs(4);
/// A process that lost its connection has another one by the next beat.
const BEAT_EVERY: Duration = Duration::from_millis(400);
/// Between two looks at a name that is taken: whoever lives has renewed it meanwhile.
const PATIENCE: Duration = Duration::from_millis(600);

/// Takes the name; waits out one that a crash left behind. `None` when told to stop.
///
/// # Errors
/// Another process lives under this name, or the broker refuses us.
pub(super) async fn take(
    broker: &Broker,
    id: &str,
    events: &Events,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Guard>> {
    let mut backoff = Backoff::default();
    let mut left: Option<Duration> = None;
    let mut dead: Option<String> = None;
    loop {
        let taken = match &dead {
            Some(dead) => broker.guard_instance_after(id, TTL, dead).await,
            None => broker.guard_instance(id, TTL).await,
        };
        let wait = match taken {
            Ok(guard) => {
                events.peer_up(Peer::redis);
                return Ok(Some(guard));
            }
            Err(BrokerError::Taken { expires_in, holder, .. })
                if left.is_some_and(|left| expires_in <= left)
                    && dead.is_none()
                    && matches!(broker.is_connected(&holder).await, Ok(false)) =>
            {
                // It renewed nothing and has no connection that it could do so by.
                dead = Some(holder);
                Duration::ZERO
            }
            Err(error @ BrokerError::Taken { expires_in, .. }) => {
                // It was renewed since, so somebody lives.
                if left.is_some_and(|left| expires_in > left) {
                    return Err(error.into());
                }
                if left.is_none() {
                    tracing::info!(
                        "the name is in use, or was by a process that crashed; waiting to see: {error}"
                    );
                }
                left = Some(expires_in);
                PATIENCE
            }
            Err(error @ (BrokerError::Refused { .. } | BrokerError::NoGroup { .. })) => {
                return Err(error.into());
            }
            Err(error) => {
                events.peer_down(Peer::redis, &error);
                backoff.next()
            }
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = sleep(wait) => {}
        }
    }
}

/// Keeps the name until `end`, and gives it back then. Cancels `lost` when another process has it.
pub(super) async fn keep(guard: Guard, events: Arc<Events>, lost: CancellationToken, end: CancellationToken) {
    loop {
        tokio::select! {
            () = end.cancelled() => break,
            () = sleep(BEAT_EVERY) => {}
        }
        match guard.beat().await {
            Ok(Beat::Held) => {}
            Ok(Beat::Regained) => {
                tracing::warn!("the name of this instance was free for a while, and is ours again");
            }
            Ok(Beat::Lost { holder }) => {
                tracing::error!(holder, "another process works under the name of this instance");
                lost.cancel();
                return;
            }
            Err(error) => events.peer_down(Peer::redis, &error),
        }
    }
    if let Err(error) = guard.release().await {
        tracing::warn!("the name of this instance could not be given back, it expires by itself: {error}");
    }
}
