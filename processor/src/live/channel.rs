//! The live channel as a whole: the server, its hub, and what feeds it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use storage::timescale::PostgresAudience;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use ws::auth::Authenticator;
use ws::authz::Authorizer;
use ws::directory::Directory;
use ws::directus::Directus;
use ws::fix::{AuthzChange, DelayMs, FixBatch, LiveFix, RaceChange, Seq};
use ws::secret::Secret;
use ws::{Hub, LiveConfig, LiveServer};

use super::{Plan, Running, Sink, Status, handles, start};
use crate::config::Settings;
use crate::config::settings::LiveSettings;
use crate::run::events::Events;

/// How long the end may take beyond the time in which clients may go.
const END_WITHIN: Duration = Duration::from_secs(3);

/// A channel that serves.
pub(crate) struct Channel {
    server: LiveServer,
    feeds: Running,
    drain_timeout: Duration,
}

impl Channel {
    /// Starts it, unless nobody could say who may see what: without Directus there is none, which is logged.
    ///
    /// # Errors
    /// The port is taken, or a file of the certificate is wrong.
    pub(crate) async fn start(
        settings: &Settings,
        events: &Arc<Events>,
        status: &Arc<Status>,
        stop: CancellationToken,
    ) -> anyhow::Result<Option<Self>> {
        let Some(base_url) = &settings.directus.base_url else {
            tracing::info!("there is no live channel, because DIRECTUS_BASE_URL is not set");
            status.is_not("there is no live channel: DIRECTUS_BASE_URL is not set");
            return Ok(None);
        };
        let options = tls::Options { extra_roots: settings.extra_roots.clone(), ..tls::Options::default() };
        let directus = Directus::new(base_url.reveal(), &options, Handle::current())?;
        let metrics = events.metrics.sessions.clone();
        let secret = settings.directus.secret.as_ref().map(|secret| Secret::new(secret.reveal()));
        let auth_timeout = settings.directus.auth_timeout;
        let authenticator =
            Authenticator::new(secret.as_ref(), directus.clone(), auth_timeout, metrics.clone());
        let authorizer = Authorizer::new(directus, settings.directus.authz_timeout, metrics.clone());
        let config = config_of(&settings.live)?;
        let (server, hub) =
            LiveServer::start(config, Arc::new(authenticator), Arc::new(authorizer), metrics).await?;
        tracing::info!(address = %server.address(), "the live channel listens");
        let audience = PostgresAudience::new(settings.postgres.clone());
        let feeds = start(Plan::of(settings), audience, Arc::new(hub), events, status, stop);
        Ok(Some(Self { server, feeds, drain_timeout: settings.live.drain_timeout }))
    }

    /// Lets every client go and stops. The group goes as well, where our name is still ours.
    pub(crate) async fn end(self, is_ours: bool) {
        let ended = async { tokio::join!(self.feeds.end(is_ours), self.server.drain()) };
        if tokio::time::timeout(self.drain_timeout + END_WITHIN, ended).await.is_err() {
            tracing::warn!("the live channel did not end in time");
        }
    }
}

fn config_of(live: &LiveSettings) -> anyhow::Result<LiveConfig> {
    let tls = match &live.tls {
        None => None,
        Some((certificate, key)) => {
            let identity = tls::Identity { certificate: certificate.clone(), key: key.clone() };
            let config = tls::server_config(&identity).context("LIVE_WS_TLS_CERT, LIVE_WS_TLS_KEY")?;
            Some(Arc::new(config))
        }
    };
    let trusted = live.trusted_proxies.iter().map(|network| network.parse());
    Ok(LiveConfig {
        host: live.listen.host.clone(),
        port: live.listen.port,
        tls,
        shards: live.shards,
        ping_interval: live.ping_interval,
        drain_timeout: live.drain_timeout,
        backpressure_threshold_bytes: live.backpressure_threshold_bytes,
        slow_client: live.slow_client,
        authz_max_stale: live.authz_max_stale,
        authz_revalidate: live.authz_revalidate,
        allowed_origins: live.allowed_origins.clone(),
        trusted_proxies: trusted.collect::<Result<_, _>>().context("TRUSTED_PROXIES")?,
        max_connections: handles::connections(live.max_connections),
        max_connections_per_address: live.max_connections_per_address,
        max_connections_per_user: live.max_connections_per_user,
        max_unauthenticated: live.max_unauthenticated,
        max_subscriptions: live.max_subscriptions,
        max_message_bytes: live.max_message_bytes,
        max_messages_per_second: live.max_messages_per_second,
        handshake_timeout: live.handshake_timeout,
    })
}

impl Sink for Hub {
    async fn publish(&self, batch: FixBatch) {
        Self::publish(self, batch).await;
    }

    async fn set_directory(&self, directory: Directory) {
        Self::set_directory(self, directory).await;
    }

    async fn seed(&self, delay: DelayMs, fixes: Vec<LiveFix>) {
        Self::seed(self, delay, fixes).await;
    }

    async fn withdraw(&self, delay: DelayMs, device: Arc<str>, ts_ms: i64, before: Option<LiveFix>) {
        Self::withdraw(self, delay, device, ts_ms, before).await;
    }

    async fn race(&self, delay: DelayMs, changes: Vec<RaceChange>, read_to: Seq) {
        Self::race(self, delay, &changes, read_to).await;
    }

    async fn rights_changed(&self, change: AuthzChange) {
        Self::rights_changed(self, change).await;
    }
}
