//! What the database says, in a real one.

use std::path::Path;
use std::time::Duration;

use storage::timescale::{PostgresAudience, PostgresEndpoint};
use test_services::Postgres;
use ws::fix::{DelayMs, Seq};

use super::bench::{BEGIN_MS, Bench, EVENT, LIVE, Sent, device};
use super::book::{Said, now_ms};

const DELAY: DelayMs = DelayMs(2_000);

/// A database with the tables of a platform, and the devices `1` to `3` in an event.
fn database() -> Postgres {
    let server = Postgres::start().unwrap();
    for folder in ["db-init", "db-init/standalone"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
        let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
        files.sort();
        for file in files {
            server.psql("postgres", &std::fs::read_to_string(file).unwrap()).unwrap();
        }
    }
    sql(&server, &format!("INSERT INTO events (id, name) VALUES ('{EVENT}', 'Rally')"));
    (1..=3).for_each(|n| enter(&server, n));
    server
}

fn sql(server: &Postgres, sql: &str) -> String {
    server.psql("postgres", sql).unwrap()
}

fn enter(server: &Postgres, n: u32) {
    sql(
        server,
        &format!(
            "WITH d AS (INSERT INTO devices (imei) VALUES ('{}') RETURNING id), \
             e AS (INSERT INTO entries (event_id, race_number) VALUES ('{EVENT}', {n}) RETURNING id) \
             INSERT INTO entry_devices (entry_id, device_id) SELECT e.id, d.id FROM d, e",
            device(n)
        ),
    );
}

/// Rows of a device, as if they had come in a minute ago; each with whether it is faulty.
fn store(server: &Postgres, n: u32, seconds: &[(i64, bool)]) {
    let rows = seconds.iter().map(|(second, faulty)| {
        let ts = (BEGIN_MS + second * 1_000) / 1_000;
        format!(
            "('{}', to_timestamp({ts}), now() - interval '1 minute', 41, 19, 0, 0, 0, 9, 0, '8', '{{}}', {faulty})",
            device(n)
        )
    });
    let rows = rows.collect::<Vec<_>>().join(", ");
    sql(
        server,
        &format!(
            "INSERT INTO positions (device_id, ts, ingested_at, latitude, longitude, altitude, angle, speed, satellites, \
             priority, codec, attributes, faulty) VALUES {rows}"
        ),
    );
}

fn audience(server: &Postgres) -> PostgresAudience {
    PostgresAudience::new(PostgresEndpoint::parse(&server.url("postgres")).unwrap())
}

