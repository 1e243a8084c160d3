//! What the clock asks for: pings, tokens that expire, rights to be asked for again, clients that are too slow.

use std::cmp::Reverse;
use std::time::{Duration, Instant, SystemTime};

use super::requests::revoke;
use super::{Effect, Purpose, Sessions, TOO_SLOW};
use crate::config::LiveConfig;
use crate::fix::AuthzChange;
use crate::frame::{self, CloseCode, Kind};
use crate::limits::{UNANSWERED_PINGS, WARN_OF_EXPIRY};
use crate::protocol::{self, ErrorCode};
use crate::session::{Known, Session, SessionKey, State, Who, epoch_ms};

/// A subscription that may go on at an instant. The earliest is the greatest, as a heap wants it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) at: Instant,
    pub(crate) key: SessionKey,
    pub(crate) number: u32,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let order = |due: &Self| Reverse((due.at, due.key.serial, due.number));
        order(self).cmp(&order(other))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What is to be done about one session.
enum Todo {
    Nothing,
    Remove,
    Close(CloseCode, &'static str),
    Ping,
    /// A token that ends then is to be renewed.
    Warn(SystemTime),
    AskWhetherLoggedIn,
}

impl Sessions {
    /// When [`Sessions::go_on`] is to be called next, if nothing else happens.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.peek().map(|due| due.at)
    }

    /// Lets those go on whose pace allows it now.
    pub(crate) fn go_on(&mut self, now: Instant) {
        while self.due.peek().is_some_and(|due| due.at <= now) {
            if let Some(due) = self.due.pop() {
                self.pace(&due, now);
            }
        }
    }

    /// Looks after every session.
    pub(crate) fn sweep(&mut self, now: Instant, clock: SystemTime) {
        let mut queued_bytes = 0;
        let places: Vec<usize> = self.sessions.iter().map(|(place, _)| place).collect();
        for place in places {
            let Some(key) = self.key(place) else { continue };
            queued_bytes += self.sessions[place].outbox.waiting_bytes();
            match todo(&mut self.sessions[place], &self.config, now, clock) {
                Todo::Nothing => {}
                Todo::Remove => self.remove(key),
                Todo::Close(code, reason) => self.close(key, code, reason),
                Todo::Ping => self.tell(key, frame::whole(Kind::Ping, b"")),
                Todo::Warn(at) => self.tell(key, protocol::auth_expiring(epoch_ms(at))),
                Todo::AskWhetherLoggedIn => self.ask_whether_logged_in(key, now),
            }
            self.check_subscriptions(key, now);
        }
        let (new, old) = (queued_bytes as i64, self.queued_bytes as i64);
        self.metrics.queue.inc_by(new - old);
        self.queued_bytes = queued_bytes;
    }

    fn ask_whether_logged_in(&mut self, key: SessionKey, now: Instant) {
        let Some(session) = self.get(key) else { return };
        if let Who::Known(known) = &mut session.who {
            known.asked_since.get_or_insert(now);
            let credentials = known.identity.credentials.clone();
            self.effects.push(Effect::Authenticate { key, credentials, purpose: Purpose::StillLoggedIn });
        }
    }

    /// Asks again for subscriptions whose time has come.
    fn check_subscriptions(&mut self, key: SessionKey, now: Instant) {
        let every = self.config.authz_revalidate;
        let Some(session) = self.sessions.get_mut(key.place).filter(|s| s.serial == key.serial) else {
            return;
        };
        let Session { who: Who::Known(known), subscriptions, .. } = session else { return };
        for subscription in subscriptions {
            let (number, event) = (subscription.number, subscription.topic.event);
            let Some(open) = subscription.open() else { continue };
            if open.next_check <= now && !open.is_checking {
                open.is_checking = true;
                open.next_check = now + every;
                let identity = known.identity.clone();
                self.effects.push(Effect::Decide { key, number, identity, event, again: true });
            }
        }
    }

