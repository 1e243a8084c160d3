//! Dead letters once written: looking at them, sending them again, throwing them away.

use redis::{Pipeline, Value};

use super::error::BrokerError;
use super::letters::{ATTEMPTS, CUT, ERROR, LENGTH_BYTES, SOURCE_ID, dead_letter_stream, name_in_entry};
use super::{Broker, reply};
use crate::batch::StreamId;
use crate::limits::{DLQ_DELETE_IDS, DLQ_READ_LETTERS};

/// A dead letter as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLetter {
    /// The letter's own id: when it was written.
    pub id: StreamId,
    /// The id of the entry, where the letter tells.
    pub source_id: Option<StreamId>,
    /// Why the entry could not be used.
    pub error: String,
    /// How often the entry was delivered, where the letter tells.
    pub attempts: Option<u64>,
    /// Bytes of names and values that the entry had, where only its beginning is kept.
    pub cut_from_bytes: Option<u64>,
    /// The entry's fields, by their own names.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What became of a letter that was to be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// Its entry is in the stream again, with this id, and the letter is gone.
    As(StreamId),
    /// There is no such letter.
    NotThere,
    /// Only the beginning of the entry is kept, so there is nothing to send; the letter stays.
    Cut,
}

impl KeptLetter {
    /// Bytes of the names and values that are kept of the entry.
    pub fn len_bytes(&self) -> usize {
        self.fields.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Whether the entry can be sent again: all of it is kept, and it has a field, as every entry must.
    pub fn is_whole(&self) -> bool {
        self.cut_from_bytes.is_none() && !self.fields.is_empty()
    }

    /// The value of one of the entry's fields.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find(|(own, _)| own == name.as_bytes()).map(|(_, value)| &value[..])
    }
}

impl Broker {
    /// Dead letters of a stream from the newest on, or from the one before `before`: a handful of them, since each
    /// may have the length of the longest entry that is read. Empty when there are no more.
    ///
    /// # Errors
    /// As every command.
    pub async fn letters(
        &self,
        stream: &str,
        before: Option<StreamId>,
        count: usize,
    ) -> Result<Vec<KeptLetter>, BrokerError> {
        let end = before.map_or_else(|| "+".to_owned(), |id| format!("({id}"));
        if before == Some(StreamId::ZERO) || count == 0 {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XREVRANGE").arg(dead_letter_stream(stream)).arg(end).arg("-");
        pipeline.arg("COUNT").arg(count.min(DLQ_READ_LETTERS));
        self.kept(&pipeline).await
    }

    /// The dead letter with this id.
    ///
    /// # Errors
    /// As every command.
    pub async fn letter(&self, stream: &str, id: StreamId) -> Result<Option<KeptLetter>, BrokerError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("XRANGE").arg(dead_letter_stream(stream)).arg(id.to_string()).arg(id.to_string());
        Ok(self.kept(&pipeline).await?.into_iter().next())
    }

    /// Puts the entry of a dead letter into its stream again, byte for byte, and deletes the letter, both or
    /// neither. It gets a new id, and every group of the stream gets it.
    ///
    /// # Errors
    /// As every command. When the answer was lost a repetition finds no letter if it was done.
    pub async fn replay_letter(&self, stream: &str, id: StreamId) -> Result<Replayed, BrokerError> {
        let key = dead_letter_stream(stream);
        let Some(letter) = self.letter(stream, id).await? else { return Ok(Replayed::NotThere) };
        if !letter.is_whole() {
            return Ok(Replayed::Cut);
        }
        let mut look = Pipeline::new();
        look.cmd("TYPE").arg(stream);
        let kind = self.link.all(&look).await?;
        self.must_be_a_stream(stream, kind.first().unwrap_or(&Value::Nil))?;

        let mut add = redis::cmd("XADD");
        add.arg(stream).arg("*");
        for (name, value) in &letter.fields {
            add.arg(&name[..]).arg(&value[..]);
        }
        let mut delete = redis::cmd("XDEL");
        delete.arg(&key).arg(id.to_string());
        let replies = self.transaction(vec![add, delete]).await?;
        let added = replies.first().and_then(reply::id);
        added.map(Replayed::As).ok_or_else(|| self.link.puzzled("XADD"))
    }

    /// Deletes dead letters; tells how many of them were there.
    ///
    /// # Errors
    /// As every command. Some may be deleted then; the same again is good.
    pub async fn drop_letters(&self, stream: &str, ids: &[StreamId]) -> Result<u64, BrokerError> {
        let mut dropped = 0;
        for ids in ids.chunks(DLQ_DELETE_IDS) {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("XDEL").arg(dead_letter_stream(stream));
            for id in ids {
                pipeline.arg(id.to_string());
            }
            let replies = self.link.all(&pipeline).await?;
            dropped += replies.first().and_then(reply::count).ok_or_else(|| self.link.puzzled("XDEL"))?;
        }
        Ok(dropped)
    }

    async fn kept(&self, range: &Pipeline) -> Result<Vec<KeptLetter>, BrokerError> {
        let replies = self.link.all(range).await?;
        let letters = replies.first().and_then(reply::array);
        let letters = letters.and_then(|letters| letters.iter().map(kept_letter).collect());
        letters.ok_or_else(|| self.link.puzzled("XRANGE"))
    }
}

/// `[id, [name, value, …]]`.
fn kept_letter(value: &Value) -> Option<KeptLetter> {
    let [id, pairs] = reply::array(value)? else { return None };
    let mut letter = KeptLetter {
        id: reply::id(id)?,
        source_id: None,
        error: String::new(),
        attempts: None,
        cut_from_bytes: None,
        fields: Vec::new(),
    };
    for pair in reply::array(pairs)?.chunks_exact(2) {
        let (name, value) = (reply::text(&pair[0])?, reply::text(&pair[1])?);
        let number = || std::str::from_utf8(value).ok()?.parse::<u64>().ok();
        match (name, name_in_entry(name)) {
            (_, Some(name)) => letter.fields.push((name.to_vec(), value.to_vec())),
            (SOURCE_ID, None) => letter.source_id = StreamId::from_bytes(value),
            (ERROR, None) => letter.error = String::from_utf8_lossy(value).into_owned(),
            (ATTEMPTS, None) => letter.attempts = number(),
            (LENGTH_BYTES, None) => letter.cut_from_bytes = number(),
            // A letter that says it is cut is, whether or not it tells from what.
            (CUT, None) => letter.cut_from_bytes = letter.cut_from_bytes.or(Some(0)),
            (_, None) => {}
        }
    }
    Some(letter)
}
