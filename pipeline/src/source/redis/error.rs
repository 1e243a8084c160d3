//! Why reading failed, by what the caller will do.

use std::io;

use super::resp::ProtocolError;

/// Characters of the broker's words that are repeated.
const WORDS_CHARS: usize = 200;
/// Errors without a code of their own.
const TOO_MANY_CLIENTS: &str = "ERR max number of clients reached";
const NO_LOGIN_NEEDED: [&str; 2] = ["called without any password configured", "but no password is set"];

/// What the broker said instead of doing what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the broker says: {message}")]
pub struct ServerError {
    /// What is the matter.
    pub kind: ServerErrorKind,
    /// The broker's words, shortened and without control characters.
    pub message: String,
}

/// Errors of the broker that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerErrorKind {
    /// The stream or the group is not there, or ceased to be while the reader waited.
    NoGroup,
    /// The key holds something else than a stream.
    WrongType,
    /// The broker cannot do it yet or for the moment: it loads its data, runs a script, has too many clients, or
    /// cannot save what it is told.
    Loading,
    /// The broker has become a replica; its master is elsewhere.
    ReadOnly,
    /// The name or password is wrong or missing, or the user may not do this.
    Auth,
    /// All else.
    Other,
}

impl ServerError {
    /// From the line of an error reply, without its `-`.
    pub(crate) fn new(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line);
        let kind = match text.split(' ').next().unwrap_or_default() {
            _ if text.starts_with(TOO_MANY_CLIENTS) => ServerErrorKind::Loading,
            "NOGROUP" | "UNBLOCKED" => ServerErrorKind::NoGroup,
            "WRONGTYPE" => ServerErrorKind::WrongType,
            "LOADING" | "BUSY" | "MASTERDOWN" | "TRYAGAIN" | "CLUSTERDOWN" | "MISCONF" | "NOREPLICAS" => {
                ServerErrorKind::Loading
            }
            "READONLY" => ServerErrorKind::ReadOnly,
            "NOAUTH" | "WRONGPASS" | "NOPERM" => ServerErrorKind::Auth,
            _ => ServerErrorKind::Other,
        };
        let mut message = String::new();
        for (n, c) in text.chars().enumerate() {
            if n == WORDS_CHARS {
                message.push('…');
                break;
            }
            message.push(if c.is_control() { ' ' } else { c });
        }
        Self { kind, message }
    }

    /// Whether it refuses a login only because it needs none.
    pub(crate) fn needs_no_login(&self) -> bool {
        NO_LOGIN_NEEDED.iter().any(|words| self.message.contains(words))
    }

    /// The same without the broker's words, which repeat the arguments of a command that it does not know.
    pub(crate) fn about_login(self) -> Self {
        if self.kind == ServerErrorKind::Loading {
            return self;
        }
        let code: String = self.message.chars().take_while(char::is_ascii_uppercase).take(16).collect();
        Self { kind: ServerErrorKind::Auth, message: format!("{code}: the login was refused") }
    }
}

/// What a caller can do about a [`ReadError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Connect again after a while, then read one's own pending entries first.
    Reconnect,
    /// Ask again after a while; the connection is good.
    Retry,
    /// Make the stream and its group again, beginning with the oldest entry, then ask again.
    MakeGroup,
    /// Nothing that a program could do: tell and stop.
    Stop,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No connection came about, or it broke.
    #[error("{doing} {address}: {error}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Host and port.
        address: String,
        /// What the system said.
        error: io::Error,
    },
    /// The broker closed the connection.
    #[error("{address} closed the connection{}", if *.within_reply { " within a reply" } else { "" })]
    Closed {
        /// Host and port.
        address: String,
        /// Whether a part of a reply had come.
        within_reply: bool,
    },
    /// The broker did not answer in time.
    #[error("no answer from {address} for {millis} ms")]
    Silent {
        /// Host and port.
        address: String,
        /// How long it was waited.
        millis: u64,
    },
    /// The reply cannot be understood.
    #[error("{address}: {error}")]
    Protocol {
        /// Host and port.
        address: String,
        /// What is wrong with it.
        error: ProtocolError,
    },
    /// The broker refused.
    #[error("{address}: {error}")]
    Server {
        /// Host and port.
        address: String,
        /// What it said.
        error: ServerError,
    },
    /// TLS was asked for and cannot be: a certificate is refused, theirs or ours, or a file of ours is wrong.
    #[error("{address}: {message}")]
    Tls {
        /// Host and port.
        address: String,
        /// Why.
        message: String,
    },
}

impl ReadError {
    /// What can be done about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Io { .. } | Self::Closed { .. } | Self::Silent { .. } | Self::Protocol { .. } => {
                Remedy::Reconnect
            }
            Self::Tls { .. } => Remedy::Stop,
            Self::Server { error, .. } => match error.kind {
                ServerErrorKind::NoGroup => Remedy::MakeGroup,
                ServerErrorKind::Loading => Remedy::Retry,
                ServerErrorKind::ReadOnly => Remedy::Reconnect,
                ServerErrorKind::WrongType | ServerErrorKind::Auth | ServerErrorKind::Other => Remedy::Stop,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_the_code() {
        for (line, kind) in [
            ("NOGROUP No such key 'x' or consumer group 'g'", ServerErrorKind::NoGroup),
            ("UNBLOCKED the stream key no longer exists", ServerErrorKind::NoGroup),
            ("WRONGTYPE Operation against a key", ServerErrorKind::WrongType),
            ("LOADING Redis is loading the dataset in memory", ServerErrorKind::Loading),
            ("ERR max number of clients reached", ServerErrorKind::Loading),
            ("READONLY You can't write against a read only replica.", ServerErrorKind::ReadOnly),
            ("NOAUTH Authentication required.", ServerErrorKind::Auth),
            ("ERR unknown", ServerErrorKind::Other),
            ("", ServerErrorKind::Other),
        ] {
            assert_eq!(ServerError::new(line.as_bytes()).kind, kind, "{line}");
        }
    }

    #[test]
    fn words_are_short_and_a_login_is_not_repeated() {
        let long = ServerError::new(&[b"ERR \x1b[31m\n".as_slice(), &[b'x'; 1_000]].concat());
        assert!(long.message.chars().count() <= WORDS_CHARS + 1 && !long.message.contains(char::is_control));
        let told = ServerError::new(b"ERR unknown command 'AUTH', with args beginning with: 'hunter2'");
        assert_eq!(told.about_login().message, "ERR: the login was refused");
    }
}
