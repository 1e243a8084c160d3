//! Many questions at a time.

use std::time::{Duration, Instant};

use test_directus::Directus;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use uuid::Uuid;
use ws::auth::AuthRefusal;
use ws::authz::Decision;

use crate::people::{People as _, Rights};
use crate::proxy::Behaviour;
use crate::support::{PATIENCE, World, bearer, cookies, identity};

const MANY: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn equal_questions_at_one_time_are_one_request() {
    let Some(world) = World::start() else { return };
    let seen = world.seen();
    let user = world.directus.add_user(Rights::OneEvent);
    let who = world.logged_in(&user).await;
    let session = cookies(&world.directus.log_in_session(&user));
    world.proxy.set(Behaviour::Slow(Duration::from_millis(500)));
    let mut decisions = JoinSet::new();
    let mut logins = JoinSet::new();
    for _ in 0..MANY {
        let (authorizer, who) = (world.authorizer.clone(), who.clone());
        decisions.spawn(async move { authorizer.decide(&who, seen).await });
        let (authenticator, session) = (world.authenticator.clone(), session.clone());
        logins.spawn(async move { authenticator.authenticate(&session).await.map(|known| known.user) });
    }
    assert!(decisions.join_all().await.iter().all(|decision| *decision == Decision::Allowed));
    assert!(logins.join_all().await.iter().all(|login| login.as_deref() == Ok(&*user.id)));
    assert_eq!(world.proxy.requests().len(), 2);
    // What was asked before is no answer for a login that comes later.
    world.authenticator.authenticate(&session).await.unwrap();
    assert_eq!(world.proxy.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_takes_the_answer_from_nobody() {
    let Some(world) = World::start() else { return };
    let seen = world.seen();
    let who = world.logged_in(&world.directus.add_user(Rights::OneEvent)).await;
    world.proxy.set(Behaviour::Slow(Duration::from_millis(500)));
    let ask = || {
        let (authorizer, who) = (world.authorizer.clone(), who.clone());
        tokio::spawn(async move { authorizer.decide(&who, seen).await })
    };
    let first = ask();
    while world.proxy.in_flight() == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    let second = ask();
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(second.await.unwrap(), Decision::Allowed);
    // Also when all have left, what comes is kept.
    world.authorizer.forget(None, None);
    assert!(timeout(Duration::from_millis(50), ask()).await.is_err());
    sleep(Duration::from_secs(1)).await;
    world.proxy.set(Behaviour::Answer(500, String::new()));
    assert_eq!(world.authorizer.decide(&who, world.seen()).await, Decision::Allowed);
    assert_eq!(world.proxy.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directus_that_hangs_is_answered_for_in_time_and_nothing_piles_up() {
    let within = Duration::from_secs(1);
    let Some(world) = World::start_with(Some(Directus::SECRET), within) else { return };
    let user = world.directus.add_user(Rights::OneEvent);
    let who = world.logged_in(&user).await;
    world.proxy.set(Behaviour::Hang);
    let begun = Instant::now();
    let mut decisions = JoinSet::new();
    let mut logins = JoinSet::new();
    for n in 0..2_000 {
        let (authorizer, who) = (world.authorizer.clone(), who.clone());
        decisions.spawn(async move { authorizer.decide(&who, Uuid::from_u128(n)).await });
        let (authenticator, session) =
            (world.authenticator.clone(), cookies(&format!("directus_session_token={n}")));
        logins.spawn(async move { authenticator.authenticate(&session).await.err() });
    }
    let decisions = decisions.join_all().await;
    let logins = logins.join_all().await;
    let took = begun.elapsed();
    assert!(took < within + Duration::from_millis(1_500), "{took:?}");
    assert!(decisions.iter().all(|decision| *decision == Decision::Unavailable));
    let count = |refusal| logins.iter().filter(|login| **login == Some(refusal)).count();
    let (unavailable, busy) = (count(AuthRefusal::Unavailable), count(AuthRefusal::Busy));
    assert_eq!(unavailable + busy, 2_000);
    assert!(unavailable > 0 && busy > 0, "beyond a number they are refused at once: {unavailable} {busy}");
    assert!(world.proxy.most_in_flight() <= 16, "{} calls at a time", world.proxy.most_in_flight());
    assert!(world.proxy.requests().len() <= 16, "those whose turn never came were not sent");
    // What was given up leaves nothing behind, and what comes next is served.
    while world.proxy.in_flight() > 0 {
        assert!(begun.elapsed() < PATIENCE, "{} calls are left", world.proxy.in_flight());
        sleep(Duration::from_millis(20)).await;
    }
    world.proxy.set(Behaviour::Pass);
    assert_eq!(world.authorizer.decide(&who, world.seen()).await, Decision::Allowed);
    assert!(world.authenticator.authenticate(&bearer(&user.static_token)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn rechecks_keep_no_new_subscription_and_no_login_waiting() {
    let Some(world) = World::start() else { return };
    let seen = world.seen();
    let user = world.directus.add_user(Rights::OneEvent);
    let who = world.logged_in(&user).await;
    world.proxy.set(Behaviour::Slow(Duration::from_millis(200)));
    let mut rechecks = JoinSet::new();
    for n in 0..60 {
        let (authorizer, who) =
            (world.authorizer.clone(), identity(&who.user, bearer(&format!("static-{n}"))));
        rechecks.spawn(async move { authorizer.recheck(&who, seen).await });
    }
    sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    assert_eq!(world.authorizer.decide(&who, world.seen()).await, Decision::Allowed);
    world.authenticator.authenticate(&bearer(&user.static_token)).await.unwrap();
    let took = begun.elapsed();
    assert!(!rechecks.is_empty());
    // Sixty of them, four at a time, take three seconds.
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    assert!(world.proxy.most_in_flight() <= 6);
    assert!(rechecks.join_all().await.iter().all(|decision| *decision == Decision::Unauthenticated));
}
