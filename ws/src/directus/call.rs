//! One GET, bounded in time and size.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::header::ACCEPT;
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use crate::auth::Credentials;
use crate::directus::base::BaseUrl;

/// What is asked for has some hundred bytes.
const ANSWER_BYTES: usize = 64 * 1024;

/// Node closes a connection that was idle for 5 s, so one is not used again that may just be closing.
const IDLE: Duration = Duration::from_secs(4);

/// Idle connections that are kept: as many as there are calls in flight at most.
const IDLE_CONNECTIONS: usize = 32;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// Too many calls wait already.
    Busy,
    /// There was none in time.
    Late,
    /// There is nobody to connect to.
    Unreachable,
    /// The connection broke, or what came is not HTTP.
    Broken,
    /// What came is not what Directus says.
    Unexpected,
    /// The credentials cannot be sent: they hold what no header may.
    Unsendable,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

pub(crate) struct Caller {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    base: BaseUrl,
}

impl Caller {
    pub(crate) fn new(base: BaseUrl, tls: tls::ClientConfig) -> Self {
        let mut connector = HttpConnector::new();
        // Whether the URL is http or https is known, and the layer above looks at it.
        connector.enforce_http(false);
        connector.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(connector);
        Self { client, base }
    }

    /// Asks for `path`, which begins with a slash. A redirect is an answer like another and not followed: credentials go to
    /// nobody else.
    pub(crate) async fn get(
        &self,
        path: &str,
        credentials: &Credentials,
        until: Instant,
    ) -> Result<Answer, NoAnswer> {
        timeout_at(until, self.exchange(path, credentials)).await.unwrap_or(Err(NoAnswer::Late))
    }

    async fn exchange(&self, path: &str, credentials: &Credentials) -> Result<Answer, NoAnswer> {
        let response = match self.client.request(self.request(path, credentials)?).await {
            // The other side closed a kept connection just as it was used again. To ask is harmless, so it is asked once more.
            Err(error) if was_closed(&error) => self.client.request(self.request(path, credentials)?).await,
            response => response,
        };
        let response = response
            .map_err(|error| if error.is_connect() { NoAnswer::Unreachable } else { NoAnswer::Broken })?;
        let status = response.status();
        match Limited::new(response.into_body(), ANSWER_BYTES).collect().await {
            Ok(body) => Ok(Answer { status, body: body.to_bytes() }),
            Err(error) if error.is::<LengthLimitError>() => Err(NoAnswer::Unexpected),
            Err(_) => Err(NoAnswer::Broken),
        }
    }

    fn request(&self, path: &str, credentials: &Credentials) -> Result<Request<Empty<Bytes>>, NoAnswer> {
        let uri = self.base.join(path).map_err(|_| NoAnswer::Unsendable)?;
        let (name, value) = credentials.header().ok_or(NoAnswer::Unsendable)?;
        Request::get(uri)
            .header(ACCEPT, "application/json")
            .header(name, value)
            .body(Empty::new())
            .map_err(|_| NoAnswer::Unsendable)
    }
}

/// Whether a connection ended before a byte of the answer came.
fn was_closed(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            return error.is_incomplete_message() || error.is_canceled();
        }
        next = error.source();
    }
    false
}
