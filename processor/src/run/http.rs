//! `/metrics`, `/healthz`, `/readyz` and `/readyz/live` on the metrics port.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::events::Events;
use super::health::Health;

/// A scraper and some probes; more is a mistake or an attack.
const MAX_CONNECTIONS: usize = 64;
/// Who has not said what it wants by then is gone.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
const METRICS_TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Listens; what is asked is answered until the process ends.
pub(super) async fn listen(
    host: &str,
    port: u16,
    events: Arc<Events>,
    health: Arc<Health>,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((host, port))
        .await
        .with_context(|| format!("cannot listen on {host}:{port} (METRICS_HOST, METRICS_PORT)"))?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, events, health));
    Ok(address)
}

async fn serve(listener: TcpListener, events: Arc<Events>, health: Arc<Health>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((socket, _)) = listener.accept().await else {
            // Out of file handles, most likely: others need a moment to give some back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (events, health) = (Arc::clone(&events), Arc::clone(&health));
        tokio::spawn(async move {
            let answer = service_fn(|request| answer(request, &events, &health));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).keep_alive(true);
            // Whoever breaks the connection knows it.
            drop(http.serve_connection(TokioIo::new(socket), answer).await);
            drop(permit);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    events: &Events,
    health: &Health,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Ok(text(StatusCode::METHOD_NOT_ALLOWED, "only GET is known here\n".into()));
    }
    Ok(match request.uri().path() {
        "/metrics" => {
            let mut response = text(StatusCode::OK, events.metrics.text());
            response
                .headers_mut()
                .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(METRICS_TEXT));
            response
        }
        "/healthz" => text(StatusCode::OK, "ok\n".into()),
        "/readyz" => {
            let troubles = health.troubles().await;
            if troubles.is_empty() {
                text(StatusCode::OK, format!("ready: {}\n", health.phase()))
            } else {
                text(StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", troubles.join("\n")))
            }
        }
        "/readyz/live" => match health.live().trouble() {
            None => text(StatusCode::OK, "the live channel serves\n".into()),
            Some(trouble) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{trouble}\n")),
        },
        _ => text(StatusCode::NOT_FOUND, "there are /metrics, /healthz, /readyz and /readyz/live\n".into()),
    })
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let plain = hyper::header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
