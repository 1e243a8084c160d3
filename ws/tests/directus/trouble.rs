//! Connections, places and runtimes that are not as one would like.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use ws::auth::AuthRefusal;
use ws::authz::Decision;

use crate::people::{NO_EVENT, People as _, Rights};
use crate::proxy::{Behaviour, Proxy};
use crate::support::{PATIENCE, World, askers, bearer, identity};

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_kept_and_one_that_was_closed_meanwhile_is_no_failure() {
    let Some(world) = World::start() else { return };
    let who = world.logged_in(&world.directus.add_user(Rights::OneEvent)).await;
    for _ in 0..20 {
        assert_eq!(world.authorizer.recheck(&who, world.seen()).await, Decision::Allowed);
    }
    assert!(world.proxy.connections() <= 2, "{}", world.proxy.connections());
    for _ in 0..20 {
        world.proxy.close_connections();
        assert_eq!(world.authorizer.recheck(&who, world.seen()).await, Decision::Allowed);
    }
    // A server that answers nobody is asked twice and no more.
    world.proxy.forget();
    world.proxy.set(Behaviour::Cut);
    assert_eq!(world.authorizer.recheck(&who, world.seen()).await, Decision::Unavailable);
    assert!(world.proxy.requests().len() <= 2, "{:?}", world.proxy.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_listens_the_answer_comes_at_once() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (authenticator, authorizer, _) = askers(&format!("http://127.0.0.1:{port}"), None, PATIENCE);
    let begun = Instant::now();
    let who = identity("u", bearer("t"));
    assert_eq!(authorizer.decide(&who, NO_EVENT).await, Decision::Unavailable);
    assert_eq!(authenticator.authenticate(&who.credentials).await.err(), Some(AuthRefusal::Unavailable));
    assert!(begun.elapsed() < PATIENCE / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directus_below_a_path_is_asked_there() {
    // No Directus: what is looked at is where the request goes.
    let proxy = Proxy::start(1).unwrap();
    proxy.set(Behaviour::Answer(404, String::new()));
    for base in ["/cms", "/cms/", "/a/b//"] {
        let (authenticator, authorizer, _) = askers(&format!("{}{base}", proxy.url()), None, PATIENCE);
        let who = identity("u", bearer("t"));
        assert_eq!(authorizer.decide(&who, NO_EVENT).await, Decision::NotFound);
        assert_eq!(authenticator.authenticate(&who.credentials).await.err(), Some(AuthRefusal::Unavailable));
        let base = base.trim_end_matches('/');
        let event = format!("GET {base}/items/events/{NO_EVENT}?fields=id HTTP/1.1");
        let me = format!("GET {base}/users/me?fields=id,status HTTP/1.1");
        assert_eq!(proxy.requests(), [event, me]);
        let head = &proxy.heads()[0];
        assert!(head.contains(&format!("host: 127.0.0.1:{}\r\n", proxy.port())), "{head}");
        proxy.forget();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_thread_with_a_runtime_of_its_own_may_ask() {
    let Some(world) = World::start() else { return };
    let who = world.logged_in(&world.directus.add_user(Rights::OneEvent)).await;
    let (authorizer, seen) = (world.authorizer.clone(), world.seen());
    let shard = std::thread::spawn(move || {
        // Without timers or sockets.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(authorizer.decide(&who, seen))
    });
    let decided = tokio::task::spawn_blocking(|| shard.join().unwrap()).await.unwrap();
    assert_eq!(decided, Decision::Allowed);
}

#[test]
fn when_the_runtime_that_asks_has_ended_nobody_waits() {
    let proxy = Proxy::start(1).unwrap();
    proxy.set(Behaviour::Hang);
    let main = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (authenticator, authorizer, _) = main.block_on(async { askers(&proxy.url(), None, PATIENCE) });
    let shard = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let who = identity("u", bearer("t"));
    let begun = Instant::now();
    shard.block_on(async {
        let asked = authorizer.decide(&who, NO_EVENT);
        tokio::pin!(asked);
        assert!(tokio::time::timeout(Duration::from_millis(300), &mut asked).await.is_err(), "it waits");
        main.shutdown_background();
        assert_eq!(asked.await, Decision::Unavailable);
        // Nor does whoever comes later, with the same question or another.
        assert_eq!(authorizer.decide(&who, NO_EVENT).await, Decision::Unavailable);
        assert_eq!(authorizer.recheck(&who, uuid::Uuid::from_u128(4)).await, Decision::Unavailable);
        assert_eq!(authenticator.authenticate(&who.credentials).await.err(), Some(AuthRefusal::Unavailable));
    });
    assert!(begun.elapsed() < PATIENCE / 2);
}
