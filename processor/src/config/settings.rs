//! The result: every value with its type.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pipeline::source::redis::Endpoint;
use storage::timescale::PostgresEndpoint;

use super::args::ConfigArgs;
use super::environment::Environment;
use super::keys::Id;
use super::kind::Value;
use super::problem::{ConfigErrors, Problem};
use super::resolved::Resolved;
use super::secret::{HttpUrl, Secret};
use crate::tell::tell;

/// All that the production path is told. `Debug` shows no secret. What each field is for stands in the table of keys.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) instance_id: String,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) redis: RedisSettings,
    /// With the extra roots to trust.
    pub(crate) postgres: PostgresEndpoint,
    pub(crate) write: WriteSettings,
    /// Threads that evaluate positions.
    pub(crate) lanes: usize,
    /// Devices whose state is kept in memory.
    pub(crate) device_state_max: usize,
    pub(crate) race: RaceSettings,
    pub(crate) metrics: Listen,
    pub(crate) log: LogSettings,
    pub(crate) live: LiveSettings,
    pub(crate) directus: DirectusSettings,
}

/// The broker and what is read from it.
#[derive(Debug, Clone)]
pub(crate) struct RedisSettings {
    /// With the extra roots to trust.
    pub(crate) endpoint: Endpoint,
    pub(crate) stream: String,
    pub(crate) group: String,
    pub(crate) consumer: String,
    pub(crate) claim_threshold: Duration,
    pub(crate) claim_interval: Duration,
    pub(crate) dlq_max_entries: u64,
}

/// When a transaction is written, and by how many connections.
#[derive(Debug, Clone)]
pub(crate) struct WriteSettings {
    pub(crate) batch_rows: usize,
    pub(crate) batch_age: Duration,
    pub(crate) batch_bytes: usize,
    pub(crate) connections: usize,
}

/// Race rules.
#[derive(Debug, Clone)]
pub(crate) struct RaceSettings {
    /// `None`: on when their tables exist.
    pub(crate) rules: Option<bool>,
    pub(crate) course_refresh: Duration,
    pub(crate) lease_ttl: Duration,
}

/// Where to listen; port 0 takes any free one.
#[derive(Debug, Clone)]
pub(crate) struct Listen {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub(crate) struct LogSettings {
    /// off, error, warn, info, debug or trace.
    pub(crate) level: String,
    /// Lines of JSON in place of lines for people.
    pub(crate) json: bool,
}

/// The live channel.
#[derive(Debug, Clone)]
pub(crate) struct LiveSettings {
    pub(crate) listen: Listen,
    pub(crate) ping_interval: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) backpressure_threshold_bytes: usize,
    pub(crate) slow_client: Duration,
    pub(crate) shards: usize,
    /// Files of a certificate and its key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: usize,
    pub(crate) max_connections_per_user: usize,
    pub(crate) max_unauthenticated: usize,
    pub(crate) max_subscriptions: usize,
    pub(crate) max_message_bytes: usize,
    pub(crate) max_messages_per_second: u32,
    pub(crate) handshake_timeout: Duration,
    pub(crate) authz_max_stale: Duration,
    pub(crate) authz_revalidate: Duration,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) group_prefix: String,
    pub(crate) batch_size: usize,
    pub(crate) batch_block: Duration,
    pub(crate) device_event_refresh: Duration,
    /// Addresses, or networks as ADDRESS/LENGTH.
    pub(crate) trusted_proxies: Vec<String>,
}

/// Directus.
#[derive(Debug, Clone)]
pub(crate) struct DirectusSettings {
    pub(crate) base_url: Option<HttpUrl>,
    pub(crate) secret: Option<Secret>,
    pub(crate) auth_timeout: Duration,
    pub(crate) authz_timeout: Duration,
}

