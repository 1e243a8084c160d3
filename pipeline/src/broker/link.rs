//! The one connection of a [`Broker`](super::Broker): opened when it is needed, given up when it breaks.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Pipeline, RedisConnectionInfo, RedisError, Value};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::limits::{BROKER_CALL_MS, BROKER_CONNECT_MS};
use crate::source::redis::{Endpoint, ReadError, ServerError, ServerErrorKind};

use super::error::BrokerError;
use super::socket;

/// What became of one command.
pub(super) type Answer = Result<Value, ServerError>;

pub(super) struct Link {
    endpoint: Endpoint,
    name: String,
    mark: String,
    current: Mutex<Option<Arc<Opened>>>,
}

/// A connection and the task that drives it, which ends with the last who uses it.
struct Opened {
    connection: MultiplexedConnection,
    driver: AbortHandle,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("endpoint", &self.endpoint)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(endpoint: Endpoint, name: &str) -> Self {
        let name = name.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect();
        let mark = format!("pid-{}-{:016x}", std::process::id(), random());
        Self { endpoint, name, mark, current: Mutex::new(None) }
    }

    /// What the connection's name ends with, behind a slash: it tells this process from all others, and a person
    /// which one it is.
    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    pub(super) fn address(&self) -> String {
        self.endpoint.address()
    }

    /// Gives commands in one round trip; as many answers as commands. Where a connection that was idle turns out to
    /// be broken they are given once more, so they must bear being carried out twice.
    pub(super) async fn ask(&self, commands: &Pipeline) -> Result<Vec<Answer>, BrokerError> {
        self.within_time(commands, true).await
    }

    /// As [`Link::ask`], for what must not be carried out twice.
    pub(super) async fn ask_once(&self, commands: &Pipeline) -> Result<Vec<Answer>, BrokerError> {
        self.within_time(commands, false).await
    }

    async fn within_time(&self, commands: &Pipeline, again: bool) -> Result<Vec<Answer>, BrokerError> {
        let patience = Duration::from_millis(BROKER_CALL_MS);
        let answers = timeout(patience, self.ask_and_again(commands, again)).await;
        let values = match answers {
            Ok(values) => values?,
            Err(_) => {
                // What was asked may be answered yet, in the midst of whatever would be asked next.
                self.give_up(None).await;
                return Err(self.away(&format!("no answer within {BROKER_CALL_MS} ms")));
            }
        };
        if values.len() != commands.len() {
            return Err(self.puzzled("a pipeline"));
        }
        Ok(values.into_iter().map(answer).collect())
    }

    /// As [`Link::ask`], where a refusal of any command is an error.
    pub(super) async fn all(&self, commands: &Pipeline) -> Result<Vec<Value>, BrokerError> {
        let answers = self.ask(commands).await?.into_iter();
        answers.map(|answer| answer.map_err(|error| self.refused(&error))).collect()
    }

    /// The error that a refusal is.
    pub(super) fn refused(&self, error: &ServerError) -> BrokerError {
        BrokerError::server(self.address(), error)
    }

    /// A reply is not what the command is documented to answer.
    pub(super) fn puzzled(&self, command: &str) -> BrokerError {
        let reason = format!("the reply to {command} cannot be understood");
        BrokerError::Refused { address: self.address(), reason }
    }

    fn away(&self, reason: &impl fmt::Display) -> BrokerError {
        BrokerError::Away { address: self.address(), reason: reason.to_string() }
    }

    async fn ask_and_again(&self, commands: &Pipeline, mut again: bool) -> Result<Vec<Value>, BrokerError> {
        loop {
            let (opened, is_fresh) = self.opened().await?;
            match Self::exchange(&opened, commands).await {
                Ok(values) => return Ok(values),
                Err(error) => {
                    self.give_up(Some(&opened)).await;
                    if is_fresh || !again {
                        return Err(self.away(&error));
                    }
                    again = false;
                }
            }
        }
    }

