//! A running `processor run`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::platform::{Platform, wait};

/// What the platform sets; a test changes some of it.
const USUAL: &[(&str, &str)] = &[
    ("INSTANCE_ID", "processor-1"),
    ("METRICS_HOST", "127.0.0.1"),
    ("CLAIM_THRESHOLD_MS", "2000"),
    ("CLAIM_INTERVAL_MS", "1000"),
    ("LANES", "2"),
];

pub struct Worker {
    child: Child,
    pub port: u16,
    log: PathBuf,
}

impl Worker {
    pub fn start(platform: &Platform, settings: &[(&str, &str)]) -> Self {
        static WORKERS: AtomicU32 = AtomicU32::new(0);
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let log = platform.path(&format!("worker-{}.log", WORKERS.fetch_add(1, Ordering::Relaxed)));
        Self::logging_to(platform, settings, port, log)
    }

    /// With a log that cannot be written.
    pub fn without_log(platform: &Platform, settings: &[(&str, &str)]) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        Self::logging_to(platform, settings, port, "/dev/full".into())
    }

    fn logging_to(platform: &Platform, settings: &[(&str, &str)], port: u16, log: PathBuf) -> Self {
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_processor"));
        command.arg("run").env_clear().current_dir(platform.folder.path());
        command.env("REDIS_URL", platform.redis.url());
        command.env("POSTGRES_URL", platform.postgres().url(&platform.database));
        command.env("METRICS_PORT", port.to_string()).env("RUST_BACKTRACE", "1");
        command.envs(USUAL.iter().copied()).envs(settings.iter().copied());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self { child, port, log }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// The status and body of an answer; `None` when nobody listens.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Every sample, by its name with its labels.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let text = self.get("/metrics").map_or_else(String::new, |(_, body)| body);
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
            .collect()
    }

    pub fn metric(&self, name: &str) -> f64 {
        self.metrics().get(name).copied().unwrap_or_default()
    }

    pub fn wait_until_ready(&self) {
        wait("the worker is ready", Duration::from_secs(30), || {
            self.get("/readyz").is_some_and(|(status, _)| status == 200)
        });
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    pub fn kill9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.end(Duration::from_secs(30))
    }

    /// Waits for the end.
    pub fn end(&mut self, within: Duration) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < within, "the worker does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() && self.log.is_file() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}
