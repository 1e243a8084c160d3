//! One connection: from the socket to a session, and then what it reads.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming as Body;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, COOKIE, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::admission::Place;
use crate::auth::{AuthRefusal, Credentials, SESSION_COOKIE};
use crate::client;
use crate::incoming::Incoming;
use crate::limits::{FIRST_AUTH_WITHIN, REQUEST_HEAD_BYTES, REQUEST_HEADERS};
use crate::outbox::Outbox;
use crate::secret::Secret;
use crate::session::{Bucket, Known, Places, Session, SessionKey, Who};
use crate::shard::Shard;
use crate::wire::{Reading, Socket, Wire};

/// Where the channel is.
const PATH: &str = "/ws-live";
/// A first message brings the token.
const TOKEN_FOLLOWS: &str = "trm-live-auth";
/// The connection understands all that is ours.
const EXTENSIONS: &str = "trm-live";
/// For how long credentials may be looked at at most, beside the request itself: Directus has its own, shorter limit.
const CREDENTIALS_WITHIN: Duration = Duration::from_secs(60);

/// A socket that was accepted, with the places it takes.
pub(crate) struct Arrival {
    pub(crate) socket: std::net::TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) connection: Place<()>,
    /// `None` for a trusted proxy's: its request says whose it is.
    pub(crate) address: Option<Place<IpAddr>>,
}

/// A request that is let in.
struct Admitted {
    upgrade: OnUpgrade,
    who: Who,
    extensions: bool,
    address: Place<IpAddr>,
}

/// Makes a session of a connection.
pub(crate) async fn serve(shard: Rc<Shard>, arrival: Arrival) {
    let Arrival { socket, peer, connection, address } = arrival;
    let Some((key, early)) = shake_hands(&shard, socket, peer, connection, address).await else { return };
    let Some(wire) = shard.with(|sessions| sessions.wire(key)) else { return };
    let reading = spawn_local(read(Rc::clone(&shard), key, Reading::new(early, wire)));
    shard.with(|sessions| sessions.reads(key, reading.abort_handle()));
}

