//! The session on the server: waiting for it, its settings, and what it says.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};
use tokio_postgres::error::{DbError, Severity, SqlState};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::settings::Settings;
use crate::tell::tell;

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(250);
/// Even with no time left one attempt may take this long.
const SHORTEST_ATTEMPT: Duration = Duration::from_secs(2);
/// A server that took the connection and then says nothing may have lost it.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(10);

/// Connects, and waits until the server accepts connections if it does not yet.
pub(crate) async fn connect(settings: &Settings) -> Result<Client> {
    let connector = settings.tls.as_ref().map(tls::client_config).transpose()?.map(MakeRustlsConnect::new);
    let begin = Instant::now();
    let mut told = false;
    loop {
        let left = settings.timeout.saturating_sub(begin.elapsed());
        let attempt = left.clamp(SHORTEST_ATTEMPT, LONGEST_ATTEMPT);
        let why = match timeout(attempt, open(settings, connector.clone())).await {
            Ok(Ok(client)) => {
                prepare(&client).await?;
                return Ok(client);
            }
            Ok(Err(error)) if is_final(&error) => {
                return Err(explain(&error, None)).with_context(|| settings.target.clone());
            }
            Ok(Err(error)) => explain(&error, None).to_string(),
            Err(_) => format!("no answer within {} s", attempt.as_secs()),
        };
        if begin.elapsed() + PAUSE >= settings.timeout {
            let seconds = settings.timeout.as_secs();
            return Err(anyhow!("{}: not accepting connections after {seconds} s: {why}", settings.target));
        }
        if !told {
            tell!("waiting for {}: {why}", settings.target);
            told = true;
        }
        sleep(PAUSE).await;
    }
}

/// One attempt, by TLS where there is a `connector`.
async fn open(
    settings: &Settings,
    connector: Option<MakeRustlsConnect>,
) -> Result<Client, tokio_postgres::Error> {
    Ok(match connector {
        None => {
            let (client, connection) = settings.database.connect(NoTls).await?;
            tokio::spawn(listen(connection));
            client
        }
        Some(connector) => {
            let (client, connection) = settings.database.connect(connector).await?;
            tokio::spawn(listen(connection));
            client
        }
    })
}

/// Whether asking again is no use: the server is there and refuses us.
fn is_final(error: &tokio_postgres::Error) -> bool {
    let retried = [
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::TOO_MANY_CONNECTIONS,
    ];
    match error.code() {
        Some(code) => !retried.contains(code),
        // Without a code it is the network's, or the configuration's: a missing password for example.
        None if tls::refusal(error).is_some() => true,
        None => {
            let io = std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>());
            !io && !error.is_closed()
        }
    }
}

/// Makes the session fit, whatever the role or the database set.
async fn prepare(client: &Client) -> Result<()> {
    // No statement is hurried: an index on a large table takes its time.
    let settings = "SET statement_timeout = 0; SET lock_timeout = 0; \
                    SET idle_in_transaction_session_timeout = 0; SET client_min_messages = notice";
    client.batch_execute(settings).await.map_err(|error| explain(&error, None))?;
    // A session whose program was killed must not hold the lock until its statement ends. Not every platform can.
    let _ = client.batch_execute("SET client_connection_check_interval = '1s'").await;
    Ok(())
}

/// Where the session looks for names.
pub(crate) async fn search_path(client: &Client) -> Result<String> {
    let row = client.query_one("SELECT current_setting('search_path')", &[]).await;
    Ok(row.map_err(|error| explain(&error, None))?.get(0))
}

/// Makes the session what it was before a file set something.
pub(crate) async fn restore(client: &Client, search_path: &str) -> Result<()> {
    client.batch_execute("RESET ALL").await.map_err(|error| explain(&error, None))?;
    let set = "SELECT set_config('search_path', $1, false)";
    client.execute(set, &[&search_path]).await.map_err(|error| explain(&error, None))?;
    prepare(client).await
}

/// Drives the connection and says what the server says.
async fn listen<S, T>(mut connection: Connection<S, T>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    // An error ends every request too, and is told there.
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notice(notice) = message {
            tell(&notice);
        }
    }
}

fn tell(notice: &DbError) {
    // "already exists, skipping": what IF NOT EXISTS is for.
    let expected = [
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_COLUMN,
        SqlState::DUPLICATE_OBJECT,
        SqlState::DUPLICATE_SCHEMA,
    ];
    let for_people = matches!(notice.parsed_severity(), Some(Severity::Notice | Severity::Warning));
    if for_people && !expected.contains(notice.code()) {
        tell!("{}: {}", notice.severity().to_lowercase(), notice.message());
    }
}

/// An error of the server in one line: with its code, and where it has one, the line of `sql`.
pub(crate) fn explain(error: &tokio_postgres::Error, sql: Option<&str>) -> anyhow::Error {
    if let Some(refusal) = tls::refusal(error) {
        return anyhow!(tls::explain(refusal));
    }
    let Some(db) = error.as_db_error() else {
        let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
        return anyhow!("{error}{source}");
    };
    let mut text = format!("{} (SQLSTATE {})", db.message(), db.code().code());
    if let Some(tokio_postgres::error::ErrorPosition::Original(position)) = db.position()
        && let Some(sql) = sql
    {
        let before = usize::try_from(*position).unwrap_or(1).saturating_sub(1);
        let line = 1 + sql.chars().take(before).filter(|&c| c == '\n').count();
        text = format!("line {line}: {text}");
    }
    for more in [db.detail(), db.hint()].into_iter().flatten() {
        text = format!("{text}; {more}");
    }
    anyhow!(text)
}