impl Settings {
    /// Reads the file, the environment of the process and the command line. Warnings go to stderr.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub(crate) fn load(args: &ConfigArgs) -> Result<Self, ConfigErrors> {
        let mut resolved = Resolved::read(args, &Environment::of_process());
        let settings = Self::of(&mut resolved);
        for warning in &resolved.warnings {
            tell!("warning: {warning}");
        }
        settings
    }

    /// The typed values; may add warnings and problems that show only now.
    pub(crate) fn of(resolved: &mut Resolved) -> Result<Self, ConfigErrors> {
        let roots = trusted(resolved);
        certificate_and_key(resolved);
        if let Some(errors) = resolved.errors() {
            return Err(errors);
        }
        let read = Typed(resolved);
        // A value that is missing here is missing in the table of keys, which a test would find.
        read.settings(&roots).ok_or_else(|| {
            let what = "a key has no value of its type".to_owned();
            ConfigErrors(vec![Problem::Unreadable { place: "configuration".to_owned(), what }])
        })
    }
}

/// The files of extra roots, looked into now: a wrong one is told at the start and not at the first connection.
pub(super) fn trusted(resolved: &mut Resolved) -> Vec<String> {
    let mut roots = Vec::new();
    for id in [Id::TlsCaFile, Id::NodeExtraCaCerts] {
        let Some(Value::Text(path)) = resolved.value(id).cloned() else { continue };
        match tls::check_roots(Path::new(&path)) {
            Ok(()) => roots.push(path),
            Err(error) if id == Id::NodeExtraCaCerts => {
                resolved.warnings.push(format!("{} is left out: {error}", id.key().env));
            }
            Err(error) => {
                let source = resolved.source(id).clone();
                // The path is told as the value.
                let why = match error {
                    tls::Error::File { problem, .. } => problem,
                    other => other.to_string(),
                };
                resolved.problems.push(Problem::Wrong { id, source, text: path, why });
            }
        }
    }
    roots
}

/// A certificate is of no use without its key, nor the other way round.
fn certificate_and_key(resolved: &mut Resolved) {
    for (id, other) in [(Id::LiveWsTlsCert, Id::LiveWsTlsKey), (Id::LiveWsTlsKey, Id::LiveWsTlsCert)] {
        let Some(Value::Text(text)) = resolved.value(id).cloned() else { continue };
        if resolved.value(other).is_none() {
            let source = resolved.source(id).clone();
            let why = format!("{} is needed with it", other.key().env);
            resolved.problems.push(Problem::Wrong { id, source, text, why });
        }
    }
}

/// Values by the type that the table gives them.
struct Typed<'a>(&'a Resolved);

