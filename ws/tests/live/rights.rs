//! Who is let in, what they may see, and until when.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;
use ws::LiveConfig;
use ws::fix::AuthzChange;

use crate::support::{Live, bearer, config, event, fix, token, topic, until};

const COOKIE: &str = "a=b; directus_session_token=";

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_upgraded_without_good_credentials() {
    let live = Live::start(config()).await;
    let expired = bearer("1", -10);
    let good = bearer("1", 900);
    let forged = format!("{good}x");
    for (headers, refused) in [
        (&[][..], "missing"),
        (&[("authorization", "Bearer a.b.c")], "malformed"),
        (&[("authorization", "Basic abc")], "malformed"),
        (&[("authorization", "Bearer ")], "malformed"),
        (&[("authorization", &*expired)], "expired"),
        (&[("authorization", &*forged)], "bad_signature"),
        (&[("cookie", "other=1")], "missing"),
    ] {
        let line = format!("processor_live_auth_attempts_total{{result=\"{refused}\"}}");
        let before = live.metric(&line);
        assert_eq!(live.connect_with(headers).await.err(), Some(401), "{headers:?}");
        assert_eq!(live.metric(&line), before + 1.0, "{headers:?}");
    }
    assert!(live.directus.requests().is_empty());
    live.connect_with(&[("authorization", &*good)]).await.unwrap();
    assert_eq!(live.metric("processor_live_auth_attempts_total{result=\"ok\"}"), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_login_and_a_static_one_are_asked_about() {
    let live = Live::start(config()).await;
    let session = format!("Bearer {}", token("user-1", 900, &json!({"session": "s"})));
    live.connect_with(&[("authorization", &*session)]).await.err();
    live.connect_with(&[("authorization", "Bearer static-user-1")]).await.unwrap();
    let asked = live.directus.requests();
    assert_eq!(asked, ["/users/me?fields=id,status"; 2]);
    live.directus.answers("/users/me", 401);
    assert_eq!(live.connect_with(&[("authorization", "Bearer static-user-1")]).await.err(), Some(401));
    live.directus.answers("/users/me", 503);
    assert_eq!(live.connect_with(&[("authorization", "Bearer static-user-1")]).await.err(), Some(401));
    assert_eq!(live.metric("processor_live_auth_attempts_total{result=\"unavailable\"}"), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_taken_from_ones_own_pages_only() {
    let allowed_origins = vec!["https://app.example".to_owned()];
    let live = Live::start(LiveConfig { allowed_origins, ..config() }).await;
    let cookie = format!("{COOKIE}user-1");
    let own = format!("http://{}", live.address());
    for (origin, upgraded) in [
        (Some(&*own), true),
        (Some("https://app.example"), true),
        (Some("https://evil.example"), false),
        (None, false),
    ] {
        let mut headers = vec![("cookie", &*cookie)];
        headers.extend(origin.map(|origin| ("origin", origin)));
        assert_eq!(live.connect_with(&headers).await.is_ok(), upgraded, "{origin:?}");
    }
    assert_eq!(live.directus.requests().len(), 2, "of a stranger's page nothing is asked");
    live.directus.answers("/users/me", 401);
    let headers = [("cookie", &*cookie), ("origin", &*own)];
    assert_eq!(live.connect_with(&headers).await.err(), Some(401), "after the logout");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_may_send_its_token_first() {
    let live = Live::start(config()).await;
    let follows = [("sec-websocket-protocol", "trm-live-auth"), ("cookie", "directus_session_token=user-1")];
    let mut client = live.connect_with(&follows).await.unwrap();
    client.send(&json!({"type": "auth", "access_token": token("1", 900, &json!({}))})).await;
    client.subscribe(1).await;
    assert_eq!(live.directus.requests().len(), 1, "the cookie was not looked at");

    let mut client = live.connect_with(&follows).await.unwrap();
    let auth =
        json!({"type": "auth", "access_token": token("1", 900, &json!({})), "extensions": true, "id": 1});
    client.send(&auth).await;
    let answer = client.json().await;
    assert_eq!((&answer["type"], &answer["id"]), (&json!("authenticated"), &json!(1)));

    let mut client = live.connect_with(&follows).await.unwrap();
    client.send(&json!({"type": "subscribe", "topic": topic(1)})).await;
    assert_eq!(client.closed().await.0, 4401);

    // What is asked for behind a token that takes time to be looked at waits for it.
    live.directus.takes(Duration::from_millis(300));
    let mut client = live.connect_with(&follows).await.unwrap();
    client.send(&json!({"type": "auth", "access_token": "static-user-1"})).await;
    client.subscribe(1).await;
    client.subscribe(2).await;
    live.directus.answers("/users/me", 401);
    let mut client = live.connect_with(&follows).await.unwrap();
    client.send(&json!({"type": "auth", "access_token": "static-user-1"})).await;
    client.send(&json!({"type": "subscribe", "topic": topic(1)})).await;
    assert_eq!(client.closed().await, (4401, "the token is not good".to_owned()));
    live.directus.takes(Duration::ZERO);

    let mut client = live.connect_with(&follows).await.unwrap();
    client.send(&json!({"type": "auth", "access_token": token("1", -1, &json!({}))})).await;
    assert_eq!(client.closed().await.0, 4401);

    let live = Live::start(LiveConfig { max_unauthenticated: 1, ..config() }).await;
    let _waiting = live.connect_with(&follows).await.unwrap();
    assert_eq!(live.connect_with(&follows).await.err(), Some(503));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_no_token_in_time_is_closed() {
    let live = Live::start(config()).await;
    let mut client = live.connect_with(&[("sec-websocket-protocol", "trm-live-auth")]).await.unwrap();
    let begun = Instant::now();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(client.closed().await.0, 4401);
    assert!((9.5..12.0).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_token() {
    let live = Live::start(config()).await;
    let begun = Instant::now();
    let mut client = live.connect_with(&[("authorization", &*bearer("1", 3))]).await.unwrap();
    client.subscribe(1).await;
    let (code, reason) = client.closed().await;
    assert_eq!((code, &*reason), (4401, "the token has expired"));
    assert!((1.5..4.5).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_knows_ours_is_warned_and_renews() {
    let live = Live::start(config()).await;
    let soon = bearer("1", 4);
    let headers = [("authorization", &*soon), ("sec-websocket-protocol", "trm-live")];
    let mut client = live.connect_with(&headers).await.unwrap();
    assert_eq!(client.json().await["type"], "auth-expiring");
    client.send(&json!({"type": "auth", "access_token": token("2", 900, &json!({}))})).await;
    assert_eq!(client.json().await["code"], "protocol", "another user's");
    client.send(&json!({"type": "auth", "access_token": "no.token.this"})).await;
    assert_eq!(client.json().await["code"], "error");
    client.send(&json!({"type": "auth", "access_token": token("1", 900, &json!({}))})).await;
    assert_eq!(client.json().await["type"], "authenticated");
    sleep(Duration::from_secs(5)).await;
    client.subscribe(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_is_over_is_asked_about_before_the_session_ends() {
    let live = Live::start(config()).await;
    let cookie = format!("{COOKIE}{}", token("user-1", 2, &json!({"session": "s"})));
    let own = format!("http://{}", live.address());
    // The stand-in finds the user in clear text only.
    let cookie = format!("{cookie}; who=user-1");
    let mut client = live.connect_with(&[("cookie", &*cookie), ("origin", &*own)]).await.unwrap();
    client.subscribe(1).await;
    until("asked again", || live.directus.requests().iter().filter(|r| r.starts_with("/users")).count() == 2)
        .await;
    live.publish(vec![fix("a", 1)]).await;
    assert_eq!(client.json().await["type"], "position", "still logged in");

    let mut other = live.connect_with(&[("cookie", &*cookie), ("origin", &*own)]).await.unwrap();
    other.subscribe(1).await;
    live.directus.answers("/users/me", 401);
    assert_eq!(other.closed().await, (4401, "the login has ended".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn directus_decides_by_event() {
    let live = Live::start(config()).await;
    let mut client = live.connect().await;
    for (n, status, code) in [
        (11, 403, "forbidden"),
        (12, 404, "not-found"),
        (13, 500, "error"),
        (14, 401, "error"),
        (15, 302, "error"),
    ] {
        live.directus.answers(&format!("/items/events/{}", event(n)), status);
        client.send(&json!({"type": "subscribe", "topic": topic(n), "id": "x"})).await;
        let answer = client.json().await;
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{status}");
        assert_eq!((answer["topic"].as_str(), &answer["id"]), (Some(&*topic(n)), &json!("x")));
    }
    let paths = live.directus.requests();
    assert_eq!(paths[0], format!("/items/events/{}?fields=id", event(11)));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_the_same_are_one_question() {
    let live = Live::start(config()).await;
    live.directus.takes(Duration::from_millis(300));
    let authorization = bearer("1", 900);
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = live.connect_with(&[("authorization", &*authorization)]).await.unwrap();
        client.send(&json!({"type": "subscribe", "topic": topic(1)})).await;
        clients.push(client);
    }
    for client in &mut clients {
        assert_eq!(client.json().await["type"], "subscribed");
    }
    assert_eq!(live.directus.requests().len(), 1);
    // Another token of the same user is another question.
    let other = format!("Bearer {}", token("1", 900, &json!({"role": "other"})));
    let mut client = live.connect_with(&[("authorization", &*other)]).await.unwrap();
    client.subscribe(1).await;
    assert_eq!(live.directus.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_directus_is_answered_for_in_time_and_holds_up_nothing() {
    let live = Live::start(config()).await;
    let mut settled = live.connect().await;
    settled.subscribe(1).await;
    live.directus.takes(Duration::from_secs(30));
    let mut client = live.connect_with(&[("authorization", &*bearer("2", 900))]).await.unwrap();
    let begun = Instant::now();
    client.send(&json!({"type": "subscribe", "topic": topic(1)})).await;
    live.publish(vec![fix("a", 1)]).await;
    assert_eq!(settled.json().await["type"], "position");
    assert_eq!(client.json().await["code"], "error");
    assert!((1.5..4.0).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());

    // One that gives up before the answer has no subscription.
    client.send(&json!({"type": "subscribe", "topic": topic(2)})).await;
    client.send(&json!({"type": "unsubscribe", "topic": topic(2)})).await;
    assert_eq!(client.json().await["type"], "unsubscribed");
    live.directus.takes(Duration::ZERO);
    sleep(Duration::from_secs(3)).await;
    live.publish(vec![fix("c", 2)]).await;
    client.is_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_were_taken_away_end_the_subscription() {
    let live = Live::start(config()).await;
    let mut one = live.connect().await;
    one.subscribe(1).await;
    one.subscribe(2).await;
    let mut two = live.connect_with(&[("authorization", &*bearer("2", 900))]).await.unwrap();
    two.subscribe(1).await;
    live.directus.answers(&format!("/items/events/{}", event(1)), 403);
    let change =
        |user: Option<&str>, n: Option<u128>| AuthzChange { user: user.map(Into::into), event: n.map(event) };
    live.hub.rights_changed(change(Some("1"), Some(1))).await;
    let told = one.json().await;
    assert_eq!(
        (&told["type"], &told["code"], &told["topic"]),
        (&json!("error"), &json!("forbidden"), &json!(topic(1)))
    );
    let told = one.json().await;
    assert_eq!((&told["type"], &told["topic"]), (&json!("unsubscribed"), &json!(topic(1))));
    live.publish(vec![fix("c", 1)]).await;
    assert_eq!(one.json().await["topic"], topic(2), "the other subscription goes on");
    one.is_silent().await;
    assert_eq!(two.json().await["topic"], topic(1), "nobody asked about the other user");

    live.hub.rights_changed(change(None, Some(1))).await;
    assert_eq!(two.json().await["code"], "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_user_is_out() {
    let live = Live::start(config()).await;
    let mut client = live.connect().await;
    client.subscribe(1).await;
    // The signature of the token is as good as before.
    live.directus.answers("/users/me", 401);
    live.hub.rights_changed(AuthzChange { user: Some("1".into()), event: None }).await;
    assert_eq!(client.closed().await, (4401, "the login has ended".to_owned()));
    // And does not come back by the same token.
    assert_eq!(live.connect_with(&[("authorization", &*bearer("1", 900))]).await.err(), Some(401));
    live.connect_with(&[("authorization", &*bearer("2", 900))]).await.unwrap();
    live.directus.answers("/users/me", 200);
    live.connect().await.subscribe(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_has_one_question_asked_at_a_time() {
    let live = Live::start(config()).await;
    live.directus.takes(Duration::from_millis(300));
    live.directus.answers("/users/me", 401);
    let mut stranger = live.connect_with(&[("sec-websocket-protocol", "trm-live-auth")]).await.unwrap();
    for n in 0..20 {
        stranger.send(&json!({"type": "auth", "access_token": format!("guess-{n}")})).await;
    }
    assert_eq!(stranger.closed().await.0, 4401);
    assert_eq!(live.directus.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_are_asked_about_again_and_an_outage_is_survived_for_a_while() {
    let tuned = LiveConfig {
        authz_revalidate: Duration::from_millis(300),
        authz_max_stale: Duration::from_secs(3),
        ..config()
    };
    let live = Live::start(tuned).await;
    let mut client = live.connect().await;
    client.subscribe(1).await;
    until("asked again", || live.directus.requests().len() > 2).await;
    live.directus.answers("/items", 503);
    let begun = Instant::now();
    let told = client.json().await;
    assert_eq!((&told["type"], &told["code"]), (&json!("error"), &json!("error")));
    assert!((2.0..5.0).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    assert_eq!(client.json().await["type"], "unsubscribed");

    // 401 waits for a fresh token: this one ends much later than anybody would wait here.
    live.directus.answers("/items", 200);
    client.subscribe(1).await;
    live.directus.answers("/items", 401);
    sleep(Duration::from_secs(4)).await;
    live.publish(vec![fix("a", 1)]).await;
    assert_eq!(client.json().await["type"], "position");
    live.directus.answers("/items", 404);
    assert_eq!(client.json().await["code"], "not-found");
}
