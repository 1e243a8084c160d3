//! What the writer needs of the database, checked when a connection opens.

use tokio_postgres::Client;

use super::failure::Failure;

/// The oldest server this was written for.
const OLDEST_VERSION: i32 = 140_000;

/// The columns that are written and read.
const COLUMNS: [(&str, &str); 13] = [
    ("device_id", "text"),
    ("ts", "timestamp with time zone"),
    ("ingested_at", "timestamp with time zone"),
    ("latitude", "double precision"),
    ("longitude", "double precision"),
    ("altitude", "real"),
    ("angle", "real"),
    ("speed", "real"),
    ("satellites", "smallint"),
    ("priority", "smallint"),
    ("codec", "text"),
    ("attributes", "jsonb"),
    ("faulty", "boolean"),
];

/// What was found beside what is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Conflicting rows are kept in `position_conflicts`.
    pub(super) conflicts: bool,
    /// The version of TimescaleDB; `None` on plain PostgreSQL.
    pub(super) timescaledb: Option<String>,
}

/// Looks at the schema; everything that is wrong with it is one error.
pub(super) async fn check(client: &Client) -> Result<Found, Failure> {
    let server = client
        .query_one(
            "SELECT current_setting('server_version_num')::int4, current_setting('server_version'), \
                    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')",
            &[],
        )
        .await?;
    let mut problems = Vec::new();
    if server.try_get::<_, i32>(0)? < OLDEST_VERSION {
        problems.push(format!("the server is PostgreSQL {}, 14 is needed", server.try_get::<_, &str>(1)?));
    }
    if table(client, "positions", true, &mut problems).await? {
        unique_key(client, &mut problems).await?;
    } else {
        problems.push("there is no table positions".into());
    }
    let conflicts = table(client, "position_conflicts", false, &mut problems).await?;
    if problems.is_empty() {
        return Ok(Found { conflicts, timescaledb: server.try_get(2)? });
    }
    Err(Failure::broken(format!("the schema does not fit: {}", problems.join("; "))))
}

/// Whether the table is there; what is wrong with its columns is added to `problems`.
async fn table(
    client: &Client,
    name: &str,
    with_faulty: bool,
    problems: &mut Vec<String>,
) -> Result<bool, Failure> {
    let found = client
        .query(
            "SELECT attname::text, format_type(atttypid, NULL), attnotnull, atthasdef OR attidentity <> '' \
             FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
            &[&name],
        )
        .await?;
    let mut there: Vec<(String, String, bool, bool)> = Vec::with_capacity(found.len());
    for row in &found {
        there.push((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?));
    }
    if there.is_empty() {
        return Ok(false);
    }
    for (column, wanted) in COLUMNS.into_iter().filter(|(column, _)| with_faulty || *column != "faulty") {
        match there.iter().find(|(name, ..)| name == column) {
            None => problems.push(format!("{name}.{column} is missing, {wanted} is needed")),
            Some((_, kind, ..)) if kind != wanted => {
                problems.push(format!("{name}.{column} is {kind}, {wanted} is needed"));
            }
            Some((_, _, true, false)) if column == "faulty" => {
                problems.push(format!("{name}.faulty has no default, false is needed"));
            }
            Some(_) => {}
        }
    }
    for (column, _, not_null, default) in &there {
        if *not_null && !default && !COLUMNS.iter().any(|(known, _)| known == column) {
            problems.push(format!("{name}.{column} would have to be given, and is not known here"));
        }
    }
    Ok(true)
}

async fn unique_key(client: &Client, problems: &mut Vec<String>) -> Result<(), Failure> {
    let found = client
        .query_one(
            "SELECT EXISTS (SELECT FROM pg_index WHERE indrelid = to_regclass('positions') AND indisunique \
             AND indisvalid AND indimmediate AND indpred IS NULL AND indexprs IS NULL AND indnkeyatts = 2 \
             AND (SELECT array_agg(attname::text ORDER BY attname) FROM pg_attribute \
                  WHERE attrelid = indrelid AND attnum = ANY ((indkey::int2[])[0:1])) \
                 = ARRAY['device_id', 'ts'])",
            &[],
        )
        .await?;
    if !found.try_get::<_, bool>(0)? {
        problems.push(
            "positions has no valid unique index on (device_id, ts), not partial, not deferrable".into(),
        );
    }
    Ok(())
}
