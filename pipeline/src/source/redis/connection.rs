//! A connection to the broker: commands out, bytes in. Every method may be dropped half-way and called again.

use std::time::Duration;
use std::{fmt, io};

use tokio::time::timeout;

use crate::limits::{BROKER_CONNECT_MS, MAX_REPLY_LINE_BYTES, SOCKET_READ_BYTES};

use super::endpoint::Endpoint;
use super::error::{ReadError, ServerError, ServerErrorKind};
use super::resp::{ProtocolError, Scan, Token, walk};
use super::socket::{Socket, late_refusal};

pub(super) struct Connection {
    socket: Socket,
    address: String,
    /// What is still to be sent.
    out: Vec<u8>,
    /// What was received, from `used` on.
    buffer: Vec<u8>,
    used: usize,
}

/// Neither what is sent, which may be a login, nor what is received is for a log.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects, logs in, selects the database and sets the connection's name.
    pub(super) async fn open(endpoint: &Endpoint, name: &str) -> Result<Self, ReadError> {
        let address = endpoint.address();
        let opened = timeout(Duration::from_millis(BROKER_CONNECT_MS), async {
            let socket = Socket::open(endpoint).await?;
            let (out, buffer) = (Vec::new(), Vec::with_capacity(SOCKET_READ_BYTES));
            let mut connection = Self { socket, address: address.clone(), out, buffer, used: 0 };
            connection.introduce(endpoint, name).await?;
            Ok(connection)
        });
        opened.await.unwrap_or(Err(ReadError::Silent { address: address.clone(), millis: BROKER_CONNECT_MS }))
    }

    async fn introduce(&mut self, endpoint: &Endpoint, name: &str) -> Result<(), ReadError> {
        if let Some(login) = endpoint.login() {
            self.send(&login);
            match self.status().await {
                // As the Node driver does: a password too many is no reason not to work.
                Err(ReadError::Server { error, .. }) if error.needs_no_login() => {}
                Err(ReadError::Server { address, error }) => {
                    return Err(ReadError::Server { address, error: error.about_login() });
                }
                answered => answered?,
            }
        }
        if endpoint.database != 0 {
            self.send(&[b"SELECT", endpoint.database.to_string().as_bytes()]);
            self.status().await?;
        }
        // A name helps operators; a broker that refuses it still serves.
        let name: String = name.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect();
        self.send(&[b"CLIENT", b"SETNAME", name.as_bytes()]);
        match self.status().await {
            // Without a login, or room for another client, the first command says so, whichever it is.
            Err(ReadError::Server { address, error })
                if error.kind == ServerErrorKind::Loading || error.message.starts_with("NOAUTH") =>
            {
                Err(ReadError::Server { address, error })
            }
            Err(ReadError::Server { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Host and port.
    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    /// Queues a command; it leaves with the next [`Connection::receive`].
    pub(super) fn send(&mut self, words: &[&[u8]]) {
        self.out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            self.out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            self.out.extend_from_slice(word);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// What was received and not used.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.used..]
    }

    /// Marks received bytes as used.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.used = (self.used + bytes).min(self.buffer.len());
        if self.used == self.buffer.len() {
            self.buffer.clear();
            self.used = 0;
        }
    }

    /// Sends what is queued, then waits for more bytes; `wanted` of them are needed at least.
    pub(super) async fn receive(&mut self, wanted: usize, patience: Duration) -> Result<(), ReadError> {
        let waited = timeout(patience, self.exchange(wanted)).await;
        let Ok(received) = waited else {
            let millis = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
            return Err(ReadError::Silent { address: self.address(), millis });
        };
        match received {
            Ok(0) => {
                let within_reply = !self.bytes().is_empty();
                Err(ReadError::Closed { address: self.address(), within_reply })
            }
            Ok(_) => Ok(()),
            Err(error) => Err(match late_refusal(&error) {
                Some(message) => ReadError::Tls { address: self.address(), message },
                None => ReadError::Io { doing: "lost the connection to", address: self.address(), error },
            }),
        }
    }

    async fn exchange(&mut self, wanted: usize) -> io::Result<usize> {
        while !self.out.is_empty() {
            let written = self.socket.write(&self.out).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.out.drain(..written);
        }
        // Again at every call: one that was dropped may have written and not flushed.
        self.socket.flush().await?;
        // What is wanted may be far more than is kept, or a lie.
        let room = wanted.clamp(SOCKET_READ_BYTES / 4, SOCKET_READ_BYTES);
        if self.used > 0 && self.buffer.capacity() - self.buffer.len() < room {
            self.buffer.drain(..self.used);
            self.used = 0;
        }
        self.buffer.reserve(room);
        self.socket.read_into(&mut self.buffer).await
    }

    /// The reply to a command that is answered with a status.
    async fn status(&mut self) -> Result<(), ReadError> {
        loop {
            let mut refused = None;
            let walked = walk(self.bytes(), |_, token| {
                if let Token::Error(line) = token {
                    refused = Some(ServerError::new(line));
                }
            });
            match walked.map_err(|error| self.wrong(error))? {
                Scan::Whole((), used) => {
                    self.consume(used);
                    let address = self.address();
                    return refused.map_or(Ok(()), |error| Err(ReadError::Server { address, error }));
                }
                Scan::Need(_) if self.bytes().len() > MAX_REPLY_LINE_BYTES => {
                    return Err(self.wrong(ProtocolError("a status is too long")));
                }
                Scan::Need(more) => self.receive(more, Duration::from_millis(BROKER_CONNECT_MS)).await?,
            }
        }
    }

    /// An error in what was received.
    pub(super) fn wrong(&self, error: ProtocolError) -> ReadError {
        ReadError::Protocol { address: self.address(), error }
    }
}
