//! A server with everything around it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::{SinkExt as _, StreamExt as _};
use ring::hmac;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, client_async};
use uuid::Uuid;
use ws::auth::Authenticator;
use ws::authz::Authorizer;
use ws::directory::Directory;
use ws::directus::Directus;
use ws::fix::{DelayMs, FixBatch, LiveFix, Seq};
use ws::secret::Secret;
use ws::{Hub, LiveConfig, LiveMetrics, LiveServer};

pub(crate) const SECRET: &str = "a secret that Directus signs with";
/// Longer than anything should take, shorter than a person waits.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn event(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub(crate) fn topic(n: u128) -> String {
    format!("event:{}", event(n))
}

pub(crate) fn fix(device: &str, at: u64) -> LiveFix {
    LiveFix {
        seq: Seq { ms: at, n: 0 },
        device: device.into(),
        lat: 41.5,
        lon: 19.25,
        ts_ms: i64::try_from(at).unwrap(),
        speed_kmh: 0.0,
        course_deg: 0.0,
        panic: false,
    }
}

/// Answers of Directus, by path, and how often it was asked.
#[derive(Clone, Default)]
pub(crate) struct StandIn {
    told: Arc<Mutex<Told>>,
}

#[derive(Default)]
struct Told {
    statuses: HashMap<String, u16>,
    delay: Duration,
    requests: Vec<String>,
}

impl StandIn {
    /// For requests whose path begins so; 200 for all others.
    pub(crate) fn answers(&self, path: &str, status: u16) {
        self.told.lock().unwrap().statuses.insert(path.to_owned(), status);
    }

    pub(crate) fn takes(&self, delay: Duration) {
        self.told.lock().unwrap().delay = delay;
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.told.lock().unwrap().requests.clone()
    }

    async fn serve(self, listener: TcpListener) {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(self.clone().converse(socket));
        }
    }

    async fn converse(self, mut socket: TcpStream) {
        let mut received = Vec::new();
        loop {
            let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
                match socket.read_buf(&mut received).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => continue,
                }
            };
            let head = String::from_utf8(received.drain(..end + 4).collect()).unwrap();
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let (status, delay) = {
                let mut told = self.told.lock().unwrap();
                told.requests.push(path.clone());
                let status = told.statuses.iter().find(|(begin, _)| path.starts_with(*begin));
                (status.map_or(200, |(_, status)| *status), told.delay)
            };
            sleep(delay).await;
            let id = match path.strip_prefix("/items/events/") {
                Some(rest) => rest.split('?').next().unwrap().to_owned(),
                None => user_of(&head),
            };
            let body = json!({"data": {"id": id, "status": "active"}}).to_string();
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if socket.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// Who it is stands in the token, here as there; in clear text where it is none.
fn user_of(head: &str) -> String {
    let payload = head.split("Bearer ").nth(1).and_then(|token| token.split('.').nth(1));
    let claims = payload.and_then(|payload| BASE64_URL_SAFE_NO_PAD.decode(payload).ok());
    let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    match claims {
        Some(claims) => claims["id"].as_str().unwrap().to_owned(),
        None => head.split("user-").nth(1).map_or(String::new(), |rest| rest[..1].to_owned()),
    }
}

/// A server, its hub, and the Directus it asks.
pub(crate) struct Live {
    pub(crate) server: LiveServer,
    pub(crate) hub: Hub,
    pub(crate) directus: StandIn,
    pub(crate) metrics: LiveMetrics,
}

/// On loopback, with two shards.
pub(crate) fn config() -> LiveConfig {
    LiveConfig { host: "127.0.0.1".into(), port: 0, ..LiveConfig::default() }
}

impl Live {
    pub(crate) async fn start(config: LiveConfig) -> Self {
        let live = Self::start_unknowing(config).await;
        // Devices a, b and c in event 1; c in event 2 too; d in none.
        let members = [(1, "a"), (1, "b"), (1, "c"), (2, "c")];
        let members = members.map(|(n, device)| (event(n), Arc::from(device)));
        live.hub.set_directory(Directory::new(members, [], [])).await;
        live
    }

