//! Rows of the course as columns: one mechanism for every table, by way of the row's JSON object. Flags are 0 or 1,
//! instants microseconds, documents and geometries text.

use race::time::Timestamp;
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::failure::Failure;
use crate::tables::{Kind, Table};

/// A row to be stored: its columns in the order of [`Table::columns`], and its key as one text.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) key: String,
    pub(super) values: Vec<Sql>,
}

impl Table {
    /// The key as one text, as an SQL expression; [`Encoded::key`] is its value.
    pub(super) fn key_expression(&self) -> String {
        self.key.join(" || '/' || ")
    }

    /// The columns, quoted and with a prefix, separated by commas.
    pub(super) fn column_list(&self, prefix: &str) -> String {
        let names: Vec<String> = self.columns.iter().map(|(name, _)| format!("{prefix}\"{name}\"")).collect();
        names.join(", ")
    }

    pub(super) fn encode<T: Serialize>(&self, rows: &[T]) -> Result<Vec<Encoded>, Failure> {
        rows.iter().map(|row| self.encode_row(row).map_err(|f| f.about(self.name))).collect()
    }

    fn encode_row<T: Serialize>(&self, row: &T) -> Result<Encoded, Failure> {
        let Json::Object(mut fields) = serde_json::to_value(row)? else {
            return Err(Failure::broken("a row is no JSON object"));
        };
        let key: Vec<&str> =
            self.key.iter().filter_map(|name| fields.get(*name).and_then(Json::as_str)).collect();
        let key = key.join("/");
        let mut values = Vec::with_capacity(self.columns.len());
        for (name, kind) in self.columns {
            let field = fields.remove(*name).unwrap_or_default();
            values.push(to_sql(*kind, field).map_err(|f| f.about(format_args!("{key}: {name}")))?);
        }
        match fields.keys().next() {
            None => Ok(Encoded { key, values }),
            Some(unknown) => Err(Failure::broken(format!("the schema has no column {unknown:?}"))),
        }
    }

    /// All rows, by key.
    pub(super) fn select<T: DeserializeOwned>(&self, connection: &Connection) -> Result<Vec<T>, Failure> {
        let sql =
            format!("SELECT {} FROM {} ORDER BY {}", self.column_list(""), self.name, self.key.join(", "));
        let mut statement = connection.prepare_cached(&sql)?;
        let mut found = statement.query([])?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            rows.push(self.decode(row).map_err(|f| f.about(self.name))?);
        }
        Ok(rows)
    }

    fn decode<T: DeserializeOwned>(&self, row: &Row<'_>) -> Result<T, Failure> {
        let mut fields = Map::new();
        for (index, (name, kind)) in self.columns.iter().enumerate() {
            let field = to_json(*kind, row.get_ref(index)?).map_err(|f| f.about(name))?;
            fields.insert((*name).to_owned(), field);
        }
        Ok(serde_json::from_value(Json::Object(fields))?)
    }
}

fn to_sql(kind: Kind, field: Json) -> Result<Sql, Failure> {
    Ok(match (kind, field) {
        (_, Json::Null) => Sql::Null,
        (Kind::Plain, Json::String(text)) => Sql::Text(text),
        (Kind::Plain, Json::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Sql::Integer(integer),
            (None, Some(float)) if number.is_f64() => Sql::Real(float),
            _ => return Err(Failure::refused(format!("{number} is beyond 64 bits"))),
        },
        (Kind::Flag, Json::Bool(flag)) => Sql::Integer(flag.into()),
        (Kind::Instant, Json::String(text)) => {
            Sql::Integer(text.parse::<Timestamp>().map_err(Failure::refused)?.micros())
        }
        (Kind::Document | Kind::Geometry, document) => Sql::Text(document.to_string()),
        (kind, other) => return Err(Failure::broken(format!("{other} does not fit a column of {kind:?}"))),
    })
}

fn to_json(kind: Kind, column: ValueRef<'_>) -> Result<Json, Failure> {
    Ok(match (kind, column) {
        (_, ValueRef::Null) => Json::Null,
        (Kind::Plain, ValueRef::Integer(integer)) => integer.into(),
        (Kind::Plain, ValueRef::Real(float)) => float.into(),
        (Kind::Plain, ValueRef::Text(text)) => std::str::from_utf8(text).map_err(Failure::broken)?.into(),
        (Kind::Flag, ValueRef::Integer(flag)) => (flag != 0).into(),
        (Kind::Instant, ValueRef::Integer(micros)) => Timestamp::from_micros(micros).to_string().into(),
        (Kind::Document | Kind::Geometry, ValueRef::Text(text)) => serde_json::from_slice(text)?,
        (kind, other) => {
            return Err(Failure::broken(format!("{other:?} is not what a {kind:?} is stored as")));
        }
    })
}
