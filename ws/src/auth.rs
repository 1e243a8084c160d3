//! Who somebody is: a token that Directus signed, or credentials that Directus itself is asked about.

mod jwt;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue};
use ring::hmac;
use ring::rand::SystemRandom;
use serde::Deserialize;

pub use self::jwt::SESSION_COOKIE;
use self::jwt::{Claims, Verifier};
use crate::directus::{CallError, Directus};
use crate::metrics::LiveMetrics;
use crate::secret::Secret;

/// Bytes of a token or of a `Cookie` header. A JWT of Directus has some hundred.
const MAX_CREDENTIALS_BYTES: usize = 12 * 1024;

/// What somebody shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A token: of `Authorization: Bearer`, or of an `auth` message.
    Bearer(Secret),
    /// A `Cookie` header, whole.
    Cookies(Secret),
}

/// Of this process alone, so that what is kept of credentials is of no use elsewhere.
static FINGERPRINTS: LazyLock<Option<hmac::Key>> =
    LazyLock::new(|| hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok());

impl Credentials {
    /// Tells credentials apart without keeping them. `None` where the system has no random numbers: then nothing is to
    /// be remembered by them.
    pub(crate) fn fingerprint(&self) -> Option<[u8; 32]> {
        let mut hash = hmac::Context::with_key(FINGERPRINTS.as_ref()?);
        let (kind, secret) = match self {
            Self::Bearer(secret) => (b"b", secret),
            Self::Cookies(secret) => (b"c", secret),
        };
        hash.update(kind);
        hash.update(secret.reveal().as_bytes());
        hash.sign().as_ref().try_into().ok()
    }

    /// The header by which Directus gets them; it is marked as not to be shown.
    pub(crate) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match self {
            Self::Bearer(secret) => {
                (AUTHORIZATION, HeaderValue::try_from(format!("Bearer {}", secret.reveal())))
            }
            Self::Cookies(secret) => (COOKIE, HeaderValue::from_str(secret.reveal())),
        };
        let mut value = value.ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }
}

/// Somebody whose credentials are good.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The id of the Directus user.
    pub user: Arc<str>,
    /// Whether Directus shows them everything.
    pub is_admin: bool,
    /// When the credentials end; `None` for those that do not by themselves.
    pub expires_at: Option<SystemTime>,
    /// What they showed.
    pub credentials: Arc<Credentials>,
}

impl Identity {
    /// Whether they came with a cookie, which may be good for longer than it says.
    pub(crate) fn is_cookie(&self) -> bool {
        matches!(*self.credentials, Credentials::Cookies(_))
    }
}

/// Why credentials are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthRefusal {
    /// There are none.
    Missing,
    /// They are no token, or too long.
    Malformed,
    /// Not signed with the secret.
    BadSignature,
    /// Signed in a way that Directus does not.
    WrongAlgorithm,
    /// Of another issuer.
    WrongIssuer,
    /// Their time is over.
    Expired,
    /// Their time has not come.
    NotYetValid,
    /// Directus does not take them, or the user is not active.
    Refused,
    /// Directus does not answer, or not sensibly.
    Unavailable,
    /// Too many are waiting for Directus.
    Busy,
}

impl AuthRefusal {
    /// All of them.
    pub(crate) const ALL: [Self; 10] = [
        Self::Missing,
        Self::Malformed,
        Self::BadSignature,
        Self::WrongAlgorithm,
        Self::WrongIssuer,
        Self::Expired,
        Self::NotYetValid,
        Self::Refused,
        Self::Unavailable,
        Self::Busy,
    ];

    /// As it is counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::BadSignature => "bad_signature",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::WrongIssuer => "wrong_issuer",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Busy => "busy",
        }
    }

    /// As it is told to whom it concerns: nothing that would help to guess.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Missing => "a token or a session cookie is required",
            Self::Expired => "the token has expired",
            Self::Unavailable | Self::Busy => "the login cannot be checked now",
            _ => "the token is not good",
        }
    }

    /// Whether the same credentials may be taken later.
    pub(crate) fn is_temporary(self) -> bool {
        matches!(self, Self::Unavailable | Self::Busy)
    }
}

/// Looks at credentials. Can be asked from any runtime.
#[derive(Debug)]
pub struct Authenticator {
    verifier: Option<Verifier>,
    directus: Directus,
    within: Duration,
    metrics: LiveMetrics,
}

