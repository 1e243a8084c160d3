//! Entries that are written for others to read.

use redis::Pipeline;

use super::error::BrokerError;
use super::{Broker, reply};
use crate::batch::StreamId;
use crate::limits::PUBLISHED_MAX_ENTRIES;

impl Broker {
    /// Adds entries to a stream in their order, and tells their ids. The oldest entries beyond some
    /// [`PUBLISHED_MAX_ENTRIES`] make room.
    ///
    /// # Errors
    /// As every command. Some may be added then; the same again adds them a second time.
    pub async fn publish(
        &self,
        stream: &str,
        entries: &[Vec<(&str, String)>],
    ) -> Result<Vec<StreamId>, BrokerError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for entry in entries {
            pipeline.cmd("XADD").arg(stream).arg("MAXLEN").arg("~").arg(PUBLISHED_MAX_ENTRIES).arg("*");
            for (name, value) in entry {
                pipeline.arg(name).arg(value);
            }
        }
        let replies = self.link.all(&pipeline).await?;
        replies.iter().map(|id| reply::id(id).ok_or_else(|| self.link.puzzled("XADD"))).collect()
    }
}
