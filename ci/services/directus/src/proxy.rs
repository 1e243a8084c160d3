//! A proxy that stands in front of a server and makes it slow, wrong or absent.

mod front;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use hyper::Uri;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc as channel;

use crate::{Error, Result};
use front::{Change, Front};

/// Changing the mode takes microseconds; a proxy that does not is broken.
const CHANGE_WITHIN: Duration = Duration::from_secs(10);

/// What a proxy does with the requests that come from now on. Those that came before go on as they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Hands them on and their answers back.
    Pass,
    /// The same, so much later.
    Delay(Duration),
    /// Answers with this status and the JSON that Directus has for an error.
    Status(u16),
    /// Answers 200 with something that calls itself JSON and is none.
    Garbage,
    /// Reads them and never answers.
    Hang,
    /// Reads them and closes the connection.
    Cut,
    /// Listens no more, so that connecting is refused, and closes what is connected.
    Refuse,
}

/// An HTTP/1.1 proxy on a port of 127.0.0.1, without upgrades. It runs on a thread of its own and ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    seen: Arc<Seen>,
    changes: channel::UnboundedSender<Change>,
    runtime: Option<Runtime>,
}

#[derive(Debug, Default)]
struct Seen {
    lines: Mutex<Vec<String>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl Proxy {
    /// Starts one that passes everything on to `base_url`, which has a scheme and an address and no path.
    pub fn start(base_url: &str) -> Result<Proxy> {
        let target: Uri = base_url.parse().map_err(io::Error::other)?;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen::default());
        let (changes, changed) = channel::unbounded_channel();
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        runtime.spawn(Front::new(address, &target, Arc::clone(&seen)).listen(listener, changed));
        Ok(Proxy { address, seen, changes, runtime: Some(runtime) })
    }

    /// The base URL to give to those who should ask through it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what it does. From the return on it does that, also for connections that are open.
    ///
    /// # Errors
    /// After [`Mode::Refuse`] the port may have become somebody else's.
    pub fn set(&self, mode: Mode) -> Result<()> {
        let (done, is_done) = mpsc::channel();
        let gone = || Error::Io(io::Error::other("the proxy does not answer"));
        self.changes.send(Change { mode, done }).map_err(|_| gone())?;
        Ok(is_done.recv_timeout(CHANGE_WITHIN).map_err(|_| gone())??)
    }

    /// Method, path and query of every request so far, in the order of their arrival: `GET /users/me?fields=id`.
    pub fn requests(&self) -> Vec<String> {
        self.seen.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests that came and are not answered yet. Those whose client gave up are not among them.
    pub fn in_flight(&self) -> usize {
        self.seen.in_flight.load(Ordering::SeqCst)
    }

    /// The most requests that were in flight at one time.
    pub fn most_in_flight(&self) -> usize {
        self.seen.most_in_flight.load(Ordering::SeqCst)
    }

    /// Forgets the requests so far, and the most in flight but for those that are.
    pub fn forget(&self) {
        self.seen.lines.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.seen.most_in_flight.store(self.in_flight(), Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // A runtime that is dropped waits, which the thread of another one must not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
