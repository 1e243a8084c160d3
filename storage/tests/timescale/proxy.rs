//! A link to the server that can be cut at the worst moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The text of the message that commits.
const COMMIT: &[u8] = b"COMMIT\0";

pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) cuts: Arc<AtomicU32>,
    armed: Arc<AtomicBool>,
}

impl Proxy {
    /// A link to the server on this port.
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cuts, armed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let shared = (Arc::clone(&cuts), Arc::clone(&armed));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                tokio::spawn(link(client, server, Arc::clone(&shared.0), Arc::clone(&shared.1)));
            }
        });
        Self { port, cuts, armed }
    }

    /// The next COMMIT reaches the server and is carried out; its answer is lost with the link.
    pub(crate) fn cut_after_commit(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }
}

async fn link(client: TcpStream, server: TcpStream, cuts: Arc<AtomicU32>, armed: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let cut = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&cut);
    let forth = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            let sent = &buffer[..read];
            if sent.ends_with(COMMIT) && armed.swap(false, Ordering::SeqCst) {
                seen.store(true, Ordering::SeqCst);
            }
            if to_server.write_all(sent).await.is_err() {
                break;
            }
        }
    };
    let back = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            if cut.load(Ordering::SeqCst) {
                // The server has answered, so it has committed.
                assert!(buffer[..read].windows(7).any(|text| text == COMMIT));
                cuts.fetch_add(1, Ordering::SeqCst);
                break;
            }
            if to_client.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! { () = forth => {}, () = back => {} }
}
