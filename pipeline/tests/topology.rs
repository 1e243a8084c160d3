//! The whole pipeline from memory to a sink: nothing is lost, order per device stays, memory is bounded, and a
//! failing part ends it with its reason instead of a hang.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pipeline::batch::{CommittedBatch, EvaluatedBatch, RawBatch, RawForm, Reject};
use pipeline::lane::Follow;
use pipeline::limits;
use pipeline::source::{Memory, Source};
use pipeline::topology::{self, Config, PipelineError};
use pipeline::write::{Sink, WriteLimits};
use race::course::{Course, Tables};
use race::time::Timestamp;

/// Keeps what was committed, slowly or up to a failure.
#[derive(Default)]
struct Kept {
    by_device: BTreeMap<String, Vec<Timestamp>>,
    rejects: usize,
    largest: usize,
    commits: usize,
    pause: Duration,
    fails_at: Option<usize>,
}

impl Sink for Kept {
    type Error = String;

    async fn commit(&mut self, batch: EvaluatedBatch) -> Result<CommittedBatch, String> {
        if self.fails_at == Some(self.commits) {
            return Err("the disk is full".to_owned());
        }
        self.commits += 1;
        tokio::time::sleep(self.pause).await;
        self.largest = self.largest.max(batch.rows.positions.len());
        self.rejects += batch.rows.rejects.len();
        let inserted = batch.rows.positions.len() as u64;
        for position in &batch.rows.positions {
            self.by_device.entry(position.device_id.to_string()).or_default().push(position.ts);
        }
        Ok(CommittedBatch { inserted, ..CommittedBatch::default() })
    }
}

/// `batches` batches of `records` fixes in turn of seven devices, each a second later.
fn fixes(batches: u32, records: u32) -> impl Source {
    let mut n = 0_i64;
    let batches = (0..batches).map(|_| {
        let mut batch = RawBatch::new("memory".into(), "ndjson", RawForm::Json, None);
        for _ in 0..records {
            n += 1;
            let ts = Timestamp::from_millis(1_780_822_800_000 + n * 1_000);
            let record =
                format!(r#"{{"device_id":"d{}","timestamp":"{ts}","latitude":1.0,"longitude":2.0}}"#, n % 7);
            batch.push(n.unsigned_abs(), &[record.as_bytes()]);
        }
        batch
    });
    Memory::new(batches.collect())
}

fn config(lanes: usize, rows: usize) -> (Config, WriteLimits) {
    let config = Config {
        lanes,
        writers: 1,
        received_at: Timestamp::from_millis(1_790_000_000_000),
        follow: Follow::Alone { stored: Vec::new() },
    };
    (config, WriteLimits { rows, bytes: limits::WRITE_BYTES, age: Duration::from_millis(5) })
}

fn course() -> Arc<Course> {
    Arc::new(Course::new(Arc::new(Tables::default())))
}

async fn run<S: Source + 'static>(
    source: S,
    (config, limits): &(Config, WriteLimits),
    sink: &mut Kept,
) -> Result<topology::Report, PipelineError<String>> {
    let course = course();
    let run = topology::run(source, &course, config, *limits, sink);
    tokio::time::timeout(Duration::from_secs(60), run).await.expect("the pipeline ends")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_position_arrives_and_each_device_in_order() {
    for lanes in [1, 2, 5] {
        let mut sink = Kept::default();
        let report = run(fixes(50, 97), &config(lanes, 1_000), &mut sink).await.unwrap();
        assert_eq!(report.committed.inserted, 50 * 97);
        assert_eq!(report.lanes.unknown_devices.values().sum::<u64>(), 50 * 97);
        assert_eq!(sink.by_device.len(), 7);
        for (device, instants) in &sink.by_device {
            assert!(instants.is_sorted(), "{device} with {lanes} lanes");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn refusals_travel_with_the_rows() {
    let mut bad = RawBatch::new("memory".into(), "ndjson", RawForm::Json, None);
    bad.push(7, &[b"{\"device_id\":"]);
    let reject = Reject {
        source: "memory".into(),
        line: 9,
        field: "",
        message: "the rest cannot be read".to_owned(),
        entry: None,
    };
    let mut sink = Kept::default();
    run(Memory::new(vec![bad]).with_reject(reject), &config(2, 10), &mut sink).await.unwrap();
    assert_eq!(sink.rejects, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slow_sink_holds_back_the_source_and_memory_stays_bounded() {
    let mut sink = Kept { pause: Duration::from_millis(2), ..Kept::default() };
    let config = config(1, 100);
    let report = run(fixes(400, 100), &config, &mut sink).await.unwrap();
    assert_eq!(report.committed.inserted, 40_000);
    // What all channels and stages together can hold, and one transaction.
    let batches = limits::ROWS_BATCHES + limits::DONE_BATCHES + 4;
    let row = 200;
    assert!(
        report.peak_in_flight_bytes < batches * 100 * row + sink.largest * row,
        "{} bytes in flight",
        report.peak_in_flight_bytes
    );
    assert!(sink.largest < 200, "a transaction of {} rows", sink.largest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_failing_sink_ends_the_pipeline_with_its_reason() {
    let mut sink = Kept { fails_at: Some(3), ..Kept::default() };
    match run(fixes(2_000, 50), &config(3, 50), &mut sink).await {
        Err(PipelineError::Sink(reason)) => assert_eq!(reason, "the disk is full"),
        other => panic!("{other:?}"),
    }
    assert_eq!(sink.commits, 3);
}

struct Panics;

impl Source for Panics {
    fn next(&mut self) -> Option<Result<RawBatch, Reject>> {
        panic!("a bug in a source")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_panicking_stage_is_named() {
    let result = run(Panics, &config(2, 10), &mut Kept::default()).await;
    assert!(matches!(result, Err(PipelineError::Panicked(topology::Panicked("source")))), "{result:?}");
}
