//! Who may see an event: asked of Directus with the caller's own credentials, and remembered for a moment.
//!
//! A decision is kept under a keyed hash of the credentials and the event, never under the user: two tokens of one user may
//! have different rights.

mod cache;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::auth::Identity;
use crate::directus::{Asked, Directus, Kind, Questions, Seen};
use crate::metrics::LiveMetrics;

use cache::Cache;

/// For how long an answer is good for further subscriptions: a page that is loaded again, a second tab.
const REMEMBERED_FOR: Duration = Duration::from_secs(10);

/// Answers that are remembered; one takes some 200 bytes.
const MAX_REMEMBERED: usize = 20_000;

/// How often a question is asked again whose answer was of the time before a change of rights.
const ROUNDS: usize = 3;

/// Whether somebody may see an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// They may.
    Allowed,
    /// They may not, or there is no such event: Directus tells only those who may see all which it is.
    Forbidden,
    /// There is no such event.
    NotFound,
    /// Directus does not take their credentials any more.
    Unauthenticated,
    /// Directus gave no answer in time, or none that makes sense, or too many wait for one.
    Unavailable,
}

impl Decision {
    const ALL: [Self; 5] =
        [Self::Allowed, Self::Forbidden, Self::NotFound, Self::Unauthenticated, Self::Unavailable];

    /// As it is counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Unauthenticated => "unauthenticated",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What a decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) credentials: [u8; 32],
    pub(crate) event: Uuid,
}

/// A question that is being asked. Rechecks wait long for their turn, so a new subscription does not join one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Subject {
    key: Key,
    kind: Kind,
    user: Arc<str>,
}

/// An answer, and whether it is of the time before a change.
#[derive(Clone, Copy)]
struct Answered {
    decision: Decision,
    is_outdated: bool,
}

/// Decides who may see an event. Can be asked from any runtime.
pub struct Authorizer(Arc<Inner>);

struct Inner {
    directus: Directus,
    within: Duration,
    metrics: LiveMetrics,
    state: Mutex<State>,
}

/// Under one lock, so that no answer slips in between a change and what is dropped for it.
struct State {
    cache: Cache,
    questions: Questions<Subject, Answered>,
}

impl Authorizer {
    /// A call is given up after `within`.
    pub fn new(directus: Directus, within: Duration, metrics: LiveMetrics) -> Self {
        for decision in Decision::ALL {
            metrics.authz_decision(decision.name(), 0);
        }
        let cache = Cache::new(MAX_REMEMBERED, REMEMBERED_FOR);
        let state = Mutex::new(State { cache, questions: Questions::default() });
        Self(Arc::new(Inner { directus, within, metrics, state }))
    }

    /// Whether `identity` may see `event`, for a subscription that is to be opened. Answers within the time limit; where rights
    /// change just then, within one and a half of it.
    pub async fn decide(&self, identity: &Identity, event: Uuid) -> Decision {
        self.answer(identity, event, Kind::Decision).await
    }

    /// The same past the cache, for a subscription that is open. It waits for its turn behind those that are not.
    pub async fn recheck(&self, identity: &Identity, event: Uuid) -> Decision {
        self.answer(identity, event, Kind::Recheck).await
    }

    /// The rights of a user, of an event, or of both together may have changed; `None` stands for all. What was decided
    /// before does not count any more, and neither does what Directus is just deciding.
    pub fn forget(&self, user: Option<&str>, event: Option<Uuid>) {
        let is_meant = |key: &Key, of: &str| {
            event.is_none_or(|event| event == key.event) && user.is_none_or(|user| user == of)
        };
        let mut state = self.0.state();
        state.cache.forget(is_meant);
        state.questions.forget(|subject| is_meant(&subject.key, &subject.user));
    }

    async fn answer(&self, identity: &Identity, event: Uuid, kind: Kind) -> Decision {
        let key = Key { credentials: self.0.directus.fingerprint(&identity.credentials), event };
        let begun = Instant::now();
        for round in 1..=ROUNDS {
            let subject = Subject { key, kind, user: Arc::clone(&identity.user) };
            let (answer, asked) = {
                let mut state = self.0.state();
                if kind == Kind::Decision
                    && let Some(decision) = state.cache.get(&key, Instant::now())
                {
                    return decision;
                }
                state.questions.join_or_ask(subject.clone())
            };
            // With the lock released: a runtime that has ended drops what it is given at once, and so closes the question.
            if let Some(asked) = asked {
                self.spawn(subject, identity, asked);
            }
            // There is none where the runtime that asks has ended.
            let Some(Answered { decision, is_outdated }) = answer.wait().await else { break };
            if !is_outdated {
                return decision;
            }
            let has_time = kind == Kind::Recheck || begun.elapsed() < self.0.within / 2;
            if round == ROUNDS || !has_time {
                break;
            }
        }
        // What was said before a change is not known to be so now.
        Decision::Unavailable
    }

    fn spawn(&self, subject: Subject, identity: &Identity, asked: Asked<Answered>) {
        let credentials = Arc::clone(&identity.credentials);
        let question = Question { of: Arc::clone(&self.0), subject, number: asked.number };
        self.0.directus.runtime().spawn(async move {
            let Subject { key, kind, .. } = question.subject;
            let Inner { directus, within, metrics, .. } = &*question.of;
            let begun = Instant::now();
            let decision = match directus.event(kind, &credentials, key.event, *within).await {
                Ok(Seen::Yes) => Decision::Allowed,
                Ok(Seen::Forbidden) => Decision::Forbidden,
                Ok(Seen::NotFound) => Decision::NotFound,
                Ok(Seen::Unauthenticated) => Decision::Unauthenticated,
                Err(_) => Decision::Unavailable,
            };
            metrics.authz_duration.observe(begun.elapsed().as_secs_f64());
            metrics.authz_decision(decision.name(), 1);
            let is_outdated = !question.close(decision);
            asked.reply.send_replace(Some(Answered { decision, is_outdated }));
        });
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer").finish_non_exhaustive()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes a question when its task ends, whatever ends it.
struct Question {
    of: Arc<Inner>,
    subject: Subject,
    number: u64,
}

impl Question {
    /// Closes the question and keeps its answer, unless it was forgotten meanwhile: then it returns false.
    fn close(&self, decision: Decision) -> bool {
        let mut state = self.of.state();
        let is_open = state.questions.close(&self.subject, self.number);
        if is_open {
            let key = self.subject.key;
            match decision {
                Decision::Allowed | Decision::Forbidden | Decision::NotFound => {
                    state.cache.put(
                        key,
                        self.number,
                        Arc::clone(&self.subject.user),
                        decision,
                        Instant::now(),
                    );
                }
                // Credentials that are good for nothing now may have been good a moment ago.
                Decision::Unauthenticated => state.cache.remove(&key),
                // Says nothing of rights.
                Decision::Unavailable => {}
            }
        }
        is_open
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.of.state().questions.close(&self.subject, self.number);
    }
}
