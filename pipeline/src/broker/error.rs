//! Why a command was not carried out, by what the caller will do.

use std::time::Duration;

use crate::source::redis::{ServerError, ServerErrorKind};

/// Why a command was not carried out. An address is host and port; no error tells a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// The broker cannot be reached, was silent for too long, or cannot serve for the moment. Retry later: the
    /// next command connects anew. Whether this one was carried out is not known.
    #[error("the broker at {address} is away: {reason}")]
    Away {
        /// Host and port.
        address: String,
        /// What happened.
        reason: String,
    },
    /// The stream or the group is not there. Make it, with [`ensure_group`](super::Broker::ensure_group), and
    /// retry.
    #[error("{address}: {reason}")]
    NoGroup {
        /// Host and port.
        address: String,
        /// The broker's words.
        reason: String,
    },
    /// The broker refuses, and will again: a login, a permission, a key of another type. Tell and stop.
    #[error("{address}: {reason}")]
    Refused {
        /// Host and port.
        address: String,
        /// The broker's words, or what is wrong with them.
        reason: String,
    },
    /// Another process works under this name. Wait until it has let go, or stop.
    #[error("{address}: the instance id {id} is taken by {holder}, for at least {} ms", .expires_in.as_millis())]
    Taken {
        /// Host and port.
        address: String,
        /// The name.
        id: String,
        /// What the other process says of itself.
        holder: String,
        /// After this time the name is free, unless the other process lives.
        expires_in: Duration,
    },
}

impl BrokerError {
    /// What the broker said instead of doing what it was asked.
    pub(super) fn server(address: String, error: &ServerError) -> Self {
        let reason = error.to_string();
        match error.kind {
            ServerErrorKind::NoGroup => Self::NoGroup { address, reason },
            // A replica may become a master again, or its name lead to another broker with the next connection.
            ServerErrorKind::Loading | ServerErrorKind::ReadOnly => Self::Away { address, reason },
            // Memory is freed by those who read.
            ServerErrorKind::Other if error.message.starts_with("OOM") => Self::Away { address, reason },
            ServerErrorKind::WrongType | ServerErrorKind::Auth | ServerErrorKind::Other => {
                Self::Refused { address, reason }
            }
        }
    }
}
