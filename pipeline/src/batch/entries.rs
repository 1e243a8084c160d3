//! Entries of a stream, as they were read.

use super::StreamId;

/// Where a field's name or value lies, counted from the beginning of its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// One entry, borrowed from where it was read.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its id.
    pub id: StreamId,
    pub(crate) bytes: &'a [u8],
    /// Names and values by turns, all within `bytes`.
    pub(crate) spans: &'a [Span],
}

impl<'a> Entry<'a> {
    /// Its fields as (name, value), in the order they were added.
    pub fn fields(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let (bytes, spans) = (self.bytes, self.spans);
        let at = move |span: &Span| &bytes[span.start as usize..span.end as usize];
        spans.chunks_exact(2).map(move |pair| (at(&pair[0]), at(&pair[1])))
    }

    /// Bytes of all names and values.
    pub fn len_bytes(self) -> u64 {
        self.spans.iter().map(|span| u64::from(span.end - span.start)).sum()
    }
}

/// Entries one after another, in four allocations however many they are.
#[derive(Debug, Default, Clone)]
pub struct Entries {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    records: Vec<Record>,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    id: StreamId,
    bytes_end: usize,
    spans_end: usize,
}

impl Entries {
    /// None yet, with room for as much as another holds: what comes next is mostly as large as what came before.
    pub(crate) fn with_room_of(other: &Self) -> Self {
        Self {
            bytes: Vec::with_capacity(other.bytes.len()),
            spans: Vec::with_capacity(other.spans.len()),
            records: Vec::with_capacity(other.records.len()),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes held for the entries' content.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Copies an entry to the end.
    pub fn push(&mut self, entry: Entry<'_>) {
        self.bytes.extend_from_slice(entry.bytes);
        self.spans.extend_from_slice(entry.spans);
        self.close(entry.id);
    }

    /// Copies an entry that is there as its fields to the end.
    ///
    /// # Panics
    /// When the fields are larger than 4 GiB, which no reader hands out.
    pub fn push_fields<'f>(&mut self, id: StreamId, fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>) {
        let base = self.bytes.len();
        for text in fields.into_iter().flat_map(|(name, value)| [name, value]) {
            let start = offset(self.bytes.len() - base);
            self.bytes.extend_from_slice(text);
            self.spans.push(Span { start, end: offset(self.bytes.len() - base) });
        }
        self.close(id);
    }

    fn close(&mut self, id: StreamId) {
        self.records.push(Record { id, bytes_end: self.bytes.len(), spans_end: self.spans.len() });
    }

    /// The entry with this number, from 0.
    pub fn get(&self, record: usize) -> Entry<'_> {
        let (bytes_start, spans_start) = match record.checked_sub(1).map(|before| self.records[before]) {
            Some(before) => (before.bytes_end, before.spans_end),
            None => (0, 0),
        };
        let Record { id, bytes_end, spans_end } = self.records[record];
        Entry { id, bytes: &self.bytes[bytes_start..bytes_end], spans: &self.spans[spans_start..spans_end] }
    }

    /// All entries in order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.len()).map(|record| self.get(record))
    }

    /// The first and the last id; `None` when there is no entry.
    pub fn interval(&self) -> Option<(StreamId, StreamId)> {
        Some((self.records.first()?.id, self.records.last()?.id))
    }
}

fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("an entry is far below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_was_pushed_either_way() {
        let id = |ms| StreamId { ms, seq: 0 };
        let fields: [(&[u8], &[u8]); 2] = [(b"a", b"1"), (b"", b"")];
        let mut entries = Entries::default();
        assert_eq!(entries.interval(), None);
        entries.push_fields(id(1), fields);
        entries.push_fields(id(2), []);
        let mut copy = Entries::default();
        entries.iter().for_each(|entry| copy.push(entry));
        for read in [&entries, &copy] {
            assert_eq!((read.len(), read.interval()), (2, Some((id(1), id(2)))));
            assert_eq!(read.get(0).fields().collect::<Vec<_>>(), fields);
            assert_eq!((read.get(0).len_bytes(), read.get(1).fields().count()), (2, 0));
        }
    }
}
