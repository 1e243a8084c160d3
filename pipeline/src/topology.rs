//! The whole pipeline in one function: which stage runs on which thread, and every channel between them.
//!
//! ```text
//!  source: a thread       thread decode          threads lane-0..k               async tasks of the caller
//!  (a file) or an async ┌────────┐  ROWS (each) ┌──────────────────────────────┐ DONE (each) ┌──────────┐
//!  task (a stream) ─RAW▶│ decode ├─crossbeam───▶│ locate → geofence → penalty  ├───flume────▶│ writer n │─▶ store
//!                 flume └────────┘  by device   └──────▲───────────────────────┘             └────┬─────┘
//!                                                      └──────── NEWS, crossbeam ◀── judge ◀──────┘
//! ```
//!
//! Strays (`stray.rs`) go from decode to a writer of their own.
//!
//! Every channel is bounded: a full one is the backpressure, up to the source, which then reads no further. A lane
//! feeds one writer, so that a device's batches are committed in their order. News goes against the stream, so
//! nobody waits to send it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel;
use race::course::Course;
use race::time::Timestamp;

use crate::batch::{CommittedBatch, EvaluatedBatch, RawBatch, Reject, Rows};
use crate::decode::Decoder;
use crate::in_flight::{Gauge, Ledger};
use crate::lane::{Follow, Lane, LaneReport, News};
use crate::limits::{DONE_BATCHES, EVALUATE_EVERY_MS, LANE_NEWS, RAW_BATCHES, ROWS_BATCHES};
use crate::source::Source;
use crate::stray;
use crate::write::{self, Sink, WriteLimits};

/// What stages are built from.
#[derive(Debug, Clone)]
pub struct Config {
    /// Threads that judge, at least 1.
    pub lanes: usize,
    /// Writers that the lanes share, at least 1.
    pub writers: usize,
    /// The time the input was received, for the check against broken clocks. An entry of a stream brings its own.
    pub received_at: Timestamp,
    /// Where the states of entries come from.
    pub follow: Follow,
}

/// The stages between a source and the writers, running.
#[derive(Debug)]
pub struct Stages {
    /// Where the source puts what it reads. The stages end when it, and every clone of it, is dropped.
    pub raw: flume::Sender<Result<RawBatch, Reject>>,
    /// What each writer takes.
    pub done: Vec<flume::Receiver<EvaluatedBatch>>,
    /// What the writer of strays takes: positions of a stream that are of days of which hardly any other is. They come
    /// from no lane.
    pub strays: flume::Receiver<EvaluatedBatch>,
    /// What the judge tells each lane.
    pub news: Vec<channel::Sender<News>>,
    /// How far the batches of each lane are committed: the last number. The writers say so.
    pub committed: Vec<Arc<AtomicU64>>,
    /// Bytes on their way.
    pub gauge: Gauge,
    /// Entries of a stream on their way.
    pub ledger: Ledger,
    /// The threads, to be joined once `raw` is dropped and `done` is taken to its end.
    pub threads: Threads,
}

/// The threads of the stages.
#[derive(Debug)]
pub struct Threads {
    decode: thread::JoinHandle<()>,
    lanes: Vec<thread::JoinHandle<LaneReport>>,
}

/// Why a pipeline ended early.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError<E> {
    /// The sink failed; what it had committed stays.
    #[error(transparent)]
    Sink(E),
    /// A thread could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// A stage panicked; what was committed stays.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

/// A thread could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start thread {name}: {error}")]
pub struct SpawnError {
    /// The thread's name.
    pub name: String,
    /// What the system said.
    pub error: std::io::Error,
}

