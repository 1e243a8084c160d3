//! Positions and records in PostgreSQL, 14 or later, with TimescaleDB or without.
//!
//! The table `positions` is someone else's; this program only needs its columns and its unique key, see
//! `timescale/schema.rs`, and no right to create tables but temporary ones. What one batch goes through is in
//! `timescale/commit.rs`; which way it goes and why, in `timescale/path.rs`.

mod audience;
mod columns;
mod commit;
mod compare;
mod course;
mod dirty;
mod encode;
mod endpoint;
mod failure;
mod history;
mod instant;
mod lease;
mod ledger;
mod live;
mod lookup;
mod offer;
mod outbox;
mod path;
mod read;
mod recent;
mod records;
mod retained;
mod schema;
mod session;
mod starts;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use race::position::{DeviceId, Position};
use race::time::Timestamp;
use tokio::sync::Mutex;
use tokio_postgres::Config;

use self::commit::Kept;
use self::failure::Failure;
use self::lease::Control;
use self::read::Reader;
use self::records::Recorder;
use self::session::Session;
use crate::{Committed, Fence, Live as _, PositionWrite, Positions, StoreError};

pub use self::audience::PostgresAudience;
pub use self::encode::{COLUMNS, CopyBuffer};
pub use self::endpoint::{EndpointError, PostgresEndpoint};

/// How long to wait for a server that does not answer, where the configuration does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long sent bytes may stay unacknowledged before the connection counts as lost, where the configuration
/// does not say.
const UNANSWERED_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may be silent before the other side is asked whether it is still there, how often then,
/// and how many times in vain, where the configuration leaves the two hours of old.
const SILENCE: Duration = Duration::from_secs(15);
const SILENCE_OF_OLD: Duration = Duration::from_secs(2 * 60 * 60);
const ASK_AGAIN: Duration = Duration::from_secs(5);
const ASK_TIMES: u32 = 3;

/// [`crate::Live`] in PostgreSQL, by a connection each that writes positions, writes records, reads, and keeps the lease;
/// all but the first are opened when they are needed.
///
/// A clone is another handle to the same connections: batches of all clones commit one after another. For a
/// second writer connect a second store.
///
/// A batch over more than 32 days, or one that the server has no memory for, is committed in several
/// transactions. That, a lost connection and a lost answer to COMMIT are all the same to the caller: the batch
/// is offered again, and what is stored already is a duplicate. A lost connection is opened again by the next
/// call; waiting between calls is the caller's. A call whose future is dropped gives up its connection, and with
/// it what was not committed.
///
/// Attributes are compared and read as jsonb prints them.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: PostgresEndpoint,
    name: String,
    timescaledb: Option<String>,
    conflicts: bool,
    /// The reading connection is in a transaction for as long as it lives, and nothing is written.
    is_snapshot: bool,
    writer: Mutex<Writer>,
    reader: Mutex<Option<Reader>>,
    recorder: Mutex<Option<Recorder>>,
    control: Mutex<Option<Control>>,
}

