//! Control commands against a real server: groups, acknowledgements, claims, names, and what breaks.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod broker_support;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use broker_support::{Bench, GROUP, Proxy, STREAM, broker_at, id};
use pipeline::batch::StreamId;
use pipeline::broker::{Beat, BrokerError, Claimed, GroupState};
use test_redis::Options;

#[tokio::test]
async fn a_group_begins_with_the_oldest_entry_and_is_made_once() {
    let mut bench = Bench::new();
    let broker = bench.broker();
    broker.ping().await.unwrap();
    for ms in 1..=3 {
        let _: String = bench.run(&format!("XADD {STREAM} {ms}-0 n {ms}"));
    }
    assert_eq!(broker.ensure_group(STREAM, GROUP).await, Ok(GroupState::Created));
    assert_eq!(broker.ensure_group(STREAM, GROUP).await, Ok(GroupState::Existing));
    let read: Vec<(String, Vec<(String, redis::Value)>)> =
        bench.run(&format!("XREADGROUP GROUP {GROUP} c COUNT 10 STREAMS {STREAM} >"));
    assert_eq!(read[0].1.len(), 3, "nothing that the broker held is passed over");
    // A stream that is not there is made with its group.
    assert_eq!(broker.ensure_group("other", GROUP).await, Ok(GroupState::Created));
    let _: String = bench.run("SET text x");
    let refused = broker.ensure_group("text", GROUP).await;
    assert!(matches!(&refused, Err(BrokerError::Refused { reason, .. }) if reason.contains("WRONGTYPE")));
}

#[tokio::test]
async fn twenty_thousand_entries_are_acknowledged_in_one_call() {
    let mut bench = Bench::new();
    let broker = bench.broker();
    broker.ensure_group(STREAM, GROUP).await.unwrap();
    let _: redis::Value = redis::cmd("EVAL")
        .arg("for i = 1, 20000 do redis.call('XADD', KEYS[1], i .. '-0', 'n', i) end")
        .arg(1)
        .arg(STREAM)
        .query(&mut bench.control)
        .unwrap();
    let _: redis::Value = bench.run(&format!("XREADGROUP GROUP {GROUP} c COUNT 20000 STREAMS {STREAM} >"));
    assert_eq!(bench.pending(), 20_000);
    let ids: Vec<StreamId> = (1..=20_000).map(id).collect();
    assert_eq!(broker.ack(STREAM, GROUP, &ids[..19_999]).await, Ok(19_999));
    assert_eq!(bench.pending(), 1);
    assert_eq!(broker.ack(STREAM, GROUP, &ids).await, Ok(1), "what is done already counts no more");
    assert_eq!((broker.ack(STREAM, GROUP, &[]).await, bench.pending()), (Ok(0), 0));
}

#[tokio::test]
async fn a_dead_consumers_entries_are_claimed_and_those_that_are_gone_are_told() {
    let mut bench = Bench::new();
    let broker = bench.broker();
    broker.ensure_group(STREAM, GROUP).await.unwrap();
    bench.deliver(250, "dead");
    let trimmed: u64 = bench.run(&format!("XTRIM {STREAM} MAXLEN = 240"));
    let deleted: u64 = bench.run(&format!("XDEL {STREAM} 100-0 101-0"));
    assert_eq!((trimmed, deleted), (10, 2));

    let claim = |idle, from| broker.claim(STREAM, GROUP, "alive", Duration::from_millis(idle), from, 50);
    let none = claim(3_600_000, id(50)).await.unwrap();
    assert_eq!(none.ids, [], "nobody was idle for an hour");
    assert_eq!(none.deleted, [id(100), id(101)], "what is gone is told however short it was pending");

    let (mut ids, mut gone, mut from) = (Vec::new(), none.deleted, StreamId::ZERO);
    loop {
        let claimed = claim(0, from).await.unwrap();
        assert!(claimed.ids.len() <= 50);
        ids.extend(claimed.ids);
        gone.extend(claimed.deleted);
        match claimed.next {
            Some(next) => from = next,
            None => break,
        }
    }
    let all: BTreeSet<StreamId> = ids.iter().chain(&gone).copied().collect();
    assert_eq!(all, (1..=250).map(id).collect());
    assert_eq!(gone, (100..=101).chain(1..=10).map(id).collect::<Vec<_>>());
    assert_eq!((ids.len(), bench.pending()), (238, 238));
    let own: Vec<(String, Vec<(String, redis::Value)>)> =
        bench.run(&format!("XREADGROUP GROUP {GROUP} alive COUNT 500 STREAMS {STREAM} 0"));
    assert_eq!(own[0].1.len(), 238, "the entries are this consumer's now");
}

