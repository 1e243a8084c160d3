//! What clients ask for.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};

use super::deliver::delay_of;
use super::{Effect, Purpose, Sessions, Subscriber};
use crate::auth::{AuthRefusal, Credentials, Identity};
use crate::authz::Decision;
#[cfg(feature = "echo")]
use crate::frame;
use crate::frame::CloseCode;
use crate::incoming::{self, Broken, Message};
use crate::protocol::{self, ClientId, ErrorCode, Request, Wishes};
use crate::session::{Known, Open, SessionKey, State, Subscription, Who, epoch_ms};
use crate::topic::{Topic, TopicKind};

/// What a client is told whose subscription ends by itself.
pub(super) fn revoke(topic: Topic, code: ErrorCode, message: &str) -> [Bytes; 2] {
    let name = topic.to_string();
    [protocol::error(code, Some(&name), None, message), protocol::unsubscribed(&name, None)]
}

impl Sessions {
    /// A message came. Whether more of them are to be read.
    pub(crate) fn heard(&mut self, key: SessionKey, message: Message, now: Instant) -> bool {
        self.metrics.messages.inc();
        if let Message::Close(code) = message {
            self.peer_closed(key, Some(code.unwrap_or(0)));
            return false;
        }
        let Some(session) = self.get(key).filter(|session| session.closing.is_none()) else { return true };
        session.unanswered_pings = 0;
        #[cfg(feature = "echo")]
        match &message {
            Message::Text(text) => {
                self.tell(key, frame::whole(frame::Kind::Text, text));
                return true;
            }
            Message::Binary(bytes) => {
                self.tell(key, frame::whole(frame::Kind::Binary, bytes));
                return true;
            }
            _ => {}
        }
        if !session.messages.take(now) {
            self.metrics.refuse("messages");
            self.close(key, CloseCode::Policy, "too many messages");
            // What else it sends is not even looked at.
            return false;
        }
        match message {
            Message::Text(text) => self.request(key, &text, now),
            Message::Ping(payload) => self.tell(key, incoming::pong(&payload)),
            Message::Pong => {}
            Message::Binary(_) => self.close(key, CloseCode::Unsupported, "messages are text"),
            Message::Close(_) => {}
        }
        true
    }

    /// The client broke the protocol, or the connection broke.
    pub(crate) fn broken(&mut self, key: SessionKey, broken: &Broken) {
        match *broken {
            Broken::Wrong(code, reason) => {
                self.close(key, code, reason);
                // It is not listened to any more, so its own close frame is not waited for.
                self.peer_closed(key, None);
            }
            Broken::Gone => self.remove(key),
        }
    }

    fn request(&mut self, key: SessionKey, text: &[u8], now: Instant) {
        let request = match Request::read(text) {
            Ok(request) => request,
            Err(wrong) => {
                let topic = wrong.topic.as_deref();
                self.tell(key, protocol::error(ErrorCode::Protocol, topic, wrong.id.as_ref(), wrong.message));
                return;
            }
        };
        let bound = self.config.max_subscriptions;
        let Some(session) = self.get(key) else { return };
        match (&request, &mut session.who) {
            // One token at a time: a stranger has no more than one question asked for them.
            (Request::Auth { .. }, Who::Nobody { asked: asked @ None, .. }) => *asked = Some(Vec::new()),
            (_, Who::Known(_)) => {}
            // A client need not wait for the answer to its token before it goes on.
            (_, Who::Nobody { asked: Some(asked), .. }) if asked.len() < bound => {
                asked.push(text.to_owned());
                return;
            }
            (_, Who::Nobody { .. }) => {
                self.close(key, CloseCode::Unauthorized, "a token is to come first");
                return;
            }
        }
        match request {
            Request::Auth { token, extensions, id } => {
                let credentials = Arc::new(Credentials::Bearer(token));
                let purpose = Purpose::Token { extensions, id };
                self.effects.push(Effect::Authenticate { key, credentials, purpose });
            }
            Request::Subscribe { topic, id, wishes } => self.subscribe(key, &topic, id, wishes, now),
            Request::Unsubscribe { topic, id } => self.unsubscribe(key, &topic, id.as_ref()),
        }
    }