    /// Rights may have changed: whom it concerns is asked about at once.
    pub(crate) fn rights_changed(&mut self, change: &AuthzChange, now: Instant) {
        for (place, session) in &mut self.sessions {
            let key = SessionKey { place, serial: session.serial };
            let Session { who: Who::Known(known), subscriptions, .. } = session else { continue };
            if change.user.as_ref().is_some_and(|user| **user != *known.identity.user) {
                continue;
            }
            if change.user.is_some() {
                // They may have been suspended: a signature does not know that.
                known.asked_since.get_or_insert(now);
                let credentials = known.identity.credentials.clone();
                self.effects.push(Effect::Authenticate { key, credentials, purpose: Purpose::StillLoggedIn });
            }
            for subscription in subscriptions {
                let event = subscription.topic.event;
                if change.event.is_some_and(|changed| changed != event) {
                    continue;
                }
                // An answer that is on its way may be from before.
                match &mut subscription.state {
                    State::Asked { is_outdated, .. } => *is_outdated = true,
                    State::Open(open) => (open.is_checking, open.next_check) = (false, now),
                }
            }
        }
        self.sweep_rights(now);
    }

    fn sweep_rights(&mut self, now: Instant) {
        let places: Vec<usize> = self.sessions.iter().map(|(place, _)| place).collect();
        for key in places.into_iter().filter_map(|place| self.key(place)).collect::<Vec<_>>() {
            self.check_subscriptions(key, now);
        }
    }

    /// A subscription whose right nobody could tell for too long ends.
    pub(super) fn is_stale(&self, allowed_at: Instant, now: Instant) -> bool {
        now.saturating_duration_since(allowed_at) >= self.config.authz_max_stale
    }

    /// Ends a subscription that is not allowed any more, with the reason.
    pub(super) fn end(&mut self, key: SessionKey, number: u32, code: ErrorCode, message: &str) {
        let Some(session) = self.get(key) else { return };
        let Some(at) = session.subscriptions.iter().position(|other| other.number == number) else { return };
        let mut subscription = session.subscriptions.remove(at);
        let topic = subscription.topic;
        if let Some(open) = subscription.open() {
            let delay = open.delay;
            self.leave(key.place, (delay, topic), number);
        }
        self.metrics.revoked.inc();
        for frame in revoke(topic, code, message) {
            self.tell(key, frame);
        }
    }
}

fn todo(session: &mut Session, config: &LiveConfig, now: Instant, clock: SystemTime) -> Todo {
    if let Some(closing) = session.closing {
        return if closing.until <= now { Todo::Remove } else { Todo::Nothing };
    }
    if session.behind_since.is_some_and(|since| now.saturating_duration_since(since) >= config.slow_client) {
        return Todo::Close(CloseCode::TooSlow, TOO_SLOW);
    }
    let extensions = session.extensions;
    match &mut session.who {
        Who::Nobody { until, .. } if *until <= now => {
            return Todo::Close(CloseCode::Unauthorized, "no token came");
        }
        Who::Nobody { .. } => {}
        Who::Known(known) => match expiry(known, extensions, config.authz_max_stale, now, clock) {
            Todo::Nothing => {}
            todo => return todo,
        },
    }
    if session.next_ping <= now {
        if session.unanswered_pings >= UNANSWERED_PINGS {
            return Todo::Remove;
        }
        session.unanswered_pings += 1;
        session.next_ping = now + config.ping_interval;
        return Todo::Ping;
    }
    Todo::Nothing
}

/// Between two questions whether a cookie is still good, when Directus does not answer.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

fn expiry(known: &mut Known, extensions: bool, max_stale: Duration, now: Instant, clock: SystemTime) -> Todo {
    let Some(at) = known.expires_at else { return Todo::Nothing };
    if at <= clock {
        if !known.identity.is_cookie() {
            return Todo::Close(CloseCode::Unauthorized, "the token has expired");
        }
        return match known.asked_since {
            Some(since) if now.saturating_duration_since(since) >= max_stale => {
                Todo::Close(CloseCode::Unauthorized, "whether the login is still good cannot be found out")
            }
            _ => {
                // Until the answer has come, or for long enough to ask once more.
                known.expires_at = Some(clock + ASK_AGAIN_AFTER);
                Todo::AskWhetherLoggedIn
            }
        };
    }
    if extensions && !known.warned && known.asked_since.is_none() && at <= clock + WARN_OF_EXPIRY {
        known.warned = true;
        return Todo::Warn(at);
    }
    Todo::Nothing
}
