//! What SQLite says, grouped by what the caller can do about it.

use std::fmt::Display;

use rusqlite::ErrorCode;

use crate::StoreError;

/// Why a call failed, before it is said what was being done.
#[derive(Debug)]
pub(super) struct Failure {
    kind: Kind,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Retry,
    Refused,
    Broken,
}

impl Failure {
    pub(super) fn refused(message: impl Display) -> Self {
        Self { kind: Kind::Refused, message: message.to_string() }
    }

    pub(super) fn broken(message: impl Display) -> Self {
        Self { kind: Kind::Broken, message: message.to_string() }
    }

    /// Names the table or row that the failure is about.
    pub(super) fn about(self, what: impl Display) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    pub(super) fn while_doing(self, context: String) -> StoreError {
        let message = self.message;
        match self.kind {
            Kind::Retry => StoreError::Retry { context, message },
            Kind::Refused => StoreError::Refused { context, message },
            Kind::Broken => StoreError::Broken { context, message },
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Kind::Retry,
            Some(ErrorCode::ConstraintViolation) => Kind::Refused,
            _ => Kind::Broken,
        };
        Self { kind, message: error.to_string() }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::broken(error)
    }
}
