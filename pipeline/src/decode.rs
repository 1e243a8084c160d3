//! Undecoded records become positions, or rejects that say what is wrong and what is allowed.
//!
//! Every number is checked before it is kept, so that what comes out can be stored and judged as it is. Nothing
//! in a record, whatever its bytes, ends the decoder.

mod attributes;
mod devices;
mod entry;
mod excerpt;
mod fields;
mod instant;
mod json_text;
mod number;
mod payload;
mod quick;
mod sentinel;

use std::sync::Arc;

use race::time::Timestamp;

use crate::batch::{PositionBatch, RawBatch, RawForm, RefusedEntry, Reject};

pub(crate) use self::devices::{DEVICE_ID_ALLOWED, is_device_id};
pub(crate) use self::excerpt::{excerpt, words};
pub(crate) use self::payload::device as payload_device;

use self::devices::Devices;
use self::instant::Window;

/// Turns batches into positions. One decoder may take batches of several sources in any order.
#[derive(Debug)]
pub struct Decoder {
    window: Window,
    devices: Devices,
}

/// Why a record is refused: the field, and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    field: &'static str,
    message: String,
}

impl Refused {
    fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

impl Decoder {
    /// A decoder of records received at `received_at`: a fix may be at most
    /// [`MAX_FUTURE_MS`](crate::limits::MAX_FUTURE_MS) later than that. An entry of a stream was received when it
    /// was added, as its id says.
    pub fn new(received_at: Timestamp) -> Self {
        Self { window: Window::new(received_at), devices: Devices::default() }
    }

    /// Decodes a batch: each record becomes a position or a reject, both in the order of the batch.
    #[allow(clippy::needless_pass_by_value, reason = "a batch that is decoded is done with")]
    pub fn decode(&mut self, batch: RawBatch) -> PositionBatch {
        if batch.form == RawForm::Stream {
            return self.decode_stream(&batch);
        }
        let mut decoded = PositionBatch { positions: Vec::with_capacity(batch.len()), ..Default::default() };
        let given = batch.device.as_ref().map(checked);
        let fallback = batch.fallback_device.as_ref().map(checked);
        for record in 0..batch.len() {
            let position = match batch.form {
                RawForm::Fields => match &given {
                    Some(Ok(device)) => fields::decode(&batch, record, device, &self.window),
                    Some(Err(message)) => Err(Refused::new("device_id", message.as_str())),
                    None => {
                        Err(Refused::new("device_id", format!("is missing: {DEVICE_ID_ALLOWED} is required")))
                    }
                },
                RawForm::Json => payload::Payload::read(batch.field(record, 0)).and_then(|payload| {
                    let device =
                        payload.device(given.as_ref(), fallback.as_ref(), &batch, &mut self.devices)?;
                    payload.decode(device, batch.codec, &self.window)
                }),
                RawForm::Stream => continue,
            };
            match position {
                Ok(position) => decoded.positions.push(position),
                Err(Refused { field, message }) => decoded.rejects.push(Reject {
                    source: batch.source.clone(),
                    line: batch.lines[record],
                    field,
                    message,
                    entry: None,
                }),
            }
        }
        decoded
    }

    /// Decodes entries of a stream: positions and refusals keep the id they came from.
    fn decode_stream(&mut self, batch: &RawBatch) -> PositionBatch {
        let mut decoded = PositionBatch {
            positions: Vec::with_capacity(batch.len()),
            ids: Vec::with_capacity(batch.len()),
            rejects: Vec::new(),
        };
        for entry in batch.entries.iter() {
            match entry::decode(entry, batch, &mut self.devices) {
                Ok(position) => {
                    decoded.positions.push(position);
                    decoded.ids.push(entry.id);
                }
                Err(Refused { field, message }) => decoded.rejects.push(Reject {
                    source: batch.source.clone(),
                    line: 0,
                    field,
                    message,
                    entry: Some(Box::new(RefusedEntry::whole(entry))),
                }),
            }
        }
        decoded
    }
}

/// The device of a whole batch, or what is wrong with it.
type BatchDevice = Result<Arc<str>, String>;

fn checked(device: &Arc<str>) -> BatchDevice {
    if is_device_id(device) {
        Ok(Arc::clone(device))
    } else {
        Err(format!("{} is not {DEVICE_ID_ALLOWED}", excerpt(device.as_bytes())))
    }
}
