//! All sessions of a shard and what they subscribed to. Nothing in here waits: what has to is asked of the shard as an
//! [`Effect`].

mod clock;
mod deliver;
mod requests;

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use slab::Slab;

use crate::admission::Admission;
use crate::auth::{Credentials, Identity};
use crate::config::LiveConfig;
use crate::directory::Directory;
use crate::feed::Feed;
use crate::fix::DelayMs;
use crate::frame::{self, CloseCode};
use crate::limits::CLOSE_WITHIN;
use crate::metrics::{CloseKind, LiveMetrics};
use crate::protocol::ClientId;
use crate::session::{Closing, Session, SessionKey, State};
use crate::topic::Topic;

pub(crate) use self::clock::Due;

/// What the shard is to do beside.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Write when the session can be written to.
    Flush(SessionKey),
    /// Ask whether a subscription may be.
    Decide { key: SessionKey, number: u32, identity: Arc<Identity>, event: uuid::Uuid, again: bool },
    /// Ask whether credentials are good.
    Authenticate { key: SessionKey, credentials: Arc<Credentials>, purpose: Purpose },
}

/// Why credentials are looked at.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// The client sent a token.
    Token { extensions: bool, id: Option<ClientId> },
    /// A cookie's time is over: they may have stayed logged in.
    StillLoggedIn,
}

/// One subscription, where it is to be found quickly.
#[derive(Debug, Clone, Copy)]
struct Subscriber {
    place: usize,
    number: u32,
}

/// The code that is counted for a connection that broke without a closing handshake.
const BROKEN: u16 = 1006;

/// The code that is counted for all that applications and libraries make up themselves.
const MADE_UP: u16 = 3000;

/// See the module.
pub(crate) struct Sessions {
    config: Arc<LiveConfig>,
    admission: Arc<Admission>,
    metrics: LiveMetrics,
    directory: Arc<Directory>,
    sessions: Slab<Session>,
    next_serial: u64,
    /// Few, and ordered: the same in every run.
    feeds: BTreeMap<DelayMs, Feed>,
    subscribers: HashMap<(DelayMs, Topic), Vec<Subscriber>, foldhash::fast::RandomState>,
    /// Paces that are to go on at an instant.
    due: BinaryHeap<Due>,
    effects: Vec<Effect>,
    /// Bytes that waited at the last sweep.
    queued_bytes: usize,
    is_draining: bool,
}

impl Sessions {
    pub(crate) fn new(config: Arc<LiveConfig>, admission: Arc<Admission>, metrics: LiveMetrics) -> Self {
        Self {
            config,
            admission,
            metrics,
            directory: Arc::default(),
            sessions: Slab::new(),
            next_serial: 0,
            feeds: BTreeMap::new(),
            subscribers: HashMap::default(),
            due: BinaryHeap::new(),
            effects: Vec::new(),
            queued_bytes: 0,
            is_draining: false,
        }
    }

    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Takes in a session; its key is given to `make`.
    pub(crate) fn insert(&mut self, make: impl FnOnce(SessionKey) -> Session) -> SessionKey {
        self.next_serial += 1;
        let place = self.sessions.vacant_key();
        let key = SessionKey { place, serial: self.next_serial };
        self.sessions.insert(make(key));
        self.metrics.sessions.inc();
        self.metrics.opened.inc();
        if self.is_draining {
            self.close(key, CloseCode::GoingAway, GOING_AWAY);
        }
        key
    }

    fn get(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.sessions.get_mut(key.place).filter(|session| session.serial == key.serial)
    }

    fn key(&self, place: usize) -> Option<SessionKey> {
        self.sessions.get(place).map(|session| SessionKey { place, serial: session.serial })
    }

    /// Says why, and ends the session. Positions that wait are not written any more; half a frame is finished.
    pub(crate) fn close(&mut self, key: SessionKey, code: CloseCode, reason: &str) {
        self.close_with(key, code as u16, frame::close(code, reason));
    }

    fn close_with(&mut self, key: SessionKey, code: u16, close_frame: Bytes) {
        let Some(session) = self.get(key).filter(|session| session.closing.is_none()) else { return };
        session.closing = Some(Closing { code, until: Instant::now() + CLOSE_WITHIN });
        session.behind_since = None;
        let unwritten = session.outbox.clear();
        session.outbox.owe(close_frame);
        self.metrics.dropped.inc_by(unwritten);
        self.unsubscribe_all(key);
        self.flush(key.place);
    }

    /// Forgets a session; the connection ends with it.
    pub(crate) fn remove(&mut self, key: SessionKey) {
        if self.get(key).is_none() {
            return;
        }
        self.unsubscribe_all(key);
        let session = self.sessions.remove(key.place);
        if let Some(reading) = &session.reading {
            reading.abort();
        }
        // Within TLS, a farewell; nobody waits for it.
        let _ = session.wire.poll_shutdown(&mut Context::from_waker(Waker::noop()));
        let code = session.closing.map_or(BROKEN, |closing| closing.code);
        // Whoever makes up codes of their own makes up no labels.
        let is_ours = [CloseCode::Unauthorized as u16, CloseCode::TooSlow as u16].contains(&code);
        let code = if code < MADE_UP || is_ours { code } else { MADE_UP };
        self.metrics.closed.get_or_create(&CloseKind { code }).inc();
        self.metrics.sessions.dec();
    }

