//! Who may see an event.

use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;
use ws::authz::Decision;

use crate::people::{NO_EVENT, People as _, Rights};
use crate::proxy::{Behaviour, Proxy};
use crate::support::{World, bearer, cookies, identity, port_of};

#[tokio::test(flavor = "multi_thread")]
async fn directus_decides_by_user_and_event_whatever_the_credentials() {
    let Some(world) = World::start() else { return };
    let (directus, authorizer) = (&*world.directus, &world.authorizer);
    let sees = world.directus.add_user(Rights::OneEvent);
    let session = directus.log_in_session(&sees);
    for who in [
        world.logged_in(&sees).await,
        identity(&sees.id, bearer(&sees.static_token)),
        identity(&sees.id, cookies(&session)),
    ] {
        assert_eq!(authorizer.decide(&who, world.seen()).await, Decision::Allowed, "{who:?}");
        assert_eq!(authorizer.decide(&who, world.hidden()).await, Decision::Forbidden, "{who:?}");
        // Directus does not tell what is hidden from what is not there.
        assert_eq!(authorizer.decide(&who, NO_EVENT).await, Decision::Forbidden, "{who:?}");
    }
    let nothing = world.logged_in(&world.directus.add_user(Rights::Nothing)).await;
    assert_eq!(authorizer.decide(&nothing, world.seen()).await, Decision::Forbidden);
    let admin = world.logged_in(&world.directus.add_user(Rights::Admin)).await;
    assert_eq!(authorizer.decide(&admin, world.hidden()).await, Decision::Allowed);

    directus.log_out_session(&session);
    let gone = identity(&sees.id, cookies(&session));
    assert_eq!(authorizer.recheck(&gone, world.seen()).await, Decision::Unauthenticated);
    assert_eq!(
        authorizer.decide(&gone, world.seen()).await,
        Decision::Unauthenticated,
        "and not from before"
    );
    for line in world.proxy.requests() {
        assert!(line.starts_with("GET /items/events/") && line.ends_with("?fields=id HTTP/1.1"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_no_clear_yes_allows_nothing() {
    let Some(world) = World::start() else { return };
    let who = world.logged_in(&world.directus.add_user(Rights::OneEvent)).await;
    let elsewhere = Proxy::start(port_of(world.directus.url())).unwrap();
    let body = |id: Uuid| format!("{{\"data\":{{\"id\":\"{id}\"}}}}");
    let cases = [
        (Behaviour::Answer(200, body(world.seen())), Decision::Allowed),
        (Behaviour::Answer(200, body(world.hidden())), Decision::Unavailable),
        (Behaviour::Answer(200, "<!doctype html><title>Log in</title>".into()), Decision::Unavailable),
        (Behaviour::Answer(200, String::new()), Decision::Unavailable),
        (Behaviour::Answer(200, "{\"data\":null}".into()), Decision::Unavailable),
        (Behaviour::Answer(204, String::new()), Decision::Unavailable),
        (Behaviour::Answer(401, "{}".into()), Decision::Unauthenticated),
        (Behaviour::Answer(403, body(world.seen())), Decision::Forbidden),
        (Behaviour::Answer(404, body(world.seen())), Decision::NotFound),
        (Behaviour::Answer(429, "{}".into()), Decision::Unavailable),
        (Behaviour::Answer(500, body(world.seen())), Decision::Unavailable),
        (Behaviour::Answer(503, body(world.seen())), Decision::Unavailable),
        (
            Behaviour::Redirect(format!("{}/items/events/{}", elsewhere.url(), world.seen())),
            Decision::Unavailable,
        ),
        (Behaviour::Endless, Decision::Unavailable),
        (Behaviour::Garbage, Decision::Unavailable),
        (Behaviour::Cut, Decision::Unavailable),
        (Behaviour::CutInBody, Decision::Unavailable),
        (Behaviour::Down, Decision::Unavailable),
        (Behaviour::Slow(Duration::from_millis(300)), Decision::Allowed),
    ];
    for (behaviour, decision) in cases {
        world.proxy.set(behaviour.clone());
        assert_eq!(world.authorizer.recheck(&who, world.seen()).await, decision, "{behaviour:?}");
    }
    assert_eq!(elsewhere.connections(), 0, "credentials go nowhere else");
    world.proxy.set(Behaviour::Pass);
    assert_eq!(world.authorizer.recheck(&who, world.seen()).await, Decision::Allowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_good_for_a_moment_and_a_recheck_asks_again() {
    let Some(world) = World::start() else { return };
    let user = world.directus.add_user(Rights::OneEvent);
    let who = world.logged_in(&user).await;
    for _ in 0..3 {
        assert_eq!(world.authorizer.decide(&who, world.seen()).await, Decision::Allowed);
        assert_eq!(world.authorizer.decide(&who, world.hidden()).await, Decision::Forbidden);
    }
    assert_eq!(world.proxy.requests().len(), 2);
    world.directus.take_rights(&user);
    assert_eq!(world.authorizer.recheck(&who, world.seen()).await, Decision::Forbidden);
    assert_eq!(world.authorizer.decide(&who, world.seen()).await, Decision::Forbidden, "as was just said");
    assert_eq!(world.proxy.requests().len(), 3);

    // Only what is meant is forgotten.
    world.authorizer.forget(Some("another"), None);
    world.authorizer.forget(Some(&user.id), Some(Uuid::from_u128(9)));
    world.authorizer.decide(&who, world.seen()).await;
    assert_eq!(world.proxy.requests().len(), 3);
    for (user, event) in [(Some(&*user.id), None), (None, Some(world.seen())), (None, None)] {
        world.authorizer.forget(user, event);
        world.proxy.forget();
        world.authorizer.decide(&who, world.seen()).await;
        assert_eq!(world.proxy.requests().len(), 1, "{user:?} {event:?}");
    }
    // An outage says nothing of rights, so nothing is remembered of it.
    world.authorizer.forget(None, None);
    world.proxy.set(Behaviour::Answer(500, String::new()));
    assert_eq!(world.authorizer.decide(&who, world.seen()).await, Decision::Unavailable);
    world.proxy.set(Behaviour::Pass);
    assert_eq!(world.authorizer.decide(&who, world.seen()).await, Decision::Forbidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tokens_of_one_user_do_not_share_a_decision() {
    let Some(world) = World::start() else { return };
    let user = world.directus.add_user(Rights::OneEvent);
    let spectator = world.logged_in(&user).await;
    world.directus.take_role(&user);
    let nobody = world.logged_in(&user).await;
    assert_eq!(spectator.user, nobody.user);
    for _ in 0..2 {
        assert_eq!(world.authorizer.decide(&spectator, world.seen()).await, Decision::Allowed);
        assert_eq!(world.authorizer.decide(&nobody, world.seen()).await, Decision::Forbidden);
    }
    assert_eq!(world.proxy.requests().len(), 2);
    // Neither does the same text shown in another way.
    let as_cookie = identity(&user.id, cookies(&user.static_token));
    let as_token = identity(&user.id, bearer(&user.static_token));
    world.authorizer.decide(&as_cookie, world.seen()).await;
    world.authorizer.decide(&as_token, world.seen()).await;
    assert_eq!(world.proxy.requests().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_the_time_before_a_change_does_not_count() {
    let Some(world) = World::start() else { return };
    let seen = world.seen();
    let user = world.directus.add_user(Rights::OneEvent);
    let who = world.logged_in(&user).await;
    for again in [false, true] {
        let user = if again { world.directus.add_user(Rights::OneEvent) } else { user.clone() };
        let who = if again { world.logged_in(&user).await } else { who.clone() };
        world.proxy.forget();
        world.proxy.set(Behaviour::Slow(Duration::from_millis(700)));
        let (authorizer, asks) = (world.authorizer.clone(), who.clone());
        let asked = tokio::spawn(async move {
            match again {
                true => authorizer.recheck(&asks, seen).await,
                false => authorizer.decide(&asks, seen).await,
            }
        });
        while world.proxy.in_flight() == 0 {
            sleep(Duration::from_millis(5)).await;
        }
        // The answer is made and on its way.
        sleep(Duration::from_millis(300)).await;
        world.proxy.set(Behaviour::Pass);
        world.directus.take_rights(&user);
        world.authorizer.forget(Some(&user.id), None);
        assert_eq!(world.authorizer.decide(&who, world.seen()).await, Decision::Forbidden, "who asks now");
        assert_eq!(asked.await.unwrap(), Decision::Forbidden, "and who asked before");
        assert_eq!(
            world.authorizer.decide(&who, world.seen()).await,
            Decision::Forbidden,
            "and who asks later"
        );
    }
}
