//! Rows of JSON as statements that store them.

use serde_json::Value;

/// Rows of one statement: it may be an argument of a command, and those are bounded.
const STATEMENT_ROWS: usize = 100;

/// Statements that insert rows into a table, each an object by column. Columns that a row does not have are at their
/// default.
pub fn inserts<'a>(table: &'a str, rows: &'a [Value]) -> impl Iterator<Item = String> + 'a {
    let alike = rows.chunk_by(|a, b| columns(a) == columns(b));
    alike.flat_map(|rows| rows.chunks(STATEMENT_ROWS)).map(move |rows| {
        let (columns, rows) = (columns(&rows[0]), Value::from(rows).to_string().replace('\'', "''"));
        format!(
            "INSERT INTO {table} ({columns}) SELECT {columns} \
             FROM jsonb_populate_recordset(NULL::{table}, '{rows}')"
        )
    })
}

fn columns(row: &Value) -> String {
    let names = row.as_object().into_iter().flatten().map(|(name, _)| format!("\"{name}\""));
    names.collect::<Vec<_>>().join(", ")
}
