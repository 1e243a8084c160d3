//! What the real Directus answers, as far as the live channel relies on it.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use test_directus::{Credentials, Directus, Mode, Proxy, User};
use uuid::Uuid;

/// A server, where it is installed.
fn directus() -> Option<Arc<Directus>> {
    Directus::is_installed().then(|| Directus::shared().unwrap())
}

/// A new user of the role, who sees the first event.
fn user(directus: &Directus, name: &str) -> User {
    let email = format!("{name}@example.com");
    let user = directus.create_user(&email, "a password of their own", directus.role()).unwrap();
    directus.join(&user, directus.events()[0]).unwrap();
    user
}

/// Status and code of the first error, or null.
fn said(directus: &Directus, path: &str, credentials: Credentials<'_>) -> (u16, Value) {
    let answer = directus.get(path, credentials).unwrap();
    (answer.status, answer.body["errors"][0]["extensions"]["code"].clone())
}

fn event(id: Uuid) -> String {
    format!("/items/events/{id}?fields=id")
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn each_user_sees_their_own_event_and_no_other() {
    let Some(directus) = directus() else { return };
    let [ana, ben] = directus.users();
    let [first, second] = directus.events();
    for (user, theirs, other) in [(ana, first, second), (ben, second, first)] {
        let login = directus.login(&user.email).unwrap();
        let cookie = directus.login_session(&user.email).unwrap();
        for credentials in [Credentials::Bearer(&login.access_token), Credentials::Cookie(&cookie)] {
            let answer = directus.get(&event(theirs), credentials).unwrap();
            assert_eq!((answer.status, answer.body), (200, json!({"data": {"id": theirs}})));
            assert_eq!(said(&directus, &event(other), credentials), (403, json!("FORBIDDEN")));
            // It does not tell what is not there from what may not be seen.
            assert_eq!(said(&directus, &event(Uuid::from_u128(9)), credentials), (403, json!("FORBIDDEN")));
            let me = directus.get("/users/me?fields=id,status", credentials).unwrap();
            assert_eq!((me.status, &me.body["data"]["id"]), (200, &json!(user.id)), "{}", me.body);
        }
    }
    assert_eq!(said(&directus, &event(first), Credentials::None), (403, json!("FORBIDDEN")));
}

#[test]
fn who_joins_sees_and_who_leaves_does_not() {
    let Some(directus) = directus() else { return };
    let user = user(&directus, "joining");
    let [first, second] = directus.events();
    let login = directus.login(&user.email).unwrap();
    let credentials = Credentials::Bearer(&login.access_token);
    directus.join(&user, second).unwrap();
    directus.leave(&user, first).unwrap();
    assert_eq!(said(&directus, &event(first), credentials).0, 403);
    assert_eq!(said(&directus, &event(second), credentials).0, 200);
}

#[test]
fn a_jwt_says_who_it_is_and_only_that_of_a_session_names_one() {
    let Some(directus) = directus() else { return };
    let user = user(&directus, "claiming");
    let token = claims(&directus.login(&user.email).unwrap().access_token);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let names: Vec<&str> = token.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["admin_access", "app_access", "exp", "iat", "id", "iss", "role"]);
    assert_eq!((&token["id"], &token["role"]), (&json!(user.id), &json!(directus.role())));
    assert_eq!((&token["app_access"], &token["admin_access"]), (&json!(true), &json!(false)));
    assert_eq!(token["iss"], "directus");
    assert!(token["iat"].as_u64().unwrap().abs_diff(now) < 60, "{token}");
    assert_eq!(token["exp"].as_u64().unwrap() - token["iat"].as_u64().unwrap(), 15 * 60);

    let cookie = directus.login_session(&user.email).unwrap();
    assert_eq!(cookie.name, "directus_session_token");
    let cookie = claims(&cookie.value);
    assert!(cookie["session"].is_string(), "{cookie}");
    assert_eq!((&cookie["id"], &cookie["iss"]), (&json!(user.id), &json!("directus")));
}

#[test]
fn a_cookie_is_good_until_logout_and_a_token_beyond_it() {
    let Some(directus) = directus() else { return };
    let user = user(&directus, "leaving");
    let cookie = directus.login_session(&user.email).unwrap();
    assert_eq!(said(&directus, "/users/me", Credentials::Cookie(&cookie)).0, 200);
    directus.logout_session(&cookie).unwrap();
    for path in ["/users/me", &event(directus.events()[0])] {
        let answer = said(&directus, path, Credentials::Cookie(&cookie));
        assert_eq!(answer, (401, json!("INVALID_CREDENTIALS")));
    }

    let login = directus.login(&user.email).unwrap();
    directus.logout(&login).unwrap();
    assert_eq!(said(&directus, "/users/me", Credentials::Bearer(&login.access_token)).0, 200);
}

#[test]
fn a_suspension_ends_sessions_and_static_tokens_at_once_and_access_tokens_only_when_they_expire() {
    let Some(directus) = directus() else { return };
    let user = user(&directus, "suspended");
    let token = directus.login(&user.email).unwrap().access_token;
    let cookie = directus.login_session(&user.email).unwrap();
    let static_token = directus.static_token(&user).unwrap();
    let (token, cookie, static_token) =
        (Credentials::Bearer(&token), Credentials::Cookie(&cookie), Credentials::Bearer(&static_token));
    let event = event(directus.events()[0]);
    for credentials in [token, cookie, static_token] {
        assert_eq!(said(&directus, &event, credentials).0, 200);
    }

    directus.suspend(&user).unwrap();
    for path in ["/users/me?fields=id,status", "/users/me", &event] {
        for credentials in [cookie, static_token] {
            assert_eq!(said(&directus, path, credentials), (401, json!("INVALID_CREDENTIALS")));
        }
    }
    // Only the status tells, and only who asks for it.
    assert_eq!(said(&directus, &event, token).0, 200);
    let me = directus.get("/users/me?fields=id,status", token).unwrap();
    assert_eq!((me.status, me.body), (200, json!({"data": {"id": user.id, "status": "suspended"}})));
    assert!(directus.login(&user.email).is_err());

    directus.activate(&user).unwrap();
    assert_eq!(said(&directus, &event, cookie).0, 401, "the session is gone for good");
    assert_eq!(said(&directus, &event, static_token).0, 200);
}

