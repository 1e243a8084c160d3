//! One holder at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::SinkExt as _;
use race::position::Position;
use storage::timescale::PostgresStore;
use storage::{Claim, Fence, Live as _, PositionWrite, Positions as _, RowOutcome, StoreError};
use tokio_postgres::NoTls;

use crate::fixture::{AT, Database, POSITIONS, fix};
use crate::postgres::Server;

const TTL: Duration = Duration::from_secs(60);

pub(crate) async fn held(store: &PostgresStore, holder: &str) -> Fence {
    match store.claim_lease(holder, TTL).await.unwrap() {
        Claim::Held(fence) => fence,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_of_two_gets_it_until_it_is_given_back() {
    let (database, a) = Database::live().await;
    let b = database.store().await;
    let fence = held(&a, "a").await;
    let Claim::HeldBy { holder, for_another } = b.claim_lease("b", TTL).await.unwrap() else {
        panic!("both hold it")
    };
    assert_eq!(holder, "a");
    assert!(for_another <= TTL && for_another > TTL / 2, "{for_another:?}");
    assert!(a.renew_lease(&fence, TTL).await.unwrap());
    a.release_lease(&fence).await.unwrap();
    assert!(!a.renew_lease(&fence, TTL).await.unwrap(), "it was given back");
    let second = held(&b, "b").await;
    assert_eq!(second.token, fence.token + 1);
    a.release_lease(&fence).await.unwrap();
    assert!(b.renew_lease(&second, TTL).await.unwrap(), "what is not ours is not given back");
}

#[tokio::test]
async fn it_is_taken_when_it_expired_by_the_clock_of_the_database() {
    let (database, a) = Database::live().await;
    let b = database.store().await;
    let Claim::Held(old) = a.claim_lease("a", Duration::from_millis(300)).await.unwrap() else { panic!() };
    assert!(matches!(b.claim_lease("b", TTL).await.unwrap(), Claim::HeldBy { .. }));
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert!(a.renew_lease(&old, Duration::from_millis(300)).await.unwrap(), "nobody took it");
    tokio::time::sleep(Duration::from_millis(350)).await;
    let new = held(&b, "b").await;
    assert!(new.token > old.token);
    assert!(!a.renew_lease(&old, TTL).await.unwrap());
}

#[tokio::test]
async fn a_restarted_holder_takes_it_at_once() {
    let (database, before) = Database::live().await;
    let old = held(&before, "a").await;
    let after = database.store().await;
    let new = held(&after, "a").await;
    assert_eq!(new.token, old.token + 1);
    assert!(!before.renew_lease(&old, TTL).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_ask_at_once_one_gets_it() {
    let (database, _) = Database::live().await;
    let mut asking = Vec::new();
    for n in 0..8 {
        let store = database.store().await;
        asking.push(tokio::spawn(async move { store.claim_lease(&format!("{n}"), TTL).await.unwrap() }));
    }
    let mut holders = 0;
    for one in asking {
        holders += u32::from(matches!(one.await.unwrap(), Claim::Held(_)));
    }
    assert_eq!(holders, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewals_do_not_wait_for_commits() {
    let (database, store) = Database::live().await;
    let fence = held(&store, "a").await;
    // A commit that has checked its fence and takes its time.
    let slow = format!(
        "BEGIN; SELECT FROM processor_leases WHERE name = 'judge' AND token = {} FOR KEY SHARE",
        fence.token
    );
    database.client.batch_execute(&slow).await.unwrap();
    assert!(store.renew_lease(&fence, TTL).await.unwrap());
    database.client.batch_execute("ROLLBACK").await.unwrap();
    // A writer without pause.
    let (stop, batches) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let writer = {
        let (store, stop, batches) = (store.clone(), Arc::clone(&stop), Arc::clone(&batches));
        tokio::spawn(async move {
            for n in 0_i64.. {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let write = PositionWrite {
                    rows: (0..50).map(|m| fix("a", n * 50 + m)).collect(),
                    ingested_at: AT,
                    fence: Some(fence),
                    touches: Vec::new(),
                };
                store.write(&write).await.unwrap();
                batches.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    let mut slowest = Duration::ZERO;
    for _ in 0..200 {
        let started = Instant::now();
        assert!(store.renew_lease(&fence, TTL).await.unwrap());
        slowest = slowest.max(started.elapsed());
    }
    while batches.load(Ordering::SeqCst) < 20 {
        assert!(store.renew_lease(&fence, TTL).await.unwrap());
    }
    stop.store(true, Ordering::SeqCst);
    writer.await.unwrap();
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
}

#[tokio::test]
async fn a_taker_waits_for_the_commit_under_way() {
    let (database, store) = Database::live().await;
    let fence = held(&store, "a").await;
    let commit = format!(
        "BEGIN; SELECT FROM processor_leases WHERE name = 'judge' AND token = {} FOR KEY SHARE",
        fence.token
    );
    database.client.batch_execute(&commit).await.unwrap();
    let taker = database.store().await;
    let taking = tokio::spawn(async move { held(&taker, "a").await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!taking.is_finished());
    database.client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(taking.await.unwrap().token, fence.token + 1);
    // Who raises the token by hand waits as well.
    let by_hand = "SET lock_timeout = '100ms'; UPDATE processor_leases SET token = token + 1";
    let other = database.server.client(&database.name).await;
    let commit = commit.replace(&format!("token = {}", fence.token), "true");
    database.client.batch_execute(&commit).await.unwrap();
    let refused = other.batch_execute(by_hand).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "55P03");
}

#[tokio::test]
async fn rows_that_an_earlier_holder_has_under_way_hold_nobody_up() {
    let (database, taker) = Database::live().await;
    // Stopped in the midst of a COPY, after a row: the server waits for more of it, for ever.
    let mut config = database.server.config(&database.name);
    let (stopped, connection) = config.application_name("processor").connect(NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    stopped.batch_execute("BEGIN; INSERT INTO positions VALUES ('a', '2026-06-07T09:00:00Z', now(), 0, 0, 0, 0, 0, 0, 0, '8', '{}')").await.unwrap();
    let mut copy =
        std::pin::pin!(stopped.copy_in::<_, bytes::Bytes>("COPY positions FROM STDIN").await.unwrap());
    let more = bytes::Bytes::from_static(b"a\t2026-06-07T09:00:01Z\tnow\t0\t0\t0\t0\t0\t0\t0\t8\t{}\tf\n");
    copy.as_mut().send(more).await.unwrap();
    // Another program of the same user is left alone.
    let row = "BEGIN; INSERT INTO positions VALUES ('b', '2026-06-07T09:00:00Z', now(), 0, 0, 0, 0, 0, 0, 0, '8', '{}')";
    database.client.batch_execute(row).await.unwrap();

    let fence = held(&taker, "b").await;
    let at = |ts: &str| Position { ts: ts.parse().unwrap(), ..fix("a", 0) };
    let rows = vec![at("2026-06-07T09:00:00Z"), at("2026-06-07T09:00:01Z")];
    let write = PositionWrite { rows, ingested_at: AT, fence: Some(fence), touches: Vec::new() };
    let written = tokio::time::timeout(Duration::from_secs(20), taker.write(&write)).await;
    assert_eq!(written.expect("nobody holds the rows").unwrap().rows, [RowOutcome::Inserted; 2]);
    assert!(connection.await.unwrap().is_err());
    database.client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(database.count("positions").await, 3);
}

#[tokio::test]
async fn a_lease_that_cannot_be_is_told() {
    let database = Database::with(&[POSITIONS]).await;
    let store = database.store().await;
    let error = store.claim_lease("a", TTL).await.unwrap_err();
    assert!(matches!(error, StoreError::Broken { .. }), "{error}");
    assert!(error.to_string().contains("processor_leases"), "{error}");
    let (database, store) = Database::live().await;
    database.client.batch_execute("DELETE FROM processor_leases").await.unwrap();
    let error = store.claim_lease("a", TTL).await.unwrap_err();
    assert!(error.to_string().contains("no row \"judge\""), "{error}");
}

#[tokio::test]
async fn a_server_that_hangs_or_is_gone_is_an_error_soon() {
    let (database, store) = Database::live().await;
    store.ping().await.unwrap();
    database.client.batch_execute("BEGIN; LOCK TABLE processor_leases").await.unwrap();
    let started = Instant::now();
    let error = store.claim_lease("a", TTL).await.unwrap_err();
    assert!(matches!(error, StoreError::Retry { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
    database.client.batch_execute("ROLLBACK").await.unwrap();
    held(&store, "a").await;

    let mut server = tokio::task::spawn_blocking(|| Server::start(&["fsync=off"])).await.unwrap();
    server.client("postgres").await.batch_execute(POSITIONS).await.unwrap();
    let store = PostgresStore::connect(server.config("postgres")).await.unwrap();
    store.ping().await.unwrap();
    server.kill();
    // The server's processes end one after another, and then the connection is known to be gone.
    let mut last = None;
    for _ in 0..100 {
        last = store.ping().await.err();
        if matches!(last, Some(StoreError::Away { .. })) {
            break;
        }
        assert!(matches!(last, None | Some(StoreError::Retry { .. })), "{last:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(matches!(last, Some(StoreError::Away { .. })), "{last:?}");
    let server = tokio::task::spawn_blocking(move || {
        server.start_again();
        server
    });
    let _server = server.await.unwrap();
    store.ping().await.unwrap();
    assert!(store.read_positions("a".into(), AT, None, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_program_that_stopped_under_way_does_not_keep_its_rows() {
    let (database, store) = Database::live().await;
    let settings = ["idle_in_transaction_session_timeout", "tcp_user_timeout", "tcp_keepalives_idle"];
    let tell = "CREATE TABLE told (setting text); CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN INSERT INTO told SELECT current_setting(TG_ARGV[0]); RETURN NEW; END $$;";
    database.client.batch_execute(tell).await.unwrap();
    for setting in settings {
        let trigger = format!(
            "CREATE TRIGGER {setting} BEFORE INSERT ON positions FOR EACH ROW EXECUTE FUNCTION tell('{setting}')"
        );
        database.client.batch_execute(&trigger).await.unwrap();
    }
    store.commit_positions(vec![fix("a", 1)], AT).await.unwrap();
    assert_eq!(database.rows("SELECT setting FROM told ORDER BY 1").await, ["15", "30000", "30s"]);
}
