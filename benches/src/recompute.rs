//! An event judged anew from storage: called by `ci/bench-recompute`, which says what it prints.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use benches::inputs::BEGIN_MS;
use benches::inputs::course::{Shape, course, document, statements};
use benches::inputs::track::Track;
use clap::Parser;
use race::course::Course;
use race::time::Timestamp;
use storage::sqlite::SqliteStore;
use storage::timescale::{PostgresEndpoint, PostgresStore};
use storage::{Positions, Records, Store as _};
use test_services::{Options, Postgres};

/// Speed limit zones of the course, of 32 vertices each.
const ZONES: usize = 200;
const VERTICES: usize = 32;
/// What most trackers send beside the place.
const ATTRIBUTES: &str =
    r#"{"16":4711,"21":4,"66":12680,"67":4010,"181":12,"182":8,"239":1,"240":1,"241":27601}"#;
/// Rows of a transaction when filling, and of a page when reading.
const COMMITTED_ROWS: usize = 36_000;
const READ_ROWS: usize = 20_000;
const TARGET_S: f64 = 10.0;
const DATABASE: &str = "postgres";

/// Measures how long it takes to judge an event anew from its stored positions.
#[derive(Debug, Parser)]
struct Args {
    /// Entries, each with a tracker that sends a fix a second.
    #[arg(long, default_value_t = 200)]
    entries: usize,
    /// How long they drive.
    #[arg(long, default_value_t = 10)]
    hours: usize,
    /// Runs, of which the median is told.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Takes a throwaway PostgreSQL in place of an SQLite file.
    #[arg(long)]
    postgres: bool,
    /// The SQLite file, kept afterwards; one that is there is taken as it is.
    #[arg(long, conflicts_with = "postgres")]
    keep: Option<PathBuf>,
    /// Another build of the processor than the one beside this program.
    #[arg(long)]
    processor: Option<PathBuf>,
}

impl Args {
    fn shape(&self) -> Shape {
        Shape { entries: self.entries, ..Shape::scattered(ZONES, VERTICES) }
    }

    fn positions(&self) -> usize {
        self.entries * self.hours * 3_600
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.postgres {
        let settings = [("shared_buffers", "512MB"), ("max_wal_size", "4GB")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let postgres = Postgres::start_with(Options { settings, ..Options::default() })?;
        for folder in ["db-init", "db-init/standalone"] {
            for file in scripts(folder)? {
                postgres.psql(DATABASE, &std::fs::read_to_string(file)?)?;
            }
        }
        for statement in statements(&document(&args.shape())) {
            postgres.psql(DATABASE, &statement)?;
        }
        let url = postgres.url(DATABASE);
        let store = PostgresStore::connect(PostgresEndpoint::parse(&url)?).await?;
        fill(&args, &store).await?;
        postgres.psql(DATABASE, "VACUUM ANALYZE positions")?;
        return measure(&args, &store, &url).await;
    }
    let folder = tempfile::tempdir()?;
    let path = args.keep.clone().unwrap_or_else(|| folder.path().join("event.db"));
    let is_filled = path.try_exists()?;
    let store = SqliteStore::open(&path)?;
    if !is_filled {
        let course = course(&args.shape())?;
        store.save_course(Arc::clone(&course.tables), Timestamp::from_millis(BEGIN_MS)).await?;
        fill(&args, &store).await?;
    }
    measure(&args, &store, &format!("sqlite:{}", path.display())).await
}

/// The SQL of a folder, in its order.
fn scripts(folder: &str) -> anyhow::Result<Vec<PathBuf>> {
    let files = std::fs::read_dir(folder).with_context(|| folder.to_owned())?;
    let files: Vec<PathBuf> = files.map(|file| Ok(file?.path())).collect::<anyhow::Result<_>>()?;
    let mut files: Vec<PathBuf> = files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    Ok(files)
}

/// Stores the track of every entry.
async fn fill(args: &Args, store: &impl Positions) -> anyhow::Result<()> {
    let (begun, shape) = (Instant::now(), args.shape());
    for entry in 0..args.entries {
        let mut track = Track::new(&shape, entry).take(args.hours * 3_600);
        loop {
            let rows: Vec<_> = track.by_ref().take(COMMITTED_ROWS).collect();
            let Some(last) = rows.last() else { break };
            let at = Timestamp::from_micros(last.ts.micros() + 1_000_000);
            let rows = rows.into_iter().map(|mut row| {
                row.attributes = Some(ATTRIBUTES.into());
                row
            });
            store.commit_positions(rows.collect(), at).await?;
        }
    }
    eprintln!("filled in {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Reads every position as the processor does, but one page after the other and for nothing.
async fn read(store: &impl Records) -> anyhow::Result<(usize, Duration)> {
    let begun = Instant::now();
    let snapshot = store.snapshot().await?;
    let course = Course::new(Arc::new(snapshot.load_course().await?));
    let mut count = 0;
    for device in course.roster.devices() {
        let mut from = Timestamp::from_micros(i64::MIN);
        loop {
            let page = snapshot.read_positions(device.clone(), from, None, READ_ROWS).await?;
            count += page.len();
            match page.last() {
                Some(last) if page.len() == READ_ROWS => from = Timestamp::from_micros(last.ts.micros() + 1),
                _ => break,
            }
        }
    }
    Ok((count, begun.elapsed()))
}

/// Lets the processor print the results of what is stored: it judges everything and writes nothing.
fn judge(args: &Args, url: &str) -> anyhow::Result<Duration> {
    let beside = std::env::current_exe()?.with_file_name("processor");
    let processor: &Path = args.processor.as_deref().unwrap_or(&beside);
    let begun = Instant::now();
    let status = Command::new(processor)
        .args(["results", "--format", "csv", "--store", url])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| processor.display().to_string())?;
    ensure!(status.success(), "the processor ended with {status}");
    Ok(begun.elapsed())
}

async fn measure(args: &Args, store: &impl Records, url: &str) -> anyhow::Result<()> {
    let (mut reads, mut all) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds.max(1) {
        let (count, took) = read(store).await?;
        ensure!(count == args.positions(), "{count} positions are stored, not {}", args.positions());
        reads.push(took);
        all.push(judge(args, url)?);
    }
    reads.sort();
    all.sort();
    let (read, all) = (reads[reads.len() / 2].as_secs_f64(), all[all.len() / 2].as_secs_f64());
    #[allow(clippy::cast_precision_loss, reason = "a number to look at")]
    let positions = args.positions() as f64;
    println!("{} entries, {} hours, {positions} positions\n", args.entries, args.hours);
    println!("{:<44} {:>8} {:>14} {:>7} {:>4}", "", "s", "positions/s", "target", "met");
    println!("{:<44} {read:>8.2} {:>14.0}", "reading alone, one page after the other", positions / read);
    let met = if all <= TARGET_S { "yes" } else { "NO" };
    println!(
        "{:<44} {all:>8.2} {:>14.0} {TARGET_S:>7.1} {met:>4}",
        "read, judged and ranked",
        positions / all
    );
    println!("{:<44} {:>7.0}%", "reading alone, of all", 100.0 * read / all);
    Ok(())
}