    fn subscribe(&mut self, key: SessionKey, name: &str, id: Option<ClientId>, wishes: Wishes, now: Instant) {
        let Some(topic) = Topic::parse(name) else {
            let message = "is neither event:<uuid> nor event:<uuid>:race";
            self.tell(key, protocol::error(ErrorCode::UnknownTopic, Some(name), id.as_ref(), message));
            return;
        };
        let bound = self.config.max_subscriptions;
        let Some(session) = self.get(key) else { return };
        let wishes = Wishes { extensions: wishes.extensions || session.extensions, ..wishes };
        if let Some(known) = session.with_topic(topic) {
            match &mut known.state {
                // Answered when it is known whether it may be.
                State::Asked { id: asked, .. } => {
                    *asked = id;
                    known.wishes = wishes;
                }
                State::Open(_) => {
                    known.wishes = wishes;
                    let number = known.number;
                    self.answer_with_snapshot(key, number, id.as_ref(), now);
                }
            }
            return;
        }
        if session.subscriptions.len() >= bound {
            let message = format!("no more than {bound} subscriptions are possible");
            self.metrics.refuse("subscriptions");
            self.tell(key, protocol::error(ErrorCode::Error, Some(name), id.as_ref(), &message));
            return;
        }
        let Some(identity) = session.known().map(|known| Arc::clone(&known.identity)) else { return };
        session.next_subscription += 1;
        let number = session.next_subscription;
        session.subscriptions.push(Subscription {
            number,
            topic,
            wishes,
            state: State::Asked { id, is_outdated: false },
        });
        let event = topic.event;
        self.effects.push(Effect::Decide { key, number, identity, event, again: false });
    }

    fn unsubscribe(&mut self, key: SessionKey, name: &str, id: Option<&ClientId>) {
        let Some(topic) = Topic::parse(name) else {
            let message = "is neither event:<uuid> nor event:<uuid>:race";
            self.tell(key, protocol::error(ErrorCode::UnknownTopic, Some(name), id, message));
            return;
        };
        let Some(session) = self.get(key) else { return };
        if let Some(at) = session.subscriptions.iter().position(|other| other.topic == topic) {
            let subscription = session.subscriptions.remove(at);
            if let State::Open(open) = &subscription.state {
                let delay = open.delay;
                self.leave(key.place, (delay, topic), subscription.number);
            }
        }
        // Also where there was none: the client is where it wants to be.
        self.tell(key, protocol::unsubscribed(name, id));
    }

    /// Directus has answered, or could not.
    pub(crate) fn decided(
        &mut self,
        key: SessionKey,
        number: u32,
        decision: Decision,
        again: bool,
        now: Instant,
    ) {
        let Some(session) = self.get(key).filter(|session| session.closing.is_none()) else { return };
        let Some(subscription) = session.subscription(number) else { return };
        if again {
            self.decided_again(key, number, decision, now);
            return;
        }
        let State::Asked { id, is_outdated } = &mut subscription.state else { return };
        let (id, is_outdated, topic) = (id.take(), *is_outdated, subscription.topic);
        let (code, message) = match decision {
            Decision::Allowed => {
                self.open(key, number, id.as_ref(), is_outdated, now);
                return;
            }
            Decision::Forbidden => (ErrorCode::Forbidden, "the event may not be seen"),
            Decision::NotFound => (ErrorCode::NotFound, "there is no such event"),
            Decision::Unauthenticated => (ErrorCode::Error, "the token is not good any more"),
            Decision::Unavailable => {
                (ErrorCode::Error, "whether the event may be seen cannot be found out now")
            }
        };
        session.subscriptions.retain(|other| other.number != number);
        self.tell(key, protocol::error(code, Some(&topic.to_string()), id.as_ref(), message));
    }

    fn decided_again(&mut self, key: SessionKey, number: u32, decision: Decision, now: Instant) {
        let has_end = self.get(key).and_then(|s| s.known()).is_some_and(|known| known.expires_at.is_some());
        let Some(open) = self.get(key).and_then(|s| s.subscription(number)).and_then(Subscription::open)
        else {
            return;
        };
        open.is_checking = false;
        let allowed_at = open.allowed_at;
        match decision {
            Decision::Allowed => open.allowed_at = now,
            Decision::Forbidden => {
                self.end(key, number, ErrorCode::Forbidden, "the event may not be seen any more");
            }
            Decision::NotFound => self.end(key, number, ErrorCode::NotFound, "the event is there no more"),
            // Until it ends by itself a fresh one may come.
            Decision::Unauthenticated if has_end => {}
            Decision::Unauthenticated | Decision::Unavailable => {
                // Without an answer nobody is put out at once.
                if self.is_stale(allowed_at, now) {
                    let message = "whether the event may be seen could not be found out for too long";
                    self.end(key, number, ErrorCode::Error, message);
                }
            }
        }
    }

