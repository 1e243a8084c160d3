//! What a shard knows of one connection.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::task::AbortHandle;

use crate::admission::Place;
use crate::auth::Identity;
use crate::fix::DelayMs;
use crate::outbox::Outbox;
use crate::protocol::{ClientId, Wishes};
use crate::topic::Topic;
use crate::wire::Wire;

/// A session of a shard. The place in the shard is used again; the serial never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionKey {
    pub(crate) place: usize,
    pub(crate) serial: u64,
}

/// Who is at the other end.
#[derive(Debug)]
pub(crate) enum Who {
    /// A token is to come by then. What is asked for while it is looked at waits.
    Nobody {
        until: Instant,
        asked: Option<Vec<Vec<u8>>>,
        _place: Place<()>,
    },
    Known(Known),
}

/// Somebody whose token was good.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) identity: Arc<Identity>,
    pub(crate) expires_at: Option<SystemTime>,
    /// They have been told that it ends soon.
    pub(crate) warned: bool,
    /// It is being asked whether they are still logged in; since when.
    pub(crate) asked_since: Option<Instant>,
    pub(crate) _place: Place<Arc<str>>,
}

/// The places that a connection takes as long as it lives.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) _connection: Place<()>,
    pub(crate) _address: Place<IpAddr>,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) serial: u64,
    pub(crate) wire: Rc<Wire>,
    pub(crate) outbox: Outbox,
    /// The task that reads.
    pub(crate) reading: Option<AbortHandle>,
    pub(crate) who: Who,
    /// It understands frames that the contract does not have.
    pub(crate) extensions: bool,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) next_subscription: u32,
    /// A task waits until it can be written to.
    pub(crate) is_flushing: bool,
    /// It has been offered something in this tick.
    pub(crate) is_touched: bool,
    /// Since when positions are left out.
    pub(crate) behind_since: Option<Instant>,
    pub(crate) closing: Option<Closing>,
    /// It has sent its close frame, or ended.
    pub(crate) peer_closed: bool,
    pub(crate) next_ping: Instant,
    pub(crate) unanswered_pings: u32,
    pub(crate) messages: Bucket,
    pub(crate) _places: Places,
}

/// A closing handshake.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closing {
    pub(crate) code: u16,
    pub(crate) until: Instant,
}

#[derive(Debug)]
pub(crate) struct Subscription {
    /// Within its session; never used again.
    pub(crate) number: u32,
    pub(crate) topic: Topic,
    pub(crate) wishes: Wishes,
    pub(crate) state: State,
}

#[derive(Debug)]
pub(crate) enum State {
    /// It is being asked whether it may be.
    Asked {
        id: Option<ClientId>,
        /// Rights have changed meanwhile: the answer may be from before.
        is_outdated: bool,
    },
    Open(Open),
}

/// A subscription that gets positions or changes.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) delay: DelayMs,
    /// The last tick of which everything has been queued.
    pub(crate) sent_to: u64,
    /// Frames left out since the last notice of it.
    pub(crate) skipped: u64,
    /// With a pace: when the next positions may be sent, and for when a timer is set.
    pub(crate) next_due: Instant,
    pub(crate) timed: Option<Instant>,
    /// `subscribed` is to follow, with this id, when what waits before it is written.
    pub(crate) owed_answer: Option<Option<ClientId>>,
    /// When it was last said that it may be.
    pub(crate) allowed_at: Instant,
    pub(crate) next_check: Instant,
    pub(crate) is_checking: bool,
}

impl Session {
    pub(crate) fn known(&self) -> Option<&Known> {
        match &self.who {
            Who::Known(known) => Some(known),
            Who::Nobody { .. } => None,
        }
    }

    pub(crate) fn subscription(&mut self, number: u32) -> Option<&mut Subscription> {
        self.subscriptions.iter_mut().find(|subscription| subscription.number == number)
    }

    pub(crate) fn with_topic(&mut self, topic: Topic) -> Option<&mut Subscription> {
        self.subscriptions.iter_mut().find(|subscription| subscription.topic == topic)
    }
}

impl Subscription {
    pub(crate) fn open(&mut self) -> Option<&mut Open> {
        match &mut self.state {
            State::Open(open) => Some(open),
            State::Asked { .. } => None,
        }
    }
}

/// So many messages a second, and twice as many at once.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: u32,
    left: f64,
    at: Instant,
}

impl Bucket {
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, left: f64::from(per_second) * 2.0, at: now }
    }

    /// Takes one; `false` when there is none left.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let rate = f64::from(self.per_second);
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + since * rate).min(rate * 2.0);
        self.at = now;
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

/// Milliseconds since 1970.
pub(crate) fn epoch_ms(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_fills_again() {
        let now = Instant::now();
        let mut bucket = Bucket::new(10, now);
        assert_eq!((0..30).filter(|_| bucket.take(now)).count(), 20);
        assert_eq!((0..30).filter(|_| bucket.take(now + Duration::from_millis(500))).count(), 5);
    }
}
