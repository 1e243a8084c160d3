//! `loadgen verify`: a store beside the truth.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::bail;
use clap::Args;
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use indicatif::{ProgressBar, ProgressStyle};
use loadgen::folder;
use loadgen::verify::{Outcome, verify};
use storage::sqlite::SqliteStore;
use storage::timescale::{PostgresEndpoint, PostgresStore};

use crate::exit;
use crate::tell::tell;

/// Compare a store with what really happened
///
/// Every position by its key (lost, stored twice, wrong, never sent), every crossing by its instant, penalties for
/// missed waypoints and for being too fast, and who finished. Where noise decides, nothing is expected. Exit code 1
/// when anything is not as it should be.
#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// The store: sqlite:PATH or postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE
    #[arg(long, value_name = "URL")]
    store: StoreUrl,
    /// Print everything as one JSON document on stdout
    #[arg(long)]
    json: bool,
    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
    /// What `loadgen simulate` wrote
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// A store by its URL. No `Debug`: a password may stand in it.
#[derive(Clone)]
enum StoreUrl {
    Sqlite(PathBuf),
    Postgres(String),
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path))),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(text.to_owned())),
            // Not repeated: a password may stand in it.
            _ => Err("that is no store; use sqlite:PATH or postgres://…".to_owned()),
        }
    }
}

pub(crate) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let trackers = folder::truth(&args.folder)?.devices.len();
    let bar = if args.quiet { ProgressBar::hidden() } else { ProgressBar::new(trackers as u64) };
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} trackers eta {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        match &args.store {
            StoreUrl::Sqlite(path) => {
                if !path.try_exists()? {
                    bail!("there is no store {}", path.display());
                }
                Ok(verify(&SqliteStore::open(path)?, &args.folder, || bar.inc(1)).await?)
            }
            StoreUrl::Postgres(url) => {
                let store = PostgresStore::connect(PostgresEndpoint::parse(url)?).await?;
                Ok(verify(&store, &args.folder, || bar.inc(1)).await?)
            }
        }
    })?;
    bar.finish_and_clear();
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&outcome)?)?;
    } else {
        writeln!(out, "{}", table(&outcome))?;
    }
    out.flush()?;
    let (p, c, q) = (&outcome.positions, &outcome.crossings, &outcome.penalties);
    if !args.json {
        p.found.iter().chain(c.found.iter()).chain(q.found.iter()).for_each(|line| tell!("{line}"));
    }
    Ok(if outcome.is_good() { ExitCode::SUCCESS } else { ExitCode::from(exit::WRONG) })
}

/// A rule below the header and blanks between the columns.
const RULED: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

fn table(outcome: &Outcome) -> String {
    let (p, c, q) = (&outcome.positions, &outcome.crossings, &outcome.penalties);
    let mut table = Table::new();
    table.load_style(RULED);
    table.set_header(["", "expected", "stored", "missing", "twice", "wrong", "not due"]);
    let mut row = |name: &str, numbers: [u64; 6]| {
        table.add_row([name.to_owned()].into_iter().chain(numbers.map(|n| n.to_string())));
    };
    row("positions", [p.expected, p.stored, p.lost, p.duplicated, p.wrong, p.unknown]);
    row("crossings", [c.expected, c.stored, c.missing, 0, c.wrong, c.extra]);
    row("penalties", [q.expected, q.given, q.missing, 0, q.wrong, q.extra]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!(
        "{table}\n\nresults       {} with another status\nflagged       {} positions, not compared\n\
         timing error  median {} ms, p99 {} ms, max {} ms; noise allows {} ms (median)\n\
         unclear       {} segments and zones in which noise decides, not compared",
        q.statuses_wrong,
        p.flagged,
        c.error_median_ms,
        c.error_p99_ms,
        c.error_max_ms,
        c.allowed_median_ms,
        q.unclear
    )
}
