//! What can be judged by of a course in which some rows cannot: a platform's tables are edited while a race goes on,
//! and one wrong bracket must not take the whole event off the air.
//!
//! Whatever is wrong is left out together with what refers to it, and told; what the rest of the event gives is
//! provisional, so that nothing is silently free of charge.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::check::{Severity, check};
use super::load::{CourseErrors, Problem, parse};
use super::strict_json::Strict;
use super::tables::Tables;

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// What is wrong with it; its number is that of the row as it was given.
    pub problem: Problem,
    /// The event that it is of; none when that cannot be told, and any may be concerned.
    pub event_id: Option<Uuid>,
    /// Its event stays as it was before this was wrong, see [`super::keep`].
    pub before_in_force: bool,
}

/// Reads a course as [`parse`] does, without the rows that have problems or that [`check`] finds errors in; which, is
/// in [`Tables::left_out`].
///
/// # Errors
/// The document as a whole cannot be read.
pub fn salvage(text: &str) -> Result<Tables, CourseErrors> {
    let errors = match parse(text).map(|tables| (errors_of(&tables), tables)) {
        Ok((errors, tables)) if errors.is_empty() => return Ok(tables),
        Ok((errors, _)) => errors,
        Err(CourseErrors(errors)) => errors,
    };
    let mut rest = Rest::new(text)?;
    let mut problems = errors;
    loop {
        rest.leave_out(problems)?;
        match parse(&rest.text()) {
            Ok(mut tables) => {
                problems = errors_of(&tables);
                if problems.is_empty() {
                    tables.left_out = rest.left_out;
                    return Ok(tables);
                }
            }
            Err(CourseErrors(errors)) => problems = errors,
        }
    }
}

/// Rows that cannot mean what they say, as problems.
fn errors_of(tables: &Tables) -> Vec<Problem> {
    let findings = check(tables).into_iter().filter(|finding| finding.severity == Severity::Error);
    let problem = |finding: super::check::Finding| {
        let row = finding.rows.first()?;
        let name = row.id.map(|id| id.to_string()).unwrap_or_default();
        Some(Problem { table: row.table, row: row.row, name, field: String::new(), message: finding.message })
    };
    findings.filter_map(problem).collect()
}

/// The rows that are left, each with its number in the document as it was given.
struct Rest {
    tables: BTreeMap<String, Vec<(usize, Value)>>,
    event_of: BTreeMap<String, Uuid>,
    left_out: Vec<LeftOut>,
}

impl Rest {
    fn new(text: &str) -> Result<Self, CourseErrors> {
        let unreadable = |message: String| CourseErrors(vec![Problem::of_document(message)]);
        let Strict(document) = serde_json::from_str(text).map_err(|e| unreadable(e.to_string()))?;
        let Value::Object(document) = document else {
            return Err(unreadable("a course is a JSON object of tables".to_owned()));
        };
        let rows = |value: Value| match value {
            Value::Array(rows) => rows.into_iter().enumerate().collect(),
            _ => Vec::new(),
        };
        let tables: BTreeMap<String, Vec<(usize, Value)>> =
            document.into_iter().map(|(table, value)| (table, rows(value))).collect();
        let mut rest = Self { tables, event_of: BTreeMap::new(), left_out: Vec::new() };
        rest.event_of = rest.events_of_parents();
        Ok(rest)
    }

    /// To which event each row belongs that others refer to, by its id.
    fn events_of_parents(&self) -> BTreeMap<String, Uuid> {
        let mut event_of = BTreeMap::new();
        for table in ["events", "entries", "stages", "geofences", "classes", "segments", "waypoints"] {
            for (_, row) in self.tables.get(table).into_iter().flatten() {
                let event = event_of_row(table, row, &event_of);
                if let (Some(id), Some(event)) = (row["id"].as_str(), event) {
                    event_of.insert(id.to_lowercase(), event);
                }
            }
        }
        event_of
    }

    /// Leaves out the rows that problems name.
    fn leave_out(&mut self, problems: Vec<Problem>) -> Result<(), CourseErrors> {
        let mut named: BTreeMap<&'static str, BTreeSet<usize>> = BTreeMap::new();
        let mut of_document = Vec::new();
        for mut problem in problems {
            let rows = self.tables.get(problem.table).map_or(&[][..], Vec::as_slice);
            let Some((given, row)) = rows.get(problem.row) else {
                // There is no row to leave out.
                of_document.push(problem);
                continue;
            };
            named.entry(problem.table).or_default().insert(problem.row);
            let event_id = event_of_row(problem.table, row, &self.event_of);
            problem.row = *given;
            self.left_out.push(LeftOut { problem, event_id, before_in_force: false });
        }
        if !of_document.is_empty() {
            return Err(CourseErrors(of_document));
        }
        for (table, numbers) in named {
            let mut number = 0..;
            if let Some(rows) = self.tables.get_mut(table) {
                rows.retain(|_| number.next().is_some_and(|n| !numbers.contains(&n)));
            }
        }
        Ok(())
    }

    fn text(&self) -> String {
        let rows = |rows: &Vec<(usize, Value)>| rows.iter().map(|(_, row)| row.clone()).collect::<Vec<_>>();
        let document: Map<String, Value> =
            self.tables.iter().map(|(table, of_table)| (table.clone(), rows(of_table).into())).collect();
        Value::Object(document).to_string()
    }
}

fn event_of_row(table: &str, row: &Value, event_of: &BTreeMap<String, Uuid>) -> Option<Uuid> {
    let column = if table == "events" { "id" } else { "event_id" };
    if let Some(id) = row[column].as_str().and_then(|id| id.parse().ok()) {
        return Some(id);
    }
    let parents = ["stage_id", "segment_id", "entry_id"];
    parents.iter().find_map(|parent| event_of.get(&row[*parent].as_str()?.to_lowercase()).copied())
}

#[cfg(test)]
mod tests;
