//! The guard table, and the lock that lets one instance at a time at it.

use anyhow::{Context as _, Result, ensure};
use tokio_postgres::{Client, Transaction};

use crate::scripts::Script;
use crate::server::explain;
use crate::tell::tell;

/// The session advisory lock of all instances on one database: "db-init" in ASCII.
const LOCK: i64 = 0x0064_622d_696e_6974;

/// One file as the guard table remembers it.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) filename: String,
    /// ISO 8601, UTC.
    pub(crate) applied_at: String,
    /// Rows of older programs may have none.
    pub(crate) checksum: Option<String>,
}

/// The guard table by its full name, so that a file that sets a search path cannot hide it.
#[derive(Debug)]
pub(crate) struct Guard {
    table: String,
    exists: bool,
}

impl Guard {
    /// Looks for the table and makes nothing.
    pub(crate) async fn find(client: &Client) -> Result<Guard> {
        let found = "SELECT quote_ident(n.nspname) || '.migrations_applied', c.oid IS NOT NULL \
                       FROM (SELECT to_regclass('migrations_applied') AS oid) t \
                       LEFT JOIN pg_class c ON c.oid = t.oid \
                       LEFT JOIN pg_namespace n ON n.nspname = current_schema() AND c.oid IS NULL \
                                                OR n.oid = c.relnamespace";
        let row = client.query_one(found, &[]).await.map_err(|error| explain(&error, None))?;
        let table: Option<String> = row.get(0);
        Ok(Guard {
            table: table.context("the search path of this role names no schema")?,
            exists: row.get(1),
        })
    }

    /// Makes the table where there is none.
    pub(crate) async fn create(&mut self, client: &Client) -> Result<()> {
        if !self.exists {
            let create = format!(
                "CREATE TABLE {} (filename text PRIMARY KEY, applied_at timestamptz DEFAULT now(), checksum text)",
                self.table
            );
            client
                .batch_execute(&create)
                .await
                .map_err(|error| explain(&error, None))
                .context(self.table.clone())?;
            self.exists = true;
        }
        Ok(())
    }

    /// Every row, by name.
    pub(crate) async fn read(&self, client: &Client) -> Result<Vec<Applied>> {
        if !self.exists {
            return Ok(Vec::new());
        }
        let select = format!(
            "SELECT filename, coalesce(to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), ''), \
                    checksum FROM {} ORDER BY filename COLLATE \"C\"",
            self.table
        );
        let rows = client
            .query(&select, &[])
            .await
            .map_err(|error| explain(&error, None))
            .context(self.table.clone())?;
        let applied = |row: &tokio_postgres::Row| Applied {
            filename: row.get(0),
            applied_at: row.get(1),
            checksum: row.get(2),
        };
        Ok(rows.iter().map(applied).collect())
    }

    /// Remembers a file in the transaction that applied it.
    pub(crate) async fn record(&self, transaction: &Transaction<'_>, script: &Script) -> Result<()> {
        let insert = format!("INSERT INTO {} (filename, checksum) VALUES ($1, $2)", self.table);
        transaction
            .execute(&insert, &[&script.name, &script.checksum])
            .await
            .map_err(|error| explain(&error, None))
            .context(self.table.clone())?;
        Ok(())
    }
}

/// Takes the lock, for as long as the session lives, and waits for whoever has it.
pub(crate) async fn lock(client: &Client) -> Result<()> {
    let row = client
        .query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK])
        .await
        .map_err(|error| explain(&error, None))?;
    if !row.get::<_, bool>(0) {
        tell!("another db-init is at work on this database, waiting for it");
        client
            .execute("SELECT pg_advisory_lock($1)", &[&LOCK])
            .await
            .map_err(|error| explain(&error, None))?;
    }
    Ok(())
}

/// Refuses a database whose business tables have an owner.
pub(crate) async fn refuse_directus(client: &Client) -> Result<()> {
    let row = client
        .query_one("SELECT EXISTS (SELECT FROM pg_tables WHERE tablename = 'directus_collections')", &[])
        .await
        .map_err(|error| explain(&error, None))?;
    ensure!(
        !row.get::<_, bool>(0),
        "--standalone is refused: this database has a directus_collections table, so Directus owns the business tables"
    );
    Ok(())
}
