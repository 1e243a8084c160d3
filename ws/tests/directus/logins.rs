//! The ways to show who one is.

use std::time::{Duration, SystemTime};

use serde_json::json;
use ws::auth::AuthRefusal;

use crate::people::{People as _, Rights};
use crate::support::{PATIENCE, World, bearer, cookies, sign, signed};

const ME: &str = "GET /users/me?fields=id,status HTTP/1.1";

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_directus_is_verified_here() {
    let Some(world) = World::start() else { return };
    let user = world.directus.add_user(Rights::OneEvent);
    for token in [world.directus.log_in(&user), world.directus.log_in(&user)] {
        let known = world.authenticator.authenticate(&bearer(&token)).await.unwrap();
        assert_eq!((&*known.user, known.is_admin), (&*user.id, false));
        let left = known.expires_at.unwrap().duration_since(SystemTime::now()).unwrap();
        assert!(left > Duration::from_secs(800) && left <= Duration::from_secs(900), "{left:?}");
    }
    let admin = world.directus.add_user(Rights::Admin);
    assert!(world.logged_in(&admin).await.is_admin);
    assert_eq!(world.proxy.requests(), [""; 0], "nobody was asked");
    assert_eq!(world.attempts("ok"), 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_asked_about_with_the_whole_cookie_header_and_a_logout_counts() {
    let Some(world) = World::start() else { return };
    let user = world.directus.add_user(Rights::OneEvent);
    let session = world.directus.log_in_session(&user);
    let header = format!("theme=dark; {session}; other=\"a b\"");
    let known = world.authenticator.authenticate(&cookies(&header)).await.unwrap();
    assert_eq!((&*known.user, known.is_admin), (&*user.id, false));
    let left = known.expires_at.unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(left > Duration::from_secs(23 * 3600) && left <= Duration::from_secs(24 * 3600), "{left:?}");
    let [head] = &world.proxy.heads()[..] else { panic!("one request") };
    assert!(head.starts_with(ME), "{head}");
    let sent: Vec<&str> = head.lines().filter(|line| line.to_lowercase().starts_with("cookie:")).collect();
    assert_eq!(sent, [format!("cookie: {header}")]);
    assert!(!head.to_lowercase().contains("authorization:"));

    world.directus.log_out_session(&session);
    assert_eq!(world.authenticator.authenticate(&cookies(&header)).await.err(), Some(AuthRefusal::Refused));
    assert_eq!((world.attempts("ok"), world.attempts("refused")), (1.0, 1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_session_is_asked_about_too() {
    let Some(world) = World::start() else { return };
    let user = world.directus.add_user(Rights::OneEvent);
    let session = world.directus.log_in_session(&user);
    let token = session.split_once('=').unwrap().1;
    assert_eq!(&*world.authenticator.authenticate(&bearer(token)).await.unwrap().user, &*user.id);
    assert_eq!(world.proxy.requests(), [ME]);
    world.directus.log_out_session(&session);
    assert_eq!(world.authenticator.authenticate(&bearer(token)).await.err(), Some(AuthRefusal::Refused));
    // One that is signed, of nobody: a share's.
    let nobody = signed(&json!({"id": null}));
    assert_eq!(world.authenticator.authenticate(&bearer(&nobody)).await.err(), Some(AuthRefusal::Refused));
    assert_eq!(world.proxy.requests().len(), 3);
    // One that is not signed with the secret is not passed on.
    let forged = format!("{}A", &token[..token.len() - 1]);
    let other = if forged == token { format!("{}Q", &token[..token.len() - 1]) } else { forged };
    assert!(world.authenticator.authenticate(&bearer(&other)).await.is_err());
    assert_eq!(world.proxy.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_token_is_asked_about_and_has_no_end() {
    let Some(world) = World::start() else { return };
    let user = world.directus.add_user(Rights::OneEvent);
    let known = world.authenticator.authenticate(&bearer(&user.static_token)).await.unwrap();
    assert_eq!((&*known.user, known.expires_at), (&*user.id, None));
    world.directus.suspend_person(&user);
    let refused = world.authenticator.authenticate(&bearer(&user.static_token)).await.err();
    assert_eq!(refused, Some(AuthRefusal::Refused));
    let garbage = world.authenticator.authenticate(&bearer("no such token")).await.err();
    assert_eq!(garbage, Some(AuthRefusal::Refused));
    assert_eq!(world.proxy.requests(), [ME; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_secret_directus_is_asked_about_every_token() {
    let Some(world) = World::start_with(None, PATIENCE) else { return };
    let user = world.directus.add_user(Rights::OneEvent);
    let known = world.logged_in(&user).await;
    assert_eq!(&*known.user, &*user.id);
    assert!(known.expires_at.is_some());
    assert_eq!(world.proxy.requests(), [ME]);
    let forged = signed(&json!({"id": user.id, "exp": 1}));
    assert_eq!(world.authenticator.authenticate(&bearer(&forged)).await.err(), Some(AuthRefusal::Refused));
    // An empty secret, with which everybody could sign, is none.
    let Some(world) = World::start_with(Some(""), PATIENCE) else { return };
    let claims = json!({"id": user.id, "exp": 4_000_000_000_u64, "iss": "directus"});
    let forged = sign(&json!({"alg": "HS256"}), &claims, ring::hmac::HMAC_SHA256, "");
    assert_eq!(world.authenticator.authenticate(&bearer(&forged)).await.err(), Some(AuthRefusal::Refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_administers_is_believed_of_the_cookie_that_directus_takes_only() {
    let Some(world) = World::start() else { return };
    let admin = world.directus.add_user(Rights::Admin);
    let session = world.directus.log_in_session(&admin);
    assert!(world.authenticator.authenticate(&cookies(&session)).await.unwrap().is_admin);

    let user = world.directus.add_user(Rights::OneEvent);
    let own = world.directus.log_in_session(&user);
    let good = own.split_once('=').unwrap().1;
    let name = ws::auth::SESSION_COOKIE;
    let claims = json!({"id": user.id, "admin_access": true, "exp": 4_000_000_000_u64, "iss": "directus"});
    let forged = sign(&json!({"alg": "HS256"}), &claims, ring::hmac::HMAC_SHA256, "no secret");
    for header in [
        format!("{name} ={good}; {name}={forged}"),
        format!("{name}={good}; {name}={forged}"),
        format!("{name}={good}; {session}"),
        format!("{name}=%{:x}{}; {name}={forged}", good.as_bytes()[0], &good[1..]),
    ] {
        let known = world.authenticator.authenticate(&cookies(&header)).await.unwrap();
        assert_eq!((&*known.user, known.is_admin), (&*user.id, false), "the first cookie counts");
        let left = known.expires_at.unwrap().duration_since(SystemTime::now()).unwrap();
        assert!(left <= Duration::from_secs(24 * 3600), "a forged one puts nothing off: {left:?}");
    }
}