    /// Nobody has said yet who is shown where.
    pub(crate) async fn start_unknowing(config: LiveConfig) -> Self {
        let directus = StandIn::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(directus.clone().serve(listener));
        let metrics = LiveMetrics::default();
        let client = Directus::new(&url, &tls::Options::default(), Handle::current()).unwrap();
        let within = Duration::from_secs(2);
        let secret = Secret::new(SECRET);
        let authenticator = Authenticator::new(Some(&secret), client.clone(), within, metrics.clone());
        let authorizer = Authorizer::new(client, within, metrics.clone());
        let started =
            LiveServer::start(config, authenticator.into(), authorizer.into(), metrics.clone()).await;
        let (server, hub) = started.unwrap();
        Self { server, hub, directus, metrics }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Publishes fixes as one batch.
    pub(crate) async fn publish(&self, fixes: Vec<LiveFix>) {
        let read_to = fixes.last().map_or(Seq::ZERO, |fix| fix.seq);
        self.hub.publish(FixBatch { delay: DelayMs::NONE, fixes, hole: None, read_to }).await;
        self.settle().await;
    }

    /// Waits until every shard has taken in what the hub was told: an inbox holds one message, so that of three behind it
    /// the last one finds room only when it has.
    pub(crate) async fn settle(&self) {
        for _ in 0..3 {
            self.hub.withdraw(DelayMs::NONE, "nobody".into(), 0, None).await;
        }
    }

    /// A client of user 1, with more headers.
    pub(crate) async fn connect_with(&self, headers: &[(&'static str, &str)]) -> Result<Client, u16> {
        let mut request = format!("ws://{}/ws-live", self.address()).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let socket = TcpStream::connect(self.address()).await.unwrap();
        match client_async(request, socket).await {
            Ok((stream, _)) => Ok(Client { stream }),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    pub(crate) async fn connect(&self) -> Client {
        self.connect_with(&[("authorization", &bearer("1", 900))]).await.unwrap()
    }

    /// A client that knows ours.
    pub(crate) async fn connect_ours(&self) -> Client {
        let token = bearer("1", 900);
        let headers = [("authorization", token.as_str()), ("sec-websocket-protocol", "trm-live")];
        self.connect_with(&headers).await.unwrap()
    }

    /// The value of a metric, as it is scraped.
    pub(crate) fn metric(&self, line: &str) -> f64 {
        let mut registry = prometheus_client::registry::Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let value = text.lines().find_map(|own| own.strip_prefix(line)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{line} in {text}")).parse().unwrap()
    }
}

/// `Bearer` and a token of a user, good for some seconds.
pub(crate) fn bearer(user: &str, for_seconds: i64) -> String {
    format!("Bearer {}", token(user, for_seconds, &json!({})))
}

/// A token that Directus would sign.
pub(crate) fn token(user: &str, for_seconds: i64, more: &Value) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let now = i64::try_from(now).unwrap();
    let mut claims = json!({"id": user, "role": null, "app_access": true, "admin_access": false,
                            "iat": now, "exp": now + for_seconds, "iss": "directus"});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(&claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// A client by tungstenite.
pub(crate) struct Client {
    pub(crate) stream: WebSocketStream<TcpStream>,
}

impl Client {
    pub(crate) async fn send(&mut self, message: &Value) {
        self.stream.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next frame that is not of the keep-alive.
    pub(crate) async fn frame(&mut self) -> Message {
        loop {
            let frame = timeout(PATIENCE, self.stream.next()).await.expect("a frame in time");
            match frame.expect("a frame before the end").unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                frame => return frame,
            }
        }
    }

    /// The next text, as it came.
    pub(crate) async fn text(&mut self) -> String {
        match self.frame().await {
            Message::Text(text) => text.to_string(),
            other => panic!("a text, not {other:?}"),
        }
    }

    pub(crate) async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// The code and the reason that the server closes with.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.frame().await {
                let frame = frame.unwrap();
                return (CloseCode::into(frame.code), frame.reason.to_string());
            }
        }
    }

    /// Nothing comes for a while.
    pub(crate) async fn is_silent(&mut self) {
        let waited = timeout(Duration::from_millis(150), self.frame()).await;
        assert!(waited.is_err(), "{waited:?}");
    }

    /// Subscribes to an event and takes in the answer.
    pub(crate) async fn subscribe(&mut self, n: u128) -> Value {
        self.subscribe_with(n, &json!({})).await
    }

    pub(crate) async fn subscribe_with(&mut self, n: u128, more: &Value) -> Value {
        let mut message = json!({"type": "subscribe", "topic": topic(n)});
        for (name, value) in more.as_object().unwrap() {
            message[name] = value.clone();
        }
        self.send(&message).await;
        let answer = self.json().await;
        assert_eq!(answer["type"], "subscribed", "{answer}");
        answer
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waited = timeout(PATIENCE, async {
        while !is_so() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}
