//! `processor replay`: recorded tracks in, an official result out.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use pipeline::source::{BatchSize, TrackFile};
use pipeline::topology;
use pipeline::write::WriteLimits;
use race::course::plan::not_judged;
use race::course::{Course, CourseErrors};
use race::judge::document::Document;
use race::time::Timestamp;
use storage::Store as _;
use storage::sqlite::SqliteStore;

use crate::replay::outcome::{self, Outcome};
use crate::replay::progress::Playlist;
use crate::replay::sink::StoreSink;
use crate::replay::summary;
use crate::store_url::StoreUrl;
use crate::{exit, table};

/// Time recorded tracks by a course: print the result and keep everything in a store
///
/// Tracks are CSV (columns ts, latitude, longitude and optionally altitude, speed in km/h, angle, satellites),
/// GPX 1.1, or NDJSON of the telemetry payload, gzip or not. The result is computed from all that the store holds,
/// so that replaying twice, in any order or in parts, gives the same.
#[derive(Args)]
pub(crate) struct ReplayArgs {
    /// The course: a JSON document of the business tables, see docs/COURSE.md
    #[arg(long, value_name = "COURSE")]
    course: PathBuf,
    /// Where positions, course and results are kept
    #[arg(long, value_name = "URL", default_value = "sqlite:./race.db")]
    store: StoreUrl,
    /// Print one canonical JSON document instead of a table
    #[arg(long)]
    json: bool,
    /// No summary on stderr; errors are still told
    #[arg(long, short)]
    quiet: bool,
    /// Threads that judge
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    lanes: u16,
    /// Records in a batch that travels through the pipeline
    #[arg(long, value_name = "N", default_value_t = pipeline::limits::BATCH_RECORDS as u32,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch_records: u32,
    /// Rows in a transaction
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    write_rows: u32,
    /// Tracks, with the device they are of; a bare TRACK is of the device that its file is named after, or, in
    /// NDJSON, that each record names
    #[arg(required = true, value_name = "DEVICE=TRACK")]
    tracks: Vec<String>,
}

/// How long the first row of a transaction waits for others.
const WRITE_AGE: Duration = Duration::from_millis(50);

pub(crate) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let received_at = now();
    let text = std::fs::read_to_string(&args.course)
        .with_context(|| format!("cannot read course {}", args.course.display()))?;
    let tables = race::course::parse(&text).and_then(|tables| match not_judged(&tables) {
        problems if problems.is_empty() => Ok(tables),
        problems => Err(CourseErrors(problems)),
    });
    let tables = match tables {
        Ok(tables) => Arc::new(tables),
        Err(CourseErrors(problems)) => {
            for problem in &problems {
                eprintln!("error: {}: {problem}", args.course.display());
            }
            eprintln!("{} problem(s) in {}; nothing was replayed", problems.len(), args.course.display());
            return Ok(ExitCode::from(exit::DATA));
        }
    };
    let course = Arc::new(Course::new(Arc::clone(&tables)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    runtime.block_on(async {
        let StoreUrl::Sqlite(path) = &args.store;
        let store = SqliteStore::open(path)?;
        store.save_course(Arc::clone(&tables)).await?;
        replay(args, &course, store, received_at).await
    })
}

async fn replay(
    args: &ReplayArgs,
    course: &Arc<Course>,
    store: SqliteStore,
    received_at: Timestamp,
) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let (tracks, unreadable) = open(args);
    let config = topology::Config {
        lanes: usize::from(args.lanes),
        write: WriteLimits { rows: args.write_rows as usize, age: WRITE_AGE },
        received_at,
        dirty: outcome::stored_entries(course, &store).await?,
    };
    let mut sink = StoreSink::new(store.clone(), received_at);
    let report = topology::run(Playlist::new(tracks), course, &config, &mut sink).await?;
    let written = begun.elapsed();
    let outcome = Outcome::of(course, &store, sink.take_evaluations()).await?;
    let changes = outcome.save(&store, received_at).await?;

    let mut out = std::io::stdout().lock();
    if args.json {
        let document = Document::new(course, &outcome.evaluations, &outcome.rankings);
        out.write_all(document.to_json()?.as_bytes())?;
    } else {
        write!(out, "{}", table::results(course, &outcome))?;
    }
    out.flush()?;
    if !args.quiet {
        eprint!("{}", summary::text(&report, &sink, changes, written, begun.elapsed(), course));
    }
    let failed = unreadable > 0 || report.committed.rejects > 0;
    Ok(if failed { ExitCode::from(exit::DATA) } else { ExitCode::SUCCESS })
}

/// The tracks that could be opened, and how many could not.
fn open(args: &ReplayArgs) -> (Vec<TrackFile>, usize) {
    let size = BatchSize { records: args.batch_records as usize, ..BatchSize::default() };
    let mut unreadable = 0;
    let opened = args.tracks.iter().filter_map(|track| {
        let (device, path) = device_and_path(track);
        TrackFile::open_with(path, device, size)
            .map_err(|error| {
                eprintln!("error: {error}");
                unreadable += 1;
            })
            .ok()
    });
    (opened.collect(), unreadable)
}

/// `DEVICE=TRACK`, or a bare track, also one with `=` in its path.
fn device_and_path(track: &str) -> (Option<&str>, &Path) {
    match track.split_once('=') {
        Some((device, path))
            if !device.is_empty() && !device.contains(['/', '\\']) && !Path::new(track).exists() =>
        {
            (Some(device), Path::new(path))
        }
        _ => (None, Path::new(track)),
    }
}

/// The one place where a replay reads the clock: to refuse fixes from the future, and to say when rows came.
fn now() -> Timestamp {
    Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_what_stands_before_the_equals_sign() {
        assert_eq!(device_and_path("5=a/b.csv"), (Some("5"), Path::new("a/b.csv")));
        assert_eq!(device_and_path("b.csv"), (None, Path::new("b.csv")));
        assert_eq!(device_and_path("./a=b.csv"), (None, Path::new("./a=b.csv")));
        assert_eq!(device_and_path("5=a=b.csv"), (Some("5"), Path::new("a=b.csv")));
    }
}
