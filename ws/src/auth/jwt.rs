//! JSON Web Tokens of Directus: HS256 and nothing else, by ring.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use ring::hmac;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{AuthRefusal, Credentials};
use crate::secret::Secret;

/// The cookie of a Directus session.
pub const SESSION_COOKIE: &str = "directus_session_token";
const ISSUER: &str = "directus";

/// What a token says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Claims {
    /// The user.
    pub(super) id: Option<Box<str>>,
    /// Of a login that can be ended.
    pub(super) session: Option<IgnoredAny>,
    pub(super) admin_access: Option<bool>,
    /// Seconds since 1970.
    pub(super) exp: Option<u64>,
}

/// Verifies tokens with the secret of Directus.
pub(super) struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    pub(super) fn new(secret: &Secret) -> Self {
        static INSTALL: Once = Once::new();
        INSTALL.call_once(|| {
            // Whoever was there first in this process provides HS256 as well.
            let _ = HS256_ALONE.install_default();
        });
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.validate_nbf = true;
        // Directus sets none.
        validation.validate_aud = false;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        Self { key: DecodingKey::from_secret(secret.reveal().as_bytes()), validation }
    }

    pub(super) fn verify(&self, token: &Secret) -> Result<Claims, AuthRefusal> {
        match jsonwebtoken::decode::<Claims>(token.reveal(), &self.key, &self.validation) {
            Ok(token) => Ok(token.claims),
            Err(error) => Err(refusal(error.kind())),
        }
    }
}

fn refusal(kind: &ErrorKind) -> AuthRefusal {
    match kind {
        ErrorKind::InvalidSignature => AuthRefusal::BadSignature,
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm
        | ErrorKind::MissingAlgorithm
        | ErrorKind::Provider(_) => AuthRefusal::WrongAlgorithm,
        ErrorKind::InvalidIssuer => AuthRefusal::WrongIssuer,
        ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => AuthRefusal::WrongIssuer,
        ErrorKind::ExpiredSignature => AuthRefusal::Expired,
        ErrorKind::ImmatureSignature => AuthRefusal::NotYetValid,
        _ => AuthRefusal::Malformed,
    }
}

/// Whether a token looks like one that can be verified; a static token of Directus has no dots.
pub(super) fn is_shaped_as_one(token: &Secret) -> bool {
    token.reveal().bytes().filter(|byte| *byte == b'.').count() == 2
}

/// What a token says of itself, to be believed only once somebody else has taken it.
pub(super) fn unverified(credentials: &Credentials) -> Option<Claims> {
    let token = match credentials {
        Credentials::Bearer(token) => token.reveal(),
        Credentials::Cookies(header) => {
            let mut pairs = header.reveal().split(';').filter_map(|pair| pair.trim().split_once('='));
            pairs.find(|(name, _)| *name == SESSION_COOKIE)?.1
        }
    };
    jsonwebtoken::dangerous::insecure_decode::<Claims>(token).ok().map(|token| token.claims)
}

/// Everything but HS256 is refused, also where somebody forgets to say so.
static HS256_ALONE: CryptoProvider = CryptoProvider {
    signer_factory: no_signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

fn no_signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    // Tokens are Directus's to make.
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    if *algorithm != Algorithm::HS256 {
        return Err(ErrorKind::UnsupportedAlgorithm.into());
    }
    Ok(Box::new(Hs256(hmac::Key::new(hmac::HMAC_SHA256, key.try_get_as_bytes()?))))
}

struct Hs256(hmac::Key);

