//! JSON Web Tokens as Directus issues them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::auth::{AuthRefusal, hs256};
use crate::secret::Secret;

const ISSUER: &str = "directus";

/// What a token says of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    /// The user's id; a share's token has none.
    pub(crate) user: Option<String>,
    pub(crate) is_admin: bool,
    /// Whether it belongs to a session that may have ended before the token.
    pub(crate) has_session: bool,
    /// `None` where it lies beyond what a clock can show.
    pub(crate) expires_at: Option<SystemTime>,
}

/// The claims that are read; others may come with them.
#[derive(Deserialize)]
struct RawClaims {
    id: Option<String>,
    session: Option<IgnoredAny>,
    #[serde(default)]
    admin_access: Flag,
    exp: f64,
}

/// Databases without booleans make Directus write a number.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Number(f64),
    #[default]
    None,
}

/// Verifies tokens: HS256, in their time, of Directus. Nothing else is ever accepted, whatever the token's header asks for.
pub(crate) struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    /// For tokens that were signed with `secret`.
    ///
    /// `None`: nothing can be verified here, so Directus is to be asked. The secret is empty, and everybody could sign with
    /// it, or another part of the process chose the cryptography before.
    pub(crate) fn new(secret: &Secret) -> Option<Self> {
        if secret.reveal().is_empty() || !hs256::install() {
            return None;
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        validation.validate_nbf = true;
        // Directus names nobody whom its tokens are for.
        validation.validate_aud = false;
        // As Directus does: to the second.
        validation.leeway = 0;
        Some(Self { key: DecodingKey::from_secret(secret.reveal().as_bytes()), validation })
    }

    /// What a token says that is good now.
    pub(crate) fn verify(&self, token: &str) -> Result<Claims, AuthRefusal> {
        let header = RawHeader::of(token).ok_or(AuthRefusal::Malformed)?;
        if header.alg.as_deref() != Some("HS256") {
            return Err(AuthRefusal::WrongAlgorithm);
        }
        // What a sender declares critical must be understood, and nothing of the kind is understood here.
        if decode_header(token).map_err(|_| AuthRefusal::Malformed)?.crit.is_some() {
            return Err(AuthRefusal::Malformed);
        }
        match decode::<RawClaims>(token, &self.key, &self.validation) {
            Ok(token) => match Claims::from(token.claims) {
                // In its last second the library still takes it.
                claims if claims.expires_at.is_some_and(|at| at <= SystemTime::now()) => {
                    Err(AuthRefusal::Expired)
                }
                claims => Ok(claims),
            },
            Err(error) => Err(refusal(error.kind())),
        }
    }
}

fn refusal(kind: &ErrorKind) -> AuthRefusal {
    match kind {
        ErrorKind::InvalidSignature => AuthRefusal::BadSignature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName | ErrorKind::UnsupportedAlgorithm => {
            AuthRefusal::WrongAlgorithm
        }
        ErrorKind::InvalidIssuer => AuthRefusal::WrongIssuer,
        ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => AuthRefusal::WrongIssuer,
        ErrorKind::ExpiredSignature => AuthRefusal::Expired,
        ErrorKind::ImmatureSignature => AuthRefusal::NotYetValid,
        _ => AuthRefusal::Malformed,
    }
}

/// What a token says of itself, whoever wrote it. `None`: it is no JWT.
pub(crate) fn unverified(token: &str) -> Option<Claims> {
    insecure_decode_claims::<RawClaims>(token).ok().map(Claims::from)
}

/// Whether a token looks like one that can be verified; a static token of Directus has no dots.
pub(crate) fn is_shaped_as_one(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// A header with whatever `alg` it has; `jsonwebtoken` reads only those it knows.
#[derive(Deserialize)]
struct RawHeader {
    alg: Option<String>,
}

impl RawHeader {
    fn of(token: &str) -> Option<Self> {
        let header = token.split('.').next()?;
        let json = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, header).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

impl From<RawClaims> for Claims {
    fn from(raw: RawClaims) -> Self {
        let expires_at = Duration::try_from_secs_f64(raw.exp.max(0.0)).ok();
        Self {
            user: raw.id.filter(|id| !id.is_empty()),
            is_admin: match raw.admin_access {
                Flag::Bool(is_admin) => is_admin,
                Flag::Number(number) => number == 1.0,
                Flag::None => false,
            },
            has_session: raw.session.is_some(),
            expires_at: expires_at.and_then(|since| UNIX_EPOCH.checked_add(since)),
        }
    }
}

#[cfg(test)]
mod tests;
