//! `import`: a course file from a roadbook.

mod build;
mod csv_file;
mod gpx;
mod options;
mod people;
mod roadbook;
mod select;
mod zones;

use crate::tell::tell;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use race::course::parse;

use crate::exit;

pub(crate) use options::ImportArgs;
use roadbook::{Roadbook, SourceProblem};

/// Why nothing was imported.
enum Failure {
    /// The command line asks for something the source does not have.
    Usage(String),
    /// The source, or the course that it makes, is wrong.
    Data(Vec<String>),
}

/// Imports a roadbook; exits with 0 when a course was written, 1 for wrong data and 2 for a wrong command line.
///
/// # Errors
/// When the source cannot be read or the course file cannot be written.
pub(crate) fn run(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let source = &args.source;
    let file = File::open(source).with_context(|| format!("cannot read {}", source.display()))?;
    let (messages, code) = match import(args, BufReader::new(file)) {
        Ok(text) => return write(args, &text),
        Err(Failure::Usage(message)) => (vec![message], exit::USAGE),
        Err(Failure::Data(messages)) => (messages, exit::DATA),
    };
    for message in messages {
        tell!("error: {message}");
    }
    Ok(ExitCode::from(code))
}

/// The text of the course file; what was left out goes to stderr.
fn import(args: &ImportArgs, source: impl BufRead) -> Result<String, Failure> {
    if let Some(message) = people::named_twice(&args.entry, &args.missed) {
        return Err(Failure::Usage(message));
    }
    let path = &args.source;
    let mut roadbook = read(source).map_err(|problems| located(path, &problems))?;
    let stage = select::select(args, &mut roadbook)?;
    let tables = build::tables(args, &mut roadbook, &stage);
    roadbook.warnings.sort_by_key(|warning| warning.line);
    for SourceProblem { line, message } in &roadbook.warnings {
        tell!("warning: {}:{line}: {message}", path.display());
    }
    let text = serde_json::to_string_pretty(&tables).map_err(|e| Failure::Data(vec![e.to_string()]))? + "\n";
    // What was written has to be readable, so the text itself is what gets checked.
    parse(&text).map_err(|errors| {
        let mut messages = vec!["the course that this makes is not valid".to_owned()];
        messages.extend(errors.0.iter().map(ToString::to_string));
        Failure::Data(messages)
    })?;
    let cancelled = tables.waypoints.iter().filter(|w| w.cancelled).count();
    tell!(
        "{} waypoints ({cancelled} of them cancelled), {} speed limit zones, {} neutralisations, {} entries",
        tables.waypoints.len(),
        tables.speed_limit_zones.len(),
        tables.neutralisations.len(),
        tables.entries.len()
    );
    Ok(text)
}

/// Reads GPX when the source begins as XML does, else CSV.
fn read(mut source: impl BufRead) -> Result<Roadbook, Vec<SourceProblem>> {
    let failed = |e: std::io::Error| vec![SourceProblem { line: 1, message: e.to_string() }];
    let beginning = source.fill_buf().map_err(failed)?;
    let has_mark = beginning.starts_with(b"\xef\xbb\xbf");
    if has_mark {
        source.consume(3);
    }
    let beginning = source.fill_buf().map_err(failed)?;
    let first = beginning.iter().find(|byte| !byte.is_ascii_whitespace()).copied();
    match first {
        None => Err(vec![SourceProblem { line: 1, message: "the file is empty".to_owned() }]),
        Some(b'<') => gpx::read(source),
        Some(_) => csv_file::read(source),
    }
}

fn located(path: &Path, problems: &[SourceProblem]) -> Failure {
    Failure::Data(problems.iter().map(|p| format!("{}:{}: {}", path.display(), p.line, p.message)).collect())
}

fn write(args: &ImportArgs, text: &str) -> anyhow::Result<ExitCode> {
    let Some(path) = &args.output else {
        std::io::stdout().lock().write_all(text.as_bytes()).context("cannot write the course")?;
        return Ok(ExitCode::SUCCESS);
    };
    let opened = if args.force { File::create(path) } else { File::create_new(path) };
    match opened {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            tell!("error: {} exists; --force overwrites it", path.display());
            Ok(ExitCode::from(exit::USAGE))
        }
        other => {
            let written = other.and_then(|mut file| file.write_all(text.as_bytes()));
            written.with_context(|| format!("cannot write {}", path.display()))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
