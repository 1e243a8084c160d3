//! The worker that the processor replaces, as its like is usually written for Node.js.

use std::path::Path;
use std::process::Command;

use super::platform::Platform;
use super::stream::Stream;
use super::worker::{self, Worked};

/// Lets `worker.mjs` take a stream.
pub(crate) fn run(platform: &Platform, stream: &Stream, folder: &Path) -> anyhow::Result<Worked> {
    let script = folder.canonicalize()?.join("worker.mjs");
    let mut command = Command::new("node");
    command.arg(script).env("REDIS_URL", platform.redis.url()).env("POSTGRES_URL", platform.url());
    command.env("REDIS_TELEMETRY_STREAM", &stream.name);
    worker::measure(platform, stream, command)
}
