//! Which tables and columns somebody else's schema has.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::failure::Failure;

/// The columns of the tables that were asked for and are there.
#[derive(Debug, Default)]
pub(super) struct Columns(BTreeMap<String, BTreeMap<String, Column>>);

/// A column.
#[derive(Debug)]
pub(super) struct Column {
    /// The name of its type, as in `pg_type`: `timestamptz`, not `timestamp with time zone`.
    pub(super) kind: String,
    /// The schema of its type, quoted: where its functions are.
    pub(super) schema: String,
    /// A row without a value for it is refused.
    pub(super) is_required: bool,
}

impl Columns {
    /// Looks for these tables where the search path leads.
    pub(super) async fn of(client: &Client, tables: &[&str]) -> Result<Self, Failure> {
        let found = client
            .query(
                "SELECT o.name, a.attname::text, t.typname::text, quote_ident(n.nspname), \
                        a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' \
                 FROM unnest($1::text[]) AS o (name) \
                 JOIN pg_attribute a ON a.attrelid = to_regclass(o.name) AND a.attnum > 0 AND NOT a.attisdropped \
                 JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace",
                &[&tables],
            )
            .await?;
        let mut columns = Self::default();
        for row in found {
            let column =
                Column { kind: row.try_get(2)?, schema: row.try_get(3)?, is_required: row.try_get(4)? };
            columns.0.entry(row.try_get(0)?).or_default().insert(row.try_get(1)?, column);
        }
        Ok(columns)
    }

    pub(super) fn has_table(&self, table: &str) -> bool {
        self.0.contains_key(table)
    }

    pub(super) fn get(&self, table: &str, column: &str) -> Option<&Column> {
        self.0.get(table)?.get(column)
    }

    pub(super) fn has(&self, table: &str, column: &str) -> bool {
        self.get(table, column).is_some()
    }
}
