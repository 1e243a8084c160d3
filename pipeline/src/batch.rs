//! The states of the data on its way through the pipeline: one type a state, so that a stage's signature is its
//! contract. A batch, not a position, is what travels.

use std::sync::Arc;

use race::position::Position;

/// Where a record came from, for messages: a name and a line, or a row, in it. Cheap to clone.
pub type SourceName = Arc<str>;

/// What the bytes of a [`RawBatch`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawForm {
    /// Seven fields a record in the order of [`FIELDS`], empty where the source has none.
    Fields,
    /// One JSON document a record: the telemetry payload.
    Json,
}

/// The fields of a record of [`RawForm::Fields`], in order. Speed is km/h.
pub const FIELDS: [&str; 7] = ["ts", "latitude", "longitude", "altitude", "speed", "angle", "satellites"];

/// Undecoded records of one source, in the order read.
#[derive(Debug)]
pub struct RawBatch {
    /// The file, or another name for where it came from.
    pub source: SourceName,
    /// The wire format recorded with each position: `csv`, `gpx`, `ndjson`.
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
        }
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it holds no record.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Appends one record; `fields` are seven, or for JSON one.
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

    /// Seven for fields, one for JSON.
    pub fn fields_per_record(&self) -> usize {
        match self.form {
            RawForm::Fields => FIELDS.len(),
            RawForm::Json => 1,
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
}

impl std::fmt::Display for Reject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.source)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
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
    /// What could not.
    pub rejects: Vec<Reject>,
}
