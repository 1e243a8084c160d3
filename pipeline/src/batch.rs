//! The states of the data on its way through the pipeline: one type a state, so that a stage's signature is its
//! contract. A batch, not a position, is what travels.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use race::course::feature::FeatureId;
use race::fence::touch::Movement;
use race::judge::EntryEvaluation;
use race::position::Position;
use race::time::Timestamp;

use crate::in_flight::{InFlight, Read};

mod entries;
mod refused;
mod roles;
mod stream_id;

pub use self::entries::{Entries, Entry};
pub use self::refused::RefusedEntry;
pub use self::roles::{Fate, Roles};
pub use self::stream_id::{ParseStreamIdError, StreamId, StreamIdText};

pub(crate) use self::entries::Span;

/// Where a record came from, for messages: a name and a line, or a row, in it. Cheap to clone.
pub type SourceName = Arc<str>;

/// What the bytes of a [`RawBatch`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawForm {
    /// Seven fields a record in the order of [`FIELDS`], empty where the source has none.
    Fields,
    /// One JSON document a record: the telemetry payload.
    Json,
    /// Entries of a telemetry stream, with their ids: [`RawBatch::entries`] instead of bytes, ends and lines.
    Stream,
}

/// The fields of a record of [`RawForm::Fields`], in order. Speed is km/h.
pub const FIELDS: [&str; 7] = ["ts", "latitude", "longitude", "altitude", "speed", "angle", "satellites"];

/// Undecoded records of one source, in the order read.
#[derive(Debug)]
pub struct RawBatch {
    /// The file, or another name for where it came from.
    pub source: SourceName,
    /// The wire format recorded with each position: `csv`, `gpx`, `ndjson`. An entry of a stream names its own.
    pub codec: &'static str,
    /// What the bytes are.
    pub form: RawForm,
    /// The device of every record. For JSON the payload's own `device_id` is used where this is `None`.
    pub device: Option<Arc<str>>,
    /// The device of a JSON record where neither `device` nor the payload names one; `None` refuses the record.
    pub fallback_device: Option<Arc<str>>,
    /// The first `device_id` of a JSON source whose records all go to `device`: a record that bears another one
    /// is refused. `None` while the source has shown none.
    pub payload_device: Option<Arc<str>>,
    /// All fields, or documents, one after another.
    pub bytes: Vec<u8>,
    /// Where each field, or document, ends in `bytes`.
    pub ends: Vec<u32>,
    /// The line in the source at which each record begins, from 1.
    pub lines: Vec<u64>,
    /// The records of [`RawForm::Stream`]; empty in the other forms.
    pub entries: Entries,
    /// What keeps the entries from being claimed again while they are on their way.
    pub read: Option<Arc<Read>>,
}

impl RawBatch {
    /// An empty batch.
    pub fn new(source: SourceName, codec: &'static str, form: RawForm, device: Option<Arc<str>>) -> Self {
        Self {
            source,
            codec,
            form,
            device,
            fallback_device: None,
            payload_device: None,
            bytes: Vec::new(),
            ends: Vec::new(),
            lines: Vec::new(),
            entries: Entries::default(),
            read: None,
        }
    }

    /// An empty batch of entries of the stream `source`.
    pub fn of_stream(source: SourceName) -> Self {
        Self::new(source, "", RawForm::Stream, None)
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        match self.form {
            RawForm::Fields | RawForm::Json => self.lines.len(),
            RawForm::Stream => self.entries.len(),
        }
    }

    /// Whether it holds no record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends one record; `fields` are seven, or for JSON one. Entries of a stream go to `entries`.
    pub fn push(&mut self, line: u64, fields: &[&[u8]]) {
        debug_assert_eq!(fields.len(), self.fields_per_record());
        for field in fields {
            self.bytes.extend_from_slice(field);
            self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        }
        self.lines.push(line);
    }

    /// The records as (line, fields), each with [`RawBatch::fields_per_record`] fields.
    pub fn field(&self, record: usize, field: usize) -> &[u8] {
        let n = record * self.fields_per_record() + field;
        let start = if n == 0 { 0 } else { self.ends[n - 1] as usize };
        &self.bytes[start..self.ends[n] as usize]
    }

    /// Seven for fields, one for JSON; an entry of a stream has any number, and none here.
    pub fn fields_per_record(&self) -> usize {
        match self.form {
            RawForm::Fields => FIELDS.len(),
            RawForm::Json => 1,
            RawForm::Stream => 0,
        }
    }
}

/// A record that was refused: counted, told with its place, never silently dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The file, or another name for where it came from.
    pub source: SourceName,
    /// The line, from 1; 0 when the source as a whole is meant.
    pub line: u64,
    /// The field, or empty.
    pub field: &'static str,
    /// What is wrong and what is allowed.
    pub message: String,
    /// The entry as it was, where the source is a stream: it is dead-lettered and acknowledged by this.
    pub entry: Option<Box<RefusedEntry>>,
}

