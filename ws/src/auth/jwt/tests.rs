//! Tokens that are taken, and all the others.

use super::*;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;
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
    Verifier::new(&Secret::new("s3cret")).unwrap().verify(token.reveal())
}

#[test]
fn a_token_of_directus_is_taken() {
    let claims = verify(&hs256(&claims())).unwrap();
    assert_eq!(claims.user.as_deref(), Some("u1"));
    assert!(!claims.has_session && !claims.is_admin);
    let mut with_session = self::claims();
    with_session["session"] = json!("abc");
    assert!(verify(&hs256(&with_session)).unwrap().has_session);
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
    assert_eq!(refused(&hs256(&with("exp", json!(now())))), AuthRefusal::Expired);
    assert_eq!(refused(&hs256(&with("exp", json!(0)))), AuthRefusal::Expired);
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
    assert_eq!(refused(&token(&header, &claims(), hmac::HMAC_SHA512, "s3cret")), AuthRefusal::WrongAlgorithm);
    for algorithm in ["none", "None", "hs256", ""] {
        let header = json!({"alg": algorithm});
        let signed = token(&header, &claims(), hmac::HMAC_SHA256, "s3cret");
        let unsigned = Secret::new(format!("{}.", signed.reveal().rsplit_once('.').unwrap().0));
        for forged in [signed, unsigned] {
            assert_eq!(refused(&forged), AuthRefusal::WrongAlgorithm, "{algorithm}");
        }
    }
    let critical = json!({"alg": "HS256", "crit": ["exp"]});
    let critical = token(&critical, &claims(), hmac::HMAC_SHA256, "s3cret");
    assert_eq!(refused(&critical), AuthRefusal::Malformed);
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