    async fn exchange(opened: &Opened, commands: &Pipeline) -> Result<Vec<Value>, RedisError> {
        opened.connection.clone().req_packed_commands(commands, 0, commands.len()).await
    }

    /// The connection, and whether it was opened for this call.
    async fn opened(&self) -> Result<(Arc<Opened>, bool), BrokerError> {
        let mut current = self.current.lock().await;
        if let Some(opened) = current.as_ref().filter(|opened| !opened.driver.is_finished()) {
            return Ok((Arc::clone(opened), false));
        }
        let opened = timeout(Duration::from_millis(BROKER_CONNECT_MS), self.open()).await;
        let opened = opened
            .map_err(|_| self.away(&format!("no connection within {BROKER_CONNECT_MS} ms")))
            .flatten()
            .map(Arc::new)?;
        *current = Some(Arc::clone(&opened));
        Ok((opened, true))
    }

    /// Forgets a connection, or whichever there is.
    async fn give_up(&self, broken: Option<&Arc<Opened>>) {
        let mut current = self.current.lock().await;
        if broken.is_none_or(|broken| current.as_ref().is_some_and(|current| Arc::ptr_eq(current, broken))) {
            *current = None;
        }
    }

    /// Connects and introduces itself, as the reader of the stream does.
    async fn open(&self) -> Result<Opened, BrokerError> {
        let socket = socket::open(&self.endpoint).await.map_err(|error| match error {
            ReadError::Tls { message, .. } => {
                BrokerError::Refused { address: self.address(), reason: message }
            }
            ReadError::Io { error, .. } => self.away(&format!("cannot connect: {error}")),
            other => self.away(&other),
        })?;
        // A login and a database of the client's own are not asked for: `introduce` sees to them. Neither is a
        // deadline: `ask` has one.
        let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (connection, drive) = MultiplexedConnection::new_with_config(&settings, socket, config)
            .await
            .map_err(|error| self.away(&error))?;
        let opened = Opened { connection, driver: tokio::spawn(drive).abort_handle() };
        self.introduce(&opened).await?;
        Ok(opened)
    }

    async fn introduce(&self, opened: &Opened) -> Result<(), BrokerError> {
        if let Some(login) = self.endpoint.login() {
            let mut command = redis::Cmd::new();
            for word in login {
                command.arg(word);
            }
            match self.one(opened, command).await? {
                // As the Node driver does: a password too many is no reason not to work.
                Err(error) if error.needs_no_login() => {}
                Err(error) => return Err(self.refused(&error.about_login())),
                Ok(_) => {}
            }
        }
        if self.endpoint.database != 0 {
            let mut command = redis::cmd("SELECT");
            command.arg(self.endpoint.database);
            self.one(opened, command).await?.map_err(|error| self.refused(&error))?;
        }
        // A name helps operators; a broker that refuses it still serves.
        let mut command = redis::cmd("CLIENT");
        command.arg("SETNAME").arg(format!("{}/{}", self.name, self.mark));
        match self.one(opened, command).await? {
            // Without a login, or room for another client, the first command says so, whichever it is.
            Err(error) if error.kind == ServerErrorKind::Loading || error.message.starts_with("NOAUTH") => {
                Err(self.refused(&error))
            }
            Err(_) | Ok(_) => Ok(()),
        }
    }

    async fn one(&self, opened: &Opened, command: redis::Cmd) -> Result<Answer, BrokerError> {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(command);
        let values = Self::exchange(opened, &pipeline).await.map_err(|error| self.away(&error))?;
        values.into_iter().next().map(answer).ok_or_else(|| self.puzzled("a command"))
    }
}

/// An error that stands for a value, made one.
pub(super) fn answer(value: Value) -> Answer {
    match value {
        Value::ServerError(error) => {
            let words = error.details().unwrap_or_default();
            Err(ServerError::new(format!("{} {words}", error.code()).as_bytes()))
        }
        value => Ok(value),
    }
}

/// Hash keys come from the system's source of random numbers.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