/// The handshakes; what came together with the request's head is the beginning of what is read.
async fn shake_hands(
    shard: &Rc<Shard>,
    socket: std::net::TcpStream,
    peer: SocketAddr,
    connection: Place<()>,
    address: Option<Place<IpAddr>>,
) -> Option<(SessionKey, Bytes)> {
    let config = &shard.config;
    let socket = TcpStream::from_std(socket).ok()?;
    // A frame is not to wait for the next one.
    socket.set_nodelay(true).ok()?;
    let socket = match &config.tls {
        None => Socket::Plain(socket),
        Some(tls) => {
            let accepted = tokio_rustls::TlsAcceptor::from(Arc::clone(tls)).accept(socket);
            match timeout(config.handshake_timeout, accepted).await {
                Ok(Ok(socket)) => Socket::Tls(Box::new(socket)),
                Ok(Err(_)) | Err(_) => {
                    shard.metrics.refuse("tls");
                    return None;
                }
            }
        }
    };
    let admitted: RefCell<Option<Admitted>> = RefCell::new(None);
    let address = RefCell::new(address);
    let answer = service_fn(async |request: Request<Body>| {
        let place = address.borrow_mut().take();
        Ok::<_, Infallible>(match admit(shard, peer, place, request).await {
            Ok((response, let_in)) => {
                *admitted.borrow_mut() = Some(let_in);
                response
            }
            Err(refused) => refused,
        })
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(config.handshake_timeout)
        .max_buf_size(REQUEST_HEAD_BYTES)
        .max_headers(REQUEST_HEADERS);
    let served = http.serve_connection(TokioIo::new(socket), answer).with_upgrades();
    match timeout(config.handshake_timeout + CREDENTIALS_WITHIN, served).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => {
            shard.metrics.refuse("handshake");
            return None;
        }
    }
    let Admitted { upgrade, who, extensions, address } = admitted.into_inner()?;
    let upgraded = upgrade.await.ok()?;
    let parts = upgraded.downcast::<TokioIo<Socket>>().ok()?;
    let now = Instant::now();
    let key = shard.with(|sessions| {
        sessions.insert(|key| Session {
            serial: key.serial,
            wire: Wire::new(parts.io.into_inner()),
            outbox: Outbox::default(),
            reading: None,
            who,
            extensions,
            subscriptions: Vec::new(),
            next_subscription: 0,
            is_flushing: false,
            is_touched: false,
            behind_since: None,
            closing: None,
            peer_closed: false,
            next_ping: now + config.ping_interval,
            unanswered_pings: 0,
            messages: Bucket::new(config.max_messages_per_second, now),
            _places: Places { _connection: connection, _address: address },
        })
    });
    Some((key, parts.read_buf))
}

/// Reads messages until the client has no more to say, or the session is removed.
async fn read(shard: Rc<Shard>, key: SessionKey, reading: Reading) {
    let mut incoming = Incoming::new(reading, shard.config.max_message_bytes);
    loop {
        match incoming.next().await {
            Ok(message) => {
                if !shard.with(|sessions| sessions.heard(key, message, Instant::now())) {
                    return;
                }
            }
            Err(broken) => {
                shard.with(|sessions| sessions.broken(key, &broken));
                return;
            }
        }
    }
}

type Answer = Response<Full<Bytes>>;

/// Who may open a session, and who is told why not: 401 for credentials, never an upgraded socket.
async fn admit(
    shard: &Shard,
    peer: SocketAddr,
    place: Option<Place<IpAddr>>,
    mut request: Request<Body>,
) -> Result<(Answer, Admitted), Answer> {
    let config = &shard.config;
    if request.uri().path() != PATH {
        return Err(refuse(StatusCode::NOT_FOUND, "the live channel is at /ws-live"));
    }
    if request.method() != Method::GET || !fastwebsockets::upgrade::is_upgrade_request(&request) {
        return Err(refuse(StatusCode::UPGRADE_REQUIRED, "a WebSocket is spoken here"));
    }
    let address = client::address(peer.ip(), request.headers(), &config.trusted_proxies);
    let place = match place {
        Some(place) => place,
        None => shard.admission.address(address).ok_or_else(|| {
            shard.metrics.refuse("connections_of_address");
            refuse(StatusCode::TOO_MANY_REQUESTS, "too many connections of this address")
        })?,
    };
    let offered = protocols(request.headers());
    let (who, protocol) = who(shard, peer.ip(), request.headers(), &offered).await?;
    // Before the other one takes it: the socket itself is wanted.
    let upgrade = hyper::upgrade::on(&mut request);
    let (response, _) = fastwebsockets::upgrade::upgrade(&mut request)
        .map_err(|error| refuse(StatusCode::BAD_REQUEST, &error.to_string()))?;
    let (mut head, _) = response.into_parts();
    if let Some(protocol) = protocol {
        head.headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    let extensions = protocol == Some(EXTENSIONS);
    let admitted = Admitted { upgrade, who, extensions, address: place };
    Ok((Response::from_parts(head, Full::default()), admitted))
}

fn protocols(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|name| name.trim().to_owned()).collect()
}

/// Who it is, and the subprotocol that was agreed on.
async fn who(
    shard: &Shard,
    peer: IpAddr,
    headers: &HeaderMap,
    offered: &[String],
) -> Result<(Who, Option<&'static str>), Answer> {
    #[cfg(feature = "echo")]
    if let Some(place) = shard.admission.unauthenticated() {
        let until = Instant::now() + Duration::from_secs(3600);
        return Ok((Who::Nobody { until, asked: None, _place: place }, None));
    }
    let offers = |name: &str| offered.iter().any(|other| other == name);
    let credentials = match credentials(headers) {
        Ok(Some(credentials @ Credentials::Bearer(_))) => Some(credentials),
        // A browser sends its cookies whether the page wants it or not.
        _ if offers(TOKEN_FOLLOWS) => None,
        Ok(Some(cookies)) => {
            let config = &shard.config;
            if !client::may_use_cookie(peer, headers, &config.trusted_proxies, &config.allowed_origins) {
                shard.metrics.refuse("origin");
                return Err(refuse(StatusCode::UNAUTHORIZED, "a cookie of another site's page is not taken"));
            }
            Some(cookies)
        }
        Ok(None) => return Err(unauthorized(shard, AuthRefusal::Missing)),
        Err(refusal) => return Err(unauthorized(shard, refusal)),
    };
    let Some(credentials) = credentials else {
        let place = shard.admission.unauthenticated().ok_or_else(|| {
            shard.metrics.refuse("unauthenticated");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "too many clients that have not sent their token")
        })?;
        return Ok((
            Who::Nobody { until: Instant::now() + FIRST_AUTH_WITHIN, asked: None, _place: place },
            Some(TOKEN_FOLLOWS),
        ));
    };
    let identity = shard.authenticator.authenticate(&Arc::new(credentials)).await;
    let identity = Arc::new(identity.map_err(|refusal| refused(&refusal))?);
    let place = shard.admission.user(&identity.user).ok_or_else(|| {
        shard.metrics.refuse("connections_of_user");
        refuse(StatusCode::TOO_MANY_REQUESTS, "too many connections of this user")
    })?;
    let expires_at = identity.expires_at;
    let known = Known { identity, expires_at, warned: false, asked_since: None, _place: place };
    Ok((Who::Known(known), offers(EXTENSIONS).then_some(EXTENSIONS)))
}

/// What the request brings: a token, else cookies with a session among them.
fn credentials(headers: &HeaderMap) -> Result<Option<Credentials>, AuthRefusal> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let text = value.to_str().map_err(|_| AuthRefusal::Malformed)?;
        let (scheme, token) = text.split_once(' ').ok_or(AuthRefusal::Malformed)?;
        let token = token.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return Err(AuthRefusal::Malformed);
        }
        return Ok(Some(Credentials::Bearer(Secret::new(token.to_owned()))));
    }
    let mut lines = headers.get_all(COOKIE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return Ok(None) };
    let Ok(text) = line.to_str() else { return Ok(None) };
    let names = text.split(';').filter_map(|pair| pair.trim().split('=').next());
    let has_session = names.into_iter().any(|name| name == SESSION_COOKIE);
    Ok(has_session.then(|| Credentials::Cookies(Secret::new(text.to_owned()))))
}

fn unauthorized(shard: &Shard, refusal: AuthRefusal) -> Answer {
    shard.authenticator.refused(refusal);
    refused(&refusal)
}

fn refused(refusal: &AuthRefusal) -> Answer {
    refuse(StatusCode::UNAUTHORIZED, refusal.message())
}

fn refuse(status: StatusCode, message: &str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(format!("{message}\n"))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    // A second request would find the places of the first one taken.
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(hyper::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if status == StatusCode::UPGRADE_REQUIRED {
        headers.insert(hyper::header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    response
}
