//! A table of records, brought to what is offered in one statement: only the difference is written, told, and kept
//! with why it came.

use serde_json::Value;
use tokio_postgres::types::{Json, ToSql};
use tokio_postgres::{Client, Statement};

use super::columns::Columns;
use super::failure::Failure;
use super::instant::Bound;
use crate::tables::Ledger;
use crate::{Cause, Changes};

/// Where changes are told to the relay; without it they are not.
pub(super) const OUTBOX: &str = "processor_outbox";
/// Where every revision is kept with its cause; without it none is.
pub(super) const REVISIONS: &str = "processor_record_history";
/// What a row says of its history, where it is not a part of what it says.
pub(super) const HISTORY: [&str; 2] = ["revision", "retracted_at"];

/// Why rows change, and when.
pub(super) struct Why {
    pub(super) cause: Cause,
    pub(super) at: Bound,
}

/// The statement of a table: `$1` are the rows as one JSON array, `$2` is when and `$3` why; with `retracts`, `$4` is the
/// entry whose rows these are, all of them: the others are retracted.
pub(super) async fn prepare(
    client: &Client,
    ledger: &Ledger,
    columns: &Columns,
    retracts: bool,
) -> Result<Statement, Failure> {
    client.prepare(&sql(ledger, columns, retracts)).await.map_err(|e| Failure::from(e).about(ledger.name))
}

fn sql(ledger: &Ledger, columns: &Columns, retracts: bool) -> String {
    let (name, kind) = (ledger.name, ledger.kind.as_str());
    let there: Vec<&str> = ledger.names().filter(|column| columns.has(name, column)).collect();
    let list = |prefix: &str| {
        let quoted: Vec<String> = there.iter().map(|column| format!("{prefix}\"{column}\"")).collect();
        quoted.join(", ")
    };
    // Compared as JSON: not every type that a column may have knows equality, `json` does not.
    let said = |row: &str| {
        let fields: Vec<String> =
            there.iter().map(|column| format!("'{column}', {row}.\"{column}\"")).collect();
        format!("jsonb_build_object({})", fields.join(", "))
    };
    let same: Vec<String> =
        ledger.key.iter().map(|column| format!("t.\"{column}\" = o.\"{column}\"")).collect();
    let same = same.join(" AND ");
    let (counts, retractable) = (columns.has(name, "revision"), columns.has(name, "retracted_at"));
    let revision = if counts { "t.revision::int8" } else { "NULL::int8" };
    let next = if counts { ", revision = t.revision + 1" } else { "" };
    let (back, gone) =
        if retractable { (", retracted_at = NULL", "t.retracted_at IS NOT NULL OR ") } else { ("", "") };
    let (first, one) = if counts { (", revision", ", 1") } else { ("", "") };
    // A table whose rows somebody else makes may have a key of its own that nothing fills in.
    let own_key = ledger.names().all(|column| column != "id")
        && columns.get(name, "id").is_some_and(|id| id.is_required && id.kind == "uuid");
    let (id, new_id) = if own_key { (", id", ", gen_random_uuid()") } else { ("", "") };
    let of_entry = if retracts { ", $4::uuid AS entry" } else { "" };
    let retracted = if retracts && retractable {
        format!(
            "UPDATE {name} AS t SET retracted_at = $2::timestamptz{next} WHERE t.entry_id = $4::uuid \
             AND t.retracted_at IS NULL AND NOT EXISTS (SELECT FROM offered o WHERE {same}) \
             RETURNING 'retracted' AS change, {} AS said, {revision} AS revision",
            said("t")
        )
    } else {
        "SELECT 'retracted' AS change, NULL::jsonb AS said, NULL::int8 AS revision WHERE false".to_owned()
    };
    let noted = if columns.has_table(REVISIONS) {
        format!(
            ", noted AS (INSERT INTO {REVISIONS} \
             (kind, record_id, entry_id, revision, recorded_at, change, cause, record) \
             SELECT '{kind}', (said ->> '{record_id}')::uuid, (said ->> 'entry_id')::uuid, coalesce(revision, 1), \
             $2::timestamptz, change, $3::text, said FROM changed)",
            record_id = ledger.record_id()
        )
    } else {
        String::new()
    };
    let told = if columns.has_table(OUTBOX) {
        format!(
            ", told AS (INSERT INTO {OUTBOX} (kind, event_id, entry_id, payload) SELECT '{kind}', \
             (SELECT event_id FROM entries WHERE id::text = said ->> 'entry_id'), (said ->> 'entry_id')::uuid, \
             said || jsonb_build_object('change', change, 'revision', revision) \
             FROM changed ORDER BY change, said::text)"
        )
    } else {
        String::new()
    };
    format!(
        "WITH given AS (SELECT $2::timestamptz AS at, $3::text AS cause{of_entry}), \
         offered AS MATERIALIZED (SELECT * FROM jsonb_populate_recordset(NULL::{name}, $1)), \
         retracted AS ({retracted}), \
         revised AS (UPDATE {name} AS t SET ({list}) = ROW ({offered}){next}{back} FROM offered o \
             WHERE {same} AND ({gone}{said_t} <> {said_o}) \
             RETURNING 'revised' AS change, {said_t} AS said, {revision} AS revision), \
         inserted AS (INSERT INTO {name} AS t ({list}{first}{id}) SELECT {offered}{one}{new_id} FROM offered o \
             WHERE NOT EXISTS (SELECT FROM {name} t WHERE {same}) \
             RETURNING 'inserted' AS change, {said_t} AS said, {revision} AS revision), \
         changed AS (SELECT * FROM retracted UNION ALL SELECT * FROM revised UNION ALL SELECT * FROM inserted)\
         {told}{noted} \
         SELECT count(*) FILTER (WHERE change = 'inserted'), count(*) FILTER (WHERE change = 'revised'), \
                count(*) FILTER (WHERE change = 'retracted') FROM changed",
        list = list(""),
        offered = list("o."),
        said_t = said("t"),
        said_o = said("o"),
    )
}

/// Inserts what is new, revises what differs or was retracted, and of an entry retracts what is not offered.
pub(super) async fn write(
    client: &Client,
    statement: &Statement,
    rows: Vec<Value>,
    entry: Option<&uuid::Uuid>,
    why: &Why,
) -> Result<Changes, Failure> {
    let rows = Json(Value::Array(rows));
    let cause = why.cause.as_str();
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![&rows, &why.at, &cause];
    params.extend(entry.map(|entry| entry as &(dyn ToSql + Sync)));
    let counted = client.query_one(statement, &params).await?;
    let count =
        |column| Ok::<_, Failure>(usize::try_from(counted.try_get::<_, i64>(column)?).unwrap_or_default());
    Ok(Changes { inserted: count(0)?, revised: count(1)?, retracted: count(2)? })
}
