//! What is wrong with a configuration is said before anything begins, and never with a secret.

use std::time::Duration;

use crate::fleet::{course, race};
use crate::platform::Platform;

#[test]
fn an_unknown_key_ends_with_2_and_the_nearest_one() {
    let platform = Platform::start();
    std::fs::write(platform.path("processor.toml"), "[write]\nbatch_sise = 10\n").unwrap();
    let mut worker = platform.worker(&[("PROCESSOR_CONFIG", "processor.toml")]);
    assert_eq!(worker.end(Duration::from_secs(20)).code(), Some(2));
    let log = worker.log();
    assert!(log.contains("batch_sise") && log.contains("nearest known one is \"write.batch_size\""), "{log}");
}

#[test]
fn a_wrong_password_ends_with_1_and_is_not_told() {
    let platform = Platform::start();
    let port = platform.postgres().port();
    let url = format!("postgres://postgres:not-the-password@127.0.0.1:{port}/{}", platform.database);
    let mut worker = platform.worker(&[("POSTGRES_URL", &url), ("LOG_LEVEL", "trace")]);
    assert_eq!(worker.end(Duration::from_secs(30)).code(), Some(1));
    let log = worker.log();
    assert!(log.contains("password authentication failed for user \"postgres\""), "{log}");
    assert!(!log.contains("not-the-password"), "{log}");
    // Whoever mends it need not wait for the name.
    assert_eq!(platform.redis::<usize>("EXISTS processor:instance:processor-1"), 0);

    let url = format!("redis://:not-the-password@127.0.0.1:{}", platform.redis.port());
    let _: String = platform.redis("CONFIG SET requirepass the-password");
    let mut worker = platform.worker(&[("REDIS_URL", &url), ("LOG_LEVEL", "trace")]);
    assert_eq!(worker.end(Duration::from_secs(30)).code(), Some(1));
    assert!(!worker.log().contains("not-the-password"), "{}", worker.log());
}

#[test]
fn the_metrics_that_operators_rely_on_are_there_with_their_labels() {
    let platform = Platform::start().with_course(&course(5));
    let fixes = race(5, 60);
    let mut worker = platform.worker(&[]);
    worker.wait_until_ready();
    platform.add(&fixes);
    platform.add(&fixes[..20]);
    platform.wait_until_done(Duration::from_secs(30));
    let metrics = worker.metrics();
    for name in [
        "processor_consumer_reads_total{result=\"ok\"}",
        "processor_consumer_reads_total{result=\"empty\"}",
        "processor_consumer_records_total",
        "processor_consumer_lag",
        "processor_consumer_lag_seconds",
        "processor_consumer_pending",
        "processor_decode_errors_total",
        "processor_position_writes_total{status=\"inserted\"}",
        "processor_position_writes_total{status=\"duplicate\"}",
        "processor_position_writes_total{status=\"failed\"}",
        "processor_position_write_duration_seconds_count",
        "processor_position_write_duration_seconds_sum",
        "processor_position_write_duration_seconds_bucket{le=\"+Inf\"}",
        "processor_position_write_rows_count",
        "processor_acks_total",
        "processor_device_state_size",
        "processor_device_state_evictions_total",
        "processor_dead_letters_total",
        "processor_in_flight_bytes",
        "processor_lease_held",
    ] {
        assert!(metrics.contains_key(name), "{name} in {metrics:#?}");
    }
    assert_eq!(metrics["processor_position_writes_total{status=\"inserted\"}"] as usize, fixes.len());
    assert_eq!(metrics["processor_position_writes_total{status=\"duplicate\"}"] as usize, 20);
    assert_eq!(worker.get("/nothing").unwrap().0, 404);
    assert!(worker.terminate().success());
}
