//! A proxy that does what servers and networks do on bad days, also what the one of the test service does not: answers cut
//! short, endless or of one's own, and redirects; and that shows what was sent.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// It is passed on, and so is its answer.
    Pass,
    /// The same, but the answer, made at once, comes so much later.
    Slow(Duration),
    /// The connection stays open and nothing ever comes.
    Hang,
    /// The connection is closed without an answer.
    Cut,
    /// The connection is closed in the middle of the answer.
    CutInBody,
    /// The connection is closed at once, before anything is read.
    Down,
    /// This status with this body is the answer.
    Answer(u16, String),
    /// A redirect to this address is the answer.
    Redirect(String),
    /// A good answer whose body never ends.
    Endless,
    /// What comes is not HTTP.
    Garbage,
}

/// What has been seen.
#[derive(Debug, Default)]
struct Seen {
    requests: Vec<String>,
    heads: Vec<String>,
    in_flight: usize,
    most_in_flight: usize,
    connections: usize,
}

#[derive(Debug)]
struct Shared {
    upstream: u16,
    behaviour: Mutex<Behaviour>,
    seen: Mutex<Seen>,
    /// Open connections, to be closed at the end.
    sockets: Mutex<Vec<TcpStream>>,
    is_over: AtomicBool,
}

/// A proxy on a port of 127.0.0.1 that forwards to another one there.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Starts one before `upstream`, which passes everything on.
    pub(crate) fn start(upstream: u16) -> io::Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            upstream,
            behaviour: Mutex::new(Behaviour::Pass),
            seen: Mutex::default(),
            sockets: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for socket in listener.incoming() {
                let Ok(socket) = socket else { return };
                if own.is_over.load(Ordering::Acquire) {
                    return;
                }
                let shared = Arc::clone(&own);
                thread::spawn(move || {
                    // Whichever side ends it: that is no matter of the proxy.
                    let _ = shared.serve(&socket);
                    let _ = socket.shutdown(Shutdown::Both);
                });
            }
        });
        Ok(Proxy { port, shared })
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What becomes of requests from now on.
    pub(crate) fn set(&self, behaviour: Behaviour) {
        *lock(&self.shared.behaviour) = behaviour;
    }

    /// The request lines so far, such as `GET /users/me HTTP/1.1`.
    pub(crate) fn requests(&self) -> Vec<String> {
        lock(&self.shared.seen).requests.clone()
    }

    /// The heads of the requests so far, credentials included.
    pub(crate) fn heads(&self) -> Vec<String> {
        lock(&self.shared.seen).heads.clone()
    }

    /// Requests that have no answer yet.
    pub(crate) fn in_flight(&self) -> usize {
        lock(&self.shared.seen).in_flight
    }

    /// The most there were at one time.
    pub(crate) fn most_in_flight(&self) -> usize {
        lock(&self.shared.seen).most_in_flight
    }

    /// Connections that were made.
    pub(crate) fn connections(&self) -> usize {
        lock(&self.shared.seen).connections
    }

    /// Forgets what has been seen, but for what is in flight.
    pub(crate) fn forget(&self) {
        let mut seen = lock(&self.shared.seen);
        let in_flight = seen.in_flight;
        *seen = Seen { in_flight, most_in_flight: in_flight, ..Seen::default() };
    }

    /// Closes every open connection, as a server does that ends, or one that waited long for a request.
    pub(crate) fn close_connections(&self) {
        for socket in lock(&self.shared.sockets).drain(..) {
            // It may be closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // So that the thread that accepts sees it.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        self.close_connections();
    }
}

/// Counts a request for as long as it is not answered.
struct InFlight<'a>(&'a Shared);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        lock(&self.0.seen).in_flight -= 1;
    }
}

impl Shared {
    fn serve(&self, socket: &TcpStream) -> io::Result<()> {
        lock(&self.sockets).push(socket.try_clone()?);
        lock(&self.seen).connections += 1;
        let mut reader = BufReader::new(socket.try_clone()?);
        let mut writer = socket;
        if *lock(&self.behaviour) == Behaviour::Down {
            return Ok(());
        }
        while let Some(head) = read_head(&mut reader)? {
            let in_flight = self.count(&head);
            // Not held while the request is served.
            let behaviour = lock(&self.behaviour).clone();
            match behaviour {
                Behaviour::Pass => writer.write_all(&self.pass(&head)?)?,
                Behaviour::Slow(time) => {
                    let answer = self.pass(&head)?;
                    thread::sleep(time);
                    writer.write_all(&answer)?;
                }
                Behaviour::Hang => {
                    // Until the other side has had enough.
                    reader.read_to_end(&mut Vec::new())?;
                    return Ok(());
                }
                Behaviour::Cut | Behaviour::Down => return Ok(()),
                Behaviour::CutInBody => {
                    return writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"data\":{");
                }
                Behaviour::Answer(status, body) => {
                    let head =
                        format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n\r\n", body.len());
                    writer.write_all(head.as_bytes())?;
                    writer.write_all(body.as_bytes())?;
                }
                Behaviour::Redirect(to) => {
                    let head = format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
                    writer.write_all(head.as_bytes())?;
                }
                Behaviour::Endless => {
                    writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")?;
                    loop {
                        writer.write_all(&[b' '; 4096])?;
                    }
                }
                Behaviour::Garbage => return writer.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n"),
            }
            drop(in_flight);
        }
        Ok(())
    }

    fn count(&self, head: &str) -> InFlight<'_> {
        let mut seen = lock(&self.seen);
        seen.requests.push(head.lines().next().unwrap_or_default().to_owned());
        seen.heads.push(head.to_owned());
        seen.in_flight += 1;
        seen.most_in_flight = seen.most_in_flight.max(seen.in_flight);
        InFlight(self)
    }

    /// Requests have no bodies here; the connection to the server is used once.
    fn pass(&self, head: &str) -> io::Result<Vec<u8>> {
        let mut upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.upstream))?;
        let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
        // In 1.0 the body ends with the connection.
        let line = line.replace("HTTP/1.1", "HTTP/1.0");
        upstream.write_all(format!("{line}\r\n{headers}").as_bytes())?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
        let (head, body) = (String::from_utf8_lossy(&answer[..end]), &answer[end + 4..]);
        let dropped = ["connection:", "content-length:", "keep-alive:", "transfer-encoding:"];
        let mut text = String::new();
        for line in head.lines().filter(|line| !dropped.iter().any(|name| starts_with(line, name))) {
            text += &format!("{line}\r\n");
        }
        let text =
            format!("{}content-length: {}\r\n\r\n", text.replacen("HTTP/1.0", "HTTP/1.1", 1), body.len());
        Ok([text.as_bytes(), body].concat())
    }
}

fn starts_with(line: &str, name: &str) -> bool {
    line.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name))
}

/// The lines of a request up to the empty one. `None`: the other side has closed the connection.
fn read_head(reader: &mut impl io::BufRead) -> io::Result<Option<String>> {
    let mut head = String::new();
    loop {
        let from = head.len();
        if reader.read_line(&mut head)? == 0 {
            return Ok(None);
        }
        if &head[from..] == "\r\n" {
            return Ok(Some(head));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
