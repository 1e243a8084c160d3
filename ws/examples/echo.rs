//! A server for the Autobahn test suite: the live channel's own listener, upgrade, frames and sessions, with nobody asked
//! who they are and every message sent back. `ci/autobahn/run` drives it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use ws::auth::Authenticator;
use ws::authz::Authorizer;
use ws::directus::Directus;
use ws::{LiveConfig, LiveMetrics, LiveServer};

/// The suite's largest messages have 16 MiB.
const MAX_MESSAGE_BYTES: usize = 32 * 1024 * 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = LiveConfig {
        host: "127.0.0.1".into(),
        port: 0,
        max_message_bytes: MAX_MESSAGE_BYTES,
        max_messages_per_second: 1_000_000,
        backpressure_threshold_bytes: 2 * MAX_MESSAGE_BYTES,
        ..LiveConfig::default()
    };
    let metrics = LiveMetrics::default();
    // Nobody is asked about, so nobody is there to be asked.
    let directus = Directus::new("http://127.0.0.1:9", &tls::Options::default(), Handle::current())?;
    let within = Duration::from_secs(1);
    let authenticator = Authenticator::new(None, directus.clone(), within, metrics.clone());
    let authorizer = Authorizer::new(directus, within, metrics.clone());
    let (server, _hub) =
        LiveServer::start(config, Arc::new(authenticator), Arc::new(authorizer), metrics).await?;
    println!("{}", server.address());
    std::future::pending().await
}
