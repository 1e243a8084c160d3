//! The group of a live channel, and everybody else's.

use super::bench::{Bench, LIVE, STREAM, Sent, device, rows};

const DURABLE: &str = "processor";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_group_begins_at_the_tail_and_goes_with_the_channel() {
    let bench = Bench::new();
    bench.add(&[Sent::of(1, 1), Sent::of(2, 1)]);
    let _: String = bench.redis(&format!("XGROUP CREATE {STREAM} {DURABLE} 0"));
    let running = bench.start(rows(2)).await;
    let ids = bench.add(&[Sent::of(1, 2), Sent::of(9, 2), Sent { priority: 2, ..Sent::of(2, 3) }]);
    let _: String = bench.redis(&format!("XADD {STREAM} * what ever"));
    let fixes =
        bench.book.until("both are shown", |book| Some(book.fixes(LIVE)).filter(|f| f.len() == 2)).await;
    assert_eq!(
        (&*fixes[0].device, fixes[0].seq.to_string(), fixes[0].panic),
        (&*device(1), ids[0].clone(), false)
    );
    assert_eq!(
        (&*fixes[1].device, fixes[1].seq.to_string(), fixes[1].panic),
        (&*device(2), ids[2].clone(), true)
    );
    assert_eq!(
        (fixes[0].lat, fixes[0].lon, fixes[0].speed_kmh, fixes[0].course_deg),
        (41.3, 19.8, 63.0, 90.0)
    );

    // Nothing is pending with it, and what is another's is as it was.
    let pending: (usize, redis::Value, redis::Value, redis::Value) =
        bench.redis(&format!("XPENDING {STREAM} live-broadcast-a"));
    assert_eq!(pending.0, 0);
    let unread: Vec<redis::Value> = bench
        .redis::<redis::Value>(&format!("XREADGROUP GROUP {DURABLE} c COUNT 10 STREAMS {STREAM} >"))
        .into_sequence()
        .unwrap();
    assert_eq!(unread.len(), 1);
    let text = bench.events.metrics.text();
    for line in [
        "processor_live_entries_total 4",
        "processor_live_fixes_total{kind=\"published\"} 2",
        "processor_live_fixes_total{kind=\"no_event\"} 1",
        "processor_live_fixes_total{kind=\"undecodable\"} 1",
        "processor_live_fixes_total{kind=\"skipped\"} 0",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    running.end(true).await;
    assert_eq!(bench.groups(), [DURABLE]);
    assert!(bench.status.trouble().unwrap().contains("stopped"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_lost_the_name_leaves_the_group_to_its_new_owner() {
    let bench = Bench::new();
    let running = bench.start(rows(1)).await;
    running.end(false).await;
    assert_eq!(bench.groups(), ["live-broadcast-a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_of_the_dead_go_and_everybody_elses_stay() {
    let bench = Bench::new();
    for group in [
        DURABLE,
        "live-broadcast",
        "live-broadcast-",
        "live-broadcast-dead",
        "live-broadcast-alive",
        "live-broadcast-unguarded",
        "live-broadcaster-x",
        "other-live-broadcast-x",
    ] {
        let _: String = bench.redis(&format!("XGROUP CREATE {STREAM} {group} $ MKSTREAM"));
    }
    let _: String = bench.redis("SET processor:instance:alive pid-1");
    // Somebody reads it who guards no name.
    bench.add(&[Sent::of(1, 1)]);
    let _: redis::Value =
        bench.redis(&format!("XREADGROUP GROUP live-broadcast-unguarded x COUNT 1 STREAMS {STREAM} >"));
    let running = bench.start(rows(1)).await;
    bench
        .book
        .until("it is gone", |_| (!bench.groups().contains(&"live-broadcast-dead".into())).then_some(()))
        .await;
    // Some looks later all others are there.
    let looks = || {
        bench.events.metrics.text().lines().find_map(|line| {
            line.strip_prefix("processor_live_refreshes_total{result=\"ok\"} ")?.parse::<u64>().ok()
        })
    };
    let before = looks().unwrap();
    bench.book.until("it has looked again", |_| (looks().unwrap() > before + 2).then_some(())).await;
    let mut left = bench.groups();
    left.sort();
    assert_eq!(
        left,
        [
            "live-broadcast",
            "live-broadcast-",
            "live-broadcast-a",
            "live-broadcast-alive",
            "live-broadcast-unguarded",
            "live-broadcaster-x",
            "other-live-broadcast-x",
            DURABLE
        ]
    );
    running.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_was_away_or_lost_the_group_costs_nothing() {
    let mut bench = Bench::new();
    bench.server =
        test_redis::Server::start(test_redis::Options { append_only: true, ..Default::default() }).unwrap();
    let running = bench.start(rows(1)).await;
    let mut ids = bench.add(&[Sent::of(1, 1)]);
    let shown = |n| move |book: &super::book::Book| Some(book.fixes(LIVE)).filter(|fixes| fixes.len() >= n);
    bench.book.until("the first", shown(1)).await;
    // While it is away for the feed, more comes.
    let _: i64 = bench.redis(&format!("XGROUP DESTROY {STREAM} live-broadcast-a"));
    ids.extend(bench.add(&[Sent::of(1, 2), Sent::of(1, 3)]));
    bench.book.until("what came meanwhile", shown(3)).await;
    bench.server.restart().unwrap();
    ids.extend(bench.add(&[Sent::of(1, 4)]));
    let fixes = bench.book.until("what came behind", shown(4)).await;
    let shown: Vec<String> = fixes.iter().map(|fix| fix.seq.to_string()).collect();
    assert_eq!(shown, ids);
    assert!(bench.book.batches(LIVE).iter().all(|(batch, _)| batch.hole.is_none()));
    running.end(true).await;
}
