//! Where a command that shows something looks: a store, and an event in it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use race::course::Course;
use race::course::check::{Severity, check};
use storage::Records;
use storage::sqlite::SqliteStore;
use storage::timescale::PostgresStore;

use super::{Usage, pick};
use crate::config::ConfigArgs;
use crate::config::servers::ServerSettings;
use crate::judging;
use crate::store_url::StoreUrl;
use crate::tell::tell;

/// Problems of a course that are told.
const PROBLEMS_TOLD: usize = 20;

/// Where to look. No `Debug`: a URL may have a password in it.
#[derive(Args)]
pub(crate) struct SourceArgs {
    /// Where positions and course are: sqlite:PATH, a postgres:// URL, or `postgres` for what POSTGRES_URL names
    #[arg(long, value_name = "URL", default_value = "sqlite:./race.db")]
    pub(crate) store: StoreUrl,
    /// The event, by id, slug or name; where the store has only one, that one
    #[arg(long, value_name = "EVENT", allow_hyphen_values = true)]
    pub(crate) event: Option<String>,
}

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Read,
    Write,
}

/// A store that was there.
pub(crate) enum Opened {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

impl SourceArgs {
    /// Opens the store to write into it, or only to look at it. A file that is not there is not made.
    pub(crate) async fn open(&self, purpose: Purpose) -> anyhow::Result<Opened> {
        match &self.store {
            StoreUrl::Sqlite(path) => sqlite(path, purpose).map(Opened::Sqlite),
            StoreUrl::Platform => postgres(None).await.map(Opened::Postgres),
            StoreUrl::Postgres(url) => postgres(Some(url.clone())).await.map(Opened::Postgres),
        }
    }
}

fn sqlite(path: &PathBuf, purpose: Purpose) -> anyhow::Result<SqliteStore> {
    let there = path.try_exists().with_context(|| format!("cannot look for {}", path.display()))?;
    if !there {
        anyhow::bail!(
            "there is no store {}; `processor replay` makes one, --store names another",
            path.display()
        );
    }
    Ok(match purpose {
        Purpose::Read => SqliteStore::open_to_read(path)?,
        Purpose::Write => SqliteStore::open(path)?,
    })
}

async fn postgres(url: Option<String>) -> anyhow::Result<PostgresStore> {
    let given = ConfigArgs { postgres_url: url, ..ConfigArgs::default() };
    let servers = settings(&given)?;
    let endpoint = servers.postgres.ok_or_else(|| {
        Usage("--store postgres is what POSTGRES_URL names, and POSTGRES_URL is not set".to_owned())
    })?;
    Ok(PostgresStore::connect(endpoint).await?)
}

/// Where the servers are.
pub(crate) fn settings(given: &ConfigArgs) -> Result<ServerSettings, Usage> {
    ServerSettings::load(given).map_err(|errors| {
        let problems: Vec<String> = errors.problems().iter().map(ToString::to_string).collect();
        Usage(problems.join("; "))
    })
}

/// All of a store as it is now, and the number of the event that is meant.
pub(crate) struct Looked<R> {
    pub(crate) store: R,
    pub(crate) course: Arc<Course>,
    pub(crate) event: usize,
}

/// A store as of one moment, and its course.
pub(crate) async fn moment<R: Records>(store: &R) -> anyhow::Result<(R, Arc<Course>)> {
    let snapshot = store.snapshot().await?;
    let course = judging::course(&snapshot).await?;
    // A file's rows were checked when they were stored; a platform's that cannot be judged by are left out, and told.
    let errors = check(&course.tables).into_iter().filter(|finding| finding.severity == Severity::Error);
    let errors: Vec<String> = errors.map(|finding| finding.to_string()).collect();
    let left_out = course.tables.left_out.iter().map(|out| format!("left out: {}", out.problem));
    for problem in errors.iter().cloned().chain(left_out).take(PROBLEMS_TOLD) {
        tell!("error: {problem}");
    }
    if !errors.is_empty() {
        anyhow::bail!("the stored course has {} error(s), and cannot be judged by", errors.len());
    }
    if !course.tables.left_out.is_empty() {
        tell!(
            "error: {} row(s) are left out: what they concern is provisional",
            course.tables.left_out.len()
        );
    }
    Ok((snapshot, course))
}

/// Looks at a store as of one moment.
pub(crate) async fn look<R: Records>(store: &R, event: Option<&str>) -> anyhow::Result<Looked<R>> {
    let (snapshot, course) = moment(store).await?;
    let event = pick::event(&course, event)?;
    Ok(Looked { store: snapshot, course, event })
}
