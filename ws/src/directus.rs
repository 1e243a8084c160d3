//! Directus, as much of it as is asked: bounded in time, in calls at once and in calls that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::auth::Credentials;

/// Calls at once. One costs Directus some milliseconds of its only thread: more would only wait there.
const MAX_IN_FLIGHT: usize = 16;
/// Calls that wait for their turn. Behind so many nobody would be answered in time.
const MAX_WAITING: usize = 2_000;
/// Bytes of an answer. The longest one that is asked for has some hundred.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// Longer than Node keeps one open by itself would be to write into closed connections.
const IDLE_FOR: Duration = Duration::from_secs(4);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    #[error("too many calls are waiting")]
    Busy,
    #[error("no answer in time")]
    TimedOut,
    #[error("the call failed")]
    Failed,
    #[error("the credentials cannot be sent")]
    Unpresentable,
}

/// Why Directus cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum DirectusError {
    /// The URL is none.
    #[error("DIRECTUS_BASE_URL is no http or https URL")]
    Url,
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] tls::Error),
}

type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// A clone is the same client, with the same bounds.
#[derive(Clone)]
pub struct Directus {
    inner: Arc<Inner>,
}

struct Inner {
    client: HttpClient,
    /// Scheme, host and, where Directus is not at the root, a path; without a slash at its end.
    base: Box<str>,
    /// The runtime of its connections: those that ask may be of any.
    runtime: Handle,
    in_flight: Semaphore,
    waiting: AtomicUsize,
}

impl std::fmt::Debug for Directus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directus").finish_non_exhaustive()
    }
}

impl Directus {
    /// `base_url`: as `DIRECTUS_BASE_URL` has it. Its connections live on the runtime of the caller.
    ///
    /// # Errors
    /// See [`DirectusError`].
    pub fn new(base_url: &str, tls: &tls::Options, runtime: Handle) -> Result<Self, DirectusError> {
        let base = base_url.trim_end_matches('/');
        let uri: Uri = base.parse().map_err(|_| DirectusError::Url)?;
        let is_plain = match uri.scheme_str() {
            Some("http") => true,
            Some("https") => false,
            _ => return Err(DirectusError::Url),
        };
        if uri.authority().is_none_or(|authority| authority.host().is_empty()) || uri.query().is_some() {
            return Err(DirectusError::Url);
        }
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_WITHIN));
        // Whom to trust is read from files: not where nobody is to be trusted.
        let config = if is_plain { no_tls()? } else { tls::client_config(tls)? };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_FOR)
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(MAX_IN_FLIGHT)
            .retry_canceled_requests(true)
            .build(connector);
        let in_flight = Semaphore::new(MAX_IN_FLIGHT);
        let inner = Inner { client, base: base.into(), runtime, in_flight, waiting: AtomicUsize::new(0) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs on the runtime of the connections.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.inner.runtime
    }

    /// Asks with somebody's credentials, and gives up after `within`, waiting included. Redirects are not followed:
    /// credentials go nowhere else.
    pub(crate) async fn get(
        &self,
        path: &'static str,
        credentials: &Credentials,
        within: Duration,
    ) -> Result<(StatusCode, Bytes), CallError> {
        self.get_path(path.to_owned(), credentials, within).await
    }

    pub(crate) async fn get_path(
        &self,
        path: String,
        credentials: &Credentials,
        within: Duration,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let (name, value) = credentials.header().ok_or(CallError::Unpresentable)?;
        let request = Request::builder()
            .method(Method::GET)
            .uri(format!("{}{path}", self.inner.base))
            .header(name, value)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .body(Empty::new())
            .map_err(|_| CallError::Failed)?;
        let place = Waiting::new(&self.inner).ok_or(CallError::Busy)?;
        let inner = Arc::clone(&self.inner);
        let call = async move {
            let answered = timeout(within, async {
                let permit = inner.in_flight.acquire().await.map_err(|_| CallError::Failed)?;
                let response = inner.client.request(request).await.map_err(|_| CallError::Failed)?;
                let status = response.status();
                let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
                let body = body.map_err(|_| CallError::Failed)?.to_bytes();
                drop(permit);
                Ok((status, body))
            });
            let answered = answered.await.unwrap_or(Err(CallError::TimedOut));
            drop(place);
            answered
        };
        // On the connections' runtime, to its end whether or not somebody still waits for it.
        self.inner.runtime.spawn(call).await.unwrap_or(Err(CallError::Failed))
    }
}

fn no_tls() -> Result<tls::ClientConfig, DirectusError> {
    Ok(tls::client_config(&tls::Options { verify: tls::Verify::None, ..tls::Options::default() })?)
}

/// One of the calls that wait or are on their way.
struct Waiting(Arc<Inner>);

impl Waiting {
    fn new(inner: &Arc<Inner>) -> Option<Self> {
        if inner.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            inner.waiting.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self(Arc::clone(inner)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