    fn unsubscribe_all(&mut self, key: SessionKey) {
        let Some(session) = self.get(key) else { return };
        for subscription in std::mem::take(&mut session.subscriptions) {
            if let State::Open(open) = &subscription.state {
                self.leave(key.place, (open.delay, subscription.topic), subscription.number);
            }
        }
    }

    fn leave(&mut self, place: usize, of: (DelayMs, Topic), number: u32) {
        let Some(subscribers) = self.subscribers.get_mut(&of) else { return };
        let is_it = |other: &Subscriber| other.place == place && other.number == number;
        if let Some(at) = subscribers.iter().position(is_it) {
            subscribers.swap_remove(at);
            self.metrics.subscriptions.dec();
        }
        if subscribers.is_empty() {
            self.subscribers.remove(&of);
        }
    }

    /// Queues what the session is owed, and writes.
    fn tell(&mut self, key: SessionKey, bytes: Bytes) {
        let bound = self.config.backpressure_threshold_bytes.saturating_mul(2);
        let Some(session) = self.get(key).filter(|session| session.closing.is_none()) else { return };
        session.outbox.owe(bytes);
        if session.outbox.waiting_bytes() > bound.saturating_add(session.outbox.answer_bytes()) {
            self.close(key, CloseCode::TooSlow, TOO_SLOW);
        } else {
            self.flush(key.place);
        }
    }

    /// Writes what the connection takes now. The rest is written when it takes more.
    pub(crate) fn flush(&mut self, place: usize) {
        let Some(key) = self.key(place) else { return };
        if self.sessions[place].is_flushing {
            return;
        }
        if self.poll_flush(key, &mut Context::from_waker(Waker::noop())).is_pending()
            && let Some(session) = self.get(key)
        {
            session.is_flushing = true;
            self.effects.push(Effect::Flush(key));
        }
    }

    /// Ready when nothing waits any more, whatever became of the session.
    pub(crate) fn poll_flush(&mut self, key: SessionKey, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(session) = self.get(key) else { return Poll::Ready(()) };
            match session.outbox.poll_write(&session.wire, context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => {
                    self.broke(key, &error);
                    return Poll::Ready(());
                }
                Poll::Ready(Ok(())) => {}
            }
            if session.behind_since.is_some() {
                self.catch_up(key);
                continue;
            }
            session.is_flushing = false;
            if session.closing.is_some() && session.peer_closed {
                self.remove(key);
            }
            return Poll::Ready(());
        }
    }

    fn broke(&mut self, key: SessionKey, error: &io::Error) {
        tracing::debug!("a live session broke: {error}");
        self.remove(key);
    }

    /// The client has nothing more to say: it closed, or is gone.
    pub(crate) fn peer_closed(&mut self, key: SessionKey, answer: Option<u16>) {
        let Some(session) = self.get(key) else { return };
        session.peer_closed = true;
        match answer {
            // Its own code is given back; none where it gave none (RFC 6455, section 5.5.1).
            Some(code) if session.closing.is_none() => {
                let payload = code.to_be_bytes();
                let payload = if code == 0 { &[][..] } else { &payload[..] };
                let code = if code == 0 { CloseCode::Normal as u16 } else { code };
                self.close_with(key, code, frame::whole(frame::Kind::Close, payload));
            }
            Some(_) if !session.outbox.is_empty() => {}
            _ => self.remove(key),
        }
    }

    /// Ends every session: what waits for them is written first.
    pub(crate) fn drain(&mut self) {
        self.is_draining = true;
        let keys: Vec<SessionKey> = self
            .sessions
            .iter()
            .map(|(place, session)| SessionKey { place, serial: session.serial })
            .collect();
        for key in keys {
            self.unsubscribe_all(key);
            let Some(session) = self.get(key).filter(|session| session.closing.is_none()) else { continue };
            let until = Instant::now() + CLOSE_WITHIN;
            session.closing = Some(Closing { code: CloseCode::GoingAway as u16, until });
            session.behind_since = None;
            session.outbox.owe(frame::close(CloseCode::GoingAway, GOING_AWAY));
            self.flush(key.place);
        }
    }

    /// Ends what is left without a word.
    pub(crate) fn drop_all(&mut self) {
        let places: Vec<usize> = self.sessions.iter().map(|(place, _)| place).collect();
        for place in places {
            if let Some(key) = self.key(place) {
                self.remove(key);
            }
        }
    }

    /// The task that reads the session.
    pub(crate) fn reads(&mut self, key: SessionKey, reading: tokio::task::AbortHandle) {
        match self.get(key) {
            Some(session) => session.reading = Some(reading),
            None => reading.abort(),
        }
    }

    pub(crate) fn wire(&mut self, key: SessionKey) -> Option<Rc<crate::wire::Wire>> {
        self.get(key).map(|session| Rc::clone(&session.wire))
    }
}

const GOING_AWAY: &str = "the server is stopping";
const TOO_SLOW: &str = "too slow";
