//! A PostgreSQL server.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{self, Account};
use crate::{Certificate, Error, Result};

/// Where Debian keeps its servers, one folder a major version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Starting takes half a second; recovery after a kill on a busy machine takes longer.
const START_SECONDS: u64 = 60;
const STOP_SECONDS: u64 = 30;
/// A free port may be taken by somebody else before the server binds it.
const PORT_ATTEMPTS: usize = 5;

/// How a server is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether what was committed must survive a crash of the machine. Off is faster and survives `kill9` too.
    pub fsync: bool,
    /// Further settings, as in postgresql.conf.
    pub settings: Vec<(String, String)>,
    /// TLS, where it is offered.
    pub tls: Option<Tls>,
}

/// How a server does TLS.
#[derive(Debug, Clone)]
pub struct Tls {
    /// What the server shows.
    pub certificate: Certificate,
    /// Whether a connection without TLS is refused.
    pub required: bool,
    /// Whether clients must show a certificate of the same authority.
    pub client_certificates: bool,
}

/// A PostgreSQL server of its own: TCP on 127.0.0.1 only, password authentication, UTF-8, locale C.
#[derive(Debug)]
pub struct Postgres {
    child: Option<Child>,
    port: u16,
    bin: PathBuf,
    account: Option<Account>,
    options: Options,
    folder: TempDir,
}

impl Postgres {
    /// The superuser of every such server.
    pub const USER: &'static str = "postgres";
    /// Their password. It guards nothing; tests look for it where it must not appear.
    pub const PASSWORD: &'static str = "correct horse battery staple";

    /// Makes a cluster and starts a server on it, without fsync.
    pub fn start() -> Result<Postgres> {
        Postgres::start_with(Options::default())
    }

