//! The table of everything that can be told, one row a key.

use super::kind::Kind;

/// A key: its names, what it may be, and what it is for.
#[derive(Debug)]
pub(crate) struct Key {
    /// In the TOML file, section and name.
    pub(crate) name: &'static str,
    /// In the environment.
    pub(crate) env: &'static str,
    /// On the command line, where it has a flag of its own.
    pub(crate) flag: Option<&'static str>,
    /// What it may be, with unit and range.
    pub(crate) kind: Kind,
    /// What it is when nobody says anything.
    pub(crate) default: Fallback,
    /// One line for a person.
    pub(crate) help: &'static str,
}

/// What a key is when nobody says anything.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fallback {
    /// Not set.
    Nothing,
    /// Somebody has to say it.
    Required,
    /// This, written as in the environment.
    Is(&'static str),
    /// What another key is.
    As(Id),
    /// The number of processors but for some, at least 1.
    Cores { spared: usize, most: usize },
}

use Fallback::{As, Cores, Is, Nothing, Required};
use Kind::{
    Choice, File, Host, HttpUrl, Integer, Name, Networks, Origins, PostgresUrl, RedisUrl, Secret, Switch,
};

/// Levels of the log. The words of the old worker's logger are understood.
const LEVELS: &[(&str, &str)] = &[
    ("off", "off"),
    ("error", "error"),
    ("warn", "warn"),
    ("info", "info"),
    ("debug", "debug"),
    ("trace", "trace"),
    ("silent", "off"),
    ("fatal", "error"),
];
const FORMATS: &[(&str, &str)] = &[("text", "text"), ("json", "json")];

/// Milliseconds from `min` to `max`.
const fn ms(min: u64, max: u64) -> Kind {
    Integer { unit: "ms", min, max }
}

/// A limit of so many of something.
const fn count(unit: &'static str) -> Kind {
    Integer { unit, min: 1, max: 1_000_000 }
}

const PORT: Kind = Integer { unit: "0 takes any free one", min: 0, max: 65_535 };
const HOUR_MS: u64 = 3_600_000;

macro_rules! keys {
    ($($id:ident: $name:literal, $env:literal, $flag:expr, $kind:expr, $default:expr, $help:expr;)*) => {
        /// Names a key.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Id { $(#[doc = $name] $id),* }

        impl Id {
            /// Every key, in the order of the table.
            pub(crate) const ALL: &[Id] = &[$(Id::$id),*];

            /// The key's row.
            pub(crate) fn key(self) -> &'static Key {
                &KEYS[self as usize]
            }
        }

        static KEYS: &[Key] = &[$(
            Key { name: $name, env: $env, flag: $flag, kind: $kind, default: $default, help: $help }
        ),*];
    };
}