fn at(second: i64) -> i64 {
    BEGIN_MS + second * 1_000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_latest_that_is_not_faulty_is_seeded_and_a_flag_takes_effect_both_ways() {
    let server = database();
    store(&server, 1, &[(1, false), (2, false), (3, true)]);
    store(&server, 2, &[(5, true)]);
    let bench = Bench::new();
    let running = bench.start(audience(&server)).await;
    let seeds =
        bench.book.until("the seeds", |book| Some(book.seeds(LIVE)).filter(|seeds| !seeds.is_empty())).await;
    assert_eq!((&*seeds[0].device, seeds[0].ts_ms, seeds[0].seq), (&*device(1), at(2), Seq::ZERO));
    assert!(seeds.iter().all(|seed| *seed.device == *device(1)), "all of the other is faulty");

    // One that joins.
    store(&server, 4, &[(7, false)]);
    enter(&server, 4);
    let _: String = bench.redis("XADD reference:changed * what entries");
    bench
        .book
        .until("the newcomer", |book| {
            book.seeds(LIVE).iter().any(|seed| *seed.device == *device(4)).then_some(())
        })
        .await;

    // Flagged rows disappear, also several at once, also one that came by the stream.
    bench.add(&[Sent::of(1, 10)]);
    store(&server, 1, &[(9, false), (10, false)]);
    bench.book.until("it is shown", |book| (book.fixes(LIVE).len() == 1).then_some(())).await;
    let flag = |second: i64, faulty: bool| {
        let (device, ts) = (device(1), at(second) / 1_000);
        sql(
            &server,
            &format!(
                "UPDATE positions SET faulty = {faulty} WHERE device_id = '{device}' AND ts >= to_timestamp({ts})"
            ),
        );
    };
    flag(9, true);
    let withdrawn = bench
        .book
        .until("it is withdrawn", |book| Some(book.withdrawn(LIVE)).filter(|w| !w.is_empty()))
        .await;
    assert_eq!(withdrawn, [(device(1), at(10), Some(at(2)))]);
    flag(9, false);
    let is_back = |book: &super::book::Book| {
        let seeds = book.seeds(LIVE).into_iter();
        seeds.filter(|seed| *seed.device == *device(1) && seed.ts_ms == at(10)).last()
    };
    bench.book.until("it is back", is_back).await;
    flag(1, true);
    let withdrawn =
        bench.book.until("nothing is left", |book| Some(book.withdrawn(LIVE)).filter(|w| w.len() > 1)).await;
    assert_eq!(withdrawn[1], (device(1), at(10), None));
    running.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_feed_is_seeded_with_what_was_known_then() {
    let server = database();
    store(&server, 1, &[(1, false)]);
    let now = i64::try_from(now_ms()).unwrap() / 1_000 - BEGIN_MS / 1_000;
    // Stored long ago and taken just now, by a clock that is ahead; taken long ago and stored just now.
    store(&server, 2, &[(3, false), (now, false)]);
    store(&server, 3, &[(4, false)]);
    sql(&server, &format!("INSERT INTO live_delays VALUES ('{EVENT}', NULL, 2)"));
    sql(&server, &format!("UPDATE positions SET ingested_at = now() WHERE device_id = '{}'", device(3)));
    let bench = Bench::new();
    let running = bench.start(audience(&server)).await;
    let seeds =
        bench.book.until("the seeds", |book| Some(book.seeds(DELAY)).filter(|seeds| seeds.len() >= 4)).await;
    for seed in seeds {
        let expected = [(device(1), at(1)), (device(2), at(3))];
        assert!(expected.contains(&(seed.device.to_string(), seed.ts_ms)), "{seed:?}");
    }
    assert!(bench.book.seeds(LIVE).iter().any(|seed| *seed.device == *device(3)));
    running.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_database_it_goes_on_with_what_it_knows() {
    let mut server = database();
    let bench = Bench::new();
    let running = bench.start(audience(&server)).await;
    bench.add(&[Sent::of(1, 1)]);
    bench.book.until("it is shown", |book| (book.fixes(LIVE).len() == 1).then_some(())).await;
    server.stop().unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    bench.add(&[Sent::of(2, 2)]);
    bench.book.until("it goes on", |book| (book.fixes(LIVE).len() == 2).then_some(())).await;
    assert_eq!(bench.status.trouble(), None);
    let said = bench.events.metrics.text();
    assert!(!said.contains("processor_live_refreshes_total{result=\"error\"} 0"), "{said}");
    server.restart().unwrap();
    enter(&server, 4);
    let directories =
        |book: &super::book::Book| book.said().iter().filter(|said| matches!(said, Said::Directory)).count();
    bench.book.until("it is read anew", |book| (directories(book) >= 2).then_some(())).await;
    bench.add(&[Sent::of(4, 4)]);
    bench.book.until("the newcomer", |book| (book.fixes(LIVE).len() == 3).then_some(())).await;
    running.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_begins_without_a_database() {
    let mut server = database();
    let audience = audience(&server);
    server.stop().unwrap();
    let bench = Bench::new();
    let plan = bench.plan("a");
    let stop = tokio_util::sync::CancellationToken::new();
    let running = crate::live::start(plan, audience, bench.book.clone(), &bench.events, &bench.status, stop);
    bench.book.until("it reads", |_| bench.status.trouble().is_none().then_some(())).await;
    bench.add(&[Sent::of(1, 1)]);
    bench.book.until("it was read", |_| (bench.events.metrics.live_entries.get() == 1).then_some(())).await;
    assert!(bench.book.fixes(LIVE).is_empty(), "nobody knows who may see it");
    server.restart().unwrap();
    bench.book.until("it knows", |_| (bench.events.metrics.live_devices.get() == 3).then_some(())).await;
    bench.add(&[Sent::of(1, 2)]);
    bench.book.until("it is shown", |book| (book.fixes(LIVE).len() == 1).then_some(())).await;
    running.end(true).await;
}
