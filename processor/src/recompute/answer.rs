//! An answer: what became of a request.

use pipeline::broker::Message;
use serde::{Deserialize, Serialize};
use storage::Changes;
use uuid::Uuid;

/// Entries of an answer that are told with what changed of them; `entries` and the counts are of all.
pub(crate) const CHANGED_TOLD: usize = 200;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// The records are what the stored positions say.
    Done,
    /// It cannot be done, and again would not help. No record was touched.
    Refused,
    /// Some of it was not done; the message says why.
    Failed,
}

impl Status {
    const ALL: [Self; 3] = [Self::Done, Self::Refused, Self::Failed];

    /// The word of the stream.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What changed of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changed {
    pub(crate) entry_id: Uuid,
    pub(crate) race_number: i64,
    /// Records that were not there.
    pub(crate) inserted: usize,
    /// Records that say something else now.
    pub(crate) revised: usize,
    /// Records that are no longer true.
    pub(crate) retracted: usize,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Answer {
    /// The id of the request's entry.
    pub(crate) request_id: String,
    pub(crate) status: Status,
    /// What a person should know; empty where nothing is.
    pub(crate) message: String,
    /// Entries that were judged.
    pub(crate) entries: usize,
    /// Records that were not there.
    pub(crate) inserted: usize,
    /// Records that say something else now.
    pub(crate) revised: usize,
    /// Records that are no longer true.
    pub(crate) retracted: usize,
    /// The first [`CHANGED_TOLD`] entries whose records changed, those of others that a place moved included.
    pub(crate) changed: Vec<Changed>,
    /// From the request being taken to its answer.
    pub(crate) duration_ms: u64,
}

impl Answer {
    /// One of a request that was not carried out.
    pub(crate) fn without_work(request_id: String, status: Status, message: String) -> Self {
        let (entries, inserted, revised, retracted) = Default::default();
        let (changed, duration_ms) = Default::default();
        Self { request_id, status, message, entries, inserted, revised, retracted, changed, duration_ms }
    }

    /// The same with what changed.
    pub(crate) fn with(self, changes: Changes) -> Self {
        let Changes { inserted, revised, retracted } = changes;
        Self { inserted, revised, retracted, ..self }
    }

    /// The entry of the stream.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("request_id", self.request_id.clone()),
            ("status", self.status.as_str().to_owned()),
            ("message", self.message.clone()),
            ("entries", self.entries.to_string()),
            ("inserted", self.inserted.to_string()),
            ("revised", self.revised.to_string()),
            ("retracted", self.retracted.to_string()),
            ("changed", serde_json::json!(self.changed).to_string()),
            ("duration_ms", self.duration_ms.to_string()),
        ]
    }

    /// Reads an entry of the stream; `None`: it is no answer.
    pub(crate) fn read(message: &Message) -> Option<Self> {
        let status = message.field("status")?;
        let number = |name| message.field(name).and_then(|text| text.parse::<u64>().ok());
        let count = |name| usize::try_from(number(name).unwrap_or_default()).unwrap_or(usize::MAX);
        Some(Self {
            request_id: message.field("request_id")?.to_owned(),
            status: Status::ALL.into_iter().find(|known| known.as_str() == status)?,
            message: message.field("message").unwrap_or_default().to_owned(),
            entries: count("entries"),
            inserted: count("inserted"),
            revised: count("revised"),
            retracted: count("retracted"),
            changed: serde_json::from_str(message.field("changed").unwrap_or("[]")).ok()?,
            duration_ms: number("duration_ms").unwrap_or_default(),
        })
    }
}
