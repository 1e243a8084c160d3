//! The processor, as it is run, for one part of the bench.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use super::cpu::Ticks;
use super::directus::SECRET;
use super::platform::Platform;

/// Nothing here takes so long unless it stands still.
const PATIENCE: Duration = Duration::from_secs(60);
/// More connections than any part opens.
const CONNECTIONS: &str = "30000";

/// A process that does not outlive its part, and where it listens.
pub(crate) struct Server {
    child: Child,
    folder: TempDir,
    ticks: Ticks,
    pub(crate) port: u16,
}

impl Server {
    /// The processor with race rules on and the live channel, reading a stream of its own.
    pub(crate) fn processor(
        platform: &Platform,
        directus: &str,
        stream: &str,
        shards: Option<usize>,
        processor: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let beside = processor.is_none().then(binary).transpose()?;
        let path = processor.map(Path::canonicalize).transpose()?.or(beside).context("no processor")?;
        let mut command = Command::new(path);
        command.arg("run").env_clear();
        command.env("REDIS_URL", platform.redis.url()).env("POSTGRES_URL", platform.url());
        command.env("REDIS_TELEMETRY_STREAM", stream).env("PROCESSOR_PHASE_2_ENABLED", "true");
        command.env("METRICS_HOST", "127.0.0.1").env("METRICS_PORT", "0").env("LOG_LEVEL", "warn");
        command.env("DIRECTUS_BASE_URL", directus).env("DIRECTUS_SECRET", SECRET);
        // All clients come from one address here.
        command.env("LIVE_WS_MAX_CONNECTIONS_PER_ADDRESS", CONNECTIONS);
        command.env("LIVE_WS_MAX_CONNECTIONS", CONNECTIONS);
        if let Some(shards) = shards {
            command.env("LIVE_WS_SHARDS", shards.to_string());
        }
        let port = free_port()?;
        command.env("LIVE_WS_HOST", "127.0.0.1").env("LIVE_WS_PORT", port.to_string());
        Self::start(command, port)
    }

    /// `fanout.mjs` in a folder with what it needs.
    pub(crate) fn node(folder: &Path, topic: &str, devices: usize) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new("node");
        command.arg(folder.canonicalize()?.join("fanout.mjs"));
        command.env("PORT", port.to_string()).env("TOPIC", topic).env("DEVICES", devices.to_string());
        Self::start(command, port)
    }

    fn start(mut command: Command, port: u16) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let file = File::create(folder.path().join("log"))?;
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().context("the server cannot be started")?;
        Ok(Self { child, folder, ticks: Ticks::of_kernel()?, port })
    }

    /// What it has written to its log, to be shown with an error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// User and system time so far, in seconds.
    pub(crate) fn cpu_s(&self) -> anyhow::Result<f64> {
        self.ticks.used_by(self.child.id())
    }

    /// Memory that it holds, in bytes.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    }

    /// Tells it something.
    pub(crate) fn signal(&self, name: &str) -> anyhow::Result<()> {
        let told = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status()?;
        ensure!(told.success(), "the server is gone: {}", self.log());
        Ok(())
    }

    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        self.signal("TERM")?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(begun.elapsed() < PATIENCE, "the server does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, or its part has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The processor that was built beside this program.
fn binary() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.parent().unwrap_or(Path::new(".")).join("processor");
    ensure!(beside.exists(), "{} is missing: cargo build --release -p processor", beside.display());
    Ok(beside)
}