impl Typed<'_> {
    fn settings(&self, roots: &[String]) -> Option<Settings> {
        let Some(Value::Redis(redis)) = self.0.value(Id::RedisUrl) else { return None };
        let Some(Value::Postgres(postgres)) = self.0.value(Id::PostgresUrl) else { return None };
        Some(Settings {
            instance_id: self.text(Id::Instance)?,
            shutdown_timeout: self.millis(Id::ShutdownTimeoutMs)?,
            redis: RedisSettings {
                endpoint: roots.iter().fold(redis.clone(), Endpoint::trusting),
                stream: self.text(Id::RedisStream)?,
                group: self.text(Id::RedisGroup)?,
                consumer: self.text(Id::RedisConsumer)?,
                claim_threshold: self.millis(Id::ClaimThresholdMs)?,
                claim_interval: self.millis(Id::ClaimIntervalMs)?,
                dlq_max_entries: self.number(Id::DlqMaxEntries)?,
            },
            postgres: roots.iter().fold((**postgres).clone(), PostgresEndpoint::trusting),
            write: WriteSettings {
                batch_rows: self.number(Id::WriteBatchSize)?,
                batch_age: self.millis(Id::WriteBatchAgeMs)?,
                batch_bytes: self.number(Id::WriteBatchBytes)?,
                connections: self.number(Id::WriterConnections)?,
            },
            lanes: self.number(Id::Lanes)?,
            device_state_max: self.number(Id::DeviceStateMax)?,
            race: RaceSettings {
                rules: match self.0.value(Id::RaceRules) {
                    Some(Value::Switch(on)) => Some(*on),
                    _ => None,
                },
                course_refresh: self.millis(Id::CourseRefreshMs)?,
                lease_ttl: self.millis(Id::LeaseTtlMs)?,
            },
            metrics: self.listen(Id::MetricsHost, Id::MetricsPort)?,
            log: LogSettings { level: self.text(Id::LogLevel)?, json: self.text(Id::LogFormat)? == "json" },
            live: self.live()?,
            directus: DirectusSettings {
                base_url: match self.0.value(Id::DirectusBaseUrl) {
                    Some(Value::Http(url)) => Some(url.clone()),
                    _ => None,
                },
                secret: match self.0.value(Id::DirectusSecret) {
                    Some(Value::Secret(secret)) => Some(secret.clone()),
                    _ => None,
                },
                auth_timeout: self.millis(Id::DirectusAuthTimeoutMs)?,
                authz_timeout: self.millis(Id::DirectusAuthzTimeoutMs)?,
            },
        })
    }

    fn live(&self) -> Option<LiveSettings> {
        Some(LiveSettings {
            listen: self.listen(Id::LiveWsHost, Id::LiveWsPort)?,
            ping_interval: self.millis(Id::LiveWsPingIntervalMs)?,
            drain_timeout: self.millis(Id::LiveWsDrainTimeoutMs)?,
            backpressure_threshold_bytes: self.number(Id::LiveWsBackpressureBytes)?,
            slow_client: self.millis(Id::LiveWsSlowClientMs)?,
            shards: self.number(Id::LiveWsShards)?,
            tls: self.path(Id::LiveWsTlsCert).zip(self.path(Id::LiveWsTlsKey)),
            max_connections: self.number(Id::LiveWsMaxConnections)?,
            max_connections_per_address: self.number(Id::LiveWsMaxPerAddress)?,
            max_connections_per_user: self.number(Id::LiveWsMaxPerUser)?,
            max_unauthenticated: self.number(Id::LiveWsMaxUnauthenticated)?,
            max_subscriptions: self.number(Id::LiveWsMaxSubscriptions)?,
            max_message_bytes: self.number(Id::LiveWsMaxMessageBytes)?,
            max_messages_per_second: self.number(Id::LiveWsMaxMessagesPerSecond)?,
            handshake_timeout: self.millis(Id::LiveWsHandshakeTimeoutMs)?,
            authz_max_stale: self.millis(Id::LiveAuthzMaxStaleMs)?,
            authz_revalidate: self.millis(Id::LiveAuthzRevalidateMs)?,
            allowed_origins: self.list(Id::LiveWsAllowedOrigins),
            group_prefix: self.text(Id::LiveGroupPrefix)?,
            batch_size: self.number(Id::LiveBatchSize)?,
            batch_block: self.millis(Id::LiveBatchBlockMs)?,
            device_event_refresh: self.millis(Id::LiveDeviceEventRefreshMs)?,
            trusted_proxies: self.list(Id::TrustedProxies),
        })
    }

    fn listen(&self, host: Id, port: Id) -> Option<Listen> {
        Some(Listen { host: self.text(host)?, port: self.number(port)? })
    }

    fn text(&self, id: Id) -> Option<String> {
        match self.0.value(id)? {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn path(&self, id: Id) -> Option<PathBuf> {
        self.text(id).map(PathBuf::from)
    }

    fn number<T: TryFrom<u64>>(&self, id: Id) -> Option<T> {
        match self.0.value(id)? {
            Value::Integer(number) => T::try_from(*number).ok(),
            _ => None,
        }
    }

    fn millis(&self, id: Id) -> Option<Duration> {
        self.number(id).map(Duration::from_millis)
    }

    fn list(&self, id: Id) -> Vec<String> {
        match self.0.value(id) {
            Some(Value::List(items)) => items.clone(),
            _ => Vec::new(),
        }
    }
}
