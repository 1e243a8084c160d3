//! A link between the worker and a server that can be held, or cut, at a moment that is told by the bytes on it.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What a connection has said from its beginning on: enough to tell what it is for.
const HISTORY_BYTES: usize = 64 << 10;
/// A moment on one of the worker's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What the connection has said before, to tell it from the worker's others; may be empty.
    pub of: &'static str,
    /// What the worker sends.
    pub request: &'static str,
    /// `None`: the request is held, and never arrives. Otherwise it arrives, and from then on everything that the
    /// server says is held; the moment has come once this is in it.
    pub reply: Option<&'static str>,
}

/// Takes connections on a port of its own and passes on what is said. Nothing that is held is ever passed on: the
/// worker is killed, or the connection is cut.
pub struct Link {
    pub port: u16,
    wires: Arc<Wires>,
}

struct Wires {
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Default)]
struct State {
    armed: Option<Moment>,
    /// The connection whose answers are held, and what is waited for in them.
    awaited: Option<(u64, &'static str)>,
    /// The connection on which the moment came.
    held: Option<u64>,
    /// Both ends of each connection.
    sockets: HashMap<u64, [TcpStream; 2]>,
    closed: bool,
}

impl Link {
    /// A link to a server on a port of the loopback address, which may come and go.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let wires = Arc::new(Wires { state: Mutex::default(), came: Condvar::new() });
        let own = Arc::clone(&wires);
        thread::spawn(move || own.accept(&listener, server));
        Self { port, wires }
    }

    /// From now on the next such moment is waited for.
    pub fn arm(&self, moment: Moment) {
        let mut state = self.wires.state();
        (state.armed, state.awaited, state.held) = (Some(moment), None, None);
    }

    /// Waits until the moment has come.
    pub fn wait(&self, within: Duration) {
        let state = self.wires.state();
        let waited = self.wires.came.wait_timeout_while(state, within, |state| state.held.is_none()).unwrap();
        let late = waited.1.timed_out().then_some((waited.0.armed, waited.0.awaited));
        drop(waited);
        assert_eq!(late, None, "the moment has not come within {within:?}");
    }

    /// Cuts the connection on which the moment came; nothing that was held arrives.
    pub fn cut(&self) {
        let state = self.wires.state();
        let held = state.held.expect("a moment has come");
        for socket in state.sockets.get(&held).into_iter().flatten() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.wires.state().sockets.len()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut state = self.wires.state();
        state.closed = true;
        for socket in state.sockets.values().flatten() {
            let _ = socket.shutdown(Shutdown::Both);
        }
        drop(state);
        // The one who waits for connections looks up.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Wires {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: Arc<Self>, listener: &TcpListener, server: u16) {
        for (number, client) in (0_u64..).zip(listener.incoming()) {
            let client = client.unwrap();
            if self.state().closed {
                return;
            }
            // Without a server the worker's connection is closed at once.
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else { continue };
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let pair = || [client.try_clone().unwrap(), server.try_clone().unwrap()];
            self.state().sockets.insert(number, pair());
            let ([from_client, to_server], [to_client, from_server]) = (pair(), pair());
            let (up, down) = (Arc::clone(&self), Arc::clone(&self));
            let down = thread::spawn(move || down.answers(number, from_server, to_client));
            thread::spawn(move || {
                up.requests(number, from_client, to_server);
                down.join().unwrap();
                up.state().sockets.remove(&number);
            });
        }
    }

    fn requests(&self, number: u64, mut client: TcpStream, mut server: TcpStream) {
        let (mut buffer, mut history, mut tail) = ([0; 64 << 10], Vec::new(), Vec::new());
        let mut holds = false;
        while let Ok(bytes @ 1..) = client.read(&mut buffer) {
            let said = &buffer[..bytes];
            let room = HISTORY_BYTES - history.len();
            history.extend_from_slice(&said[..room.min(bytes)]);
            holds = holds || self.holds(number, &history, &mut tail, said);
            if !holds && server.write_all(said).is_err() {
                break;
            }
        }
        // The server learns that the worker is gone, and ends its side.
        let _ = server.shutdown(if holds { Shutdown::Both } else { Shutdown::Write });
    }

    /// Whether a request is not to arrive. What was said before matters as far as the request may begin in it.
    fn holds(&self, number: u64, history: &[u8], tail: &mut Vec<u8>, said: &[u8]) -> bool {
        let mut state = self.state();
        let Some(moment) = state.armed else {
            tail.clear();
            return false;
        };
        tail.extend_from_slice(said);
        let is_said = contains(tail, moment.request);
        tail.drain(..(tail.len() + 1).saturating_sub(moment.request.len()));
        if !contains(history, moment.of) || !is_said {
            return false;
        }
        state.armed = None;
        if let Some(reply) = moment.reply {
            state.awaited = Some((number, reply));
            return false;
        }
        state.held = Some(number);
        self.came.notify_all();
        true
    }

    fn answers(&self, number: u64, mut server: TcpStream, mut client: TcpStream) {
        let (mut buffer, mut held) = ([0; 64 << 10], Vec::new());
        while let Ok(bytes @ 1..) = server.read(&mut buffer) {
            let said = &buffer[..bytes];
            let mut state = self.state();
            let awaited = state.awaited.filter(|(connection, _)| *connection == number);
            if let Some((_, reply)) = awaited {
                held.extend_from_slice(said);
                if state.held.is_none() && contains(&held, reply) {
                    state.held = Some(number);
                    self.came.notify_all();
                }
                continue;
            }
            drop(state);
            if client.write_all(said).is_err() {
                break;
            }
        }
        let _ = client.shutdown(Shutdown::Both);
    }
}

fn contains(bytes: &[u8], what: &str) -> bool {
    what.is_empty() || bytes.windows(what.len()).any(|window| window == what.as_bytes())
}
