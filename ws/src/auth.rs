//! Who somebody is: a token that Directus signed, or credentials that Directus itself is asked about.
//!
//! A bearer JWT is verified here, with the secret of Directus. Whatever may have ended before its time is asked of Directus:
//! tokens of a session and every cookie, so that a logout counts, and what is no JWT or cannot be verified here.
//!
//! Directus goes on taking the JWT of a user who was suspended until it expires, on every path. What tells is the user's
//! `status`, and only to users who may read their own: app access brings that, or a permission of its own.

mod cookie;
mod doubts;
mod hs256;
mod jwt;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hyper::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue};

use self::doubts::Doubts;
use self::jwt::Verifier;
use crate::directus::{Asked, Directus, NoAnswer, Questions};
use crate::metrics::LiveMetrics;
use crate::secret::Secret;

/// The cookie of a Directus session.
pub const SESSION_COOKIE: &str = "directus_session_token";

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

impl Credentials {
    pub(crate) fn secret(&self) -> &Secret {
        let (Self::Bearer(secret) | Self::Cookies(secret)) = self;
        secret
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
    /// Whether Directus shows them everything, as a token that is signed with the secret says.
    pub is_admin: bool,
    /// When the credentials end; for cookies, when to ask again. `None` for those that do not end by themselves.
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

impl fmt::Display for AuthRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for AuthRefusal {}

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

const OK: &str = "ok";

/// A user, and whether they administer; or why not.
type Login = Result<(Arc<str>, bool), AuthRefusal>;

/// Looks at credentials. Can be asked from any runtime.
pub struct Authenticator(Arc<Inner>);

struct Inner {
    verifier: Option<Verifier>,
    directus: Directus,
    within: Duration,
    metrics: LiveMetrics,
    questions: Mutex<Questions<[u8; 32], Login>>,
    doubts: Mutex<Doubts>,
}

impl Authenticator {
    /// `secret`: what Directus signs its tokens with (its `SECRET`), to verify them here; without it Directus is asked
    /// about every one, for at most `within`.
    pub fn new(secret: Option<&Secret>, directus: Directus, within: Duration, metrics: LiveMetrics) -> Self {
        for refusal in AuthRefusal::ALL {
            metrics.auth_attempt(refusal.name(), 0);
        }
        metrics.auth_attempt(OK, 0);
        let verifier = secret.and_then(Verifier::new);
        Self(Arc::new(Inner {
            verifier,
            directus,
            within,
            metrics,
            questions: Mutex::default(),
            doubts: Mutex::default(),
        }))
    }

    /// Whose credentials these are.
    ///
    /// # Errors
    /// Why they are not taken.
    pub async fn authenticate(&self, credentials: &Arc<Credentials>) -> Result<Identity, AuthRefusal> {
        let begun = Instant::now();
        let result = self.look(credentials).await;
        let metrics = &self.0.metrics;
        metrics.auth_duration.observe(begun.elapsed().as_secs_f64());
        metrics.auth_attempt(result.as_ref().map_or_else(|refusal| refusal.name(), |_| OK), 1);
        result
    }

    /// A user's rights have changed, who may have been suspended: for a day Directus is asked about their tokens, however
    /// good the signature is.
    pub(crate) fn doubt(&self, user: &str) {
        self.0.doubts().add(user, Instant::now());
    }

    /// Counts a refusal that was found before credentials were looked at.
    pub(crate) fn refused(&self, refusal: AuthRefusal) {
        self.0.metrics.auth_attempt(refusal.name(), 1);
    }

    /// Whether Directus itself still takes credentials whose signature is good: they may have been withdrawn.
    ///
    /// # Errors
    /// Why they are not taken.
    pub(crate) async fn confirm(&self, credentials: &Arc<Credentials>) -> Result<Identity, AuthRefusal> {
        self.ask(credentials).await
    }

    async fn look(&self, credentials: &Arc<Credentials>) -> Result<Identity, AuthRefusal> {
        let text = credentials.secret().reveal();
        if text.is_empty() || text.len() > MAX_CREDENTIALS_BYTES {
            return Err(AuthRefusal::Malformed);
        }
        if let (Credentials::Bearer(_), Some(verifier)) = (&**credentials, &self.0.verifier)
            && jwt::is_shaped_as_one(text)
        {
            let claims = verifier.verify(text)?;
            // One of a login that can be ended needs to be asked about, and one of a user who may have been suspended; and who
            // it is for is to be said.
            if let (false, Some(user)) = (claims.has_session, claims.user)
                && !self.0.doubts().has(&user, Instant::now())
            {
                return Ok(Identity {
                    user: user.into(),
                    is_admin: claims.is_admin,
                    expires_at: claims.expires_at,
                    credentials: Arc::clone(credentials),
                });
            }
        }
        self.ask(credentials).await
    }

    /// Asks Directus, once for all who show the same at one time.
    async fn ask(&self, credentials: &Arc<Credentials>) -> Result<Identity, AuthRefusal> {
        let key = self.0.directus.fingerprint(credentials);
        let (answer, asked) = self.0.questions().join_or_ask(key);
        // With the lock released: a runtime that has ended drops what it is given at once, and so closes the question.
        if let Some(asked) = asked {
            self.spawn(credentials, key, asked);
        }
        // There is none where the runtime that asks has ended.
        let (user, is_admin) = answer.wait().await.unwrap_or(Err(AuthRefusal::Unavailable))?;
        let text = credentials.secret().reveal();
        let expires_at = match &**credentials {
            // Directus has taken it, so that it ends when it says.
            Credentials::Bearer(_) => jwt::unverified(text).and_then(|claims| claims.expires_at),
            Credentials::Cookies(_) => Some(cookie::expires_at(text, SystemTime::now())),
        };
        Ok(Identity { user, is_admin, expires_at, credentials: Arc::clone(credentials) })
    }

    fn spawn(&self, credentials: &Arc<Credentials>, key: [u8; 32], asked: Asked<Login>) {
        let question = Question { of: Arc::clone(&self.0), key, number: asked.number };
        let credentials = Arc::clone(credentials);
        self.0.directus.runtime().spawn(async move {
            let login = question.of.login(&credentials).await;
            // Who comes from now on asks anew: they may have logged out.
            drop(question);
            asked.reply.send_replace(Some(login));
        });
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}

impl Inner {
    fn questions(&self) -> MutexGuard<'_, Questions<[u8; 32], Login>> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn doubts(&self) -> MutexGuard<'_, Doubts> {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn login(&self, credentials: &Credentials) -> Login {
        match self.directus.me(credentials, self.within).await {
            Ok(Some(user)) => {
                let is_admin = self.is_admin(credentials, &user);
                Ok((user.into(), is_admin))
            }
            Ok(None) => Err(AuthRefusal::Refused),
            Err(NoAnswer::Busy) => Err(AuthRefusal::Busy),
            Err(NoAnswer::Unsendable) => Err(AuthRefusal::Malformed),
            Err(_) => Err(AuthRefusal::Unavailable),
        }
    }

    /// What a token says of its user's rights is believed where it is signed, and of the user whom Directus named: of several
    /// cookies Directus takes one, and this need not be it; and a static token may look like anything. Without the secret
    /// nobody is known to administer.
    fn is_admin(&self, credentials: &Credentials, user: &str) -> bool {
        let text = credentials.secret().reveal();
        let token = match credentials {
            Credentials::Bearer(_) => Some(text),
            Credentials::Cookies(_) => cookie::sessions(text).next(),
        };
        let claims =
            self.verifier.as_ref().zip(token).and_then(|(verifier, token)| verifier.verify(token).ok());
        claims.is_some_and(|claims| claims.is_admin && claims.user.as_deref() == Some(user))
    }
}

/// Closes a question when its task ends, whatever ends it.
struct Question {
    of: Arc<Inner>,
    key: [u8; 32],
    number: u64,
}

impl Drop for Question {
    fn drop(&mut self) {
        self.of.questions().close(&self.key, self.number);
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
    }
}
