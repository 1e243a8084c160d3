//! The groups that live channels read: one an instance, made at the stream's end, never acknowledged to, and gone with
//! its instance.

use std::time::Duration;

use redis::{Pipeline, Value};

use super::error::BrokerError;
use super::{Broker, guard, reply};
use crate::batch::StreamId;

/// Destroys the group, unless its instance lives or somebody reads it: `1` when it is gone now. In one step, so that an
/// instance that takes its name meanwhile keeps its group.
const DESTROY_ABANDONED: &str = "\
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if consumers.err then return 0 end
for _, consumer in ipairs(consumers) do
  for n = 1, #consumer, 2 do
    if consumer[n] == 'idle' and consumer[n + 1] < tonumber(ARGV[2]) then return 0 end
  end
end
return redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])";

impl Broker {
    /// Makes the stream and the group where they are not there, and lets the group begin behind `after`, wherever it
    /// was; without one behind the newest entry. What it will not get has ids up to the result.
    ///
    /// # Errors
    /// As every command.
    pub async fn set_group(
        &self,
        stream: &str,
        group: &str,
        after: Option<StreamId>,
    ) -> Result<StreamId, BrokerError> {
        // First the end, then the beginning: an entry that is added in between is got.
        let after = match after {
            Some(after) => after,
            None => self.last_message(stream).await?,
        };
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XGROUP").arg("CREATE").arg(stream).arg(group).arg(after.to_string()).arg("MKSTREAM");
        match self.link.ask(&pipeline).await?.pop() {
            Some(Err(error)) if error.message.starts_with("BUSYGROUP") => {
                let mut pipeline = Pipeline::new();
                pipeline.cmd("XGROUP").arg("SETID").arg(stream).arg(group).arg(after.to_string());
                self.link.all(&pipeline).await?;
            }
            Some(Err(error)) => return Err(self.link.refused(&error)),
            Some(Ok(_)) | None => {}
        }
        Ok(after)
    }

    /// Destroys a group; whether it was there.
    ///
    /// # Errors
    /// As every command.
    pub async fn destroy_group(&self, stream: &str, group: &str) -> Result<bool, BrokerError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XGROUP").arg("DESTROY").arg(stream).arg(group);
        match self.link.ask(&pipeline).await?.pop() {
            Some(Ok(destroyed)) => {
                reply::count(&destroyed).map(|n| n > 0).ok_or_else(|| self.link.puzzled("XGROUP DESTROY"))
            }
            Some(Err(error)) if error.message.contains("requires the key to exist") => Ok(false),
            Some(Err(error)) => Err(self.link.refused(&error)),
            None => Err(self.link.puzzled("XGROUP DESTROY")),
        }
    }

    /// Destroys the groups named `{prefix}-{instance}` of instances that no process has the name of any more, see
    /// [`Broker::guard_instance`]. One that somebody has read within `idle` is left alone: a program that does not guard
    /// its name may live, where the broker tells; so are `own` and all other groups. Tells the names of those that are
    /// gone.
    ///
    /// # Errors
    /// As every command.
    pub async fn destroy_abandoned_groups(
        &self,
        stream: &str,
        prefix: &str,
        own: &str,
        idle: Duration,
    ) -> Result<Vec<String>, BrokerError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XINFO").arg("GROUPS").arg(stream);
        let groups = match self.link.ask(&pipeline).await?.pop() {
            Some(Err(error)) if error.message.starts_with("ERR no such key") => return Ok(Vec::new()),
            Some(Err(error)) => return Err(self.link.refused(&error)),
            Some(Ok(groups)) => names(&groups).ok_or_else(|| self.link.puzzled("XINFO GROUPS"))?,
            None => return Err(self.link.puzzled("XINFO GROUPS")),
        };
        let idle_ms = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        let mut destroyed = Vec::new();
        for group in groups {
            let instance = group.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
            let Some(instance) = instance.filter(|instance| !instance.is_empty() && group != own) else {
                continue;
            };
            let mut pipeline = Pipeline::new();
            pipeline.cmd("EVAL").arg(DESTROY_ABANDONED).arg(2).arg(stream).arg(guard::key(instance));
            pipeline.arg(&group).arg(idle_ms);
            let replies = self.link.all(&pipeline).await?;
            if replies.first().and_then(reply::count).ok_or_else(|| self.link.puzzled("EVAL"))? > 0 {
                destroyed.push(group);
            }
        }
        Ok(destroyed)
    }

    /// The broker's clock, in milliseconds since 1970-01-01T00:00:00Z: the ids of entries come from it.
    ///
    /// # Errors
    /// As every command.
    pub async fn now_ms(&self) -> Result<u64, BrokerError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("TIME");
        let replies = self.link.all(&pipeline).await?;
        replies.first().and_then(millis).ok_or_else(|| self.link.puzzled("TIME"))
    }
}

/// `[seconds, microseconds]`, as texts.
fn millis(time: &Value) -> Option<u64> {
    let [seconds, micros] = reply::array(time)? else { return None };
    let number = |value| std::str::from_utf8(reply::text(value)?).ok()?.parse::<u64>().ok();
    number(seconds)?.checked_mul(1_000)?.checked_add(number(micros)? / 1_000)
}

/// Of `[[name, value, …]…]` the names of the groups; one that is no UTF-8 is none of ours.
fn names(groups: &Value) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for group in reply::array(groups)? {
        let pairs = reply::array(group)?;
        let name = pairs.chunks_exact(2).find(|pair| reply::text(&pair[0]) == Some(b"name"))?;
        names.extend(String::from_utf8(reply::text(&name[1])?.to_vec()));
    }
    Some(names)
}
