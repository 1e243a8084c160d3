//! The whole pipeline in one function: which stage runs on which thread, and every channel between them.
//!
//! ```text
//!  thread source        thread decode          threads lane-0..k                     caller's async task
//!  ┌────────┐  RAW    ┌────────┐  ROWS (each) ┌──────────────────────────────┐ DONE ┌───────┐
//!  │ source ├─flume──▶│ decode ├─crossbeam───▶│ locate → geofence → penalty  ├─flume▶│ write │─▶ sink
//!  └────────┘         └────────┘  by device   └──────────────────────────────┘      └───────┘
//! ```
//!
//! Every channel is bounded: a full one is the backpressure, up to the source, which then reads no further.

use std::sync::Arc;
use std::thread;

use race::course::Course;
use race::time::Timestamp;

use crate::batch::{CommittedBatch, EntryKey, EvaluatedBatch, RawBatch, Reject, Rows};
use crate::decode::Decoder;
use crate::in_flight::Gauge;
use crate::lane::{Lane, LaneReport};
use crate::limits::{DONE_BATCHES, RAW_BATCHES, ROWS_BATCHES};
use crate::source::Source;
use crate::write::{self, Sink, WriteLimits};

/// What a pipeline is built from.
#[derive(Debug, Clone)]
pub struct Config {
    /// Threads that judge, at least 1.
    pub lanes: usize,
    /// When a batch is written.
    pub write: WriteLimits,
    /// The time the input was received, for the check against broken clocks.
    pub received_at: Timestamp,
    /// Entries that have stored positions already, so that no lane may judge them by the input alone.
    pub dirty: Vec<EntryKey>,
}

/// What a pipeline did.
#[derive(Debug)]
pub struct Report {
    /// What became of the rows.
    pub committed: CommittedBatch,
    /// What the lanes saw.
    pub lanes: LaneReport,
    /// The most bytes between reading and commit.
    pub peak_in_flight_bytes: usize,
}

/// Why a pipeline ended early.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError<E> {
    /// The sink failed; what it had committed stays.
    #[error(transparent)]
    Sink(E),
    /// A thread could not be started.
    #[error("cannot start thread {name}: {error}")]
    Spawn {
        /// The thread's name.
        name: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// A stage panicked: a bug. What was committed stays.
    #[error("stage {0} panicked; this is a bug, please report it with the lines above")]
    Panicked(&'static str),
}

/// Runs a source to its end.
///
/// # Errors
/// See [`PipelineError`].
pub async fn run<S, K>(
    source: S,
    course: &Arc<Course>,
    config: &Config,
    sink: &mut K,
) -> Result<Report, PipelineError<K::Error>>
where
    S: Source + 'static,
    K: Sink,
{
    let gauge = Gauge::default();
    let lanes = config.lanes.max(1);
    let (raw_out, raw_in) = flume::bounded(RAW_BATCHES);
    let (done_out, done_in) = flume::bounded(DONE_BATCHES);
    let mut rows_out = Vec::with_capacity(lanes);
    let mut lane_threads = Vec::with_capacity(lanes);
    for n in 0..lanes {
        let (out, rows_in) = crossbeam::channel::bounded(ROWS_BATCHES);
        rows_out.push(out);
        let (lane, done_out) = (Lane::new(course, &config.dirty), done_out.clone());
        lane_threads.push(spawn(format!("lane-{n}"), move || run_lane(lane, &rows_in, &done_out))?);
    }
    drop(done_out);
    let decode_thread = {
        let (course, gauge, decoder) = (Arc::clone(course), gauge.clone(), Decoder::new(config.received_at));
        spawn("decode".to_owned(), move || run_decode(decoder, &course, &gauge, &raw_in, &rows_out))?
    };
    let source_thread = spawn("source".to_owned(), move || run_source(source, &raw_out))?;

    let written = write::run(done_in, config.write, sink).await;
    // Every stage ends when the channel behind it does, so these wait for nothing but a last batch.
    source_thread.join().map_err(|_| PipelineError::Panicked("source"))?;
    decode_thread.join().map_err(|_| PipelineError::Panicked("decode"))?;
    let mut report = LaneReport::default();
    for thread in lane_threads {
        report.join(thread.join().map_err(|_| PipelineError::Panicked("lane"))?);
    }
    let committed = written.map_err(PipelineError::Sink)?;
    Ok(Report { committed, lanes: report, peak_in_flight_bytes: gauge.peak_bytes() })
}

fn spawn<T: Send + 'static, E>(
    name: String,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<thread::JoinHandle<T>, PipelineError<E>> {
    let builder = thread::Builder::new().name(name.clone());
    builder.spawn(run).map_err(|error| PipelineError::Spawn { name, error })
}

fn run_source(mut source: impl Source, out: &flume::Sender<Result<RawBatch, Reject>>) {
    while let Some(next) = source.next() {
        if out.send(next).is_err() {
            return;
        }
    }
}

fn run_decode(
    mut decoder: Decoder,
    course: &Course,
    gauge: &Gauge,
    from: &flume::Receiver<Result<RawBatch, Reject>>,
    lanes: &[crossbeam::channel::Sender<Rows>],
) {
    for next in from {
        let mut split: Vec<Rows> = lanes.iter().map(|_| Rows::default()).collect();
        match next {
            Ok(raw) => {
                let decoded = decoder.decode(raw);
                for position in decoded.positions {
                    split[lane_of(course, &position.device_id, lanes.len())].positions.push(position);
                }
                split[0].rejects = decoded.rejects;
            }
            Err(reject) => split[0].rejects.push(reject),
        }
        for (lane, mut rows) in lanes.iter().zip(split) {
            if rows.positions.is_empty() && rows.rejects.is_empty() {
                continue;
            }
            rows.held = Some(gauge.hold(rows.positions.iter().map(|p| p.size_bytes()).sum()));
            if lane.send(rows).is_err() {
                return;
            }
        }
    }
}

fn lane_of(course: &Course, device: &str, lanes: usize) -> usize {
    usize::try_from(course.roster.lane_key(device) % lanes as u64).unwrap_or(0)
}

fn run_lane(
    mut lane: Lane,
    from: &crossbeam::channel::Receiver<Rows>,
    out: &flume::Sender<EvaluatedBatch>,
) -> LaneReport {
    for rows in from {
        if out.send(lane.run(rows)).is_err() {
            // The writer has failed and says why.
            return LaneReport::default();
        }
    }
    let (last, report) = lane.finish();
    // Without a writer there is nobody left to tell, and the writer has said why.
    let _ = out.send(last);
    report
}