    /// The subscription is allowed: it begins with a snapshot.
    fn open(&mut self, key: SessionKey, number: u32, id: Option<&ClientId>, is_outdated: bool, now: Instant) {
        let directory = Arc::clone(&self.directory);
        let every = self.config.authz_revalidate;
        let Some(session) = self.get(key) else { return };
        let Some(identity) = session.known().map(|known| Arc::clone(&known.identity)) else { return };
        let Some(subscription) = session.subscription(number) else { return };
        let topic = subscription.topic;
        let delay = delay_of(&directory, &identity, topic);
        // Not all at the same instant, when a stage begins and everybody comes.
        let spread = every.mul_f64(f64::from(number.wrapping_mul(37) as u8 ^ key.serial as u8) / 512.0);
        subscription.state = State::Open(Open {
            delay,
            sent_to: 0,
            skipped: 0,
            next_due: now,
            timed: None,
            owed_answer: None,
            allowed_at: now,
            next_check: if is_outdated { now } else { now + every - spread },
            is_checking: false,
        });
        self.subscribers.entry((delay, topic)).or_default().push(Subscriber { place: key.place, number });
        self.metrics.subscriptions.inc();
        self.answer_with_snapshot(key, number, id, now);
    }

    fn answer_with_snapshot(&mut self, key: SessionKey, number: u32, id: Option<&ClientId>, now: Instant) {
        self.answer(key, number, id, now);
        self.flush(key.place);
    }

    /// Queues `subscribed`, and what the client is to begin with. Where much waits before it, it follows later: snapshots
    /// do not pile up for a client that does not read them.
    pub(super) fn answer(&mut self, key: SessionKey, number: u32, id: Option<&ClientId>, now: Instant) {
        let threshold_bytes = self.config.backpressure_threshold_bytes;
        let directory = Arc::clone(&self.directory);
        let session = self.sessions.get_mut(key.place).filter(|session| session.serial == key.serial);
        let Some(session) = session.filter(|session| session.closing.is_none()) else { return };
        let Some(subscription) = session.subscriptions.iter_mut().find(|other| other.number == number) else {
            return;
        };
        let (topic, wishes) = (subscription.topic, subscription.wishes);
        let State::Open(open) = &mut subscription.state else { return };
        // One whose pace was another is not to wait for it.
        (open.timed, open.owed_answer) = (None, None);
        if topic.kind == TopicKind::Positions && session.outbox.waiting_bytes() > threshold_bytes {
            open.owed_answer = Some(id.cloned());
            session.behind_since.get_or_insert(now);
            return;
        }
        let feed = self.feeds.entry(open.delay).or_default();
        open.sent_to = feed.ticks();
        open.next_due = now + wishes.every.unwrap_or(Duration::ZERO);
        open.skipped = 0;
        let name = topic.to_string();
        // What is queued of before is older than the snapshot, and comes before it.
        let outbox = &mut session.outbox;
        match topic.kind {
            TopicKind::Positions => {
                let seq = wishes.extensions.then(|| feed.read_to());
                let is_seen = |fix: &crate::fix::LiveFix| {
                    wishes.viewport.is_none_or(|viewport| viewport.contains(fix.lat, fix.lon))
                };
                let missed = wishes.resume_from.and_then(|seen| {
                    let missed = feed.after(topic.event, seen)?.filter(|fix| fix.panic || is_seen(fix));
                    let mut bytes = BytesMut::new();
                    for fix in missed {
                        crate::encode::append(&mut bytes, topic.event, fix, wishes.encoding());
                        if bytes.len() > threshold_bytes {
                            return None;
                        }
                    }
                    Some(bytes.freeze())
                });
                if let Some(missed) = missed {
                    outbox.owe(protocol::subscribed(&name, id, seq, []));
                    if !missed.is_empty() {
                        outbox.answer(missed);
                    }
                } else {
                    if wishes.resume_from.is_some() {
                        outbox.owe(protocol::resync(&name, id));
                    }
                    let snapshot = feed.snapshot(&directory, topic.event).filter(|fix| is_seen(fix));
                    outbox.answer(protocol::subscribed(&name, id, seq, snapshot));
                }
            }
            TopicKind::Race => {
                let missed = wishes.resume_from.and_then(|seen| {
                    let missed = feed.race_after(topic.event, seen)?;
                    let bytes: usize = missed.iter().map(|frame| frame.bytes.len()).sum();
                    (bytes <= threshold_bytes).then_some(missed)
                });
                if wishes.resume_from.is_some() && missed.is_none() {
                    outbox.owe(protocol::resync(&name, id));
                }
                // Whoever subscribes to it knows what is ours.
                outbox.owe(protocol::subscribed(&name, id, feed.race_read_to(), []));
                for frame in missed.into_iter().flatten() {
                    outbox.owe(frame.bytes.clone());
                }
            }
        }
    }