#[test]
fn who_may_not_use_the_app_is_not_told_their_own_status() {
    let Some(directus) = directus() else { return };
    let post = |path: &str, body: Value| directus.as_admin("POST", path, Some(&body)).unwrap();
    let role = post("/roles", json!({"name": "a feed"}))["id"].clone();
    let policy = post("/policies", json!({"name": "events only", "app_access": false}))["id"].clone();
    post(
        "/permissions",
        json!({"policy": policy, "collection": "events", "action": "read", "fields": ["id"]}),
    );
    post("/access", json!({"role": role, "policy": policy}));
    let role = role.as_str().unwrap().parse().unwrap();
    let user = directus.create_user("feed@example.com", "a password of their own", role).unwrap();
    let token = directus.login(&user.email).unwrap().access_token;
    let token = Credentials::Bearer(&token);
    assert_eq!(said(&directus, &event(directus.events()[0]), token).0, 200);
    // Neither refused nor null: it is left out, suspended or not.
    for _ in 0..2 {
        let me = directus.get("/users/me?fields=id,status", token).unwrap();
        assert_eq!((me.status, me.body), (200, json!({"data": {"id": user.id}})));
        directus.suspend(&user).unwrap();
    }
}

#[test]
fn a_deleted_user_is_somebody_without_rights_until_the_token_expires() {
    let Some(directus) = directus() else { return };
    let user = user(&directus, "deleted");
    let token = directus.login(&user.email).unwrap().access_token;
    let cookie = directus.login_session(&user.email).unwrap();
    let (token, cookie) = (Credentials::Bearer(&token), Credentials::Cookie(&cookie));
    directus.leave(&user, directus.events()[0]).unwrap();
    directus.as_admin("DELETE", &format!("/users/{}", user.id), None).unwrap();
    let me = directus.get("/users/me?fields=id,status", token).unwrap();
    assert_eq!((me.status, me.body), (200, json!({"data": {"id": user.id}})));
    assert_eq!(said(&directus, &event(directus.events()[0]), token).0, 403);
    assert_eq!(said(&directus, "/users/me", cookie), (401, json!("INVALID_CREDENTIALS")));
}

#[test]
fn a_role_is_that_of_the_token_also_when_it_was_taken_away() {
    let Some(directus) = directus() else { return };
    let user = user(&directus, "demoted");
    let token = directus.login(&user.email).unwrap().access_token;
    let cookie = directus.login_session(&user.email).unwrap();
    directus.change_user(&user, &json!({"role": null})).unwrap();
    for credentials in [Credentials::Bearer(&token), Credentials::Cookie(&cookie)] {
        assert_eq!(said(&directus, &event(directus.events()[0]), credentials).0, 200);
    }
    let token = directus.login(&user.email).unwrap().access_token;
    assert_eq!(said(&directus, &event(directus.events()[0]), Credentials::Bearer(&token)).0, 403);
}

#[test]
fn nothing_that_guards_anything_is_printed() {
    let Some(directus) = directus() else { return };
    let user = user(&directus, "printed");
    let (login, cookie) =
        (directus.login(&user.email).unwrap(), directus.login_session(&user.email).unwrap());
    let printed = format!("{login:?} {cookie:?} {:?}", Credentials::Bearer(&login.access_token));
    for secret in [&login.access_token, &login.refresh_token, &cookie.value] {
        assert!(!printed.contains(secret.as_str()), "{printed}");
    }
    // What is refused is told without it.
    directus.suspend(&user).unwrap();
    let refused = directus.login(&user.email).unwrap_err().to_string();
    assert!(refused.contains("401") && !refused.contains("a password of their own"), "{refused}");
}

#[test]
fn what_is_no_key_is_forbidden_and_no_key_at_all_is_a_list() {
    let Some(directus) = directus() else { return };
    let login = directus.login(&directus.users()[0].email).unwrap();
    let token = Credentials::Bearer(&login.access_token);
    let event = directus.events()[0];
    let asked = |id: &str| said(&directus, &format!("/items/events/{id}?fields=id"), token).0;
    assert_eq!((asked("abc"), asked(&event.simple().to_string())), (403, 403));
    // These are answered with 200: whoever puts what they were sent into a path has allowed it.
    assert_eq!((asked(&event.to_string().to_uppercase()), asked("")), (200, 200));
}

#[test]
fn it_is_the_same_through_a_proxy_until_that_says_something_else() {
    let Some(directus) = directus() else { return };
    let proxy = Proxy::start(directus.url()).unwrap();
    let cookie = directus.login_session(&directus.users()[0].email).unwrap();
    let path = event(directus.events()[0]);
    let ask = || {
        let mut socket = TcpStream::connect(proxy.url().strip_prefix("http://").unwrap()).unwrap();
        let cookie = cookie.header();
        write!(socket, "GET {path} HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    };
    let body = json!({"data": {"id": directus.events()[0]}}).to_string();
    let answer = ask();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&body), "{answer}");
    proxy.set(Mode::Status(503)).unwrap();
    assert!(ask().starts_with("HTTP/1.1 503 "));
    assert_eq!(proxy.requests(), [format!("GET {path}"), format!("GET {path}")]);
}