/// The writing connection, while there is one and no call holds it, and what outlives it.
#[derive(Default)]
struct Writer {
    session: Option<Session>,
    kept: Kept,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects, by TLS where the endpoint says so, and checks the schema.
    ///
    /// # Errors
    /// [`StoreError::Away`] when the server cannot be reached or takes no connections now;
    /// [`StoreError::Broken`] when it refuses the user, when a certificate is refused, or when the schema does not
    /// fit: the message then names everything that is missing.
    pub async fn connect(endpoint: impl Into<PostgresEndpoint>) -> Result<Self, StoreError> {
        let endpoint = with_timeouts(endpoint.into());
        let name = name_of(endpoint.config());
        let opened = Session::open(&endpoint).await;
        let session = opened.map_err(|failure| failure.while_doing(format!("connecting to {name}")))?;
        let (timescaledb, conflicts) = (session.found.timescaledb.clone(), session.found.conflicts);
        let writer = Mutex::new(Writer { session: Some(session), kept: Kept::default() });
        let (reader, recorder, control) = Default::default();
        let is_snapshot = false;
        let shared =
            Shared { endpoint, name, timescaledb, conflicts, is_snapshot, writer, reader, recorder, control };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Another store, of what is in the database now.
    async fn frozen(&self) -> Result<Self, Failure> {
        let reader = Reader::open(&self.shared.endpoint).await?;
        reader.freeze().await?;
        let (writer, recorder, control) = Default::default();
        let shared = Shared {
            endpoint: self.shared.endpoint.clone(),
            name: self.shared.name.clone(),
            timescaledb: self.shared.timescaledb.clone(),
            conflicts: self.shared.conflicts,
            is_snapshot: true,
            writer,
            reader: Mutex::new(Some(reader)),
            recorder,
            control,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Nothing is written through a snapshot.
    fn writes(&self) -> Result<(), Failure> {
        if self.shared.is_snapshot { Err(Failure::broken("a snapshot is only read")) } else { Ok(()) }
    }

    /// Whether rows that differ from the stored ones are kept: their table was there when the store was made.
    pub fn keeps_conflicts(&self) -> bool {
        self.shared.conflicts
    }

    /// The version of TimescaleDB that was found when the store was made; `None` on plain PostgreSQL.
    pub fn timescaledb(&self) -> Option<&str> {
        self.shared.timescaledb.as_deref()
    }

    async fn commit(&self, write: &PositionWrite) -> Result<Committed, Failure> {
        if write.rows.is_empty() {
            return Ok(Committed::default());
        }
        self.with_writer(async |session, kept| commit::commit(session, kept, write).await).await
    }

    /// Works with the connection that writes positions.
    async fn with_writer<T>(
        &self,
        work: impl AsyncFnOnce(&mut Session, &mut Kept) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.writes()?;
        let mut writer = self.shared.writer.lock().await;
        let Writer { session, kept } = &mut *writer;
        // Taken out while it is in use: a connection that a call was torn from is not used again.
        let mut open = match session.take().filter(|session| !session.client.is_closed()) {
            Some(open) => open,
            None => Session::open(&self.shared.endpoint).await?,
        };
        let done = work(&mut open, kept).await;
        let usable = match &done {
            Ok(_) => true,
            Err(failure) if failure.leaves_the_connection() => {
                open.client.batch_execute("ROLLBACK").await.is_ok()
            }
            Err(_) => false,
        };
        *session = usable.then_some(open);
        done
    }

    /// Reads with the reading connection, which is given up when that fails.
    async fn read<T>(&self, work: impl AsyncFnOnce(&Reader) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut reader = self.shared.reader.lock().await;
        let open = match reader.take().filter(|reader| !reader.is_closed()) {
            Some(open) => open,
            None if self.shared.is_snapshot => {
                return Err(Failure::retry(
                    "the connection of the snapshot was lost, and the snapshot with it",
                ));
            }
            None => Reader::open(&self.shared.endpoint).await?,
        };
        let read = work(&open).await?;
        *reader = Some(open);
        Ok(read)
    }

    /// Works in a transaction of the connection that writes records, under a fence.
    async fn record<T>(
        &self,
        fence: Option<&Fence>,
        work: impl AsyncFnOnce(&Recorder) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.writes()?;
        let mut recorder = self.shared.recorder.lock().await;
        let open = match recorder.take().filter(|recorder| !recorder.client.is_closed()) {
            Some(open) => open,
            None => Recorder::open(&self.shared.endpoint).await?,
        };
        let done = open.transact(fence, work).await;
        let usable = match &done {
            Ok(_) => true,
            Err(failure) => {
                failure.leaves_the_connection() && open.client.batch_execute("ROLLBACK").await.is_ok()
            }
        };
        *recorder = usable.then_some(open);
        done
    }

    /// Works with the connection of the lease, which is given up when that fails, in no more than
    /// [`lease::CALL_TIMEOUT`].
    async fn control<T>(
        &self,
        work: impl AsyncFnOnce(&mut Control) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.writes()?;
        let mut opened = false;
        let call = async {
            let mut control = self.shared.control.lock().await;
            let mut open = match control.take().filter(|control| !control.is_closed()) {
                Some(open) => open,
                None => Control::open(&self.shared.endpoint).await?,
            };
            opened = true;
            let done = work(&mut open).await?;
            *control = Some(open);
            Ok(done)
        };
        let done = tokio::time::timeout(lease::CALL_TIMEOUT, call).await;
        done.unwrap_or_else(|_| {
            let late = format!("no answer within {} s", lease::CALL_TIMEOUT.as_secs());
            Err(if opened { Failure::retry(late) } else { Failure::away(late) })
        })
    }

    fn error(&self, doing: &str, failure: Failure) -> StoreError {
        failure.while_doing(format!("{doing} in {}", self.shared.name))
    }
}

impl Positions for PostgresStore {
    async fn commit_positions(
        &self,
        rows: Vec<Position>,
        ingested_at: Timestamp,
    ) -> Result<Committed, StoreError> {
        self.write(&PositionWrite { rows, ingested_at, fence: None, touches: Vec::new() }).await
    }

    async fn devices_with_positions(&self, devices: Vec<DeviceId>) -> Result<Vec<DeviceId>, StoreError> {
        let found = self.read(async |reader| reader.devices(&devices).await).await;
        found.map_err(|f| self.error("looking for devices", f))
    }

    async fn read_positions(
        &self,
        device: DeviceId,
        from: Timestamp,
        to: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Position>, StoreError> {
        let read = self.read(async |reader| reader.read(&device, from, to, limit).await).await;
        read.map_err(|f| self.error("reading positions", f))
    }

    async fn count_faulty(
        &self,
        device: DeviceId,
        from: Timestamp,
        to: Option<Timestamp>,
    ) -> Result<u64, StoreError> {
        let counted = self.read(async |reader| reader.count_faulty(&device, from, to).await).await;
        counted.map_err(|f| self.error("counting faulty positions", f))
    }
}

/// The endpoint with how long a server may be silent, where the configuration does not say.
fn with_timeouts(mut endpoint: PostgresEndpoint) -> PostgresEndpoint {
    let config = endpoint.config_mut();
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNANSWERED_TIMEOUT);
    }
    if config.get_keepalives() && config.get_keepalives_idle() == SILENCE_OF_OLD {
        config.keepalives_idle(SILENCE).keepalives_interval(ASK_AGAIN).keepalives_retries(ASK_TIMES);
    }
    if config.get_application_name().is_none() {
        config.application_name("processor");
    }
    endpoint
}

/// Where the database is, without the password.
fn name_of(config: &Config) -> String {
    let host = config.get_hosts().first().map(|host| match host {
        tokio_postgres::config::Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
    });
    let port = config.get_ports().first().copied().unwrap_or(5_432);
    let database = config.get_dbname().or_else(|| config.get_user()).unwrap_or_default();
    format!("postgresql://{}:{port}/{database}", host.unwrap_or_default())
}
