//! What PostgreSQL says, grouped by what the caller can do about it.

use std::error::Error;
use std::fmt::Display;

use tokio_postgres::error::SqlState;

use crate::StoreError;

/// Why a call failed, before it is said what was being done.
#[derive(Debug)]
pub(super) struct Failure {
    kind: Kind,
    state: Option<SqlState>,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Away,
    Retry,
    Unable,
    Fenced,
    Refused,
    Broken,
}

impl Failure {
    pub(super) fn retry(message: impl Display) -> Self {
        Self { kind: Kind::Retry, state: None, message: message.to_string() }
    }

    /// The lease is another's.
    pub(super) fn fenced() -> Self {
        Self { kind: Kind::Fenced, state: None, message: String::new() }
    }

    /// The connection could not be opened in time.
    pub(super) fn away(message: impl Display) -> Self {
        Self { kind: Kind::Away, state: None, message: message.to_string() }
    }

    /// What failed was opening a connection: nothing was asked of the server yet.
    pub(super) fn at_connect(self) -> Self {
        let kind = if matches!(self.kind, Kind::Retry | Kind::Unable) { Kind::Away } else { self.kind };
        Self { kind, ..self }
    }

    pub(super) fn refused(message: impl Display) -> Self {
        Self { kind: Kind::Refused, state: None, message: message.to_string() }
    }

    pub(super) fn broken(message: impl Display) -> Self {
        Self { kind: Kind::Broken, state: None, message: message.to_string() }
    }

    /// A row was there already.
    pub(super) fn is_unique_violation(&self) -> bool {
        self.state.as_ref() == Some(&SqlState::UNIQUE_VIOLATION)
    }

    /// How a fence says no, see `timescale/lease.rs`.
    pub(super) fn is_division_by_zero(&self) -> bool {
        self.state.as_ref() == Some(&SqlState::DIVISION_BY_ZERO)
    }

    /// The server ran out of memory, most often of the shared memory for locks: a transaction over many chunks
    /// takes several locks on each.
    pub(super) fn is_out_of_memory(&self) -> bool {
        self.state.as_ref() == Some(&SqlState::OUT_OF_MEMORY)
    }

    /// The server answered, and the connection may still serve.
    pub(super) fn leaves_the_connection(&self) -> bool {
        matches!(self.kind, Kind::Refused | Kind::Fenced) || self.is_out_of_memory()
    }

    /// Names the table or row that the failure is about.
    pub(super) fn about(self, what: impl Display) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    pub(super) fn while_doing(self, context: String) -> StoreError {
        let message = self.message;
        match self.kind {
            Kind::Away => StoreError::Away { context, message },
            Kind::Retry => StoreError::Retry { context, message },
            Kind::Unable => StoreError::Unable { context, message },
            Kind::Fenced => StoreError::Fenced { context },
            Kind::Refused => StoreError::Refused { context, message },
            Kind::Broken => StoreError::Broken { context, message },
        }
    }
}

fn kind_of(state: &SqlState) -> Kind {
    let code = state.code();
    match code.get(..2).unwrap_or_default() {
        // A standby that was promoted away from under us, or one that is not promoted yet.
        _ if code == "25006" => Kind::Unable,
        // 25P03 is a transaction that was idle for too long, because this program was stopped under way.
        _ if matches!(
            code,
            "25P03" | "55P03" | "57014" | "57P01" | "57P02" | "57P03" | "57P05" | "58030"
        ) =>
        {
            Kind::Retry
        }
        // An operator's trigger says no.
        _ if code == "P0001" => Kind::Refused,
        // Connection lost; transaction rolled back (serialization, deadlock).
        "08" | "40" => Kind::Retry,
        // Memory, disk, connections short: no row is to blame for that.
        "53" => Kind::Unable,
        // Bad data; integrity; a limit of the program, such as an index row that is too long.
        "22" | "23" | "54" => Kind::Refused,
        _ => Kind::Broken,
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else {
            let lost = error.is_closed() || has_io_source(&error);
            let kind = if lost { Kind::Retry } else { Kind::Broken };
            return Self { kind, state: None, message: with_sources(&error) };
        };
        let mut message = format!("{} ({})", said.message(), said.code().code());
        for more in [said.detail(), said.hint()].into_iter().flatten() {
            message = format!("{message}; {more}");
        }
        Self { kind: kind_of(said.code()), state: Some(said.code().clone()), message }
    }
}

fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let source = next?;
        next = source.source();
        Some(source)
    })
}

fn has_io_source(error: &(dyn Error + 'static)) -> bool {
    sources(error).any(<dyn Error>::is::<std::io::Error>)
}

fn with_sources(error: &(dyn Error + 'static)) -> String {
    sources(error).fold(error.to_string(), |message, source| {
        let source = source.to_string();
        if message.ends_with(&source) { message } else { format!("{message}: {source}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_grouped_by_what_can_be_done() {
        let kind = |code| kind_of(&SqlState::from_code(code));
        for code in ["40001", "40P01", "57P01", "57P02", "57P03", "08006", "25P03", "57014"] {
            assert_eq!(kind(code), Kind::Retry, "{code}");
        }
        for code in ["53100", "53200", "53300", "25006"] {
            assert_eq!(kind(code), Kind::Unable, "{code}");
        }
        for code in ["22021", "22P05", "22P02", "23502", "23505", "23514", "54000", "P0001"] {
            assert_eq!(kind(code), Kind::Refused, "{code}");
        }
        for code in ["42P01", "42703", "42501", "28P01", "3D000", "57P04", "XX000"] {
            assert_eq!(kind(code), Kind::Broken, "{code}");
        }
    }

    #[test]
    fn a_server_that_takes_no_connection_is_away_and_one_that_refuses_the_user_is_not() {
        let kind = |code| {
            let state = SqlState::from_code(code);
            Failure { kind: kind_of(&state), state: Some(state), message: String::new() }.at_connect().kind
        };
        assert_eq!([kind("57P03"), kind("53300"), kind("28P01")], [Kind::Away, Kind::Away, Kind::Broken]);
    }
}
