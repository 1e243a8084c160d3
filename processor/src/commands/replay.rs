//! `processor replay`: recorded tracks in, an official result out.

use crate::tell::tell;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use pipeline::lane::Follow;
use pipeline::limits::WRITE_BYTES;
use pipeline::topology;
use pipeline::write::WriteLimits;
use race::course::check::{Severity, check};
use race::course::{Course, CourseErrors, Problem, Tables};
use race::judge::document::Document;
use race::time::Timestamp;
use storage::sqlite::SqliteStore;
use storage::{Cause, Changes, Store as _};

use crate::judging::{self, Outcome};
use crate::replay::playlist::{Playlist, TrackArgument};
use crate::replay::sink::StoreSink;
use crate::replay::summary;
use crate::show::Usage;
use crate::show::board::{Board, Part};
use crate::store_url::StoreUrl;
use crate::{course_file, exit, table};
use uuid::Uuid;

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
    tracks: Vec<TrackArgument>,
}

/// How long the first row of a transaction waits for others.
const WRITE_AGE: Duration = Duration::from_millis(50);

pub(crate) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let received_at = now();
    let tables = match course_file::read(&args.course)?.and_then(judgeable) {
        Ok(tables) => Arc::new(tables),
        Err(errors) => {
            for line in course_file::lines(&args.course, &errors) {
                tell!("{line}");
            }
            tell!("{} problem(s) in {}; nothing was replayed", errors.0.len(), args.course.display());
            return Ok(ExitCode::from(exit::DATA));
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    runtime.block_on(async {
        let StoreUrl::Sqlite(path) = &args.store else {
            return Err(
                Usage("a replay keeps its course in a store of its own: use sqlite:PATH".to_owned()).into()
            );
        };
        let store = SqliteStore::open(path)?;
        let changes = store.save_course(Arc::clone(&tables), received_at).await?;
        // All events that are stored: their entries may have carried the same trackers.
        let course = judging::course(&store).await?;
        replay(args, &course, &tables, store, received_at, changes).await
    })
}

/// Refuses what would be judged wrongly: geometry without a defined inside.
fn judgeable(tables: Tables) -> Result<Tables, CourseErrors> {
    let findings = check(&tables).into_iter().filter(|finding| finding.severity == Severity::Error);
    let problems: Vec<Problem> = findings.map(|finding| Problem::of_document(finding.to_string())).collect();
    if problems.is_empty() { Ok(tables) } else { Err(CourseErrors(problems)) }
}

async fn replay(
    args: &ReplayArgs,
    course: &Arc<Course>,
    asked: &Tables,
    store: SqliteStore,
    received_at: Timestamp,
    mut changes: Changes,
) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let seen = store.foreign_changes().await?;
    let config = topology::Config {
        lanes: usize::from(args.lanes),
        writers: 1,
        received_at,
        follow: Follow::Alone { stored: judging::stored_entries(course, &store).await? },
    };
    let limits = WriteLimits { rows: args.write_rows as usize, bytes: WRITE_BYTES, age: WRITE_AGE };
    let mut sink = StoreSink::new(store.clone(), received_at);
    let report = topology::run(
        Playlist::new(args.tracks.clone(), args.batch_records as usize),
        course,
        &config,
        limits,
        &mut sink,
    )
    .await?;
    let written = begun.elapsed();
    let asked: BTreeSet<Uuid> = asked.events.iter().map(|event| event.id).collect();
    let is_asked = |event: usize| {
        asked.contains(&course.events[event].row.id)
            || report.lanes.touched.iter().any(|(touched, _)| *touched == event)
    };
    let mut judged = sink.take_evaluations();
    let mut known = seen;
    let outcome = loop {
        // Another replay into the same store may have added what no lane here has seen; then all is judged by what
        // is stored, and once more if it happens again meanwhile.
        let now = store.foreign_changes().await?;
        if now != known {
            judged.clear();
        }
        known = now;
        let outcome = Outcome::of(course, &store, std::mem::take(&mut judged), is_asked).await?;
        changes += outcome.save(&store, Cause::Replay, received_at).await?;
        if store.foreign_changes().await? == known {
            break outcome;
        }
    };
    let shown = outcome.only(|event| asked.contains(&course.events[event].row.id));

    let mut out = std::io::stdout().lock();
    if args.json {
        out.write_all(Document::new(course, &shown).to_json()?.as_bytes())?;
    } else {
        for outcome in &shown {
            write!(out, "{}", table::results(&Board::new(course, outcome, None, &Part::default())))?;
        }
    }
    out.flush()?;
    if !args.quiet {
        tell!("{}", summary::text(&report, &sink, changes, written, begun.elapsed(), course).trim_end());
    }
    let failed = report.committed.rejects > 0;
    Ok(if failed { ExitCode::from(exit::DATA) } else { ExitCode::SUCCESS })
}

/// The one place where a replay reads the clock: to refuse fixes from the future, and to say when rows came.
fn now() -> Timestamp {
    Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
}