    /// Makes a cluster and starts a server on it.
    pub fn start_with(options: Options) -> Result<Postgres> {
        let mut server = Postgres::init(options)?;
        for attempt in 1.. {
            match server.spawn() {
                Err(Error::Failed { .. }) if attempt < PORT_ATTEMPTS => server.port = process::free_port()?,
                result => return result.map(|()| server),
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Makes a cluster and leaves it to [`Postgres::restart`] to start the server.
    pub fn init(options: Options) -> Result<Postgres> {
        let bin = newest_version()?;
        let folder = tempfile::Builder::new().prefix("test-postgres-").tempdir()?;
        let account = Account::unprivileged(folder.path())?;
        if let Some(account) = account {
            account.own(folder.path())?;
        }
        let password = folder.path().join("password");
        fs::write(&password, Postgres::PASSWORD)?;
        let server = Postgres { child: None, port: process::free_port()?, bin, account, options, folder };
        let mut initdb = process::command(&server.bin.join("initdb"), account);
        initdb.args([
            "--no-sync",
            "--no-instructions",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
        ]);
        initdb.arg(format!("--username={}", Postgres::USER));
        initdb.arg(format!("--pwfile={}", password.display())).arg("-D").arg(server.data());
        run(&mut initdb, "initdb")?;
        if let Some(tls) = &server.options.tls {
            server.set_up(tls)?;
        }
        Ok(server)
    }

    fn set_up(&self, tls: &Tls) -> Result<()> {
        for file in tls.certificate.copy_to(&self.data())? {
            // The server refuses a key that others may read.
            fs::set_permissions(&file, Permissions::from_mode(0o600))?;
            if let Some(account) = self.account {
                account.own(&file)?;
            }
        }
        let kind = if tls.required { "hostssl" } else { "host" };
        let client = if tls.client_certificates { " clientcert=verify-ca" } else { "" };
        let rule = format!("{kind} all all 127.0.0.1/32 scram-sha-256{client}\n");
        fs::write(self.data().join("pg_hba.conf"), rule)?;
        let mut settings = "ssl = on\n".to_owned();
        if tls.client_certificates {
            fs::copy(&tls.certificate.authority, self.data().join("root.crt"))?;
            settings += "ssl_ca_file = 'root.crt'\n";
        }
        let mut file = File::options().append(true).open(self.data().join("postgresql.conf"))?;
        file.write_all(settings.as_bytes())?;
        Ok(())
    }

    /// One server for all tests of a process that overlap; it ends with the last of them. Use a database each.
    pub fn shared() -> Result<Arc<Postgres>> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Postgres::start()?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }

    /// The port on 127.0.0.1, the same for the server's whole life.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL of `database` with user and password.
    pub fn url(&self, database: &str) -> String {
        let password = Postgres::PASSWORD.replace(' ', "%20");
        format!("postgres://{}:{password}@127.0.0.1:{}/{database}", Postgres::USER, self.port)
    }

    /// Runs SQL in psql, statement by statement, and returns the rows: fields parted by `|`, one row a line.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        psql(&self.url(database), sql)
    }

    /// SIGKILL to the server and all its backends: what a power cut of the process leaves is what is on disk.
    pub fn kill9(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        // It is to start no further one between the look and the kill.
        process::signal("STOP", &[child.id()])?;
        // The postmaster first, or it would see its children die and clean up after them.
        let backends = process::children(child.id());
        let pids: Vec<u32> = std::iter::once(child.id()).chain(backends).collect();
        process::signal("KILL", &pids)?;
        child.wait()?;
        // A server that is started again refuses to while one of them holds the shared memory.
        let end = Instant::now() + Duration::from_secs(STOP_SECONDS);
        while pids.iter().any(|&pid| process::lives(pid)) {
            if Instant::now() > end {
                return Err(Error::Late { what: "die", seconds: STOP_SECONDS, log: self.log_tail() });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Stops the server in order, ending its sessions.
    pub fn stop(&mut self) -> Result<()> {
        self.end("INT")
    }

    /// Starts the server again on the same data and port, after a [`Postgres::stop`] or [`Postgres::kill9`] or
    /// instead of it.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.spawn()
    }

    fn end(&mut self, signal: &str) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        process::signal(signal, &[child.id()])?;
        let end = Instant::now() + Duration::from_secs(STOP_SECONDS);
        while child.try_wait()?.is_none() {
            if Instant::now() > end {
                self.child = Some(child);
                self.kill9()?;
                return Err(Error::Late { what: "stop", seconds: STOP_SECONDS, log: self.log_tail() });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn spawn(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log"))?;
        let mut server = process::command(&self.bin.join("postgres"), self.account);
        server.arg("-D").arg(self.data()).arg("-p").arg(self.port.to_string());
        let fsync = if self.options.fsync { "fsync=on" } else { "fsync=off" };
        let fixed = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_buffers=32MB", fsync];
        server.args(fixed.iter().flat_map(|setting| ["-c", setting]));
        for (name, value) in &self.options.settings {
            server.arg("-c").arg(format!("{name}={value}"));
        }
        let mut child = server.stdout(log.try_clone()?).stderr(log).spawn()?;
        let end = Instant::now() + Duration::from_secs(START_SECONDS);
        while !self.is_ready(child.id()) {
            if let Some(status) = child.try_wait()? {
                return Err(Error::Failed { program: "postgres".into(), status, output: self.log_tail() });
            }
            if Instant::now() > end {
                child.kill()?;
                child.wait()?;
                return Err(Error::Late { what: "start", seconds: START_SECONDS, log: self.log_tail() });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.child = Some(child);
        Ok(())
    }

    /// The server writes its state to the eighth line of this file; the first is whose state it is.
    fn is_ready(&self, pid: u32) -> bool {
        let Ok(text) = fs::read_to_string(self.data().join("postmaster.pid")) else { return false };
        let mut lines = text.lines();
        lines.next().is_some_and(|line| line.trim() == pid.to_string())
            && lines.nth(6).is_some_and(|state| state.trim() == "ready")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its data goes with it, so there is nothing to write down first.
        let _ = self.end("QUIT");
    }
}

/// Runs SQL in psql on the database of `url`.
pub(crate) fn psql(url: &str, sql: &str) -> Result<String> {
    let mut psql = process::command(&newest_version()?.join("psql"), None);
    psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
    psql.args(["--dbname", url, "--command", sql]);
    run(&mut psql, "psql").map(|rows| rows.trim_end().to_owned())
}

fn newest_version() -> Result<PathBuf> {
    let missing = || Error::Missing { program: "postgres", looked_in: VERSIONS, package: "postgresql-15" };
    let folders = Path::new(VERSIONS).read_dir().map_err(|_| missing())?;
    folders
        .filter_map(|entry| {
            let bin = entry.ok()?.path();
            let version: u32 = bin.file_name()?.to_str()?.parse().ok()?;
            let bin = bin.join("bin");
            ["postgres", "initdb", "psql"].iter().all(|p| bin.join(p).exists()).then_some((version, bin))
        })
        .max()
        .map(|(_, bin)| bin)
        .ok_or_else(missing)
}

fn run(command: &mut Command, program: &str) -> Result<String> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(Error::Failed { program: program.to_owned(), status: output.status, output: said })
}
