//! Ids that name a row by what it is, so that the same evidence always gives the same row.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::time::Timestamp;

/// The namespace of every id below. Never change it: stored rows are found again by it.
const NAMESPACE: Uuid = Uuid::from_u128(0x6a3f_21c4_58d0_5b7e_9c15_e2b0_7f4d_a913);

/// What names a computed row.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// Whose row.
    pub entry: Uuid,
    /// `crossing`, or the evaluator of a penalty.
    pub what: &'a str,
    /// The row that the formula table belongs to.
    pub scope: Option<Uuid>,
    /// The waypoint kind of the table.
    pub kind: Option<&'a str>,
    /// The segment, zone, waypoint or geofence it happened at.
    pub place: Option<Uuid>,
    /// The direction of a crossing.
    pub direction: Option<&'a str>,
    /// When it began, for what can happen twice.
    pub start: Option<Timestamp>,
}

/// The id of a computed row: UUID version 5 (RFC 9562) of the JSON array of its key, start in epoch milliseconds.
pub fn row_id(key: &Key<'_>) -> Uuid {
    let name = json!([
        key.entry,
        key.what,
        key.scope,
        key.kind,
        key.place,
        key.direction,
        key.start.map(|t| t.micros() / 1_000),
    ]);
    of_json(&name)
}

/// The id of a row that an import makes: version 5 of the JSON array of a table and what names the row in its source.
pub fn imported_id(table: &str, name: &[&str]) -> Uuid {
    of_json(&json!(["import", table, name]))
}

fn of_json(name: &Value) -> Uuid {
    Uuid::new_v5(&NAMESPACE, name.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_pinned_because_stored_rows_are_found_by_them() {
        let key = Key {
            entry: Uuid::nil(),
            what: "crossing",
            scope: None,
            kind: None,
            place: Some(Uuid::nil()),
            direction: Some("enter"),
            start: Some(Timestamp::from_millis(1)),
        };
        assert_eq!(row_id(&key).to_string(), "b28bcf76-f25f-5584-9f5d-c4ac1d72791a");
        assert_eq!(row_id(&key).get_version_num(), 5);
        assert_ne!(row_id(&key), row_id(&Key { direction: Some("exit"), ..key }));
        assert_ne!(row_id(&key), row_id(&Key { start: Some(Timestamp::from_millis(2)), ..key }));
    }
}
