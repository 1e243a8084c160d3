//! `processor run`: the worker of a platform.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::config::settings::LogSettings;
use crate::config::{ConfigArgs, Settings};
use crate::exit;
use crate::run::serve;
use crate::tell::tell;

/// Threads that talk to the servers; what computes has threads of its own.
const TALKING_THREADS: usize = 2;

/// Take positions from Redis Streams into PostgreSQL, and judge them
///
/// Reads the telemetry stream through its consumer group; every position is committed before it is acknowledged.
/// `processor config` prints what it would run with. SIGTERM and SIGINT: everything that was read is committed and
/// acknowledged, then it ends with 0.
#[derive(Args)]
pub(crate) struct RunCommand {
    #[command(flatten)]
    config: ConfigArgs,
}

pub(crate) fn run(command: &RunCommand) -> anyhow::Result<ExitCode> {
    let settings = match Settings::load(&command.config) {
        Ok(settings) => settings,
        Err(errors) => {
            for problem in errors.problems() {
                tell!("error: {problem}");
            }
            return Ok(ExitCode::from(exit::USAGE));
        }
    };
    log_as(&settings.log);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(TALKING_THREADS).enable_all().build()?;
    let code = runtime.block_on(until_told(&settings))?;
    // Whoever still waits for a server that is away is not waited for.
    runtime.shutdown_background();
    Ok(code)
}

/// Serves until a signal, then for as long as it takes, but no longer than is allowed.
async fn until_told(settings: &Settings) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let told = {
        let (stop, allowed) = (stop.clone(), settings.shutdown_timeout);
        async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("told to stop: what was read is committed and acknowledged first");
            stop.cancel();
            tokio::time::sleep(allowed).await;
        }
    };
    tokio::select! {
        served = serve(settings, &stop) => {
            served?;
            tracing::info!("stopped; nothing was left behind");
        }
        () = told => {
            tracing::warn!(
                after_ms = settings.shutdown_timeout.as_millis(),
                "stopped before everything was committed; what is not acknowledged stays pending and comes again"
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes what can be written.
struct Unfailing<W>(W);

impl<W: Write> Write for Unfailing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(self.0.write(bytes).unwrap_or(bytes.len()))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}

/// Logs to stderr.
fn log_as(log: &LogSettings) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    // A log that cannot be written, because its reader is gone or its disk full, is no reason to stop.
    let subscriber = subscriber.with_writer(|| Unfailing(std::io::stderr())).with_ansi(false);
    let subscriber = subscriber.log_internal_errors(false);
    // There is no other subscriber that could be in the way.
    let _ = if log.json { subscriber.json().try_init() } else { subscriber.try_init() };
}