impl signature::Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        // In constant time.
        hmac::verify(&self.0, message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    fn now() -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
    }

    fn claims() -> Value {
        json!({"id": "u1", "role": "r", "app_access": true, "admin_access": false,
               "iat": now(), "exp": now() + 900, "iss": "directus"})
    }

    /// A token as RFC 7515 describes it, made without the library that reads it.
    fn token(header: &Value, claims: &Value, algorithm: hmac::Algorithm, secret: &str) -> Secret {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), signed.as_bytes());
        Secret::new(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }

    fn hs256(claims: &Value) -> Secret {
        token(&json!({"alg": "HS256", "typ": "JWT"}), claims, hmac::HMAC_SHA256, "s3cret")
    }

    fn verify(token: &Secret) -> Result<Claims, AuthRefusal> {
        Verifier::new(&Secret::new("s3cret")).verify(token)
    }

    #[test]
    fn a_token_of_directus_is_taken() {
        let claims = verify(&hs256(&claims())).unwrap();
        assert_eq!(claims.id.as_deref(), Some("u1"));
        assert!(claims.session.is_none());
        let mut with_session = self::claims();
        with_session["session"] = json!("abc");
        assert!(verify(&hs256(&with_session)).unwrap().session.is_some());
    }

    #[test]
    fn every_other_token_is_refused_with_its_reason() {
        let with = |field: &str, value: Value| {
            let mut claims = claims();
            claims[field] = value;
            claims
        };
        let without = |field: &str| {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove(field);
            claims
        };
        let refused = |token: &Secret| verify(token).unwrap_err();
        assert_eq!(refused(&hs256(&with("exp", json!(now() - 1)))), AuthRefusal::Expired);
        assert_eq!(refused(&hs256(&with("nbf", json!(now() + 60)))), AuthRefusal::NotYetValid);
        assert_eq!(refused(&hs256(&with("iss", json!("other")))), AuthRefusal::WrongIssuer);
        assert_eq!(refused(&hs256(&without("iss"))), AuthRefusal::WrongIssuer);
        assert_eq!(refused(&hs256(&without("exp"))), AuthRefusal::Malformed);
        assert_eq!(refused(&hs256(&with("exp", json!("tomorrow")))), AuthRefusal::Malformed);
        for algorithm in ["HS384", "HS512", "RS256", "ES256", "PS256", "EdDSA"] {
            let header = json!({"alg": algorithm, "typ": "JWT"});
            let forged = token(&header, &claims(), hmac::HMAC_SHA256, "s3cret");
            assert_eq!(refused(&forged), AuthRefusal::WrongAlgorithm, "{algorithm}");
        }
        let header = json!({"alg": "HS512", "typ": "JWT"});
        assert_eq!(
            refused(&token(&header, &claims(), hmac::HMAC_SHA512, "s3cret")),
            AuthRefusal::WrongAlgorithm
        );
        for algorithm in ["none", "None", "hs256", ""] {
            let header = json!({"alg": algorithm});
            let signed = token(&header, &claims(), hmac::HMAC_SHA256, "s3cret");
            let unsigned = Secret::new(format!("{}.", signed.reveal().rsplit_once('.').unwrap().0));
            for forged in [signed, unsigned] {
                assert!(verify(&forged).is_err(), "{algorithm}");
            }
        }
        let other = token(&json!({"alg": "HS256"}), &claims(), hmac::HMAC_SHA256, "another");
        assert_eq!(refused(&other), AuthRefusal::BadSignature);
        let good = hs256(&claims());
        let mine = BASE64_URL_SAFE_NO_PAD.encode(with("id", json!("u2")).to_string());
        let mut parts: Vec<&str> = good.reveal().split('.').collect();
        parts[1] = &mine;
        assert_eq!(refused(&Secret::new(parts.join("."))), AuthRefusal::BadSignature);
        for garbage in
            ["..", "a.b.c", "é.é.é", "eyJhbGciOiJIUzI1NiJ9..", &good.reveal()[..good.reveal().len() - 1]]
        {
            assert!(verify(&Secret::new(garbage)).is_err(), "{garbage}");
        }
        // Every change of one bit.
        for at in 0..good.reveal().len() {
            let mut changed = good.reveal().as_bytes().to_vec();
            changed[at] ^= 1;
            if let Ok(changed) = String::from_utf8(changed) {
                let is_last_of_a_part = good.reveal().as_bytes().get(at + 1).is_none_or(|next| *next == b'.');
                assert!(verify(&Secret::new(changed)).is_err() || is_last_of_a_part, "{at}");
            }
        }
    }

    #[test]
    fn what_a_cookie_says_is_read_among_others() {
        let jwt = hs256(&claims());
        let header = format!("a=b; {SESSION_COOKIE}={}; c=d", jwt.reveal());
        let claims = unverified(&Credentials::Cookies(Secret::new(header))).unwrap();
        assert!(claims.exp.unwrap() > now());
        assert!(unverified(&Credentials::Cookies(Secret::new("a=b"))).is_none());
        assert!(unverified(&Credentials::Bearer(Secret::new("static"))).is_none());
    }
}
