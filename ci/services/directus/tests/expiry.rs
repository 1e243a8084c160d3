//! Tokens and sessions that end within the test, on a server that is set up for it.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_directus::{Credentials, Directus, Options};

/// Longer than anything here lasts.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn what_has_expired_says_so_and_a_cookie_that_was_refreshed_is_good_for_little_longer() {
    if !Directus::is_installed() {
        return;
    }
    let settings =
        [("ACCESS_TOKEN_TTL", "1s"), ("SESSION_COOKIE_TTL", "10s"), ("SESSION_REFRESH_GRACE_PERIOD", "2s")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let directus = Directus::start_with(&Options { settings }).unwrap();
    let user = &directus.users()[0];
    let event = format!("/items/events/{}?fields=id", directus.events()[0]);
    let said = |path: &str, credentials: Credentials<'_>| {
        let answer = directus.get(path, credentials).unwrap();
        (answer.status, answer.body["errors"][0]["extensions"]["code"].clone())
    };
    // Both calls that the live channel makes, once the first of them is refused.
    let refused = |credentials: Credentials<'_>| {
        let end = Instant::now() + PATIENCE;
        while said("/users/me", credentials).0 == 200 {
            assert!(Instant::now() < end, "it is good for ever");
            thread::sleep(Duration::from_millis(50));
        }
        let answers = [said("/users/me", credentials), said(&event, credentials)];
        assert_eq!(answers[0], answers[1]);
        answers[0].clone()
    };
    let expired: (u16, Value) = (401, json!("TOKEN_EXPIRED"));

    let login = directus.login(&user.email).unwrap();
    assert_eq!(refused(Credentials::Bearer(&login.access_token)), expired);

    let old = directus.login_session(&user.email).unwrap();
    let fresh = directus.refresh_session(&old).unwrap();
    let (old, fresh) = (Credentials::Cookie(&old), Credentials::Cookie(&fresh));
    assert_eq!(said(&event, old).0, 200, "it is good for what is on its way");
    // Long before it expires, and as if it had been logged out.
    assert_eq!(refused(old), (401, json!("INVALID_CREDENTIALS")));
    assert_eq!(said(&event, fresh).0, 200);
    assert_eq!(refused(fresh), expired);
}
