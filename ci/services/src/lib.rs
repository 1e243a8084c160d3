//! Throwaway servers for tests.
//!
//! Every server lives in a temporary folder, listens on a free port of the loopback address only and ends with the
//! value that started it. No shared cluster is touched.

mod authority;
mod postgres;
mod process;
mod rows;
mod timescale;

pub use authority::{Authority, Certificate};
pub use postgres::{Options, Postgres, Tls};
pub use rows::inserts;
pub use timescale::Timescale;

/// Why a server could not be started, stopped or asked. Tests only print it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server is not installed.
    #[error("{program} was not found under {looked_in}: install {package}")]
    Missing {
        /// The program that was looked for.
        program: &'static str,
        /// Where.
        looked_in: &'static str,
        /// The Debian packages that have it.
        package: &'static str,
    },
    /// A program ended badly; `output` is what it said.
    #[error("{program} ended with {status}: {output}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// Its output or the end of its log.
        output: String,
    },
    /// The server did not get where it should within the time.
    #[error("the server did not {what} within {seconds} s: {log}")]
    Late {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        seconds: u64,
        /// The end of its log.
        log: String,
    },
    /// The operating system said no.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What the functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;
