//! A database of its own for each test, and the built binary run against it.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use test_services::Postgres;

/// A fresh database on the server that the tests share.
pub(crate) struct Database {
    pub(crate) server: Arc<Postgres>,
    pub(crate) name: String,
}

impl Database {
    pub(crate) fn new() -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = Postgres::shared().unwrap();
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        server.psql("postgres", &format!("create database {name}")).unwrap();
        Database { server, name }
    }

    pub(crate) fn psql(&self, sql: &str) -> String {
        self.server.psql(&self.name, sql).unwrap()
    }

    /// The program with the environment of this database.
    pub(crate) fn command(&self) -> Command {
        command(self.server.port(), &self.name)
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command().args(args))
    }

    /// Runs with the files of `folder`.
    pub(crate) fn run_in(&self, folder: &TempDir, args: &[&str]) -> Ran {
        Ran::of(self.command().args(args).env("DB_INIT_DIR", folder.path()))
    }

    /// Waits until `sql` answers `expected`.
    pub(crate) fn wait_until(&self, sql: &str, expected: &str) {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = self.psql(sql);
            if answer == expected {
                return;
            }
            assert!(Instant::now() < end, "{sql} still says {answer:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

pub(crate) fn command(port: u16, database: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_db-init"));
    command
        .env_clear()
        .env("DB_HOST", "127.0.0.1")
        .env("DB_PORT", port.to_string())
        .env("DB_USER", Postgres::USER)
        .env("DB_PASSWORD", Postgres::PASSWORD)
        .env("DB_DATABASE", database)
        .stdin(Stdio::null());
    command
}

/// How a run ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Ran {
        Ran::from(command.output().unwrap())
    }

    pub(crate) fn from(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ran =
            Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) };
        for said in [&ran.out, &ran.err] {
            assert!(!said.contains(Postgres::PASSWORD), "the password is shown: {said}");
        }
        ran
    }

    /// Its last line, after a good end.
    #[track_caller]
    pub(crate) fn last(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        self.out.lines().last().unwrap()
    }

    /// What it said, after a refusal.
    #[track_caller]
    pub(crate) fn refusal(&self) -> &str {
        assert_eq!(self.code, 1, "{self:?}");
        assert_eq!(self.out, "");
        &self.err
    }
}

/// A folder of files.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, sql) in files {
        write(folder.path(), name, sql);
    }
    folder
}

pub(crate) fn write(folder: &Path, name: &str, sql: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, sql).unwrap();
}

/// Starts a run whose output is read when it ends.
pub(crate) fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}
