//! An entry that was refused, kept as it was.

use super::{Entry, Reject, SourceName, StreamId};
use crate::limits::MAX_ENTRY_BYTES;

/// What a dead letter tells of the entry: its id, its fields and how long it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedEntry {
    /// Its id, to acknowledge it by.
    pub id: StreamId,
    /// Names and values in the order they were added. Of an entry over
    /// [`MAX_ENTRY_BYTES`] only the beginning, the last value cut.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// Bytes of all names and values that the entry had.
    pub len_bytes: u64,
    /// Whether `fields` are only the beginning.
    pub cut: bool,
}

impl RefusedEntry {
    /// All there is of an entry.
    pub fn whole(entry: Entry<'_>) -> Self {
        Self {
            id: entry.id,
            fields: entry.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
            len_bytes: entry.len_bytes(),
            cut: false,
        }
    }

    /// The refusal of an entry that was passed over because of its size.
    pub fn too_large(self, source: SourceName) -> Reject {
        let message = format!(
            "the entry has {} bytes of names and values: at most {MAX_ENTRY_BYTES} are read",
            self.len_bytes
        );
        Reject { source, line: 0, field: "", message, entry: Some(Box::new(self)) }
    }
}
