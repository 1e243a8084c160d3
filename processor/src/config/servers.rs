//! The database and the broker alone, for commands that need no more than one of them.

use pipeline::source::redis::Endpoint;
use storage::timescale::PostgresEndpoint;

use super::args::ConfigArgs;
use super::environment::Environment;
use super::keys::Id;
use super::kind::Value;
use super::problem::{ConfigErrors, Problem};
use super::resolved::Resolved;
use super::settings::trusted;

/// Where the servers are, each with the extra roots to trust; `None` for one that nobody named. Shows no secret.
#[derive(Debug, Clone)]
pub(crate) struct ServerSettings {
    pub(crate) postgres: Option<PostgresEndpoint>,
    pub(crate) redis: Option<Endpoint>,
}

impl ServerSettings {
    /// Reads the environment of the process and the command line as `processor run` does, and of it only what leads to
    /// the servers.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn load(args: &ConfigArgs) -> Result<Self, ConfigErrors> {
        let mut resolved = Resolved::read(args, &Environment::of_process());
        let roots = trusted(&mut resolved);
        const OURS: [Id; 4] = [Id::RedisUrl, Id::PostgresUrl, Id::TlsCaFile, Id::NodeExtraCaCerts];
        let wrong = resolved.problems.iter().filter(|problem| match problem {
            Problem::Wrong { id, .. } => OURS.contains(id),
            Problem::Missing(_) => false,
            Problem::Unknown { .. } | Problem::Unreadable { .. } => true,
        });
        let wrong: Vec<Problem> = wrong.cloned().collect();
        if !wrong.is_empty() {
            return Err(ConfigErrors(wrong));
        }
        let postgres = match resolved.value(Id::PostgresUrl) {
            Some(Value::Postgres(endpoint)) => Some((**endpoint).clone()),
            _ => None,
        };
        let redis = match resolved.value(Id::RedisUrl) {
            Some(Value::Redis(endpoint)) => Some(endpoint.clone()),
            _ => None,
        };
        Ok(Self {
            postgres: postgres.map(|endpoint| roots.iter().fold(endpoint, PostgresEndpoint::trusting)),
            redis: redis.map(|endpoint| roots.iter().fold(endpoint, Endpoint::trusting)),
        })
    }
}
