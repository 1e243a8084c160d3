//! A browser: a page in headless Chromium that logs in by its cookie, and one that sends a token.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use ws::LiveConfig;

use crate::support::{Live, config, fix, token, topic};

/// `PROTOCOLS` and `FIRST` say how it logs in. What it has seen it tells the server of the page.
const PAGE: &str = r#"<!doctype html><title>live</title><script>
const seen = [];
const socket = new WebSocket("ws://ADDRESS/ws-live", PROTOCOLS);
const tell = what => fetch("/told?" + encodeURIComponent(what));
socket.onopen = () => {
  if (FIRST) socket.send(FIRST);
  socket.send(JSON.stringify({ type: "subscribe", topic: "TOPIC", id: 1 }));
};
socket.onmessage = ({ data }) => {
  const frame = JSON.parse(data);
  if (frame.type === "subscribed") tell("subscribed " + frame.snapshot.length);
  if (frame.type === "position") seen.push(frame.ts);
  if (seen.length === 100) tell("positions " + seen.reduce((sum, ts) => sum + ts, 0));
};
socket.onclose = ({ code }) => tell("closed " + code);
</script>"#;

/// Serves the page, with the cookie of a login, and gathers what it tells.
async fn serve(listener: TcpListener, page: String, told: Arc<Mutex<Vec<String>>>) {
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        let (page, told) = (page.clone(), Arc::clone(&told));
        tokio::spawn(async move {
            let path = request(&mut socket).await;
            let body = match path.strip_prefix("/told?") {
                Some(what) => {
                    told.lock().unwrap().push(what.replace("%20", " "));
                    String::new()
                }
                None => page,
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: {}\r\n\
                 set-cookie: directus_session_token=user-1; HttpOnly; SameSite=Lax\r\n\r\n",
                body.len()
            );
            // A browser that is being ended does not wait for it.
            let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
        });
    }
}

async fn request(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if socket.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return String::new();
        }
    }
    String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_log_in_and_receive() {
    if std::env::var_os("TEST_CHROMIUM").is_none() {
        eprintln!("skipped: TEST_CHROMIUM is not set, since chromium is not there");
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let live = Live::start(LiveConfig { allowed_origins: vec![origin.clone()], ..config() }).await;
    live.publish(vec![fix("a", 1), fix("b", 2)]).await;
    let auth = json!({"type": "auth", "access_token": token("1", 900, &json!({}))}).to_string();
    let ways =
        [("[]".to_owned(), "null".to_owned()), (r#"["trm-live-auth"]"#.to_owned(), json!(auth).to_string())];
    let mut listener = Some(listener);
    for (protocols, first) in ways {
        let (listener, origin) = match listener.take() {
            Some(listener) => (listener, origin.clone()),
            // A page of another origin: its cookie would be refused, its token is not.
            None => {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let origin = format!("http://{}", listener.local_addr().unwrap());
                (listener, origin)
            }
        };
        let page = PAGE.replace("ADDRESS", &live.address().to_string()).replace("TOPIC", &topic(1));
        let page = page.replace("PROTOCOLS", &protocols).replace("FIRST", &first);
        let told = Arc::<Mutex<Vec<String>>>::default();
        let serving = tokio::spawn(serve(listener, page, Arc::clone(&told)));
        let profile = tempfile::tempdir().unwrap();
        let mut browser = tokio::process::Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(&origin)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let has_told = |what: &str| told.lock().unwrap().iter().any(|other| other == what);
        let wait = async |what: &str| {
            for _ in 0..600 {
                if has_told(what) {
                    return;
                }
                sleep(Duration::from_millis(100)).await;
            }
            panic!("{what} was not told, but {:?}", told.lock().unwrap());
        };
        wait("subscribed 2").await;
        for at in 0..100 {
            live.publish(vec![fix("c", 1_000 + at)]).await;
        }
        wait(&format!("positions {}", (1_000..1_100).sum::<u64>())).await;
        browser.kill().await.unwrap();
        serving.abort();
        // The next one begins with what this one did.
        live.hub.withdraw(ws::fix::DelayMs::NONE, "c".into(), 1_099, None).await;
        live.settle().await;
    }
}
