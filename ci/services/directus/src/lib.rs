//! The Directus that the platform runs, for tests: the real one, on a PostgreSQL of its own, with two users of whom
//! each may see another event; and a proxy that makes it slow, wrong or absent.
//!
//! Everything here blocks, and may be called from inside a runtime. Errors never hold a token or a password.

mod api;
mod process;
mod proxy;
mod schema;
mod server;
mod users;

pub use api::{Answer, Credentials};
pub use proxy::{Mode, Proxy};
pub use server::{Directus, Options};
pub use users::{Cookie, Login, User};

/// Why Directus could not be started, or did not do as it was told. Tests only print it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It, or the Node that it needs, is not installed.
    #[error("no {0}: run `npm ci --ignore-scripts` in ci/services/directus")]
    Missing(String),
    /// It ended, or is not there in time; `log` is the end of what it said.
    #[error("directus {what}: {log}")]
    Start {
        /// What happened.
        what: String,
        /// The end of its log.
        log: String,
    },
    /// It answered something else than was needed.
    #[error("{request} answered {status}: {body}")]
    Answer {
        /// Method and path.
        request: String,
        /// The status of the answer.
        status: u16,
        /// The errors in the answer, and nothing else of it.
        body: String,
    },
    /// This user was not made by [`Directus::create_user`].
    #[error("nobody knows the password of {0}")]
    Stranger(String),
    /// It could not be asked.
    #[error(transparent)]
    Http(#[from] Box<ureq::Error>),
    /// Its database could not be started or asked.
    #[error(transparent)]
    Database(#[from] test_services::Error),
    /// The operating system said no.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What the functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;
