//! `check`: what is wrong or doubtful in a course file.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use race::course::Problem;
use race::course::check::{Finding, Severity, check};
use serde_json::{Value, json};

use crate::{course_file, exit};

/// Report what is wrong or doubtful in a course file.
///
/// Exits with 0 when nothing of severity "error" was found, with 1 otherwise, with 2 when the command line is wrong.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The course file
    course: PathBuf,
    /// Print one JSON document in place of lines
    #[arg(long)]
    json: bool,
}

/// Prints the problems of a course file or, when it has none, what a roadbook editor should look at.
///
/// # Errors
/// When the file cannot be read or the report cannot be written.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let path = &args.course;
    let (problems, findings) = match course_file::read(path)? {
        Ok(tables) => (Vec::new(), check(&tables)),
        Err(errors) => (errors.0, Vec::new()),
    };
    let report = Report { problems, findings };
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report.json())?;
        writeln!(out)?;
    } else {
        report.lines(&mut out)?;
    }
    Ok(if report.count(Severity::Error) == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::DATA) })
}

struct Report {
    problems: Vec<Problem>,
    findings: Vec<Finding>,
}

impl Report {
    /// How many of a severity; a problem is an error.
    fn count(&self, severity: Severity) -> usize {
        let found = self.findings.iter().filter(|f| f.severity == severity).count();
        if severity == Severity::Error { found + self.problems.len() } else { found }
    }

    fn lines(&self, out: &mut impl Write) -> std::io::Result<()> {
        for problem in &self.problems {
            writeln!(out, "error: {problem}")?;
        }
        // Findings come grouped by severity.
        for finding in &self.findings {
            writeln!(out, "{}: {finding}", finding.severity.as_str())?;
        }
        writeln!(
            out,
            "{} error(s), {} warning(s), {} note(s)",
            self.count(Severity::Error),
            self.count(Severity::Warning),
            self.count(Severity::Note)
        )
    }

    fn json(&self) -> Value {
        let problems: Vec<Value> = self
            .problems
            .iter()
            .map(|p| {
                json!({"table": p.table, "row": p.row, "name": p.name, "field": p.field, "message": p.message})
            })
            .collect();
        json!({
            "problems": problems,
            "findings": self.findings,
            "counts": {
                "error": self.count(Severity::Error),
                "warning": self.count(Severity::Warning),
                "note": self.count(Severity::Note),
            },
        })
    }
}
