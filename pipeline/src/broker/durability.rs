//! What the broker loses when it crashes or runs out of memory.

use std::fmt;

use redis::{Pipeline, Value};

use super::error::BrokerError;
use super::link::Answer;
use super::{Broker, reply};

/// A way in which the broker may lose entries that it has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// Nothing is written to disk as it comes: a crash takes back everything since the last snapshot.
    NoAppendOnly,
    /// Writes reach the disk once a second: a crash takes back the last second or two.
    EverySecond,
    /// Writes reach the disk when the system likes, after half a minute or so.
    WhenTheSystemLikes,
    /// Writes reach the disk, but the broker does not say when.
    SyncUnknown,
    /// When memory is short the broker deletes keys, and the stream may be one of them.
    Evicts {
        /// The broker's name for how it chooses.
        policy: String,
    },
    /// The broker does not say whether it writes to disk.
    Unknown,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAppendOnly => {
                "the broker keeps no append-only file: a crash of it loses every entry since its last snapshot \
                 (appendonly yes)"
            }
            Self::EverySecond => {
                "the broker syncs once a second: a crash of its machine loses the last entries (appendfsync always)"
            }
            Self::WhenTheSystemLikes => {
                "the broker leaves syncing to the system: a crash of its machine loses the last half minute \
                 (appendfsync always)"
            }
            Self::SyncUnknown => "the broker does not say how often it syncs its append-only file",
            Self::Evicts { policy } => {
                return write!(
                    f,
                    "the broker deletes keys when its memory is full ({policy}), which may be the stream \
                     (maxmemory-policy noeviction)"
                );
            }
            Self::Unknown => "the broker does not say whether it keeps an append-only file",
        })
    }
}

impl Broker {
    /// How the broker may lose what it accepted; empty when it may not. For one warning at start.
    ///
    /// A broker that does not let its settings be read is asked for its state, which says less.
    ///
    /// # Errors
    /// As every command; that the broker does not say is none.
    pub async fn durability(&self) -> Result<Vec<Durability>, BrokerError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("CONFIG").arg("GET").arg("appendonly").cmd("CONFIG").arg("GET").arg("appendfsync");
        pipeline.cmd("INFO").arg("persistence").cmd("INFO").arg("memory");
        let answers = self.link.ask(&pipeline).await?;
        let [append_only, sync, persistence, memory] = &answers[..] else {
            return Err(self.link.puzzled("CONFIG"));
        };
        let append_only = setting(append_only).or_else(|| match info(persistence, "aof_enabled")?.as_str() {
            "1" => Some("yes".to_owned()),
            "0" => Some("no".to_owned()),
            _ => None,
        });
        let mut found = Vec::new();
        match (append_only.as_deref(), setting(sync).as_deref()) {
            (Some("yes"), Some("always")) => {}
            (Some("yes"), Some("everysec")) => found.push(Durability::EverySecond),
            (Some("yes"), Some("no")) => found.push(Durability::WhenTheSystemLikes),
            (Some("yes"), _) => found.push(Durability::SyncUnknown),
            (Some("no"), _) => found.push(Durability::NoAppendOnly),
            _ => found.push(Durability::Unknown),
        }
        let has_limit = info(memory, "maxmemory").is_some_and(|bytes| bytes != "0");
        // The others only delete keys with a time to live, and a stream has none.
        let policy = info(memory, "maxmemory_policy").filter(|policy| policy.starts_with("allkeys"));
        if let Some(policy) = policy.filter(|_| has_limit) {
            found.push(Durability::Evicts { policy });
        }
        Ok(found)
    }
}

/// The value in `[name, value]`.
fn setting(answer: &Answer) -> Option<String> {
    let value = reply::array(answer.as_ref().ok()?)?.get(1)?;
    Some(String::from_utf8_lossy(reply::text(value)?).into_owned())
}

/// A value in lines of `name:value`.
fn info(answer: &Answer, name: &str) -> Option<String> {
    let text = match answer.as_ref().ok()? {
        Value::VerbatimString { text, .. } => text.as_bytes(),
        value => reply::text(value)?,
    };
    let text = std::str::from_utf8(text).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}
