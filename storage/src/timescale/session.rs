//! A connection, set up and with its statements prepared.

use tokio_postgres::{Client, NoTls, Statement};

use super::compare;
use super::dirty;
use super::encode::COLUMNS;
use super::endpoint::PostgresEndpoint;
use super::failure::Failure;
use super::lookup;
use super::recent::Recent;
use super::schema::{self, Found};

/// Durability is the writer's promise, so it is not left to the server's configuration. Every query here is meant
/// to go by the unique key: a plan that was made while the table was small must not scan it when it has grown, and
/// none is worth compiling. A program that was stopped, or cut off, under way must not hold its rows against the one
/// that took over, so the server gives up on it: between two statements of a transaction this program only sorts, and
/// a link that answers nothing for half a minute is no link.
const SETTINGS: &str = "SET synchronous_commit = on; SET enable_seqscan = off; SET jit = off; \
                        SET client_min_messages = warning; SET idle_in_transaction_session_timeout = '30s'; \
                        SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; \
                        SET tcp_keepalives_count = 3; SET tcp_user_timeout = '30s'";

/// Where rows wait for INSERT. Temporary: no log is written for them. No statistics are ever collected, so the
/// plan does not change under way.
const CREATE_ASIDE: &str = "CREATE TEMPORARY TABLE IF NOT EXISTS positions_offered (device_id text, \
     ts timestamptz, ingested_at timestamptz, latitude float8, longitude float8, altitude real, angle real, \
     speed real, satellites smallint, priority smallint, codec text, attributes jsonb) ON COMMIT DELETE ROWS";

/// The writer's connection.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) found: Found,
    pub(super) recent: Recent,
    pub(super) plain: Statement,
    pub(super) lookup: Statement,
    pub(super) compare: Statement,
    aside: Option<Aside>,
    mark: Option<Statement>,
}

/// The statements of the way aside.
#[derive(Clone)]
pub(super) struct Aside {
    pub(super) copy: Statement,
    /// Inserts what is new; its result is what is not.
    pub(super) insert: Statement,
}

impl Session {
    pub(super) async fn open(endpoint: &PostgresEndpoint) -> Result<Self, Failure> {
        let client = connect(endpoint).await.map_err(Failure::at_connect)?;
        // A server does not notice that nobody waits for it any more: a start that meets a locked table must not leave
        // one session after the other there.
        client.batch_execute("SET lock_timeout = '10s'").await?;
        let found = schema::check(&client).await?;
        let plain = client.prepare(&format!("COPY positions ({COLUMNS}) FROM STDIN (FORMAT binary)")).await?;
        let lookup = client.prepare(lookup::SELECT).await?;
        let compare = client.prepare(compare::SELECT).await?;
        client.batch_execute("RESET lock_timeout").await?;
        Ok(Self { client, found, recent: Recent::default(), plain, lookup, compare, aside: None, mark: None })
    }

    /// The statements of the way aside; outside a transaction, which could undo the table.
    pub(super) async fn aside(&mut self) -> Result<Aside, Failure> {
        if let Some(aside) = &self.aside {
            return Ok(aside.clone());
        }
        self.client.batch_execute(CREATE_ASIDE).await?;
        let copy = format!("COPY pg_temp.positions_offered ({COLUMNS}) FROM STDIN (FORMAT binary)");
        // The server joins what it returns with what was offered: the keys of a clean batch need not travel.
        let insert = format!(
            "WITH stored AS (INSERT INTO positions ({COLUMNS}) SELECT {COLUMNS} FROM pg_temp.positions_offered \
             ON CONFLICT (device_id, ts) DO NOTHING RETURNING device_id, ts) \
             SELECT o.device_id, o.ts FROM pg_temp.positions_offered o \
             LEFT JOIN stored s ON s.device_id = o.device_id AND s.ts = o.ts WHERE s.ts IS NULL"
        );
        let aside =
            Aside { copy: self.client.prepare(&copy).await?, insert: self.client.prepare(&insert).await? };
        Ok(self.aside.insert(aside).clone())
    }

    /// The statement that marks entries dirty. Not every database that takes positions has its table.
    pub(super) async fn mark(&mut self) -> Result<Statement, Failure> {
        if let Some(mark) = &self.mark {
            return Ok(mark.clone());
        }
        let mark = self.client.prepare(dirty::MARK).await?;
        Ok(self.mark.insert(mark).clone())
    }
}

/// A client whose connection runs on a task of its own, which ends when the client is dropped. Its error reaches
/// whoever uses the client, as a closed connection.
pub(super) async fn connect(endpoint: &PostgresEndpoint) -> Result<Client, Failure> {
    let config = endpoint.config();
    let client = match endpoint.connector().map_err(Failure::broken)? {
        None => {
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(async move { drop(connection.await) });
            client
        }
        Some(connector) => {
            let (client, connection) = config.connect(connector).await.map_err(refused_or_lost)?;
            tokio::spawn(async move { drop(connection.await) });
            client
        }
    };
    client.batch_execute(SETTINGS).await?;
    Ok(client)
}

/// A certificate that is refused looks like a lost connection, and would be tried for ever.
fn refused_or_lost(error: tokio_postgres::Error) -> Failure {
    match tls::refusal(&error) {
        Some(refusal) => Failure::broken(tls::explain(refusal)),
        None => error.into(),
    }
}
