//! A real Redis server for a test: its own process, folder and port, gone when the test is.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to answer.
const START: Duration = Duration::from_secs(20);
/// How often a port is tried that somebody else may have taken in the meantime.
const PORTS: usize = 5;

/// How a server runs.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Every write is on disk before it is answered, so that killing the server loses nothing.
    pub append_only: bool,
    /// What clients must log in with.
    pub password: Option<String>,
    /// More arguments, such as `["--maxmemory", "10mb"]`.
    pub arguments: Vec<String>,
    /// TLS on a second port.
    pub tls: Option<Tls>,
}

/// What a server shows to clients that connect by TLS: PEM files.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Its certificate.
    pub certificate: PathBuf,
    /// The certificate's key.
    pub key: PathBuf,
    /// The authority whose certificates it trusts.
    pub authority: PathBuf,
    /// Whether clients must show one.
    pub client_certificates: bool,
}

/// A server that is stopped, and its folder removed, when this is dropped.
#[derive(Debug)]
pub struct Server {
    options: Options,
    folder: TempDir,
    port: u16,
    tls_port: u16,
    child: Option<Child>,
}

impl Server {
    /// Starts a server with an empty folder and waits until it answers.
    ///
    /// # Errors
    /// `redis-server` is not installed, or does not come up.
    pub fn start(options: Options) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("test-redis-").tempdir()?;
        let mut server = Self { options, folder, port: 0, tls_port: 0, child: None };
        let mut last = io::Error::other("no port was tried");
        for _ in 0..PORTS {
            server.port = free_port()?;
            server.tls_port = free_port()?;
            match server.launch() {
                Ok(()) => return Ok(server),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The port on the loopback interface; it stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL to connect with, login included.
    pub fn url(&self) -> String {
        let login =
            self.options.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{login}127.0.0.1:{}", self.port)
    }

    /// The port for TLS, where that was asked for; it stays the same over restarts.
    pub fn tls_port(&self) -> u16 {
        self.tls_port
    }

    /// Ends the server at once, as a crash does.
    ///
    /// # Errors
    /// It could not be killed.
    pub fn kill9(&mut self) -> io::Result<()> {
        match self.child.take() {
            Some(mut child) => child.kill().and_then(|()| child.wait().map(drop)),
            None => Ok(()),
        }
    }

    /// Starts the server again over what is on its disk, killing it first where it runs.
    ///
    /// # Errors
    /// It does not come up.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill9()?;
        self.launch()
    }

    /// Ends the server in good order.
    ///
    /// # Errors
    /// It could not be told to.
    pub fn stop(&mut self) -> io::Result<()> {
        if self.child.is_some() {
            // The answer to a shutdown is the end of the connection.
            let mut socket = self.connect()?;
            socket.write_all(b"SHUTDOWN\r\n")?;
            let _ = socket.read(&mut [0; 64]);
            if let Some(mut child) = self.child.take() {
                child.wait()?;
            }
        }
        Ok(())
    }

    fn launch(&mut self) -> io::Result<()> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""]);
        command.args(["--loglevel", "warning", "--dir"]).arg(self.folder.path());
        if self.options.append_only {
            command.args(["--appendonly", "yes", "--appendfsync", "always"]);
        }
        if let Some(password) = &self.options.password {
            command.args(["--requirepass", password]);
        }
        if let Some(tls) = &self.options.tls {
            command.args(["--tls-port", &self.tls_port.to_string(), "--tls-cert-file"]).arg(&tls.certificate);
            command.arg("--tls-key-file").arg(&tls.key).arg("--tls-ca-cert-file").arg(&tls.authority);
            command.args(["--tls-auth-clients", if tls.client_certificates { "yes" } else { "no" }]);
        }
        command.args(&self.options.arguments);
        let null = Stdio::null;
        self.child = Some(command.stdin(null()).stdout(null()).stderr(null()).spawn()?);
        let begun = Instant::now();
        while begun.elapsed() < START {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().transpose()) {
                self.child = None;
                return Err(io::Error::other(format!("redis-server ended with {}", status?)));
            }
            if self.answers() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.kill9()?;
        Err(io::Error::new(io::ErrorKind::TimedOut, "redis-server does not answer"))
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        socket.set_read_timeout(Some(START))?;
        if let Some(password) = &self.options.password {
            socket.write_all(format!("AUTH {password}\r\n").as_bytes())?;
            socket.read_exact(&mut [0; 5])?;
        }
        Ok(socket)
    }

    /// Whether it answers and has loaded its data.
    fn answers(&self) -> bool {
        let ping = || {
            let mut socket = self.connect()?;
            socket.write_all(b"PING\r\n")?;
            let mut answer = [0; 7];
            socket.read_exact(&mut answer)?;
            io::Result::Ok(answer)
        };
        ping().is_ok_and(|answer| &answer == b"+PONG\r\n")
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.kill9();
    }
}
