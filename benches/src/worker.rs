//! A run of the built processor, from the first entry read to the last one acknowledged.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

use super::cpu::Ticks;
use super::durable::GROUP;
use super::platform::Platform;
use super::stream::Stream;

/// Between two looks at the group.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Nothing here takes so long unless it stands still.
const PATIENCE: Duration = Duration::from_secs(600);

/// Whether race rules are on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rules {
    Off,
    On,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub(crate) struct Worked {
    /// Entries a second.
    pub(crate) rate: f64,
    /// Against what it is compared with.
    pub(crate) ratio: f64,
    /// User and system time of the process for one entry.
    pub(crate) cpu_us: f64,
    /// Bytes of the table with its indexes.
    pub(crate) table_bytes: u64,
}

impl Worked {
    pub(crate) fn beside(self, rate: f64) -> Self {
        Self { ratio: self.rate / rate, ..self }
    }
}

/// Lets the processor take a stream.
pub(crate) fn run(
    platform: &Platform,
    stream: &Stream,
    rules: Rules,
    batch_rows: usize,
    lanes: Option<usize>,
    processor: Option<&Path>,
) -> anyhow::Result<Worked> {
    let beside = processor.is_none().then(binary).transpose()?;
    let processor = processor.map(Path::canonicalize).transpose()?.or(beside).context("no processor")?;
    let mut command = Command::new(processor);
    command.arg("run").env_clear();
    command.env("REDIS_URL", platform.redis.url()).env("POSTGRES_URL", platform.url());
    command.env("REDIS_TELEMETRY_STREAM", &stream.name).env("WRITE_BATCH_SIZE", batch_rows.to_string());
    command.env("METRICS_HOST", "127.0.0.1").env("METRICS_PORT", "0").env("LOG_LEVEL", "warn");
    if let Some(lanes) = lanes {
        command.env("LANES", lanes.to_string());
    }
    command.env("PROCESSOR_PHASE_2_ENABLED", if matches!(rules, Rules::On) { "true" } else { "false" });
    measure(platform, stream, command)
}

/// Runs a worker until the stream is taken, then ends it.
pub(crate) fn measure(platform: &Platform, stream: &Stream, mut command: Command) -> anyhow::Result<Worked> {
    let ticks = Ticks::of_kernel()?;
    let mut control = platform.rewind(stream)?;
    let folder = TempDir::new()?;
    let log = folder.path().join("log");
    let file = File::create(&log)?;
    let command =
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let mut child = Running(command.spawn().context("the worker cannot be started")?);
    let look = |control: &mut redis::Connection, child: &mut Running| -> anyhow::Result<Progress> {
        if let Some(status) = child.0.try_wait()? {
            bail!("the worker ended with {status}: {}", std::fs::read_to_string(&log)?);
        }
        Progress::of(control, stream)
    };
    let launched = Instant::now();
    while look(&mut control, &mut child)?.read == 0 {
        ensure!(
            launched.elapsed() < PATIENCE,
            "the worker reads nothing: {}",
            std::fs::read_to_string(&log)?
        );
        std::thread::sleep(LOOK_EVERY);
    }
    let (begun, used) = (Instant::now(), ticks.used_by(child.0.id())?);
    loop {
        let Progress { read, pending } = look(&mut control, &mut child)?;
        if read == stream.fixes.len() && pending == 0 {
            break;
        }
        ensure!(begun.elapsed() < PATIENCE, "{read} read, {pending} pending");
        std::thread::sleep(LOOK_EVERY);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let used = ticks.used_by(child.0.id())? - used;
    child.end()?;
    let (table_bytes, rows) = platform.size()?;
    ensure!(rows == stream.distinct, "{rows} rows of {} are in the table", stream.distinct);
    let entries = stream.fixes.len() as f64;
    Ok(Worked { rate: entries / seconds, ratio: 1.0, cpu_us: used * 1e6 / entries, table_bytes })
}

/// How far a group is.
struct Progress {
    read: usize,
    pending: usize,
}

impl Progress {
    fn of(control: &mut redis::Connection, stream: &Stream) -> anyhow::Result<Self> {
        let groups: Vec<std::collections::HashMap<String, redis::Value>> =
            redis::cmd("XINFO").arg(&["GROUPS", &stream.name]).query(control)?;
        let ours = |group: &&std::collections::HashMap<String, redis::Value>| {
            group.get("name") == Some(&redis::Value::BulkString(GROUP.into()))
        };
        let group = groups.iter().find(ours).context("the group is gone")?;
        let number = |name: &str| match group.get(name) {
            Some(redis::Value::Int(number)) => Ok(usize::try_from(*number)?),
            // Of a group that has read nothing it is not known.
            Some(redis::Value::Nil) => Ok(0),
            other => bail!("{name} is {other:?}"),
        };
        Ok(Self { read: number("entries-read")?, pending: number("pending")? })
    }
}

/// A process that does not outlive its run.
struct Running(Child);

impl Running {
    fn end(&mut self) -> anyhow::Result<()> {
        let told = Command::new("kill").arg(self.0.id().to_string()).status()?;
        ensure!(told.success(), "the worker cannot be told to end");
        let begun = Instant::now();
        while self.0.try_wait()?.is_none() {
            ensure!(begun.elapsed() < PATIENCE, "the worker does not end");
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or its run has failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The processor that was built beside this program.
fn binary() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.parent().unwrap_or(Path::new(".")).join("processor");
    ensure!(beside.exists(), "{} is missing: cargo build --release -p processor", beside.display());
    Ok(beside)
}