#[tokio::test]
async fn a_group_that_vanished_is_told_apart() {
    let mut bench = Bench::new();
    let broker = bench.broker();
    broker.ensure_group(STREAM, GROUP).await.unwrap();
    bench.deliver(1, "c");
    let _: u64 = bench.run(&format!("XGROUP DESTROY {STREAM} {GROUP}"));
    let claim = broker.claim(STREAM, GROUP, "c", Duration::ZERO, StreamId::ZERO, 10).await;
    assert!(matches!(claim, Err(BrokerError::NoGroup { .. })), "{claim:?}");
    let letters = [broker_support::letter(id(1), &[])];
    let dead = broker.dead_letter(STREAM, GROUP, &letters).await;
    assert!(matches!(dead, Err(BrokerError::NoGroup { .. })), "{dead:?}");
    // Nothing is pending in a group that is not there.
    assert_eq!(broker.ack(STREAM, GROUP, &[id(1)]).await, Ok(0));
    assert_eq!(broker.ensure_group(STREAM, GROUP).await, Ok(GroupState::Created));
    let claim = broker.claim(STREAM, GROUP, "c", Duration::ZERO, StreamId::ZERO, 10).await;
    assert_eq!(claim, Ok(Claimed::default()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_survives_its_server() {
    let mut bench = Bench::start(Options { append_only: true, ..Options::default() });
    let broker = bench.broker();
    broker.ensure_group(STREAM, GROUP).await.unwrap();
    for _ in 0..5 {
        bench.server.kill9().unwrap();
        let away = broker.ping().await.unwrap_err();
        assert!(matches!(away, BrokerError::Away { .. }), "{away:?}");
        assert!(away.to_string().contains(&broker.address()), "{away}");
        bench.server.restart().unwrap();
        broker.ping().await.expect("the next command connects anew");
        // And without a command in the meantime.
        bench.server.restart().unwrap();
        assert_eq!(broker.ensure_group(STREAM, GROUP).await, Ok(GroupState::Existing));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_commands_at_once_share_one_connection_and_survive_its_end() {
    let bench = Bench::new();
    let proxy = Proxy::start(bench.server.port(), "XACK", 1).await;
    let broker = broker_at(&proxy.url());
    broker.ping().await.unwrap();
    let calls: Vec<_> = (0..50)
        .map(|n| {
            let broker = broker.clone();
            tokio::spawn(async move {
                if n == 25 { broker.ack("s", "g", &[id(1)]).await.map(drop) } else { broker.ping().await }
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(proxy.cuts.load(Ordering::SeqCst), 0, "the connection was cut");
    assert_eq!(proxy.connections.load(Ordering::SeqCst), 2, "all of them connect anew together");
}

#[tokio::test]
async fn a_login_is_made_and_never_told() {
    let bench = Bench::start(Options { password: Some("hunter2".into()), ..Options::default() });
    bench.broker().ping().await.unwrap();
    let port = bench.server.port();
    let wrong = broker_at(&format!("redis://:hunter3@127.0.0.1:{port}"));
    let refused = wrong.ping().await.unwrap_err();
    assert!(matches!(refused, BrokerError::Refused { .. }), "{refused:?}");
    assert!(!format!("{refused} {refused:?} {wrong:?}").contains("hunter"), "{refused}");
    let none = broker_at(&format!("redis://127.0.0.1:{port}")).ping().await.unwrap_err();
    assert!(matches!(none, BrokerError::Refused { .. }), "{none:?}");
    // As the Node driver does: a password too many is no reason not to work.
    let open = Bench::new();
    broker_at(&format!("redis://:unneeded@127.0.0.1:{}/3", open.server.port())).ping().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_silent_is_away_before_long() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let broker = broker_at(&url);
    let away = broker.ping().await;
    assert!(matches!(away, Err(BrokerError::Away { .. })), "{away:?}");
}

#[tokio::test]
async fn a_name_is_one_processs_at_a_time() {
    let mut bench = Bench::new();
    let (one, other) = (bench.broker(), bench.broker());
    let ttl = Duration::from_secs(30);
    let guard = one.guard_instance("processor-1", ttl).await.unwrap();
    assert_eq!(guard.key(), "processor:instance:processor-1");
    let taken = other.guard_instance("processor-1", ttl).await.unwrap_err();
    let BrokerError::Taken { id, holder, expires_in, .. } = &taken else { panic!("{taken:?}") };
    assert_eq!(id, "processor-1");
    assert!(holder.starts_with(&format!("pid-{}-", std::process::id())), "{holder}");
    assert!(*expires_in > Duration::from_secs(20) && *expires_in <= ttl, "{expires_in:?}");
    let second = other.guard_instance("processor-2", ttl).await.unwrap();
    assert_eq!(second.beat().await, Ok(Beat::Held));

    // A beat prolongs it.
    let _: u64 = bench.run("PEXPIRE processor:instance:processor-1 1000");
    assert_eq!(guard.beat().await, Ok(Beat::Held));
    let left: u64 = bench.run("PTTL processor:instance:processor-1");
    assert!(left > 20_000, "{left}");

    // What the broker lost is taken again, and what another has is not.
    let _: u64 = bench.run("DEL processor:instance:processor-1");
    assert_eq!(guard.beat().await, Ok(Beat::Regained));
    assert_eq!(guard.beat().await, Ok(Beat::Held));
    let _: String = bench.run("SET processor:instance:processor-1 somebody");
    assert_eq!(guard.beat().await, Ok(Beat::Lost { holder: "somebody".into() }));
    guard.release().await.unwrap();
    let kept: String = bench.run("GET processor:instance:processor-1");
    assert_eq!(kept, "somebody", "another's name is left alone");
    second.release().await.unwrap();
    other.guard_instance("processor-2", ttl).await.expect("it was let go");
}

#[tokio::test]
async fn a_name_comes_free_when_nobody_beats() {
    let bench = Bench::new();
    let broker = bench.broker();
    let ttl = Duration::from_millis(60);
    let dead = broker.guard_instance("i", ttl).await.unwrap();
    tokio::time::sleep(ttl * 2).await;
    let alive = broker.guard_instance("i", Duration::from_secs(30)).await.expect("its time is over");
    assert!(matches!(dead.beat().await, Ok(Beat::Lost { .. })));
    assert_eq!(alive.beat().await, Ok(Beat::Held));
}

#[tokio::test]
async fn a_name_that_the_dead_left_behind_is_taken_at_once() {
    let bench = Bench::new();
    let (one, other) = (bench.broker(), bench.broker());
    let ttl = Duration::from_secs(30);
    let dead = one.guard_instance("i", ttl).await.unwrap();
    let taken = other.guard_instance("i", ttl).await.unwrap_err();
    let BrokerError::Taken { holder, .. } = taken else { panic!("{taken:?}") };
    assert_eq!(other.is_connected(&holder).await, Ok(true));
    assert_eq!(other.is_connected("somebody else's mark").await, Ok(true), "who knows");
    // As when a process is killed: its connections are closed by the system.
    drop((dead, one));
    let begun = std::time::Instant::now();
    while other.is_connected(&holder).await != Ok(false) {
        assert!(begun.elapsed() < Duration::from_secs(10), "its connection is closed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let third = bench.broker();
    let guard = other.guard_instance_after("i", ttl, &holder).await.expect("nobody is there");
    let late = third.guard_instance_after("i", ttl, &holder).await;
    assert!(matches!(late, Err(BrokerError::Taken { .. })), "it is another's by now: {late:?}");
    assert_eq!(guard.beat().await, Ok(Beat::Held));
}

#[tokio::test]
async fn a_name_is_taken_although_the_answer_was_lost() {
    let bench = Bench::new();
    let proxy = Proxy::start(bench.server.port(), "EVAL", 1).await;
    let broker = broker_at(&proxy.url());
    broker.ping().await.unwrap();
    let guard =
        broker.guard_instance("i", Duration::from_secs(30)).await.expect("its own mark is no other's");
    assert_eq!(guard.beat().await, Ok(Beat::Held));
}
