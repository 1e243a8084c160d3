//! Reading a course file: every error names its row and field, and all of them are reported at once.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::strict_json::Strict;
use super::tables::Tables;
use super::validate;

/// One thing that is wrong with a course.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The table, or empty when the document itself is wrong.
    pub table: &'static str,
    /// The row's index in its array, from 0.
    pub row: usize,
    /// What names the row to a person: its id, or a number.
    pub name: String,
    /// The field, or empty when the row as a whole is wrong.
    pub field: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl Problem {
    /// A problem of the document as a whole.
    pub fn of_document(message: String) -> Self {
        Self { table: "", row: 0, name: String::new(), field: String::new(), message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.table.is_empty() {
            write!(f, "{}[{}]", self.table, self.row)?;
            if !self.name.is_empty() {
                write!(f, " ({})", self.name)?;
            }
            f.write_str(": ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with a course; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CourseErrors(pub Vec<Problem>);

impl std::error::Error for CourseErrors {}

impl fmt::Display for CourseErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// Reads a course file and checks it.
///
/// # Errors
/// All problems found: JSON that cannot be read (with line and column), unknown tables or columns, missing or
/// malformed values, and whatever [`validate::tables`] finds.
pub fn parse(text: &str) -> Result<Tables, CourseErrors> {
    let Strict(document) = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|e| CourseErrors(vec![Problem::of_document(format!("no valid JSON: {e}"))]))?;
    let Value::Object(mut document) = document else {
        return Err(CourseErrors(vec![Problem::of_document(
            "a course is a JSON object of tables".to_owned(),
        )]));
    };
    let mut problems = Vec::new();
    let mut tables = Tables::default();
    macro_rules! read {
        ($($table:ident),*) => {
            $( tables.$table = read_table(stringify!($table), &mut document, &mut problems); )*
            const TABLES: &[&str] = &[$(stringify!($table)),*];
        };
    }
    read!(
        events,
        classes,
        entries,
        devices,
        entry_devices,
        stages,
        segments,
        geofences,
        waypoints,
        speed_limit_zones,
        neutralisations,
        penalty_formulas,
        entry_segment_starts,
        overrides
    );
    for key in document.keys() {
        problems
            .push(Problem::of_document(format!("unknown table {key:?}; a course has {}", TABLES.join(", "))));
    }
    if problems.is_empty() {
        validate::tables(&tables, &mut problems);
    }
    if problems.is_empty() {
        Ok(tables)
    } else {
        problems.sort();
        Err(CourseErrors(problems))
    }
}

fn read_table<T: DeserializeOwned>(
    table: &'static str,
    document: &mut Map<String, Value>,
    problems: &mut Vec<Problem>,
) -> Vec<T> {
    let rows = match document.remove(table) {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(rows)) => rows,
        Some(other) => {
            problems.push(Problem::of_document(format!(
                "{table} is an array of rows, found {}",
                kind_of(&other)
            )));
            return Vec::new();
        }
    };
    let mut read = Vec::with_capacity(rows.len());
    for (row, mut value) in rows.into_iter().enumerate() {
        let name = row_name(&value);
        if let Value::Object(fields) = &mut value {
            // A null is a column at its default.
            fields.retain(|_, v| !v.is_null());
            problems.extend(unprintable(table, row, &name, fields));
        }
        match serde_path_to_error::deserialize(&value) {
            Ok(parsed) => read.push(parsed),
            Err(e) => {
                let path = e.path().to_string();
                let field = if path == "." { String::new() } else { path };
                problems.push(Problem { table, row, name, field, message: e.inner().to_string() });
            }
        }
    }
    read
}

/// Names are shown to people on terminals and paper, and `jsonb` refuses a NUL.
fn unprintable<'a>(
    table: &'static str,
    row: usize,
    name: &'a str,
    fields: &'a Map<String, Value>,
) -> impl Iterator<Item = Problem> + 'a {
    let is_bad = |value: &Value| value.as_str().is_some_and(|text| text.chars().any(char::is_control));
    fields.iter().filter(move |(_, value)| is_bad(value)).map(move |(field, value)| Problem {
        table,
        row,
        name: name.to_owned(),
        field: field.clone(),
        message: format!("{value} has control characters"),
    })
}

fn row_name(value: &Value) -> String {
    value.get("id").and_then(Value::as_str).unwrap_or_default().chars().take(40).collect()
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
