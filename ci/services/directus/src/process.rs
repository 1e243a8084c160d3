//! Its processes: one that makes the tables, one that serves.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use test_services::Postgres;

use crate::api::{ADMIN_TOKEN, Api, Credentials};
use crate::{Directus, Error, Options, Result};

/// A bootstrap takes five seconds and a start three on an idle machine; tests run on busy ones.
const START_WITHIN: Duration = Duration::from_secs(120);
/// A free port may be taken by somebody else before the server binds it.
const PORT_ATTEMPTS: usize = 5;
/// Its database in the server's PostgreSQL.
pub(crate) const DATABASE: &str = "platform";
/// The command line of Directus without its look for newer versions, which would leave the machine.
const COMMAND_LINE: &str = "node_modules/@directus/api/dist/cli/run.js";

/// Its process, which ends with the value.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What all its processes have in common.
pub(crate) struct Process<'a> {
    node: PathBuf,
    folder: &'a Path,
    postgres: &'a Postgres,
    options: &'a Options,
}

impl<'a> Process<'a> {
    pub(crate) fn new(folder: &'a Path, postgres: &'a Postgres, options: &'a Options) -> Result<Self> {
        Ok(Self { node: node()?, folder, postgres, options })
    }

    /// Makes its tables and the administrator.
    pub(crate) fn bootstrap(&self) -> Result<()> {
        let mut child = self.command("bootstrap", 0)?.stdin(Stdio::null()).spawn()?;
        let end = Instant::now() + START_WITHIN;
        while Instant::now() < end {
            match child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.failed(format!("bootstrap ended with {status}"))),
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
        child.kill()?;
        child.wait()?;
        Err(self.failed("bootstrap did not end in time".into()))
    }

    /// Starts to serve, and waits until it does.
    pub(crate) fn serve(&self) -> Result<(Running, Api)> {
        for attempt in 1.. {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            // It ends with this pipe, so also when the test is killed.
            let mut running = Running(self.command("start", port)?.stdin(Stdio::piped()).spawn()?);
            let api = Api::new(format!("http://127.0.0.1:{port}"));
            match self.wait_for(&mut running.0, &api) {
                Err(Error::Start { log, .. }) if attempt < PORT_ATTEMPTS && log.contains("in use") => {}
                result => return result.map(|()| (running, api)),
            }
        }
        unreachable!("the last attempt returns")
    }

    fn wait_for(&self, child: &mut Child, api: &Api) -> Result<()> {
        let end = Instant::now() + START_WITHIN;
        while Instant::now() < end {
            if let Some(status) = child.try_wait()? {
                return Err(self.failed(format!("ended with {status}")));
            }
            if api
                .send("GET", "/server/ping", Credentials::None, None)
                .is_ok_and(|it| it.answer.status == 200)
            {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(self.failed("does not answer in time".into()))
    }

    fn command(&self, what: &str, port: u16) -> Result<Command> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut command = Command::new(&self.node);
        let installed = folder();
        if what == "start" {
            command.arg("--require").arg(installed.join("end-with-parent.cjs"));
        }
        command.arg(installed.join(COMMAND_LINE)).arg(what);
        // An `.env` of its folder would be read, so it has one of its own.
        command.current_dir(self.folder).env_clear().stdout(log.try_clone()?).stderr(log);
        command.env("PATH", "/usr/bin:/bin").env("HOME", self.folder);
        command.env("NODE_COMPILE_CACHE", installed.join("node_modules/.compile-cache"));
        command.envs([
            ("HOST", "127.0.0.1"),
            ("DB_CLIENT", "pg"),
            ("DB_HOST", "127.0.0.1"),
            ("DB_DATABASE", DATABASE),
            ("DB_USER", Postgres::USER),
            ("DB_PASSWORD", Postgres::PASSWORD),
            ("SECRET", Directus::SECRET),
            ("ADMIN_EMAIL", "admin@example.com"),
            ("ADMIN_PASSWORD", "the password of the administrator"),
            ("ADMIN_TOKEN", ADMIN_TOKEN),
            ("TELEMETRY", "false"),
            ("SERVE_APP", "false"),
            ("LOG_LEVEL", "warn"),
            ("LOG_STYLE", "raw"),
            // It answers 503 on a busy machine otherwise; tests that need it to do that have the proxy.
            ("PRESSURE_LIMITER_ENABLED", "false"),
            // A login waits for half a second, so that nobody learns from its time which users there are.
            ("LOGIN_STALL_TIME", "0"),
        ]);
        command.env("DB_PORT", self.postgres.port().to_string()).env("PORT", port.to_string());
        command.env("PUBLIC_URL", format!("http://127.0.0.1:{port}"));
        command.envs(self.options.settings.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn failed(&self, what: String) -> Error {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        Error::Start { what, log: lines[lines.len().saturating_sub(20)..].join("\n") }
    }
}

/// Whether it is installed.
pub(crate) fn is_there() -> bool {
    folder().join(COMMAND_LINE).exists()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Node that Directus needs: the system's may be older.
fn node() -> Result<PathBuf> {
    let cpu = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let package = format!("node-{}-{cpu}", std::env::consts::OS);
    let node = folder().join("node_modules").join(&package).join("bin/node");
    if node.exists() { Ok(node) } else { Err(Error::Missing(package)) }
}
