//! One entry, as the broker has it.

use redis::Pipeline;

use super::error::BrokerError;
use super::{Broker, reply};
use crate::batch::{RefusedEntry, StreamId};

impl Broker {
    /// An entry by its id, to be dead-lettered; `None` when it was trimmed or deleted. Only for entries that were read
    /// before, so that their size is known to be bounded.
    ///
    /// # Errors
    /// As every command.
    pub async fn entry(&self, stream: &str, id: StreamId) -> Result<Option<RefusedEntry>, BrokerError> {
        let id_text = id.to_string();
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XRANGE").arg(stream).arg(&id_text).arg(&id_text).arg("COUNT").arg(1);
        let replies = self.link.all(&pipeline).await?;
        let found = replies.first().and_then(reply::array).ok_or_else(|| self.link.puzzled("XRANGE"))?;
        let Some(entry) = found.first() else { return Ok(None) };
        let texts = reply::array(entry)
            .and_then(|parts| reply::array(parts.get(1)?)?.iter().map(reply::text).collect())
            .ok_or_else(|| self.link.puzzled("XRANGE"))?;
        let texts: Vec<&[u8]> = texts;
        let fields: Vec<(Vec<u8>, Vec<u8>)> =
            texts.chunks_exact(2).map(|pair| (pair[0].to_vec(), pair[1].to_vec())).collect();
        let len_bytes = texts.iter().map(|text| text.len() as u64).sum();
        Ok(Some(RefusedEntry { id, fields, len_bytes, cut: false }))
    }
}