keys! {
    Instance: "instance_id", "INSTANCE_ID", Some("--instance-id"), Name, Is("processor-1"),
        "This instance's name; two that run at once need two.";
    ShutdownTimeoutMs: "shutdown_timeout_ms", "SHUTDOWN_TIMEOUT_MS", None, ms(100, HOUR_MS), Is("20000"),
        "How long a stop may take to commit and acknowledge what was read; what is not done by then stays pending.";

    RedisUrl: "redis.url", "REDIS_URL", Some("--redis-url"), RedisUrl, Required,
        "The broker.";
    RedisStream: "redis.stream", "REDIS_TELEMETRY_STREAM", None, Name, Is("telemetry:teltonika"),
        "The stream of telemetry.";
    RedisGroup: "redis.group", "REDIS_CONSUMER_GROUP", None, Name, Is("processor"),
        "The consumer group that reads it; made where it is missing.";
    RedisConsumer: "redis.consumer", "REDIS_CONSUMER_NAME", None, Name, As(Id::Instance),
        "This instance's name in the group.";
    ClaimThresholdMs: "redis.claim_threshold_ms", "CLAIM_THRESHOLD_MS", None, ms(1_000, 24 * HOUR_MS), Is("60000"),
        "How long an entry lies pending with another consumer before it is claimed.";
    ClaimIntervalMs: "redis.claim_interval_ms", "CLAIM_INTERVAL_MS", None, ms(100, HOUR_MS), Is("30000"),
        "How often it is looked for such entries, beyond once at the start.";
    DlqMaxEntries: "redis.dlq_max_entries", "DLQ_MAX_ENTRIES", None,
        Integer { unit: "entries", min: 1, max: 100_000_000 }, Is("10000"),
        "How many dead letters are kept; beyond that the oldest go.";

    PostgresUrl: "postgres.url", "POSTGRES_URL", Some("--postgres-url"), PostgresUrl, Required,
        "The database. Where the URL is silent, PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGAPPNAME, PGOPTIONS, \
         PGCONNECT_TIMEOUT and PGSSLMODE count.";

    WriteBatchSize: "write.batch_size", "WRITE_BATCH_SIZE", None,
        Integer { unit: "rows", min: 1, max: 200_000 }, Is("10000"),
        "Rows after which a transaction is written.";
    WriteBatchAgeMs: "write.batch_age_ms", "WRITE_BATCH_AGE_MS", None, ms(1, 60_000), Is("50"),
        "How long a row waits for others at most.";
    WriteBatchBytes: "write.batch_bytes", "WRITE_BATCH_BYTES", None,
        Integer { unit: "bytes", min: 64 << 10, max: 1 << 30 }, Is("67108864"),
        "Bytes of rows after which a transaction is written.";
    WriterConnections: "write.connections", "WRITER_CONNECTIONS", None,
        Integer { unit: "connections", min: 1, max: 16 }, Is("1"),
        "Connections that write side by side.";

    Lanes: "pipeline.lanes", "LANES", None,
        Integer { unit: "threads", min: 1, max: 64 }, Cores { spared: 1, most: 4 },
        "Threads that evaluate positions.";
    DeviceStateMax: "pipeline.device_state_max", "DEVICE_STATE_MAX", None,
        Integer { unit: "devices", min: 1, max: 10_000_000 }, Is("10000"),
        "Devices whose state is kept in memory; others are read back from the database when they speak.";

    RaceRules: "race.rules", "PROCESSOR_PHASE_2_ENABLED", None, Switch, Nothing,
        "Race rules on or off; off: positions and live channel only. Not set: on when their tables exist.";
    CourseRefreshMs: "race.course_refresh_ms", "COURSE_REFRESH_MS", None, ms(1_000, HOUR_MS), Is("30000"),
        "How often course, formulas and entries are read anew.";
    LeaseTtlMs: "race.lease_ttl_ms", "LEASE_TTL_MS", None, ms(500, 60_000), Is("5000"),
        "How long the one instance that judges may be silent before another takes over.";

    MetricsHost: "metrics.host", "METRICS_HOST", None, Host, Is("0.0.0.0"),
        "Where /metrics, /healthz and /readyz listen. Every interface by default, as a container needs it; they have no \
         login, so outside one bind them to an address of your own network.";
    MetricsPort: "metrics.port", "METRICS_PORT", Some("--metrics-port"), PORT, Is("9090"),
        "Their port.";

    LogLevel: "log.level", "LOG_LEVEL", None, Choice(LEVELS), Is("info"),
        "What is logged; `silent` is read as off and `fatal` as error.";
    LogFormat: "log.format", "LOG_FORMAT", None, Choice(FORMATS), Is("text"),
        "Lines for people or lines of JSON.";

    TlsCaFile: "tls.ca_file", "TLS_CA_FILE", None, File, Nothing,
        "A PEM file of roots to trust beside the system's, for broker and database.";
    NodeExtraCaCerts: "tls.extra_ca_file", "NODE_EXTRA_CA_CERTS", None, File, Nothing,
        "The same by the name that Node.js knows; as there, a file that cannot be read is a warning.";

    LiveWsHost: "live.host", "LIVE_WS_HOST", None, Host, Is("0.0.0.0"),
        "Where the live channel listens.";
    LiveWsPort: "live.port", "LIVE_WS_PORT", None, PORT, Is("8081"),
        "Its port.";
    LiveWsPingIntervalMs: "live.ping_interval_ms", "LIVE_WS_PING_INTERVAL_MS", None, ms(1_000, HOUR_MS), Is("30000"),
        "How often clients are pinged.";
    LiveWsDrainTimeoutMs: "live.drain_timeout_ms", "LIVE_WS_DRAIN_TIMEOUT_MS", None, ms(0, HOUR_MS), Is("5000"),
        "How long a stop waits for clients to go.";
    LiveWsBackpressureBytes: "live.backpressure_threshold_bytes", "LIVE_WS_BACKPRESSURE_THRESHOLD_BYTES", None,
        Integer { unit: "bytes", min: 1 << 10, max: 1 << 30 }, Is("1048576"),
        "Bytes that may wait for one client before positions are skipped for it.";
    LiveWsSlowClientMs: "live.slow_client_ms", "LIVE_WS_SLOW_CLIENT_MS", None, ms(100, HOUR_MS), Is("10000"),
        "How long a client may be behind before it is closed with 4408.";
    LiveWsShards: "live.shards", "LIVE_WS_SHARDS", None,
        Integer { unit: "threads", min: 1, max: 64 }, Cores { spared: 1, most: 8 },
        "Threads that clients are spread over.";
    LiveWsTlsCert: "live.tls_cert", "LIVE_WS_TLS_CERT", None, File, Nothing,
        "A PEM file of the certificate to show, with those that lead to its root; together with the key. Not set: \
         without TLS, behind a proxy that has it.";
    LiveWsTlsKey: "live.tls_key", "LIVE_WS_TLS_KEY", None, File, Nothing,
        "A PEM file of the certificate's key.";
    LiveWsMaxConnections: "live.max_connections", "LIVE_WS_MAX_CONNECTIONS", None, count("connections"), Is("20000"),
        "Connections at once, those that are still shaking hands included.";
    LiveWsMaxPerAddress: "live.max_connections_per_address", "LIVE_WS_MAX_CONNECTIONS_PER_ADDRESS", None,
        count("connections"), Is("500"),
        "Connections of one address; many people may share one.";
    LiveWsMaxPerUser: "live.max_connections_per_user", "LIVE_WS_MAX_CONNECTIONS_PER_USER", None,
        count("connections"), Is("50"),
        "Connections of one user.";
    LiveWsMaxUnauthenticated: "live.max_unauthenticated", "LIVE_WS_MAX_UNAUTHENTICATED", None,
        count("connections"), Is("200"),
        "Connections that have still to send a token.";
    LiveWsMaxSubscriptions: "live.max_subscriptions", "LIVE_WS_MAX_SUBSCRIPTIONS", None,
        Integer { unit: "subscriptions", min: 1, max: 10_000 }, Is("64"),
        "Subscriptions of one connection.";
    LiveWsMaxMessageBytes: "live.max_message_bytes", "LIVE_WS_MAX_MESSAGE_BYTES", None,
        Integer { unit: "bytes", min: 1 << 10, max: 1 << 20 }, Is("16384"),
        "The longest message of a client; the longest honest one has a token in it.";
    LiveWsMaxMessagesPerSecond: "live.max_messages_per_second", "LIVE_WS_MAX_MESSAGES_PER_SECOND", None,
        Integer { unit: "messages", min: 1, max: 10_000 }, Is("50"),
        "Messages of a client in a second, twice as many at once.";
    LiveWsHandshakeTimeoutMs: "live.handshake_timeout_ms", "LIVE_WS_HANDSHAKE_TIMEOUT_MS", None,
        ms(100, 5 * 60_000), Is("10000"),
        "How long a client may take to ask for a WebSocket, and before that to agree on TLS.";
    LiveAuthzMaxStaleMs: "live.authz_max_stale_ms", "LIVE_AUTHZ_MAX_STALE_MS", None, ms(1_000, 24 * HOUR_MS), Is("900000"),
        "How long a subscription goes on while Directus does not say whether it may.";
    LiveAuthzRevalidateMs: "live.authz_revalidate_ms", "LIVE_AUTHZ_REVALIDATE_MS", None, ms(1_000, HOUR_MS), Is("300000"),
        "How often Directus is asked again whether a subscription may go on.";
    LiveWsAllowedOrigins: "live.allowed_origins", "LIVE_WS_ALLOWED_ORIGINS", None, Origins, Nothing,
        "Origins, beside the own host, whose pages may log in by cookie.";
    LiveGroupPrefix: "live.group_prefix", "LIVE_BROADCAST_GROUP_PREFIX", None, Name, Is("live-broadcast"),
        "Begins the name of the group that each instance reads for the live channel.";
    LiveBatchSize: "live.batch_size", "LIVE_BROADCAST_BATCH_SIZE", None,
        Integer { unit: "entries", min: 1, max: 100_000 }, Is("100"),
        "Entries asked for in one read.";
    LiveBatchBlockMs: "live.batch_block_ms", "LIVE_BROADCAST_BATCH_BLOCK_MS", None, ms(1, 60_000), Is("1000"),
        "How long a read waits for the first of them.";
    LiveDeviceEventRefreshMs: "live.device_event_refresh_ms", "LIVE_DEVICE_EVENT_REFRESH_MS", None,
        ms(1_000, HOUR_MS), Is("30000"),
        "How often it is read anew which device is in which event.";
    TrustedProxies: "live.trusted_proxies", "TRUSTED_PROXIES", None, Networks, Nothing,
        "Whose X-Forwarded-For and X-Forwarded-Host count.";

    DirectusBaseUrl: "directus.base_url", "DIRECTUS_BASE_URL", None, HttpUrl, Nothing,
        "Directus, which says who may see what. Not set: there is no live channel.";
    DirectusSecret: "directus.secret", "DIRECTUS_SECRET", None, Secret, Nothing,
        "Its signing secret; with it, bearer tokens are verified here.";
    DirectusAuthTimeoutMs: "directus.auth_timeout_ms", "DIRECTUS_AUTH_TIMEOUT_MS", None, ms(100, 60_000), Is("5000"),
        "How long it may take to say who somebody is.";
    DirectusAuthzTimeoutMs: "directus.authz_timeout_ms", "DIRECTUS_AUTHZ_TIMEOUT_MS", None, ms(100, 60_000), Is("5000"),
        "How long it may take to say what they may see.";
}

impl Key {
    /// Section of the file; empty for keys that stand outside of all.
    pub(crate) fn section(&self) -> &'static str {
        self.name.split_once('.').map_or("", |(section, _)| section)
    }
}
