//! Directus, as far as the live channel asks it: who somebody is, and whether they may see an event.
//!
//! Every call carries the caller's own credentials and nothing else of theirs. It has a time limit, its answer a size limit,
//! and there is a bound on calls in flight and on those that wait, by kind: people who log in do not keep those waiting who
//! subscribe, nor does looking again whether subscriptions are still allowed. All of it runs on one runtime, whose handle is
//! given; answers may be awaited on any.

mod base;
mod call;
mod coalesce;
mod gate;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use ring::hmac;
use ring::rand::SystemRandom;
use serde::Deserialize;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::auth::Credentials;

use base::BaseUrl;
pub(crate) use call::NoAnswer;
use call::{Answer, Caller};
pub(crate) use coalesce::{Asked, Questions};
use gate::{Bound, Closed, Gate};

/// Directus answers some two hundred calls a second by its only thread: more of them in flight would only wait there.
const LOGINS: Bound = Bound { in_flight: 8, waiting: 1_000, turn_within: None };
const DECISIONS: Bound = Bound { in_flight: 8, waiting: 1_000, turn_within: None };
/// A change of an event's rights asks for all of its subscribers at once; nobody waits for what comes of it.
const RECHECKS: Bound = Bound { in_flight: 4, waiting: 20_000, turn_within: Some(Duration::from_secs(60)) };

/// Why Directus cannot be asked at all. Shows nothing of the URL, which may hold a login.
#[derive(Debug, thiserror::Error)]
pub enum DirectusError {
    /// The URL is none to call.
    #[error("DIRECTUS_BASE_URL cannot be used: {0}")]
    Url(&'static str),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// Credentials cannot be told apart without keeping them.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

/// For whom an event is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A subscription that is not open yet: somebody waits.
    Decision,
    /// One that is open.
    Recheck,
}

/// What Directus says of an event to whoever shows credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Yes,
    Forbidden,
    NotFound,
    Unauthenticated,
}

/// A client of Directus. A clone is the same client.
#[derive(Clone)]
pub struct Directus(Arc<Inner>);

struct Inner {
    caller: Caller,
    runtime: Handle,
    logins: Gate,
    decisions: Gate,
    rechecks: Gate,
    /// Of this process alone, so that what is kept of credentials is of no use elsewhere.
    fingerprints: hmac::Key,
}

impl Directus {
    /// Makes a client of `base_url`, as `DIRECTUS_BASE_URL` has it; nothing is connected yet. Its connections live on
    /// `runtime`.
    ///
    /// # Errors
    /// See [`DirectusError`].
    pub fn new(base_url: &str, tls: &tls::Options, runtime: Handle) -> Result<Self, DirectusError> {
        let base = BaseUrl::parse(base_url)?;
        // Whom to trust is read from files: not where nobody is to be trusted.
        let nobody = tls::Options { verify: tls::Verify::None, ..tls::Options::default() };
        let tls = tls::client_config(if base.is_plain() { &nobody } else { tls })?;
        let fingerprints = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| DirectusError::NoRandomness)?;
        Ok(Self(Arc::new(Inner {
            caller: Caller::new(base, tls),
            runtime,
            logins: Gate::new(LOGINS),
            decisions: Gate::new(DECISIONS),
            rechecks: Gate::new(RECHECKS),
            fingerprints,
        })))
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    /// Names credentials for as long as this process lives, without telling anything of them.
    pub(crate) fn fingerprint(&self, credentials: &Credentials) -> [u8; 32] {
        let mut hash = hmac::Context::with_key(&self.0.fingerprints);
        let kind: &[u8] = match credentials {
            Credentials::Bearer(_) => b"b",
            Credentials::Cookies(_) => b"c",
        };
        hash.update(kind);
        hash.update(credentials.secret().reveal().as_bytes());
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(hash.sign().as_ref());
        fingerprint
    }

    /// Asks who shows these credentials. `None`: they are good for nobody, or for somebody who may not log in.
    pub(crate) async fn me(
        &self,
        credentials: &Credentials,
        within: Duration,
    ) -> Result<Option<String>, NoAnswer> {
        let Inner { caller, logins, .. } = &*self.0;
        let turn = enter(logins, within).await?;
        user(&caller.get("/users/me?fields=id,status", credentials, turn.until).await?)
    }

    /// Asks whether whoever shows these credentials may see an event.
    pub(crate) async fn event(
        &self,
        kind: Kind,
        credentials: &Credentials,
        event: Uuid,
        within: Duration,
    ) -> Result<Seen, NoAnswer> {
        let Inner { caller, decisions, rechecks, .. } = &*self.0;
        let gate = match kind {
            Kind::Decision => decisions,
            Kind::Recheck => rechecks,
        };
        let turn = enter(gate, within).await?;
        let path = format!("/items/events/{}?fields=id", event.hyphenated());
        let answer = caller.get(&path, credentials, turn.until).await?;
        match answer.status {
            // Also the page that a web server gives for whatever it does not know has this status.
            StatusCode::OK => match serde_json::from_slice::<Data<Item>>(&answer.body) {
                Ok(Data { data: Item { id } }) if id == event => Ok(Seen::Yes),
                _ => Err(NoAnswer::Unexpected),
            },
            StatusCode::FORBIDDEN => Ok(Seen::Forbidden),
            StatusCode::NOT_FOUND => Ok(Seen::NotFound),
            StatusCode::UNAUTHORIZED => Ok(Seen::Unauthenticated),
            _ => Err(NoAnswer::Unexpected),
        }
    }
}

impl fmt::Debug for Directus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directus").finish_non_exhaustive()
    }
}

async fn enter(gate: &Gate, limit: Duration) -> Result<gate::Turn<'_>, NoAnswer> {
    gate.enter(limit).await.map_err(|closed| match closed {
        Closed::Full => NoAnswer::Busy,
        Closed::Late => NoAnswer::Late,
    })
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct User {
    id: Option<String>,
    /// Left out where the user may not read it.
    status: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    id: Uuid,
}

fn user(answer: &Answer) -> Result<Option<String>, NoAnswer> {
    match answer.status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Ok(None),
        _ => return Err(NoAnswer::Unexpected),
    }
    let Ok(Data { data: User { id, status } }) = serde_json::from_slice(&answer.body) else {
        return Err(NoAnswer::Unexpected);
    };
    let is_active = status.is_none_or(|status| status == "active");
    // A share has no user.
    Ok(id.filter(|id| is_active && !id.is_empty()))
}
