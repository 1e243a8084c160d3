//! Tables with a revision: what is offered is compared with what is stored, and only the difference is written.

use std::collections::BTreeSet;

use rusqlite::types::Value as Sql;
use rusqlite::{OptionalExtension, Transaction, params, params_from_iter};
use uuid::Uuid;

use super::failure::Failure;
use super::history::{Left, Why, note, returning};
use crate::Changes;
use crate::RecordChange::{Inserted, Retracted, Revised};
use crate::tables::Ledger;

impl Ledger {
    /// Inserts what is new, revises what differs or was retracted; an equal row is not written.
    pub(super) fn write(
        &self,
        transaction: &Transaction<'_>,
        rows: &[Vec<Sql>],
        why: Why,
    ) -> Result<Changes, Failure> {
        let (name, columns) = (self.name, self.names().collect::<Vec<_>>().join(", "));
        let left = returning(self);
        let by_key: Vec<String> =
            self.key.iter().enumerate().map(|(n, column)| format!("{column} = ?{}", n + 1)).collect();
        let by_key = by_key.join(" AND ");
        let marks: Vec<String> = (1..=self.columns.len()).map(|n| format!("?{n}")).collect();
        let marks = marks.join(", ");
        let mut stored = transaction.prepare_cached(&format!(
            "SELECT {columns}, retracted_at IS NOT NULL FROM {name} WHERE {by_key}"
        ))?;
        let mut insert = transaction.prepare_cached(&format!(
            "INSERT INTO {name} ({columns}, revision) VALUES ({marks}, 1) RETURNING {left}"
        ))?;
        let mut revise = transaction.prepare_cached(&format!(
            "UPDATE {name} SET ({columns}) = ({marks}), revision = revision + 1, retracted_at = NULL \
             WHERE {by_key} RETURNING {left}"
        ))?;
        let mut changes = Changes::default();
        let mut seen = BTreeSet::new();
        for row in rows {
            let key = self.key_of(row);
            let named = |e: rusqlite::Error| Failure::from(e).about(format_args!("{name} {key}"));
            if !seen.insert(key.clone()) {
                return Err(Failure::refused(format!("{name} {key} comes twice")));
            }
            let found = stored
                .query_row(params_from_iter(&row[..self.key.len()]), |found| {
                    let said: Result<Vec<Sql>, _> = (0..row.len()).map(|n| found.get(n)).collect();
                    Ok((said?, found.get(row.len())?))
                })
                .optional()
                .map_err(named)?;
            let (statement, change, count) = match found {
                None => (&mut insert, Inserted, &mut changes.inserted),
                Some((said, false)) if said == *row => continue,
                Some(_) => (&mut revise, Revised, &mut changes.revised),
            };
            let left = statement.query_row(params_from_iter(row), Left::of).map_err(named)?;
            note(transaction, self.kind, change, &left, why)?;
            *count += 1;
        }
        Ok(changes)
    }

    /// Retracts the rows of an entry that stand and are not offered; how many.
    pub(super) fn retract(
        &self,
        transaction: &Transaction<'_>,
        entry: Uuid,
        offered: &[Vec<Sql>],
        why: Why,
    ) -> Result<usize, Failure> {
        let keep: Vec<String> = offered.iter().map(|row| self.key_of(row)).collect();
        let gone = "entry_id = ?2 AND id NOT IN (SELECT value FROM json_each(?3))";
        self.retract_where(
            transaction,
            gone,
            params![why.at.micros(), entry.to_string(), serde_json::to_string(&keep)?],
            why,
        )
    }

    /// Retracts the rows that stand and of which `gone` is true, an expression by parameters from `?2` on; how many.
    pub(super) fn retract_where(
        &self,
        transaction: &Transaction<'_>,
        gone: &str,
        params: impl rusqlite::Params,
        why: Why,
    ) -> Result<usize, Failure> {
        let mut retract = transaction.prepare_cached(&format!(
            "UPDATE {} SET retracted_at = ?1, revision = revision + 1 WHERE retracted_at IS NULL AND ({gone}) RETURNING {}",
            self.name,
            returning(self)
        ))?;
        let retracted: Vec<Left> = retract.query_map(params, Left::of)?.collect::<Result<_, _>>()?;
        for left in &retracted {
            note(transaction, self.kind, Retracted, left, why)?;
        }
        Ok(retracted.len())
    }

    fn key_of(&self, row: &[Sql]) -> String {
        let parts = row.iter().take(self.key.len());
        let parts: Vec<&str> = parts.map(|part| if let Sql::Text(text) = part { text } else { "" }).collect();
        parts.join("/")
    }
}