impl Authenticator {
    /// `secret`: what Directus signs its tokens with (its `SECRET`), to verify them here; without it Directus is asked
    /// about every one, for at most `within`.
    pub fn new(secret: Option<&Secret>, directus: Directus, within: Duration, metrics: LiveMetrics) -> Self {
        for refusal in AuthRefusal::ALL {
            metrics.auth_attempt(refusal.name(), 0);
        }
        metrics.auth_attempt(OK, 0);
        Self { verifier: secret.map(Verifier::new), directus, within, metrics }
    }

    /// Whose credentials these are.
    ///
    /// # Errors
    /// Why they are not taken.
    pub async fn authenticate(&self, credentials: &Arc<Credentials>) -> Result<Identity, AuthRefusal> {
        let begun = Instant::now();
        let result = self.look(credentials).await;
        self.metrics.auth_duration.observe(begun.elapsed().as_secs_f64());
        self.metrics.auth_attempt(result.as_ref().map_or_else(|refusal| refusal.name(), |_| OK), 1);
        result
    }

    /// Counts a refusal that was found before credentials were looked at.
    pub(crate) fn refused(&self, refusal: AuthRefusal) {
        self.metrics.auth_attempt(refusal.name(), 1);
    }

    /// Whether Directus itself still takes credentials whose signature is good: they may have been withdrawn.
    ///
    /// # Errors
    /// Why they are not taken.
    pub(crate) async fn confirm(&self, credentials: &Arc<Credentials>) -> Result<Identity, AuthRefusal> {
        self.ask(credentials).await
    }

    async fn look(&self, credentials: &Arc<Credentials>) -> Result<Identity, AuthRefusal> {
        let (Credentials::Bearer(secret) | Credentials::Cookies(secret)) = &**credentials;
        if secret.reveal().is_empty() || secret.reveal().len() > MAX_CREDENTIALS_BYTES {
            return Err(AuthRefusal::Malformed);
        }
        if let (Credentials::Bearer(token), Some(verifier)) = (&**credentials, &self.verifier)
            && jwt::is_shaped_as_one(token)
        {
            let claims = verifier.verify(token)?;
            // One of a login that can be ended needs to be asked about; and who it is for is to be said.
            if let (None, Some(user)) = (&claims.session, &claims.id) {
                return Ok(Identity {
                    user: Arc::from(&**user),
                    is_admin: claims.is_admin(),
                    expires_at: claims.expires_at(),
                    credentials: Arc::clone(credentials),
                });
            }
        }
        self.ask(credentials).await
    }

    async fn ask(&self, credentials: &Arc<Credentials>) -> Result<Identity, AuthRefusal> {
        let answered = self.directus.get("/users/me?fields=id,status", credentials, self.within).await;
        let (status, body) = answered.map_err(|error| match error {
            CallError::Busy => AuthRefusal::Busy,
            CallError::Unpresentable => AuthRefusal::Malformed,
            CallError::TimedOut | CallError::Failed => AuthRefusal::Unavailable,
        })?;
        match status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(AuthRefusal::Refused),
            _ => return Err(AuthRefusal::Unavailable),
        }
        let me: Me = serde_json::from_slice(&body).map_err(|_| AuthRefusal::Unavailable)?;
        // A user with no right to read their own status is not told it, and is active: others are not answered.
        if me.data.status.is_some_and(|status| status != "active") {
            return Err(AuthRefusal::Refused);
        }
        // What a token says of itself is true, since Directus has taken it.
        let claims = jwt::unverified(credentials).unwrap_or_default();
        let user = me.data.id.filter(|id| !id.is_empty()).ok_or(AuthRefusal::Refused)?;
        Ok(Identity {
            user: user.into(),
            is_admin: claims.is_admin(),
            expires_at: claims.expires_at(),
            credentials: Arc::clone(credentials),
        })
    }
}

const OK: &str = "ok";

/// The answer of `GET /users/me`; without an id for whoever Directus does not know.
#[derive(Deserialize)]
struct Me {
    data: MyData,
}

#[derive(Deserialize)]
struct MyData {
    id: Option<Box<str>>,
    status: Option<String>,
}

impl Claims {
    fn is_admin(&self) -> bool {
        self.admin_access == Some(true)
    }

    fn expires_at(&self) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.exp?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_credentials() {
        let bearer = Credentials::Bearer(Secret::new("very-secret"));
        let cookies = Credentials::Cookies(Secret::new("directus_session_token=very-secret"));
        for credentials in [&bearer, &cookies] {
            let (_, header) = credentials.header().unwrap();
            assert!(!format!("{credentials:?} {header:?}").contains("very"));
        }
        let again = Credentials::Bearer(Secret::new("very-secret"));
        assert_eq!(bearer.fingerprint(), again.fingerprint());
        assert_ne!(bearer.fingerprint(), Credentials::Cookies(Secret::new("very-secret")).fingerprint());
    }
}
