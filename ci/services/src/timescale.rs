//! A PostgreSQL with TimescaleDB, in WebAssembly.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::{Error, Result};

const START_SECONDS: u64 = 60;

/// A database with TimescaleDB that lives in memory: no package registry has the server itself.
///
/// It has one session, so one client at a time; the next waits until that one has left. Anyone may log in. Background
/// jobs do not run.
#[derive(Debug)]
pub struct Timescale {
    child: Child,
    port: u16,
}

impl Timescale {
    /// The only user, without a password.
    pub const USER: &'static str = "postgres";
    /// The only database.
    pub const DATABASE: &'static str = "postgres";

    /// Whether it can be started here: it needs node, and `npm ci` in `ci/services/timescale`. Says on stderr when
    /// not. With `TEST_TIMESCALE` in the environment, as `ci/test` has it, the answer is yes, and starting may fail.
    pub fn is_installed() -> bool {
        let installed =
            std::env::var_os("TEST_TIMESCALE").is_some() || folder().join("node_modules").exists();
        if !installed {
            eprintln!("skipped: no TimescaleDB, run `npm ci` in ci/services/timescale");
        }
        installed
    }

    /// Starts a database of its own.
    pub fn start() -> Result<Timescale> {
        let mut child = Command::new("node")
            .arg("bridge.mjs")
            .current_dir(folder())
            // It ends with this pipe, so also when the test is killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let Some(out) = child.stdout.take() else { unreachable!("stdout is piped") };
        let (send, first_line) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(out).read_line(&mut line);
            let _ = send.send(line);
        });
        let line = first_line.recv_timeout(Duration::from_secs(START_SECONDS)).unwrap_or_default();
        match line.trim().strip_prefix("listening ").and_then(|port| port.parse().ok()) {
            Some(port) => Ok(Timescale { child, port }),
            None => {
                child.kill()?;
                child.wait()?;
                Err(Error::Late { what: "start", seconds: START_SECONDS, log: line })
            }
        }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL of the database.
    pub fn url(&self) -> String {
        format!("postgres://{}@127.0.0.1:{}/{}", Timescale::USER, self.port, Timescale::DATABASE)
    }

    /// Runs SQL in psql, as [`crate::Postgres::psql`] does.
    pub fn psql(&self, sql: &str) -> Result<String> {
        crate::postgres::psql(&self.url(), sql)
    }
}

impl Drop for Timescale {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("timescale")
}
