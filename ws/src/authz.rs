//! Who may see which event: Directus says, by one call for a subscription with the caller's own credentials.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

use crate::auth::Identity;
use crate::directus::{CallError, Directus};
use crate::metrics::LiveMetrics;

/// For how long an answer is good for further subscriptions: a page that is loaded again, a second tab.
const REMEMBERED_FOR: Duration = Duration::from_secs(10);
/// Answers that are remembered; beyond, they are asked for again.
const MAX_REMEMBERED: usize = 50_000;
/// Calls at once for subscriptions that are open already, so that new ones find room.
const MAX_RECHECKS: usize = 4;

/// What Directus says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// They may see it.
    Allowed,
    /// They may not, or it is not there: Directus does not tell which.
    Forbidden,
    /// It is not there.
    NotFound,
    /// The credentials are not good any more.
    Unauthenticated,
    /// There is no answer, or none that can be understood.
    Unavailable,
}

impl Decision {
    const ALL: [Self; 5] =
        [Self::Allowed, Self::Forbidden, Self::NotFound, Self::Unauthenticated, Self::Unavailable];

    fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Unauthenticated => "unauthenticated",
            Self::Unavailable => "unavailable",
        }
    }

    /// What stays true for a while.
    fn is_an_answer(self) -> bool {
        matches!(self, Self::Allowed | Self::Forbidden | Self::NotFound)
    }
}

/// Credentials and an event.
type Key = ([u8; 32], Uuid);

/// Asks, remembers for a moment, and asks but once what many want to know. Can be asked from any runtime.
#[derive(Debug)]
pub struct Authorizer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directus: Directus,
    within: Duration,
    rechecks: Semaphore,
    metrics: LiveMetrics,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    answers: HashMap<Key, Answer>,
    flights: HashMap<Key, Flight>,
    next_flight: u64,
}

#[derive(Debug)]
struct Answer {
    decision: Decision,
    until: Instant,
    user: Arc<str>,
}

/// A call on its way.
#[derive(Debug)]
struct Flight {
    number: u64,
    user: Arc<str>,
    lands: watch::Receiver<Option<Decision>>,
}

impl Authorizer {
    /// A call is given up after `within`.
    pub fn new(directus: Directus, within: Duration, metrics: LiveMetrics) -> Self {
        for decision in Decision::ALL {
            metrics.authz_decision(decision.name(), 0);
        }
        let (rechecks, known) = (Semaphore::new(MAX_RECHECKS), Mutex::default());
        Self { shared: Arc::new(Shared { directus, within, rechecks, metrics, known }) }
    }

    /// Whether they may see it, as Directus says or said a moment ago.
    pub async fn decide(&self, who: &Identity, event: Uuid) -> Decision {
        let Some(key) = key(who, event) else { return self.shared.ask(who, event).await };
        if let Some(answer) = self.shared.known().answers.get(&key)
            && answer.until > Instant::now()
        {
            return answer.decision;
        }
        self.fly(who, key).await
    }

    /// Whether they still may: Directus is asked, when its turn comes.
    pub async fn recheck(&self, who: &Identity, event: Uuid) -> Decision {
        let Ok(_turn) = self.shared.rechecks.acquire().await else { return Decision::Unavailable };
        match key(who, event) {
            Some(key) => self.fly(who, key).await,
            None => self.shared.ask(who, event).await,
        }
    }

    /// Rights have changed, of a user or everybody, for an event or all: what was said of them is forgotten, and an answer
    /// that is on its way is not remembered.
    pub fn forget(&self, user: Option<&str>, event: Option<Uuid>) {
        let mut known = self.shared.known();
        let concerns = |of: &Arc<str>, key: &Key| {
            user.is_none_or(|user| **of == *user) && event.is_none_or(|event| key.1 == event)
        };
        known.answers.retain(|key, answer| !concerns(&answer.user, key));
        known.flights.retain(|key, flight| !concerns(&flight.user, key));
    }

    /// Joins the call that is on its way, or makes it.
    async fn fly(&self, who: &Identity, key: Key) -> Decision {
        let mut lands = {
            let mut known = self.shared.known();
            match known.flights.get(&key) {
                Some(flight) => flight.lands.clone(),
                None => self.take_off(&mut known, who, key),
            }
        };
        let landed = lands.wait_for(Option::is_some).await;
        landed.ok().and_then(|decision| *decision).unwrap_or(Decision::Unavailable)
    }

    fn take_off(&self, known: &mut Known, who: &Identity, key: Key) -> watch::Receiver<Option<Decision>> {
        known.next_flight += 1;
        let number = known.next_flight;
        let (landing, lands) = watch::channel(None);
        known.flights.insert(key, Flight { number, user: Arc::clone(&who.user), lands: lands.clone() });
        let (shared, who) = (Arc::clone(&self.shared), who.clone());
        self.shared.directus.runtime().spawn(async move {
            let decision = shared.ask(&who, key.1).await;
            shared.landed(number, key, who.user, decision);
            landing.send_replace(Some(decision));
        });
        lands
    }
}

fn key(who: &Identity, event: Uuid) -> Option<Key> {
    who.credentials.fingerprint().map(|fingerprint| (fingerprint, event))
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn landed(&self, number: u64, key: Key, user: Arc<str>, decision: Decision) {
        let mut known = self.known();
        // Where it has been forgotten meanwhile, the answer may be from before.
        if known.flights.get(&key).is_none_or(|flight| flight.number != number) {
            return;
        }
        known.flights.remove(&key);
        if !decision.is_an_answer() {
            return;
        }
        let now = Instant::now();
        if known.answers.len() >= MAX_REMEMBERED {
            known.answers.retain(|_, answer| answer.until > now);
            if known.answers.len() >= MAX_REMEMBERED {
                known.answers.clear();
            }
        }
        known.answers.insert(key, Answer { decision, until: now + REMEMBERED_FOR, user });
    }

    async fn ask(&self, who: &Identity, event: Uuid) -> Decision {
        let begun = Instant::now();
        let path = format!("/items/events/{}?fields=id", event.hyphenated());
        let decision = match self.directus.get_path(path, &who.credentials, self.within).await {
            Ok((StatusCode::OK, body)) if is_about(&body, event) => Decision::Allowed,
            Ok((StatusCode::FORBIDDEN, _)) => Decision::Forbidden,
            Ok((StatusCode::NOT_FOUND, _)) => Decision::NotFound,
            Ok((StatusCode::UNAUTHORIZED, _)) => Decision::Unauthenticated,
            Ok(_) | Err(CallError::Busy | CallError::TimedOut | CallError::Failed) => Decision::Unavailable,
            Err(CallError::Unpresentable) => Decision::Unauthenticated,
        };
        self.metrics.authz_duration.observe(begun.elapsed().as_secs_f64());
        self.metrics.authz_decision(decision.name(), 1);
        decision
    }
}

/// Whether an answer is what Directus says of this event, and not a login page that somebody put in between.
fn is_about(body: &[u8], event: Uuid) -> bool {
    let answer: Result<serde_json::Value, _> = serde_json::from_slice(body);
    let id = answer.ok().and_then(|answer| Some(answer.get("data")?.get("id")?.as_str()?.to_owned()));
    id.and_then(|id| Uuid::try_parse(&id).ok()) == Some(event)
}
