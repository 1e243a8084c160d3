//! Telemetry payloads, one JSON document a line.

use std::sync::Arc;

use crate::batch::{RawBatch, Reject, SourceName};
use crate::decode::payload_device;
use crate::limits::MAX_RECORD_BYTES;

use super::input::Input;
use super::lines::{Line, Lines};
use super::{Records, Step};

/// Reads the records of an NDJSON file; what is in a line is for the decoder to judge.
pub(super) struct NdjsonRecords {
    source: SourceName,
    lines: Lines,
    /// The first `device_id` of the file, looked for only where all records are to go to one device.
    first_device: Option<Arc<str>>,
}

impl NdjsonRecords {
    pub(super) fn new(source: SourceName, input: Input) -> Self {
        Self { source, lines: Lines::new(input), first_device: None }
    }

    fn reject(&self, message: String) -> Reject {
        Reject { source: self.source.clone(), line: self.lines.number(), field: "", message, entry: None }
    }
}

impl Records for NdjsonRecords {
    fn read(&mut self, batch: &mut RawBatch) -> Step {
        loop {
            match self.lines.advance() {
                Line::Text => {}
                Line::TooLong => {
                    return Step::Refused(
                        self.reject(format!("is longer than the {MAX_RECORD_BYTES} bytes allowed")),
                    );
                }
                Line::End => return Step::End(None),
                Line::Fault(fault) => {
                    let message = format!("{}; this line and what follows is left out", fault.0);
                    return Step::End(Some(self.reject(message)));
                }
            }
            let text = self.lines.text().trim_ascii();
            if text.is_empty() {
                continue;
            }
            if batch.device.is_some() && self.first_device.is_none() {
                self.first_device = payload_device(text);
            }
            // Found here and not in the decoder, so that it does not matter how the records are batched or which
            // decoder gets which batch.
            if batch.payload_device.is_none() {
                batch.payload_device.clone_from(&self.first_device);
            }
            batch.push(self.lines.number(), &[text]);
            return Step::Record;
        }
    }
}
