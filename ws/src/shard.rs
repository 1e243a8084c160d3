//! A thread of its own for a part of the sessions: it accepts ticks and sockets, and everything of a session happens here.

use std::cell::RefCell;
use std::future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use flume::{Receiver, Sender};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local, unconstrained, yield_now};
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};

use crate::admission::Admission;
use crate::auth::Authenticator;
use crate::authz::Authorizer;
use crate::config::LiveConfig;
use crate::connection::{self, Arrival};
use crate::directory::Directory;
use crate::fix::{AuthzChange, DelayMs, LiveFix, Seq};
use crate::limits::{SESSIONS_BETWEEN_YIELDS, SHARD_ARRIVALS, SHARD_INBOX_MESSAGES, SWEEP_EVERY};
use crate::metrics::LiveMetrics;
use crate::race::RaceFrame;
use crate::session::epoch_ms;
use crate::sessions::{Effect, Purpose, Sessions};
use crate::tick::Tick;

/// What the hub tells every shard.
#[derive(Debug, Clone)]
pub(crate) enum News {
    Tick(DelayMs, Arc<Tick>),
    Race { delay: DelayMs, frames: Arc<[Arc<RaceFrame>]>, read_to: Seq },
    Seed(DelayMs, Arc<[LiveFix]>),
    Withdraw { delay: DelayMs, device: Arc<str>, ts_ms: i64, before: Option<Arc<LiveFix>> },
    Directory(Arc<Directory>),
    Rights(AuthzChange),
}

/// What a shard is reached by.
#[derive(Debug)]
pub(crate) struct ShardHandle {
    pub(crate) news: Sender<News>,
    pub(crate) arrivals: Sender<Arrival>,
    pub(crate) drain: Option<oneshot::Sender<()>>,
    pub(crate) drained: oneshot::Receiver<()>,
}

/// What all shards share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) config: Arc<LiveConfig>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) authorizer: Arc<Authorizer>,
    pub(crate) metrics: LiveMetrics,
}

/// See the module.
pub(crate) struct Shard {
    pub(crate) config: Arc<LiveConfig>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) authenticator: Arc<Authenticator>,
    authorizer: Arc<Authorizer>,
    pub(crate) metrics: LiveMetrics,
    sessions: RefCell<Sessions>,
}

/// Starts the thread of a shard.
pub(crate) fn start(number: usize, shared: Shared) -> std::io::Result<ShardHandle> {
    let (news, news_in) = flume::bounded(SHARD_INBOX_MESSAGES);
    let (arrivals, arrivals_in) = flume::bounded(SHARD_ARRIVALS);
    let (drain, drain_in) = oneshot::channel();
    let (drained, drained_in) = oneshot::channel();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(format!("live-{number}")).spawn(move || {
        let local = LocalSet::new();
        local.block_on(&runtime, async move {
            let shard = Rc::new(Shard::new(shared));
            // One task writes to all sessions of a tick: it is not to be told to wait in the midst of it. A task like those
            // that read: the set of them looks at what it waits for itself only after it has polled dozens of others.
            let run = async move { shard.run(news_in, arrivals_in, drain_in).await };
            let _ = spawn_local(unconstrained(run)).await;
            // Whoever waits for it has gone otherwise.
            let _ = drained.send(());
        });
    })?;
    Ok(ShardHandle { news, arrivals, drain: Some(drain), drained: drained_in })
}

impl Shard {
    fn new(shared: Shared) -> Self {
        let Shared { config, admission, authenticator, authorizer, metrics } = shared;
        let sessions = Sessions::new(Arc::clone(&config), Arc::clone(&admission), metrics.clone());
        Self { config, admission, authenticator, authorizer, metrics, sessions: RefCell::new(sessions) }
    }

    /// Works on the sessions, and sees to what they ask for.
    pub(crate) fn with<R>(self: &Rc<Self>, work: impl FnOnce(&mut Sessions) -> R) -> R {
        let mut sessions = self.sessions.borrow_mut();
        let result = work(&mut sessions);
        let effects = sessions.take_effects();
        drop(sessions);
        for effect in effects {
            self.see_to(effect);
        }
        result
    }

