//! Tokens that are taken, and all the others.

use super::*;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use proptest::prelude::*;
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

/// HMAC-SHA256 as RFC 2104 defines it, by another library than the one that verifies.
fn mac(secret: &[u8], message: &[u8]) -> [u8; 32] {
    use sha2::{Digest as _, Sha256};
    let mut key = [0; 64];
    if secret.len() > 64 {
        key[..32].copy_from_slice(&Sha256::digest(secret));
    } else {
        key[..secret.len()].copy_from_slice(secret);
    }
    let inner = Sha256::new().chain_update(key.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(key.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

proptest! {
    /// What is taken, and why the rest is not, as the rules say it in a few lines: signature, then time and issuer.
    #[test]
    fn a_token_is_taken_exactly_when_the_rules_say_so(
        secret in "\\PC{1,90}",
        signs_with_it in prop::bool::weighted(0.8),
        algorithm in prop::sample::select(vec!["HS256", "HS256", "HS256", "HS384", "none", "hs256"]),
        id in prop::option::of("\\PC{0,20}"),
        session in prop::option::weighted(0.3, any::<bool>()),
        admin in prop::sample::select(vec![json!(true), json!(false), json!(1), json!(0), Value::Null]),
        iss in prop::sample::select(vec!["directus", "directus", "directus", "Directus", ""]),
        exp in prop::sample::select(vec![-100_000, -1, 30, 900]),
        nbf in prop::option::weighted(0.3, prop::sample::select(vec![-100, 30, 100_000])),
    ) {
        let at = |offset: i64| now().saturating_add_signed(offset);
        let mut claims = json!({"iss": iss, "exp": at(exp), "admin_access": admin});
        for (name, value) in
            [("id", id.clone().map(Value::from)), ("session", session.map(Value::from)), ("nbf", nbf.map(|nbf| json!(at(nbf))))]
        {
            if let Some(value) = value {
                claims[name] = value;
            }
        }
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&json!({"alg": algorithm})), part(&claims));
        let other = format!("{secret}x");
        let key = if signs_with_it { &secret } else { &other };
        let token = format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac(key.as_bytes(), text.as_bytes())));

        let expected = match () {
            () if algorithm != "HS256" => Err(vec![AuthRefusal::WrongAlgorithm]),
            () if !signs_with_it => Err(vec![AuthRefusal::BadSignature]),
            () => {
                let faults = [
                    (exp < 0, AuthRefusal::Expired),
                    (nbf.is_some_and(|nbf| nbf > 0), AuthRefusal::NotYetValid),
                    (iss != "directus", AuthRefusal::WrongIssuer),
                ];
                let faults: Vec<_> = faults.iter().filter(|(is_so, _)| *is_so).map(|(_, why)| *why).collect();
                if faults.is_empty() { Ok(()) } else { Err(faults) }
            }
        };
        match (Verifier::new(&Secret::new(secret)).unwrap().verify(&token), expected) {
            (Ok(said), Ok(())) => {
                prop_assert_eq!(said.user, id.filter(|id| !id.is_empty()));
                prop_assert_eq!(said.is_admin, admin == json!(true) || admin == json!(1));
                prop_assert_eq!(said.has_session, session.is_some());
                // The second may have turned since.
                prop_assert!(said.expires_at.unwrap() <= UNIX_EPOCH + Duration::from_secs(at(exp)));
            }
            (Err(refusal), Err(faults)) => prop_assert!(faults.contains(&refusal), "{refusal:?}, not {faults:?}"),
            (verified, expected) => prop_assert!(false, "{verified:?}, not {expected:?}"),
        }
    }

    /// Whatever comes is answered without a panic, and nothing that nobody signed is taken.
    #[test]
    fn no_text_that_nobody_signed_is_taken(text in "\\PC{0,40}(\\.\\PC{0,40}){0,3}") {
        prop_assert!(verify(&Secret::new(text.clone())).is_err());
        let _ = unverified(&text);
    }
}
