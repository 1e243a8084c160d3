//! Where undecoded records come from: a file of a track, memory, or a stream.
//!
//! A source is pulled for batches. What it refuses, a record or the rest of the source, comes between them and
//! ends nothing that is good: the caller goes on pulling until it gets `None`.

mod csv;
mod file;
mod gpx;
mod input;
mod lines;
mod memory;
mod ndjson;
pub mod redis;

pub use file::{BatchSize, OpenError, TrackFile, name_of};
pub use input::Progress;
pub use memory::Memory;

use crate::batch::{RawBatch, Reject};

/// Gives batches of undecoded records, in the order of the source.
pub trait Source: Send {
    /// The next batch, never empty, or the next reject; `None` at the end, and from then on.
    ///
    /// A reject is given as soon as it is met, so it may come ahead of a batch with earlier lines; the line it
    /// names is right all the same. A reject with line 0, or one that says what is left out, ends the source.
    fn next(&mut self) -> Option<Result<RawBatch, Reject>>;

    /// What a person may want to know and what is no error, such as columns that are not read; each once.
    /// Complete when `next` has given its first batch.
    fn notes(&self) -> &[String] {
        &[]
    }
}

/// What one look at a format's next record came to.
enum Step {
    /// A record was appended to the batch.
    Record,
    /// A record was refused; there may be more.
    Refused(Reject),
    /// Nothing more can be read, as the reject says where that is not the regular end.
    End(Option<Reject>),
}

/// A format: takes records one at a time from its file.
trait Records: Send {
    /// Appends the next record to `batch`, or says why not.
    fn read(&mut self, batch: &mut RawBatch) -> Step;

    /// See [`Source::notes`].
    fn notes(&self) -> &[String] {
        &[]
    }
}