    fn see_to(self: &Rc<Self>, effect: Effect) {
        let shard = Rc::clone(self);
        match effect {
            Effect::Flush(key) => {
                spawn_local(async move {
                    future::poll_fn(|context| shard.with(|sessions| sessions.poll_flush(key, context))).await;
                });
            }
            Effect::Decide { key, number, identity, event, again } => {
                spawn_local(async move {
                    let decision = if again {
                        shard.authorizer.recheck(&identity, event).await
                    } else {
                        shard.authorizer.decide(&identity, event).await
                    };
                    shard.with(|sessions| sessions.decided(key, number, decision, again, Instant::now()));
                });
            }
            Effect::Authenticate { key, credentials, purpose } => {
                spawn_local(async move {
                    let result = match purpose {
                        Purpose::Token { .. } => shard.authenticator.authenticate(&credentials).await,
                        Purpose::StillLoggedIn => shard.authenticator.confirm(&credentials).await,
                    };
                    shard.with(|sessions| sessions.authenticated(key, purpose, result, Instant::now()));
                });
            }
        }
    }

    async fn run(
        self: &Rc<Self>,
        news: Receiver<News>,
        arrivals: Receiver<Arrival>,
        mut drain: oneshot::Receiver<()>,
    ) {
        let mut sweep = interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next_due = self.sessions.borrow().next_due();
            let paced = async {
                match next_due {
                    Some(at) => sleep_until(at.into()).await,
                    None => future::pending().await,
                }
            };
            tokio::select! {
                told = news.recv_async() => match told {
                    Ok(told) => self.take_in(told).await,
                    // Nobody feeds the channel any more: it ends soon.
                    Err(_) => break,
                },
                Ok(arrival) = arrivals.recv_async() => {
                    spawn_local(connection::serve(Rc::clone(self), arrival));
                }
                _ = sweep.tick() => {
                    self.with(|sessions| sessions.sweep(Instant::now(), SystemTime::now()));
                }
                () = paced => self.with(|sessions| sessions.go_on(Instant::now())),
                _ = &mut drain => break,
            }
        }
        // What was brought before the end is shown.
        while let Ok(told) = news.try_recv() {
            self.take_in(told).await;
        }
        self.drain().await;
    }

    async fn take_in(self: &Rc<Self>, news: News) {
        let touched = match news {
            News::Tick(delay, tick) => {
                let touched = self.with(|sessions| sessions.deliver(delay, &tick, Instant::now()));
                self.write(&touched).await;
                if delay == DelayMs::NONE
                    && !touched.is_empty()
                    && let Some(first) = tick.data.fixes.first()
                {
                    let now_ms = u64::try_from(epoch_ms(SystemTime::now())).unwrap_or(0);
                    // The broker's clock may be ahead of ours.
                    let took = Duration::from_millis(now_ms.saturating_sub(first.seq.ms));
                    self.metrics.delay.observe(took.as_secs_f64());
                }
                return;
            }
            News::Race { delay, frames, read_to } => {
                self.with(|sessions| sessions.race(delay, &frames, read_to))
            }
            News::Seed(delay, fixes) => {
                self.with(|sessions| sessions.seed(delay, &fixes));
                return;
            }
            News::Withdraw { delay, device, ts_ms, before } => {
                self.with(|sessions| sessions.withdraw(delay, &device, ts_ms, before.as_deref()));
                return;
            }
            News::Directory(directory) => {
                self.with(|sessions| sessions.set_directory(directory));
                return;
            }
            News::Rights(change) => {
                self.with(|sessions| sessions.rights_changed(&change, Instant::now()));
                return;
            }
        };
        self.write(&touched).await;
    }

    /// Writes to many sessions, and lets others have a turn in between.
    async fn write(self: &Rc<Self>, touched: &[usize]) {
        for (n, some) in touched.chunks(SESSIONS_BETWEEN_YIELDS).enumerate() {
            if n > 0 {
                yield_now().await;
            }
            self.with(|sessions| sessions.flush_touched(some));
        }
    }

    /// Tells everybody that the server stops, and waits for them as long as is allowed.
    async fn drain(self: &Rc<Self>) {
        self.with(Sessions::drain);
        let gone = async {
            let mut look = interval(Duration::from_millis(10));
            while !self.sessions.borrow().is_empty() {
                look.tick().await;
                self.with(|sessions| sessions.sweep(Instant::now(), SystemTime::now()));
            }
        };
        // Who has not gone by then is left.
        let _ = timeout(self.config.drain_timeout, gone).await;
        self.with(Sessions::drop_all);
    }
}
