//! Servers that go away while entries keep coming, and come back.

use std::time::{Duration, Instant};

use test_services::Postgres;

use crate::fleet::{Entry, course, disorder, keys, race};
use crate::platform::{Platform, wait};
use crate::records::{expected, records, stored};
use crate::worker::Worker;

/// What the worker has to say at most in a test of several outages.
const LOG_LINES: usize = 60;

fn readiness(worker: &Worker) -> (u16, String) {
    worker.get("/readyz").unwrap_or_default()
}

/// The answer of five seconds, and the four that a server is given, with room for a busy machine.
fn wait_until_unready(worker: &Worker) -> String {
    let mut said = String::new();
    wait("the worker is not ready", Duration::from_secs(15), || {
        let (status, body) = readiness(worker);
        said = body;
        status == 503
    });
    assert_eq!(worker.get("/healthz").unwrap().0, 200);
    said
}

fn database(platform: &mut Platform) -> &mut Postgres {
    platform.own_postgres.as_mut().unwrap()
}

fn assert_exact(platform: &Platform, fixes: &[Entry]) {
    platform.wait_until_done(Duration::from_secs(60));
    assert_eq!(stored(platform), keys(fixes));
    let expected = expected(platform, fixes);
    assert!(expected.iter().any(|line| line.contains("|finished|")));
    wait("the records are those of a replay", Duration::from_secs(30), || records(platform) == expected);
}

#[test]
fn the_database_is_stopped_killed_and_its_sessions_ended_while_entries_come() {
    let mut platform = Platform::durable().with_course(&course(20));
    let fixes = race(20, 300);
    let sent = disorder(&fixes, 20, 50, 2);
    let mut parts = sent.chunks(sent.len() / 6 + 1);
    let mut worker = platform.worker(&[]);
    worker.wait_until_ready();
    for how in ["stop", "kill"] {
        platform.add(parts.next().unwrap());
        match how {
            "stop" => database(&mut platform).stop().unwrap(),
            _ => database(&mut platform).kill9().unwrap(),
        }
        // What was committed before is acknowledged now or never.
        wait("acknowledgements end", Duration::from_secs(10), || {
            let before = worker.metric("processor_acks_total");
            std::thread::sleep(Duration::from_millis(300));
            worker.metric("processor_acks_total").total_cmp(&before).is_eq()
        });
        let acknowledged = worker.metric("processor_acks_total");
        platform.add(parts.next().unwrap());
        let said = wait_until_unready(&worker);
        assert!(said.contains("postgresql://127.0.0.1"), "{said}");
        assert!(worker.metric("processor_acks_total").total_cmp(&acknowledged).is_eq());
        assert!(worker.metric("processor_peer_up{peer=\"postgres\"}").total_cmp(&0.0).is_eq());
        database(&mut platform).restart().unwrap();
        worker.wait_until_ready();
    }
    for part in parts.next().unwrap().chunks(200) {
        platform.add(part);
        platform.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'processor'",
        );
    }
    platform.add(parts.next().unwrap());
    assert_exact(&platform, &fixes);
    wait("the metrics say so", Duration::from_secs(10), || {
        worker.metric("processor_peer_up{peer=\"postgres\"}") > 0.0
    });
    assert!(worker.log().lines().count() < LOG_LINES, "{}", worker.log());
    assert!(worker.terminate().success());
}

#[test]
fn a_database_without_room_for_another_session_is_waited_for() {
    let platform = Platform::start().with_course(&course(10));
    // A superuser has room always.
    let role = format!("worker_{}", platform.database);
    platform.sql(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'worker'; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; \
         GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}"
    ));
    let url =
        format!("postgres://{role}:worker@127.0.0.1:{}/{}", platform.postgres().port(), platform.database);
    let fixes = race(10, 200);
    let (early, late) = fixes.split_at(fixes.len() / 2);
    let mut worker = platform.worker(&[("POSTGRES_URL", &url)]);
    worker.wait_until_ready();
    platform.add(early);
    platform.sql(&format!(
        "ALTER ROLE {role} CONNECTION LIMIT 0; \
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
    ));
    platform.add(late);
    let said = wait_until_unready(&worker);
    assert!(said.contains("too many connections"), "{said}");
    assert!(platform.left() != (0, 0));
    platform.sql(&format!("ALTER ROLE {role} CONNECTION LIMIT -1"));
    worker.wait_until_ready();
    assert_exact(&platform, &fixes);
    assert!(worker.metric("processor_dead_letters_total").total_cmp(&0.0).is_eq());
    assert!(worker.log().lines().count() < LOG_LINES, "{}", worker.log());
    assert!(worker.terminate().success());
    platform.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn the_broker_is_stopped_and_killed_while_entries_wait() {
    let mut platform = Platform::start().with_course(&course(20));
    let fixes = race(20, 300);
    let sent = disorder(&fixes, 20, 50, 3);
    let mut parts = sent.chunks(sent.len() / 3 + 1);
    let mut worker = platform.worker(&[]);
    worker.wait_until_ready();
    for how in ["stop", "kill"] {
        platform.add(parts.next().unwrap());
        match how {
            "stop" => platform.redis.stop().unwrap(),
            _ => platform.redis.kill9().unwrap(),
        }
        let said = wait_until_unready(&worker);
        assert!(said.contains("the broker at 127.0.0.1"), "{said}");
        platform.redis.restart().unwrap();
        worker.wait_until_ready();
    }
    platform.add(parts.next().unwrap());
    assert_exact(&platform, &fixes);
    assert!(worker.metric("processor_consumer_reads_total{result=\"error\"}") > 0.0);
    assert!(worker.log().lines().count() < LOG_LINES, "{}", worker.log());
    assert!(worker.terminate().success());
}

