//! The lease: waiting for it, and keeping it.

use std::sync::Arc;
use std::time::Duration;

use storage::{Claim, Fence, Live, StoreError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::events::Events;
use super::metrics::Peer;

/// How often in its time to live a lease is renewed, or asked for: two may fail.
const TIMES: u32 = 4;

/// Stands by until the lease is ours; `None` when told to stop.
pub(super) async fn stand_by<S: Live>(
    store: &S,
    holder: &str,
    ttl: Duration,
    events: &Events,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Fence>> {
    let mut told = None;
    loop {
        let claimed = tokio::select! {
            () = stop.cancelled() => return Ok(None),
            claimed = store.claim_lease(holder, ttl) => claimed,
        };
        match claimed {
            Ok(Claim::Held(fence)) => {
                events.peer_up(Peer::postgres);
                tracing::info!(holder, token = fence.token, "this instance works: it has the lease");
                return Ok(Some(fence));
            }
            Ok(Claim::HeldBy { holder: other, .. }) => {
                events.peer_up(Peer::postgres);
                if told.as_ref() != Some(&other) {
                    tracing::info!(holder = other, "another instance works; this one stands by");
                    told = Some(other);
                }
            }
            Err(error @ StoreError::Broken { .. }) => return Err(error.into()),
            Err(error) => events.peer_down(Peer::postgres, &error),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = sleep(ttl / TIMES) => {}
        }
    }
}

/// Renews the lease until it is lost, and cancels `shift` then. An unreachable database loses no lease: whoever takes it
/// is known by its token, and until then nobody else works.
pub(super) async fn keep<S: Live>(
    store: S,
    fence: Fence,
    ttl: Duration,
    events: Arc<Events>,
    shift: CancellationToken,
) {
    loop {
        sleep(ttl / TIMES).await;
        match store.renew_lease(&fence, ttl).await {
            Ok(true) => events.peer_up(Peer::postgres),
            Ok(false) | Err(StoreError::Fenced { .. }) => {
                tracing::warn!("another instance has taken over the lease");
                shift.cancel();
                return;
            }
            Err(error) => events.peer_down(Peer::postgres, &error),
        }
    }
}
