//! The part of the command line that is configuration, shared by the commands that need it.

use std::path::PathBuf;

use clap::Args;

use super::keys::{Id, Key};
use super::nearest;
use super::problem::Problem;
use super::resolved::{Given, Source};

/// The file, and single values that go before everything else.
// No Debug: a URL may have a password in it.
#[derive(Args, Default)]
pub(crate) struct ConfigArgs {
    /// Read settings from this TOML file; without it, from the one that PROCESSOR_CONFIG names, if any
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Set a value by its key or its environment name, as in `write.batch_size=5000`; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Where the broker is (redis.url); a password is better kept in the environment
    #[arg(long, value_name = "URL")]
    pub(crate) redis_url: Option<String>,
    /// Where the database is (postgres.url); a password is better kept in the environment
    #[arg(long, value_name = "URL")]
    pub(crate) postgres_url: Option<String>,
    /// This instance's name (instance_id)
    #[arg(long, value_name = "NAME")]
    pub(crate) instance_id: Option<String>,
    /// Port of /metrics, /healthz and /readyz (metrics.port)
    #[arg(long, value_name = "PORT")]
    pub(crate) metrics_port: Option<String>,
}

impl ConfigArgs {
    /// What was given, the later before the earlier, and what cannot be understood.
    pub(super) fn given(&self) -> (Vec<Given>, Vec<Problem>) {
        let (mut given, mut problems) = (Vec::new(), Vec::new());
        for text in &self.set {
            let Some((name, value)) = text.split_once('=') else {
                // Not repeated: it may be a value without its key.
                problems.push(Problem::Unreadable {
                    place: "--set".to_owned(),
                    what: "KEY=VALUE is expected".to_owned(),
                });
                continue;
            };
            match Key::find(name.trim()) {
                Some(id) => given.push(Given { id, text: value.to_owned(), source: Source::Set }),
                None => problems.push(Problem::Unknown {
                    place: "--set".to_owned(),
                    name: name.to_owned(),
                    nearest: nearest::key(name),
                }),
            }
        }
        let direct = [
            (Id::RedisUrl, &self.redis_url),
            (Id::PostgresUrl, &self.postgres_url),
            (Id::Instance, &self.instance_id),
            (Id::MetricsPort, &self.metrics_port),
        ];
        for (id, value) in direct {
            if let (Some(flag), Some(text)) = (id.key().flag, value) {
                given.push(Given { id, text: text.clone(), source: Source::Flag(flag) });
            }
        }
        (given, problems)
    }
}
