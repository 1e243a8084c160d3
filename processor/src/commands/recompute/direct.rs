//! Without a worker: trying out what would change, in any store; and recomputing in a file.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use race::time::Timestamp;
use storage::Records;
use storage::sqlite::SqliteStore;

use super::compare::{Difference, differences, table};
use super::{RecomputeArgs, ask, by_name, events};
use crate::judging::{self, Outcome};
use crate::recompute::{Answer, Status};
use crate::show::source::moment;
use crate::show::words::{escaped, plural};
use crate::tell::tell;

/// Prints what would change; writes nothing.
pub(super) async fn dry_run<R: Records>(args: &RecomputeArgs, store: &R) -> anyhow::Result<ExitCode> {
    let (snapshot, course) = moment(store).await?;
    let request = by_name(args, &course)?;
    let (numbers, entries) = events(&request, &course, &snapshot).await?;
    let mut changes: Vec<Difference> = Vec::new();
    for number in numbers {
        // All of the event: the place of each depends on all.
        let judged = judging::event(&course, number, BTreeMap::new(), &snapshot).await?;
        changes.extend(differences(&course.events[number], &judged.outcome, &snapshot).await?);
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&changes)?)?;
    } else if !changes.is_empty() {
        writeln!(out, "{}", table(&changes))?;
    }
    out.flush()?;
    let asked = if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") };
    tell!("{asked} and the field: {} would change; nothing was written", plural(changes.len(), "result"));
    Ok(ExitCode::SUCCESS)
}

/// Makes the records of a file what its positions say.
pub(super) async fn recompute(args: &RecomputeArgs, store: &SqliteStore) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let (snapshot, course) = moment(store).await?;
    let request = by_name(args, &course)?;
    let (numbers, entries) = events(&request, &course, &snapshot).await?;
    let outcome =
        Outcome::of(&course, &snapshot, BTreeMap::new(), |number| numbers.contains(&number)).await?;
    let at = Timestamp::from_micros(jiff::Timestamp::now().as_microsecond());
    let changes = outcome.save(store, args.reason, at).await?;
    let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let answer = Answer::without_work(String::new(), Status::Done, String::new()).with(changes);
    ask::print(args, &Answer { entries, duration_ms, ..answer })?;
    for number in numbers {
        tell!("{} was ranked", escaped(&course.events[number].row.name));
    }
    Ok(ExitCode::SUCCESS)
}
