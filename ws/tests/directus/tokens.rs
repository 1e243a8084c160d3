//! Tokens that are not taken: each with its reason counted, and shown nowhere.

use ring::hmac;
use serde_json::{Value, json};
use test_directus::Directus;
use ws::auth::AuthRefusal;

use crate::people::{People as _, Rights};
use crate::support::{World, bearer, cookies, now, sign, signed};

#[tokio::test(flavor = "multi_thread")]
async fn every_token_that_is_not_of_directus_is_refused_with_its_reason() {
    let Some(world) = World::start() else { return };
    let user = world.directus.add_user(Rights::OneEvent);
    let good = world.directus.log_in(&user);
    let parts: Vec<&str> = good.split('.').collect();
    let claims = json!({"id": user.id, "exp": now() + 900, "iss": "directus"});
    let with_header = |header: Value, algorithm| sign(&header, &claims, algorithm, Directus::SECRET);
    let unsigned = with_header(json!({"alg": "none"}), hmac::HMAC_SHA256);
    let another = signed(&json!({"id": "another"}));
    let cases = [
        ("alg none", format!("{}.", unsigned.rsplit_once('.').unwrap().0), AuthRefusal::WrongAlgorithm),
        ("alg none, signed", unsigned, AuthRefusal::WrongAlgorithm),
        (
            "RS256",
            with_header(json!({"alg": "RS256", "typ": "JWT"}), hmac::HMAC_SHA256),
            AuthRefusal::WrongAlgorithm,
        ),
        (
            "HS512",
            with_header(json!({"alg": "HS512", "typ": "JWT"}), hmac::HMAC_SHA512),
            AuthRefusal::WrongAlgorithm,
        ),
        ("no alg", with_header(json!({"typ": "JWT"}), hmac::HMAC_SHA256), AuthRefusal::WrongAlgorithm),
        (
            "another secret",
            sign(&json!({"alg": "HS256"}), &claims, hmac::HMAC_SHA256, "another"),
            AuthRefusal::BadSignature,
        ),
        (
            "another's payload",
            [parts[0], another.split('.').nth(1).unwrap(), parts[2]].join("."),
            AuthRefusal::BadSignature,
        ),
        ("no signature", format!("{}.{}.", parts[0], parts[1]), AuthRefusal::BadSignature),
        ("another issuer", signed(&json!({"iss": "directus2"})), AuthRefusal::WrongIssuer),
        ("no issuer", signed(&json!({"iss": null})), AuthRefusal::WrongIssuer),
        ("expired", signed(&json!({"exp": now() - 1})), AuthRefusal::Expired),
        ("expires now", signed(&json!({"exp": now()})), AuthRefusal::Expired),
        ("no end", signed(&json!({"exp": null})), AuthRefusal::Malformed),
        ("not yet", signed(&json!({"nbf": now() + 60})), AuthRefusal::NotYetValid),
        ("garbage", "..".to_owned(), AuthRefusal::Malformed),
        ("more garbage", "a.b.c".to_owned(), AuthRefusal::Malformed),
        ("a line break", "token\r\nx-admin: 1".to_owned(), AuthRefusal::Malformed),
        ("a megabyte", "x".repeat(1 << 20), AuthRefusal::Malformed),
        ("a megabyte of a token", signed(&json!({"id": "x".repeat(1 << 20)})), AuthRefusal::Malformed),
        ("nothing", String::new(), AuthRefusal::Malformed),
    ];
    for (what, token, refusal) in cases {
        let before = world.attempts(refusal.name());
        let credentials = bearer(&token);
        let refused = world.authenticator.authenticate(&credentials).await.unwrap_err();
        assert_eq!(refused, refusal, "{what}");
        assert_eq!(world.attempts(refusal.name()), before + 1.0, "{what}");
        if token.len() > 10 {
            let shown = format!("{credentials:?} {refused:?} {refused} {:?}", world.authenticator);
            assert!(!shown.contains(&token[..10]), "{what}: {shown}");
        }
    }
    assert_eq!(world.proxy.requests(), [""; 0], "Directus was not bothered");
    assert_eq!(&*world.authenticator.authenticate(&bearer(&good)).await.unwrap().user, &*user.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_is_no_session_is_refused_by_directus() {
    let Some(world) = World::start() else { return };
    let name = ws::auth::SESSION_COOKIE;
    let user = world.directus.add_user(Rights::OneEvent);
    let unknown = signed(&json!({"id": user.id, "session": "none"}));
    for header in [format!("{name}=garbage"), format!("{name}={unknown}")] {
        assert_eq!(
            world.authenticator.authenticate(&cookies(&header)).await.err(),
            Some(AuthRefusal::Refused)
        );
    }
    let long = format!("{name}={}", "x".repeat(1 << 20));
    assert_eq!(world.authenticator.authenticate(&cookies(&long)).await.err(), Some(AuthRefusal::Malformed));
    assert_eq!(world.proxy.requests().len(), 2);
}
