//! One process a name: two with one name would share their live group, and each would show half of the dots.

use std::time::Duration;

use redis::{Pipeline, Value};

use super::error::BrokerError;
use super::link::random;
use super::{Broker, reply};

/// Bytes of another process's mark that are repeated.
const HOLDER_BYTES: usize = 100;

/// Takes the key where it is free, ours or of one that is known to be dead, and tells whose it is:
/// `{1, 0 | 1 was free}` or `{0, holder, ms left}`.
const TAKE: &str = "\
local held = redis.call('GET', KEYS[1])
if not held or held == ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return {1, 1}
end
if held == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {1, 0}
end
return {0, held, redis.call('PTTL', KEYS[1])}";

/// Deletes the key if it is ours.
const RELEASE: &str = "\
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0";

/// A name that is ours as long as [`Guard::beat`] says so; beat several times within its time to live.
///
/// One that is dropped keeps the name until its time is over: [`Guard::release`] lets go at once.
#[derive(Debug)]
pub struct Guard {
    broker: Broker,
    id: String,
    token: String,
    ttl: Duration,
}

/// What [`Guard::beat`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beat {
    /// The name is ours still.
    Held,
    /// The name was free and is ours again: the broker was away for longer than its time to live, or lost it.
    Regained,
    /// Another process has the name.
    Lost {
        /// What it says of itself.
        holder: String,
    },
}

enum Taken {
    Ours { was_free: bool },
    Theirs { holder: String, expires_in: Duration },
}

impl Broker {
    /// Takes the name `id` for this process: the key `processor:instance:{id}`, which lives for `ttl` from each beat
    /// on.
    ///
    /// # Errors
    /// As every command; [`BrokerError::Taken`] when another process has it. One that crashed has it until its time
    /// is over.
    pub async fn guard_instance(&self, id: &str, ttl: Duration) -> Result<Guard, BrokerError> {
        self.guard(id, ttl, None).await
    }

    /// As [`Broker::guard_instance`], for a name that `dead` has left behind, as [`BrokerError::Taken`] told it: its
    /// time is not waited for. Whoever took the name since has it.
    ///
    /// # Errors
    /// As [`Broker::guard_instance`].
    pub async fn guard_instance_after(
        &self,
        id: &str,
        ttl: Duration,
        dead: &str,
    ) -> Result<Guard, BrokerError> {
        self.guard(id, ttl, Some(dead)).await
    }

    /// Whether the process that a holder of a name is, as [`BrokerError::Taken`] told it, has a connection to this
    /// broker. One that was killed has none any more, but one that lives may have none for a moment. A holder that
    /// does not say what its connection is called may have one.
    ///
    /// # Errors
    /// As every command; not every login may list connections.
    pub async fn is_connected(&self, holder: &str) -> Result<bool, BrokerError> {
        let Some((mark, _)) = holder.rsplit_once('-').filter(|_| holder.starts_with("pid-")) else {
            return Ok(true);
        };
        let mut pipeline = Pipeline::new();
        pipeline.cmd("CLIENT").arg("LIST");
        let replies = self.link.all(&pipeline).await?;
        let list = replies.first().and_then(reply::text).ok_or_else(|| self.link.puzzled("CLIENT LIST"))?;
        let list = String::from_utf8_lossy(list);
        let names = list.split_ascii_whitespace().filter_map(|field| field.strip_prefix("name="));
        Ok(names.filter_map(|name| name.rsplit_once('/')).any(|(_, other)| other == mark))
    }

    async fn guard(&self, id: &str, ttl: Duration, dead: Option<&str>) -> Result<Guard, BrokerError> {
        let token = format!("{}-{:016x}", self.link.mark(), random());
        let guard = Guard { broker: self.clone(), id: id.to_owned(), token, ttl };
        match guard.take(dead).await? {
            Taken::Ours { .. } => Ok(guard),
            Taken::Theirs { holder, expires_in } => {
                Err(BrokerError::Taken { address: self.address(), id: guard.id, holder, expires_in })
            }
        }
    }
}

impl Guard {
    /// The key of the name.
    pub fn key(&self) -> String {
        key(&self.id)
    }

    /// Says that the process lives. The name is taken again where it is free.
    ///
    /// # Errors
    /// As every command; whether the name is ours is not known then.
    pub async fn beat(&self) -> Result<Beat, BrokerError> {
        Ok(match self.take(None).await? {
            Taken::Ours { was_free: false } => Beat::Held,
            Taken::Ours { was_free: true } => Beat::Regained,
            Taken::Theirs { holder, .. } => Beat::Lost { holder },
        })
    }

    /// Lets go of the name, unless it is another process's.
    ///
    /// # Errors
    /// As every command.
    pub async fn release(self) -> Result<(), BrokerError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("EVAL").arg(RELEASE).arg(1).arg(self.key()).arg(&self.token);
        self.broker.link.all(&pipeline).await.map(drop)
    }

    async fn take(&self, dead: Option<&str>) -> Result<Taken, BrokerError> {
        let ttl_ms = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut pipeline = Pipeline::new();
        pipeline.cmd("EVAL").arg(TAKE).arg(1).arg(self.key()).arg(&self.token).arg(ttl_ms);
        pipeline.arg(dead.unwrap_or_default());
        let replies = self.broker.link.all(&pipeline).await?;
        replies.first().and_then(taken).ok_or_else(|| self.broker.link.puzzled("EVAL"))
    }
}

/// The key of a name.
pub(super) fn key(id: &str) -> String {
    format!("processor:instance:{id}")
}

fn taken(reply: &Value) -> Option<Taken> {
    match reply::array(reply)? {
        [Value::Int(1), was_free] => Some(Taken::Ours { was_free: reply::count(was_free)? == 1 }),
        [Value::Int(0), held, left] => {
            let held = reply::text(held)?;
            let shown = String::from_utf8_lossy(&held[..held.len().min(HOLDER_BYTES)]);
            let holder = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            // A key that never expires says -1.
            let expires_in = reply::count(left).map_or(Duration::MAX, Duration::from_millis);
            Some(Taken::Theirs { holder, expires_in })
        }
        _ => None,
    }
}
