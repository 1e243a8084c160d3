//! TLS of the server's own: everything as without it, a client that reads slowly included.

use std::sync::Arc;
use std::time::Duration;

use rcgen::generate_simple_self_signed;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use ws::LiveConfig;

use crate::support::{Live, bearer, config, fix, topic, until};

#[tokio::test(flavor = "multi_thread")]
async fn sessions_work_within_tls() {
    use futures_util::{SinkExt as _, StreamExt as _};
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let identity = tls::Identity { certificate: certificate.clone(), key };
    let server = Arc::new(tls::server_config(&identity).unwrap());
    let handshake_timeout = Duration::from_millis(700);
    let live = Live::start(LiveConfig { tls: Some(server), handshake_timeout, ..config() }).await;

    let options = tls::Options { roots: Some(certificate), ..tls::Options::default() };
    let connector = TlsConnector::from(Arc::new(tls::client_config(&options).unwrap()));
    let socket = TcpStream::connect(live.address()).await.unwrap();
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), socket).await.unwrap();
    let mut request =
        format!("wss://localhost:{}/ws-live", live.address().port()).into_client_request().unwrap();
    request.headers_mut().insert("authorization", bearer("1", 900).parse().unwrap());
    let (mut client, _) = client_async(request, stream).await.unwrap();
    client.send(Message::text(format!(r#"{{"type":"subscribe","topic":"{}"}}"#, topic(1)))).await.unwrap();
    let mut next = async || timeout(Duration::from_secs(10), client.next()).await.unwrap().unwrap().unwrap();
    assert!(next().await.into_text().unwrap().starts_with(r#"{"type":"subscribed""#));
    // More than the system keeps, so that records are cut where the socket is full.
    for round in 0..400 {
        live.publish((0..100).map(|n| fix("a", round * 100 + n + 1)).collect()).await;
    }
    let mut last = 0;
    while last < 40_000 {
        let frame: serde_json::Value = serde_json::from_str(&next().await.into_text().unwrap()).unwrap();
        let ts = frame["ts"].as_i64().unwrap();
        assert!(ts > last, "{ts} behind {last}");
        last = ts;
    }

    // Who does not speak TLS, or nothing at all, is put out.
    for hello in [&b"GET /ws-live HTTP/1.1\r\n\r\n"[..], b""] {
        let mut socket = TcpStream::connect(live.address()).await.unwrap();
        socket.write_all(hello).await.unwrap();
        let mut answer = Vec::new();
        let ended = timeout(Duration::from_secs(5), socket.read_to_end(&mut answer)).await;
        assert!(ended.is_ok() && !answer.starts_with(b"HTTP"), "{answer:?}");
    }
    drop(client);
    until("it is gone", || live.metric("processor_live_sessions") == 0.0).await;
}