    /// It is known whether credentials are good.
    pub(crate) fn authenticated(
        &mut self,
        key: SessionKey,
        purpose: Purpose,
        result: Result<Identity, AuthRefusal>,
        now: Instant,
    ) {
        match purpose {
            Purpose::StillLoggedIn => self.still_logged_in(key, result),
            Purpose::Token { extensions, id } => self.token(key, extensions, id.as_ref(), result, now),
        }
    }

    fn still_logged_in(&mut self, key: SessionKey, result: Result<Identity, AuthRefusal>) {
        let again = SystemTime::now() + self.config.authz_revalidate;
        let Some(session) = self.get(key) else { return };
        let Who::Known(known) = &mut session.who else { return };
        match result {
            Ok(identity) if identity.user == known.identity.user => {
                known.asked_since = None;
                if known.identity.is_cookie() {
                    // One whose own time is over and that Directus still takes is asked about once in a while.
                    let later = identity.expires_at.filter(|at| *at > again);
                    known.expires_at = Some(later.unwrap_or(again));
                }
            }
            Err(refusal) if refusal.is_temporary() => {}
            Ok(_) | Err(_) => self.close(key, CloseCode::Unauthorized, "the login has ended"),
        }
    }

    fn token(
        &mut self,
        key: SessionKey,
        extensions: bool,
        id: Option<&ClientId>,
        result: Result<Identity, AuthRefusal>,
        now: Instant,
    ) {
        let admission = Arc::clone(&self.admission);
        let Some(session) = self.get(key).filter(|session| session.closing.is_none()) else { return };
        let identity = match (result, session.known()) {
            (Ok(identity), None) => identity,
            (Ok(identity), Some(known)) if known.identity.user == identity.user => identity,
            (Ok(_), Some(_)) => {
                let message = "the token is another user's: it needs a connection of its own";
                self.tell(key, protocol::error(ErrorCode::Protocol, None, id, message));
                return;
            }
            (Err(_), None) => {
                self.close(key, CloseCode::Unauthorized, "the token is not good");
                return;
            }
            (Err(_), Some(_)) => {
                self.tell(key, protocol::error(ErrorCode::Error, None, id, "the token is not good"));
                return;
            }
        };
        let place = match session.known() {
            // The place of the same user is taken already.
            Some(_) => None,
            None => match admission.user(&identity.user) {
                Some(place) => Some(place),
                None => {
                    self.metrics.refuse("connections_of_user");
                    self.close(key, CloseCode::Policy, "too many connections of this user");
                    return;
                }
            },
        };
        let expires_at = identity.expires_at;
        let identity = Arc::new(identity);
        let mut waiting = Vec::new();
        match (&mut session.who, place) {
            (Who::Known(known), _) => {
                known.identity = identity;
                known.expires_at = expires_at;
                known.warned = false;
                known.asked_since = None;
                // The new token may be of other rights.
                for subscription in &mut session.subscriptions {
                    match &mut subscription.state {
                        State::Asked { is_outdated, .. } => *is_outdated = true,
                        State::Open(open) => (open.is_checking, open.next_check) = (false, now),
                    }
                }
            }
            (who @ Who::Nobody { .. }, Some(place)) => {
                if let Who::Nobody { asked: Some(asked), .. } = who {
                    waiting = std::mem::take(asked);
                }
                let (warned, asked_since) = (false, None);
                *who = Who::Known(Known { identity, expires_at, warned, asked_since, _place: place });
            }
            (Who::Nobody { .. }, None) => return,
        }
        session.extensions |= extensions;
        let knows_ours = session.extensions;
        // Who administers no more sees events as late as others.
        self.move_between_feeds(key.place);
        if knows_ours {
            self.tell(key, protocol::authenticated(id, expires_at.map(epoch_ms)));
        }
        for text in waiting {
            self.request(key, &text, now);
        }
    }
}
