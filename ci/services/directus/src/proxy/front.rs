//! What runs on the proxy's own thread.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, mpsc};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc as channel, watch};
use tokio::time::sleep;

use super::{Mode, Seen};

/// The mode to change to, and whom to tell when that is done.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) mode: Mode,
    pub(super) done: mpsc::Sender<io::Result<()>>,
}

#[derive(Clone)]
pub(super) struct Front {
    address: SocketAddr,
    target: Uri,
    client: Client<HttpConnector, Full<Bytes>>,
    mode: Arc<watch::Sender<Mode>>,
    seen: Arc<Seen>,
}

impl Front {
    pub(super) fn new(address: SocketAddr, target: &Uri, seen: Arc<Seen>) -> Self {
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let mode = Arc::new(watch::Sender::new(Mode::Pass));
        Self { address, target: target.clone(), client, mode, seen }
    }

    /// Accepts connections and changes, until nobody is left who could change anything.
    pub(super) async fn listen(self, listener: TcpListener, mut changes: channel::UnboundedReceiver<Change>) {
        let mut listener = Some(listener);
        loop {
            let change = tokio::select! {
                biased;
                change = changes.recv() => change,
                socket = accept(listener.as_ref()) => {
                    tokio::spawn(self.clone().converse(socket));
                    continue;
                }
            };
            let Some(Change { mode, done }) = change else { return };
            let changed = match (mode, &listener) {
                (Mode::Refuse, _) => {
                    listener = None;
                    Ok(())
                }
                (_, None) => TcpListener::bind(self.address).await.map(|again| listener = Some(again)),
                (_, Some(_)) => Ok(()),
            };
            self.mode.send_replace(mode);
            // Whoever asked may have given up.
            let _ = done.send(changed);
        }
    }

    async fn converse(self, socket: TcpStream) {
        let mut mode = self.mode.subscribe();
        let answer = service_fn(|request| self.answer(request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), answer);
        tokio::select! {
            // Its error is that of one side that left, which is what this is for.
            _ = connection => {}
            _ = mode.wait_for(|mode| *mode == Mode::Refuse) => {}
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let _in_flight = InFlight::new(&self.seen, &request);
        let mode = *self.mode.borrow();
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let request = Request::from_parts(parts, Full::new(body));
        match mode {
            Mode::Pass => self.pass(request).await,
            Mode::Delay(by) => {
                sleep(by).await;
                self.pass(request).await
            }
            Mode::Status(code) => {
                let status = StatusCode::from_u16(code).map_err(io::Error::other)?;
                let body = r#"{"errors":[{"message":"from the proxy","extensions":{"code":"PROXY"}}]}"#;
                Ok(json(status, body.as_bytes()))
            }
            Mode::Garbage => Ok(json(StatusCode::OK, b"{\"data\":{\"id\":\xff\x00")),
            Mode::Hang => std::future::pending().await,
            Mode::Cut | Mode::Refuse => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    async fn pass(&self, mut request: Request<Full<Bytes>>) -> io::Result<Response<Full<Bytes>>> {
        let mut uri = self.target.clone().into_parts();
        uri.path_and_query = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from_parts(uri).map_err(io::Error::other)?;
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => return Ok(json(StatusCode::BAD_GATEWAY, error.to_string().as_bytes())),
        };
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Response::from_parts(parts, Full::new(body)))
    }
}

/// The next connection; never, where nobody listens.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return socket,
            // Out of files, or the client left before: neither is over at once, nor for good.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

fn json(status: StatusCode, body: &[u8]) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

/// A request that is counted until it is answered or given up.
struct InFlight<'s>(&'s Seen);

impl<'s> InFlight<'s> {
    fn new(seen: &'s Seen, request: &Request<Incoming>) -> Self {
        // Headers and bodies hold tokens and passwords; a test must not print them.
        let line = format!("{} {}", request.method(), request.uri());
        seen.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        let now = seen.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most_in_flight.fetch_max(now, Ordering::SeqCst);
        Self(seen)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
