//! Tables with a revision: what is offered is compared with what is stored, and only the difference is written.

use std::collections::BTreeSet;

use race::time::Timestamp;
use rusqlite::types::Value as Sql;
use rusqlite::{OptionalExtension, Transaction, params, params_from_iter};
use uuid::Uuid;

use super::failure::Failure;
use crate::Changes;
use crate::tables::Ledger;

impl Ledger {
    /// Inserts what is new, revises what differs or was retracted; an equal row is not written.
    pub(super) fn write(&self, transaction: &Transaction<'_>, rows: &[Vec<Sql>]) -> Result<Changes, Failure> {
        let (name, columns) = (self.name, self.columns.join(", "));
        let by_key: Vec<String> =
            self.key.iter().enumerate().map(|(n, column)| format!("{column} = ?{}", n + 1)).collect();
        let by_key = by_key.join(" AND ");
        let marks: Vec<String> = (1..=self.columns.len()).map(|n| format!("?{n}")).collect();
        let marks = marks.join(", ");
        let mut stored = transaction.prepare_cached(&format!(
            "SELECT {columns}, retracted_at IS NOT NULL FROM {name} WHERE {by_key}"
        ))?;
        let mut insert = transaction
            .prepare_cached(&format!("INSERT INTO {name} ({columns}, revision) VALUES ({marks}, 1)"))?;
        let mut revise = transaction.prepare_cached(&format!(
            "UPDATE {name} SET ({columns}) = ({marks}), revision = revision + 1, retracted_at = NULL \
             WHERE {by_key}"
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
            match found {
                None => changes.inserted += insert.execute(params_from_iter(row)).map_err(named)?,
                Some((said, false)) if said == *row => {}
                Some(_) => changes.revised += revise.execute(params_from_iter(row)).map_err(named)?,
            }
        }
        Ok(changes)
    }

    /// Retracts the rows of an entry that stand and are not offered; how many.
    pub(super) fn retract(
        &self,
        transaction: &Transaction<'_>,
        entry: Uuid,
        offered: &[Vec<Sql>],
        at: Timestamp,
    ) -> Result<usize, Failure> {
        let keep: Vec<String> = offered.iter().map(|row| self.key_of(row)).collect();
        let mut retract = transaction.prepare_cached(&format!(
            "UPDATE {} SET retracted_at = ?1, revision = revision + 1 \
             WHERE entry_id = ?2 AND retracted_at IS NULL AND id NOT IN (SELECT value FROM json_each(?3))",
            self.name
        ))?;
        let retracted =
            retract.execute(params![at.micros(), entry.to_string(), serde_json::to_string(&keep)?])?;
        Ok(retracted)
    }

    fn key_of(&self, row: &[Sql]) -> String {
        let parts = row.iter().take(self.key.len());
        let parts: Vec<&str> = parts.map(|part| if let Sql::Text(text) = part { text } else { "" }).collect();
        parts.join("/")
    }
}
