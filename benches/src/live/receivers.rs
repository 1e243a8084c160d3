//! The receiving ends of many sessions, as cheap as they can be: one thread reads all of them into one buffer and walks
//! over the headers of what came.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::TcpStream as Socket;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::SystemTime;

use anyhow::anyhow;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::frames::{Kind, Walk, sent_us};

/// What one read may bring.
const BUFFER_BYTES: usize = 256 * 1024;
/// An empty pong with a mask of noughts.
const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];

/// What all sessions have received so far.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Texts: positions.
    pub(crate) frames: AtomicU64,
    /// Sessions that are over.
    pub(crate) closed: AtomicU64,
    samples: Mutex<Vec<Sample>>,
}

/// When a position was put into the stream, and how long after that it was read, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) sent_us: u64,
    pub(crate) took_us: u32,
}

/// The thread.
pub(crate) struct Receivers {
    received: Arc<Received>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<anyhow::Result<()>>,
}

/// What the sessions of the thread share.
struct Shared {
    buffer: RefCell<Box<[u8]>>,
    received: Arc<Received>,
    /// One of so many positions is looked into.
    every: u64,
}

impl Receivers {
    /// Reads sessions, looking into one of `every` positions.
    pub(crate) fn start(sessions: Vec<Socket>, every: u64) -> anyhow::Result<Self> {
        let received = Arc::new(Received::default());
        let shared = Arc::clone(&received);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("receivers".into())
            .spawn(move || receive(sessions, every, shared, stopped))?;
        Ok(Self { received, stop, thread })
    }

    pub(crate) fn frames(&self) -> u64 {
        self.received.frames.load(Ordering::Relaxed)
    }

    pub(crate) fn closed(&self) -> u64 {
        self.received.closed.load(Ordering::Relaxed)
    }

    /// The samples since they were last taken.
    pub(crate) fn take_samples(&self) -> Vec<Sample> {
        std::mem::take(&mut *self.received.samples.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Closes all sessions.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        drop(self.stop);
        self.thread.join().map_err(|_| anyhow!("the receivers panicked"))?
    }
}

fn receive(
    sessions: Vec<Socket>,
    every: u64,
    received: Arc<Received>,
    stopped: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let buffer = RefCell::new(vec![0; BUFFER_BYTES].into_boxed_slice());
    let shared = Rc::new(Shared { buffer, received, every: every.max(1) });
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        for session in sessions {
            session.set_nonblocking(true)?;
            let session = TcpStream::from_std(session)?;
            let shared = Rc::clone(&shared);
            tokio::task::spawn_local(async move {
                // However it ended, it is over, and is counted so.
                let _ = read(session, &shared).await;
                shared.received.closed.fetch_add(1, Ordering::Relaxed);
            });
        }
        // The other end is dropped.
        let _ = stopped.await;
        anyhow::Ok(())
    })
}

/// Reads until the connection ends.
async fn read(mut session: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut walk = Walk::default();
    loop {
        let pings = poll_fn(|context| {
            let mut buffer = shared.buffer.borrow_mut();
            let mut into = ReadBuf::new(&mut buffer);
            match Pin::new(&mut session).poll_read(context, &mut into) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) if into.filled().is_empty() => Poll::Ready(Ok(None)),
                Poll::Ready(Ok(())) => Poll::Ready(Ok(Some(shared.take(&mut walk, into.filled())))),
            }
        });
        match pings.await? {
            None => return Ok(()),
            Some(0) => {}
            Some(_) => {
                // One answer is a sign of life enough; where six bytes have no room, nobody waits for them.
                let _ = session.try_write(&PONG);
            }
        }
    }
}

impl Shared {
    /// Counts what came; how many pings were among it.
    fn take(&self, walk: &mut Walk, bytes: &[u8]) -> usize {
        let mut frames = self.received.frames.load(Ordering::Relaxed);
        let mut pings = 0;
        let mut now = None;
        let mut samples = self.received.samples.lock().unwrap_or_else(PoisonError::into_inner);
        walk.take(bytes, |kind, payload| match kind {
            Kind::Text => {
                frames += 1;
                if frames.is_multiple_of(self.every)
                    && let Some(sent_us) = sent_us(payload)
                {
                    let now = *now.get_or_insert_with(now_us);
                    let took_us = u32::try_from(now.saturating_sub(sent_us)).unwrap_or(u32::MAX);
                    samples.push(Sample { sent_us, took_us });
                }
            }
            Kind::Ping => pings += 1,
            Kind::Close | Kind::Other => {}
        });
        // This thread alone writes it.
        self.received.frames.store(frames, Ordering::Relaxed);
        pings
    }
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
