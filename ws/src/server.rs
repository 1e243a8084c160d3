//! The listener, and the end of it all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::admission::Admission;
use crate::auth::Authenticator;
use crate::authz::Authorizer;
use crate::config::LiveConfig;
use crate::connection::Arrival;
use crate::hub::Hub;
use crate::metrics::LiveMetrics;
use crate::shard::{self, ShardHandle, Shared};

/// Sockets that the system keeps until they are accepted: when a stage begins, everybody comes at once.
const BACKLOG: u32 = 4096;
/// Bytes that the system keeps for a client that reads slowly, before the session itself keeps any. The system doubles it
/// for its own use; without a bound it keeps megabytes, and a slow client is noticed minutes late.
const SOCKET_SEND_BYTES: u32 = 128 * 1024;

/// The live channel, listening.
#[derive(Debug)]
pub struct LiveServer {
    address: SocketAddr,
    listening: JoinHandle<()>,
    shards: Vec<ShardHandle>,
}

/// Why the live channel is not there.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {host}:{port} (LIVE_WS_HOST, LIVE_WS_PORT): {error}")]
    Listen {
        /// The configured host.
        host: String,
        /// The configured port.
        port: u16,
        /// What the system said.
        error: std::io::Error,
    },
    /// There are no resources for its threads.
    #[error("cannot start a thread of the live channel: {0}")]
    Thread(std::io::Error),
}

impl LiveServer {
    /// Starts to listen. What is shown is brought to the hub.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(
        config: LiveConfig,
        authenticator: Arc<Authenticator>,
        authorizer: Arc<Authorizer>,
        metrics: LiveMetrics,
    ) -> Result<(Self, Hub), StartError> {
        let (host, port) = (config.host.clone(), config.port);
        let listener = listen(&host, port).await;
        let listener = listener.map_err(|error| StartError::Listen { host: host.clone(), port, error })?;
        let address = listener.local_addr().map_err(|error| StartError::Listen { host, port, error })?;
        let config = Arc::new(config);
        let admission = Arc::new(Admission::new(&config));
        let shared = Shared {
            config: Arc::clone(&config),
            admission: Arc::clone(&admission),
            authenticator: Arc::clone(&authenticator),
            authorizer: Arc::clone(&authorizer),
            metrics: metrics.clone(),
        };
        let shards: Result<Vec<ShardHandle>, std::io::Error> =
            (0..config.shards.max(1)).map(|number| shard::start(number, shared.clone())).collect();
        let shards = shards.map_err(StartError::Thread)?;
        let hub = Hub::new(shards.iter().map(|shard| shard.news.clone()), authenticator, authorizer);
        let arrivals = shards.iter().map(|shard| shard.arrivals.clone()).collect();
        let listening = Handle::current().spawn(accept(listener, arrivals, config, admission, metrics));
        Ok((Self { address, listening, shards }, hub))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, tells every session that the server stops (1001), and waits for them as long as
    /// `drain_timeout` says.
    pub async fn drain(self) {
        self.listening.abort();
        let mut drained = Vec::new();
        for mut shard in self.shards {
            if let Some(drain) = shard.drain.take() {
                // One that has ended is drained.
                let _ = drain.send(());
            }
            drained.push(shard.drained);
        }
        for drained in drained {
            let _ = drained.await;
        }
    }
}

async fn listen(host: &str, port: u16) -> std::io::Result<TcpListener> {
    let mut failed = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for address in lookup_host((host, port)).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        // Every accepted socket takes it over.
        socket.set_send_buffer_size(SOCKET_SEND_BYTES)?;
        match socket.bind(address).and_then(|()| socket.listen(BACKLOG)) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

async fn accept(
    listener: TcpListener,
    shards: Vec<flume::Sender<Arrival>>,
    config: Arc<LiveConfig>,
    admission: Arc<Admission>,
    metrics: LiveMetrics,
) {
    for turn in (0..shards.len()).cycle() {
        let (socket, peer) = loop {
            match listener.accept().await {
                Ok(accepted) => break accepted,
                // Out of file handles, most likely: others need a moment to give some back.
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        };
        let Some(connection) = admission.connection() else {
            metrics.refuse("connections");
            continue;
        };
        let is_proxy = config.trusted_proxies.iter().any(|network| network.contains(peer.ip()));
        let address = if is_proxy { None } else { admission.address(peer.ip()) };
        if address.is_none() && !is_proxy {
            metrics.refuse("connections_of_address");
            continue;
        }
        let Ok(socket) = socket.into_std() else { continue };
        if shards[turn].try_send(Arrival { socket, peer, connection, address }).is_err() {
            metrics.refuse("busy");
        }
    }
}