#[test]
fn a_worker_that_starts_without_servers_waits_for_them() {
    let mut platform = Platform::durable().with_course(&course(5));
    let fixes = race(5, 100);
    platform.add(&fixes);
    platform.redis.stop().unwrap();
    database(&mut platform).stop().unwrap();
    let mut worker = platform.worker(&[]);
    wait("the worker listens", Duration::from_secs(20), || worker.get("/healthz").is_some());
    let said = wait_until_unready(&worker);
    assert!(said.contains("the broker at") && said.contains("the database was not reached yet"), "{said}");
    platform.redis.restart().unwrap();
    wait("the database is what lacks", Duration::from_secs(20), || {
        let (status, said) = readiness(&worker);
        status == 503 && !said.contains("the broker at")
    });
    database(&mut platform).restart().unwrap();
    worker.wait_until_ready();
    assert_exact(&platform, &fixes);
    assert!(worker.log().lines().count() < LOG_LINES, "{}", worker.log());
    assert!(worker.terminate().success());
}

#[test]
fn told_to_stop_without_a_database_it_ends_in_time_and_leaves_everything_pending() {
    let mut platform = Platform::durable().with_course(&course(5));
    let fixes = race(5, 400);
    let (early, late) = fixes.split_at(500);
    let mut worker = platform.worker(&[("SHUTDOWN_TIMEOUT_MS", "2000")]);
    worker.wait_until_ready();
    platform.add(early);
    platform.wait_until_done(Duration::from_secs(30));
    database(&mut platform).stop().unwrap();
    platform.add(late);
    wait("entries are on their way", Duration::from_secs(20), || {
        worker.metric("processor_in_flight_entries") > 0.0 && platform.left().0 > 0
    });
    let begun = Instant::now();
    worker.signal("TERM");
    assert!(worker.end(Duration::from_secs(20)).success(), "{}", worker.log());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(worker.log().contains("stays pending and comes again"), "{}", worker.log());
    assert!(worker.metrics().is_empty());
    let acknowledged: usize = platform.redis::<usize>("XLEN telemetry:teltonika") - late.len();
    assert_eq!(acknowledged, early.len());
    let pending = platform.left().0;
    assert!(pending > 0 && pending <= late.len(), "{pending}");
    database(&mut platform).restart().unwrap();
    assert_eq!(stored(&platform), keys(early));
    let mut next = platform.worker(&[]);
    assert_exact(&platform, &fixes);
    assert!(next.terminate().success());
}

#[test]
fn told_to_stop_under_load_everything_read_is_committed_and_acknowledged() {
    let platform = Platform::start();
    let fixes = race(40, 700);
    platform.add(&fixes);
    for _ in 0..3 {
        // Small transactions, so that it is stopped with many to go.
        let mut worker = platform.worker(&[("WRITE_BATCH_SIZE", "500"), ("WRITE_BATCH_AGE_MS", "5")]);
        wait("it works", Duration::from_secs(30), || {
            worker.metric("processor_position_writes_total{status=\"inserted\"}") > 0.0
        });
        assert!(worker.terminate().success(), "{}", worker.log());
        assert!(worker.log().contains("nothing was left behind"), "{}", worker.log());
        assert_eq!(platform.left().0, 0, "{}", worker.log());
    }
    assert!(platform.left().1 > 0, "it was stopped under load");
    let mut worker = platform.worker(&[]);
    platform.wait_until_done(Duration::from_secs(60));
    assert_eq!(stored(&platform), keys(&fixes));
    assert!(worker.terminate().success());
}