impl std::fmt::Display for Reject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.source)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if let Some(entry) = &self.entry {
            write!(f, " {}", entry.id)?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Decoded positions, in the order read.
#[derive(Debug, Default)]
pub struct PositionBatch {
    /// What could be decoded.
    pub positions: Vec<Position>,
    /// The entry that each position came from, where the source is a stream; empty where it is a file.
    pub ids: Vec<StreamId>,
    /// What could not.
    pub rejects: Vec<Reject>,
}

/// What travels with the rows through every stage: the positions to be stored, the refusals, and how much of the
/// memory budget they hold.
#[derive(Debug, Default)]
pub struct Rows {
    /// To be stored, in the order read.
    pub positions: Vec<Position>,
    /// The entry of the stream that each position came from; empty where the source is a file.
    pub ids: Vec<StreamId>,
    /// What the lane made of each position; empty before it has seen them.
    pub roles: Vec<Roles>,
    /// To be told.
    pub rejects: Vec<Reject>,
    /// The bytes these rows hold, given back when the rows are dropped.
    pub held: Option<InFlight>,
    /// The reads they came from, which are in flight until the rows are dropped.
    pub reads: Vec<Arc<Read>>,
    /// What decoding them took; with what else was in their batch.
    pub decoded_in: Duration,
}

impl Rows {
    /// Whether there is nothing to store or to tell.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty() && self.rejects.is_empty()
    }

    /// Adds what others hold.
    pub fn join(&mut self, other: Self) {
        self.positions.extend(other.positions);
        self.ids.extend(other.ids);
        self.roles.extend(other.roles);
        self.rejects.extend(other.rejects);
        match (&mut self.held, other.held) {
            (Some(held), Some(more)) => held.join(more),
            (held @ None, more) => *held = more,
            (Some(_), None) => {}
        }
        self.reads.extend(other.reads);
        self.decoded_in += other.decoded_in;
    }
}

/// The number of an event in the course and of an entry in the event.
pub type EntryKey = (usize, usize);

/// A movement of one entry and the features it may concern.
#[derive(Debug)]
pub struct Located {
    /// Whose.
    pub entry: EntryKey,
    /// The movement.
    pub movement: Movement,
    /// Where its features stand in [`LocatedBatch::near`].
    pub near: Range<usize>,
}

/// After locate: rows, and the movements they make.
#[derive(Debug, Default)]
pub struct LocatedBatch {
    /// What is to be stored.
    pub rows: Rows,
    /// Movements, each entry's in order of time.
    pub movements: Vec<Located>,
    /// Ids of features, for all movements.
    pub near: Vec<FeatureId>,
}

/// After geofence: rows; the movements are in the states of their entries.
#[derive(Debug, Default)]
pub struct FencedBatch {
    /// What is to be stored.
    pub rows: Rows,
}

/// What a lane says of one entry: true once the rows before it are committed.
#[derive(Debug)]
pub struct Snapshot {
    /// Whose.
    pub entry: EntryKey,
    /// Which state from storage the lane built on; 0 for none. What was built on another than the last one handed
    /// to the lane is out of date.
    pub generation: u32,
    /// What is true now, if it may have changed.
    pub evaluation: Option<EntryEvaluation>,
    /// The state, if it is worth saving.
    pub state: Option<SavedState>,
}

/// The state of an entry, to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedState {
    /// The latest position it has seen, if any.
    pub evaluated_to: Option<Timestamp>,
    /// See [`race::follow::Follower::save`].
    pub bytes: Vec<u8>,
}

/// What a lane has to say beside the rows of a batch.
#[derive(Debug, Default)]
pub struct LanePart {
    /// The lane.
    pub lane: usize,
    /// The number of this batch on the lane, from 1.
    pub seq: u64,
    /// What is true now, entry by entry.
    pub snapshots: Vec<Snapshot>,
    /// Entries whose state is to be read from storage.
    pub wanted: Vec<EntryKey>,
    /// What was counted since the batch before.
    pub counts: LaneCounts,
    /// What the lane took over it.
    pub took: Duration,
}

/// What a lane counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneCounts {
    /// Positions of devices that no entry has.
    pub unknown: u64,
    /// Positions of a device of the course at an instant at which it times nobody.
    pub not_timing: u64,
    /// Positions older than one before them.
    pub late: u64,
    /// Positions for an instant that was just seen.
    pub repeated: u64,
    /// States given up to make room.
    pub evicted: u64,
    /// States held now; no count, a level.
    pub states: u64,
}

/// After penalty: rows, and what the lanes say of their entries.
#[derive(Debug, Default)]
pub struct EvaluatedBatch {
    /// What is to be stored.
    pub rows: Rows,
    /// One part for each lane batch that was joined, each lane's in order.
    pub parts: Vec<LanePart>,
}

impl EvaluatedBatch {
    /// Adds what another batch holds, for one commit of both.
    pub fn join(&mut self, other: Self) {
        self.rows.join(other.rows);
        self.parts.extend(other.parts);
    }
}

/// After commit: what became of each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommittedBatch {
    /// Rows that were stored.
    pub inserted: u64,
    /// Rows that were there already, saying the same.
    pub duplicates: u64,
    /// Rows for a device and instant that is stored already with something else.
    pub conflicts: u64,
    /// Refusals told.
    pub rejects: u64,
}
