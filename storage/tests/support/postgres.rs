//! A throwaway PostgreSQL: its own cluster in a temporary folder, on a free port of the loopback.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{Config, NoTls};

/// A server that ends with this value, and its folder with it.
pub struct Server {
    folder: TempDir,
    port: u16,
    process: Option<Child>,
    settings: Vec<String>,
}

impl Server {
    /// A new cluster with these settings (`name=value`) beside those that every test wants.
    pub fn start(settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("postgres-test-").tempdir().unwrap();
        if is_root() {
            run(Command::new("chown").arg("postgres:").arg(folder.path()));
        }
        let data = folder.path().join("data");
        run(unprivileged("initdb")
            .args(["--username=test", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data));
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut server = Self { folder, port: 0, process: None, settings };
        server.start_again();
        server
    }

    /// Starts the server on its cluster, after [`Server::kill`] on the same port.
    pub fn start_again(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut port = self.port;
        loop {
            if self.port == 0 {
                port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            }
            let log = std::fs::File::options().create(true).append(true).open(self.folder.path().join("log"));
            let mut process = unprivileged("postgres")
                .arg("-D")
                .arg(self.folder.path().join("data"))
                .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
                .args(["-c", &format!("port={port}")])
                .args(self.settings.iter().flat_map(|setting| ["-c", setting]))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log.unwrap())
                .spawn()
                .unwrap();
            loop {
                if process.try_wait().unwrap().is_some() {
                    break;
                }
                if is_ready(port) {
                    self.port = port;
                    self.process = Some(process);
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            assert!(Instant::now() < deadline, "the server does not start:\n{}", self.log());
            // Another took the port, or the processes of a killed server are not gone yet.
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills the server's first process; the others notice and end. Memory of the machine is not lost.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user("test").dbname(database);
        config
    }

    pub async fn client(&self, database: &str) -> tokio_postgres::Client {
        let (client, connection) = self.config(database).connect(NoTls).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        client
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let data = self.folder.path().join("data");
        let stopped = unprivileged("pg_ctl")
            .args(["stop", "--mode=immediate", "--silent", "-D"])
            .arg(data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !stopped.is_ok_and(|status| status.success()) {
            drop(process.kill());
        }
        drop(process.wait());
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// A program of the server, run as a user that may run it.
fn unprivileged(program: &str) -> Command {
    let program = programs().join(program);
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command.current_dir("/");
    command
}

/// Where the programs of the newest installed server are.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest =
        versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max();
    newest.unwrap_or_else(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).find(|bin: &PathBuf| bin.join("initdb").exists());
        found.expect("PostgreSQL is not installed: apt-get install postgresql-15")
    })
}

fn is_ready(port: u16) -> bool {
    let ready =
        Command::new(ready_program()).args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]).status();
    ready.is_ok_and(|status| status.success())
}

fn ready_program() -> PathBuf {
    Path::new(&programs()).join("pg_isready")
}

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}