/// A stage panicked: a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stage {0} panicked; this is a bug, please report it with the lines above")]
pub struct Panicked(pub &'static str);

/// Starts the stages.
///
/// # Errors
/// A thread cannot be started; those that were end by themselves.
pub fn start(course: &Arc<Course>, config: &Config) -> Result<Stages, SpawnError> {
    let (gauge, ledger) = (Gauge::default(), Ledger::default());
    let (lanes, writers) = (config.lanes.max(1), config.writers.max(1));
    let (raw, raw_in) = flume::bounded(RAW_BATCHES);
    let (done_out, done): (Vec<_>, Vec<_>) = (0..writers).map(|_| flume::bounded(DONE_BATCHES)).unzip();
    let (mut rows_out, mut news, mut committed) = (Vec::new(), Vec::new(), Vec::new());
    let mut lane_threads = Vec::with_capacity(lanes);
    for n in 0..lanes {
        let (out, rows_in) = channel::bounded(ROWS_BATCHES);
        rows_out.push(out);
        let (out, news_in) = channel::bounded(LANE_NEWS);
        news.push(out);
        let mark = Arc::new(AtomicU64::new(0));
        committed.push(Arc::clone(&mark));
        let lane = Lane::new(n, lanes, course, &config.follow, mark);
        let done_out = done_out[n % writers].clone();
        let run = move || run_lane(lane, &rows_in, news_in, &done_out);
        lane_threads.push(spawn(format!("lane-{n}"), run)?);
    }
    drop(done_out);
    let (strays_out, strays) = flume::bounded(DONE_BATCHES);
    let decode = {
        let (course, gauge, decoder) = (Arc::clone(course), gauge.clone(), Decoder::new(config.received_at));
        spawn("decode".to_owned(), move || {
            run_decode(decoder, &course, &gauge, &raw_in, &rows_out, &strays_out);
        })?
    };
    let threads = Threads { decode, lanes: lane_threads };
    Ok(Stages { raw, done, strays, news, committed, gauge, ledger, threads })
}

impl Threads {
    /// Waits for the end of all threads. Every stage ends when the channel before it does, so this waits for
    /// nothing but a last batch.
    ///
    /// # Errors
    /// A stage panicked.
    pub fn join(self) -> Result<LaneReport, Panicked> {
        self.decode.join().map_err(|_| Panicked("decode"))?;
        let mut report = LaneReport::default();
        for lane in self.lanes {
            report.join(lane.join().map_err(|_| Panicked("lane"))?);
        }
        Ok(report)
    }
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

/// Runs a source to its end, through one writer.
///
/// # Errors
/// See [`PipelineError`].
pub async fn run<S, K>(
    source: S,
    course: &Arc<Course>,
    config: &Config,
    limits: WriteLimits,
    sink: &mut K,
) -> Result<Report, PipelineError<K::Error>>
where
    S: Source + 'static,
    K: Sink,
{
    let Stages { raw, mut done, gauge, threads, .. } =
        start(course, &Config { writers: 1, ..config.clone() })?;
    let source = spawn("source".to_owned(), move || run_source(source, &raw))?;
    let written = write::run(done.remove(0), limits, sink).await;
    source.join().map_err(|_| Panicked("source"))?;
    let lanes = threads.join()?;
    let committed = written.map_err(PipelineError::Sink)?;
    Ok(Report { committed, lanes, peak_in_flight_bytes: gauge.peak_bytes() })
}

fn spawn<T: Send + 'static>(
    name: String,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<thread::JoinHandle<T>, SpawnError> {
    let builder = thread::Builder::new().name(name.clone());
    builder.spawn(run).map_err(|error| SpawnError { name, error })
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
    lanes: &[channel::Sender<Rows>],
    strays: &flume::Sender<EvaluatedBatch>,
) {
    for next in from {
        let mut split: Vec<Rows> = lanes.iter().map(|_| Rows::default()).collect();
        let mut read = None;
        match next {
            Ok(mut raw) => {
                read = raw.read.take();
                let begun = Instant::now();
                let mut decoded = decoder.decode(raw);
                if let Some(mut rows) = stray::take(&mut decoded.positions, &mut decoded.ids) {
                    rows.held = Some(gauge.hold(rows.positions.iter().map(|p| p.size_bytes()).sum()));
                    rows.reads.extend(read.clone());
                    if strays.send(stray::evaluate(course, rows)).is_err() {
                        return;
                    }
                }
                split[0].decoded_in = begun.elapsed();
                match split.as_mut_slice() {
                    [only] => (only.positions, only.ids) = (decoded.positions, decoded.ids),
                    split => {
                        let mut ids = decoded.ids.into_iter();
                        for position in decoded.positions {
                            let rows = &mut split[lane_of(course, &position.device_id, lanes.len())];
                            rows.positions.push(position);
                            rows.ids.extend(ids.next());
                        }
                    }
                }
                split[0].rejects = decoded.rejects;
            }
            Err(reject) => split[0].rejects.push(reject),
        }
        for (lane, mut rows) in lanes.iter().zip(split) {
            if rows.is_empty() && rows.decoded_in.is_zero() {
                continue;
            }
            rows.held = Some(gauge.hold(rows.positions.iter().map(|p| p.size_bytes()).sum()));
            rows.reads.extend(read.clone());
            if lane.send(rows).is_err() {
                return;
            }
        }
    }
}

/// The lane, of so many, that owns a device, and with it whole entries.
pub fn lane_of(course: &Course, device: &str, lanes: usize) -> usize {
    if lanes == 1 {
        return 0;
    }
    usize::try_from(course.roster.lane_key(device) % lanes as u64).unwrap_or(0)
}

fn run_lane(
    mut lane: Lane,
    rows: &channel::Receiver<Rows>,
    news: channel::Receiver<News>,
    out: &flume::Sender<EvaluatedBatch>,
) -> LaneReport {
    let tick = Duration::from_millis(EVALUATE_EVERY_MS);
    let mut news = Some(news);
    let nobody = channel::never();
    loop {
        let batch = crossbeam::select! {
            recv(rows) -> next => match next {
                Ok(rows) => {
                    let begun = Instant::now();
                    let mut batch = lane.run(rows);
                    batch.parts.iter_mut().for_each(|part| part.took = begun.elapsed());
                    Some(batch)
                }
                Err(_) => break,
            },
            recv(news.as_ref().unwrap_or(&nobody)) -> next => {
                match next {
                    Ok(next) => lane.hear(next),
                    Err(_) => news = None,
                }
                None
            },
            default(tick) => None,
        };
        let batch = batch.or_else(|| lane.is_due().then(|| lane.run(Rows::default())));
        if let Some(batch) = batch
            && out.send(batch).is_err()
        {
            // The writer has failed and says why.
            return LaneReport::default();
        }
    }
    let (last, report) = lane.finish();
    // Without a writer there is nobody left to tell, and the writer has said why.
    let _ = out.send(last);
    report
}
