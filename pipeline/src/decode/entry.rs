//! A record that is an entry of a telemetry stream.

use race::position::Position;

use crate::batch::{Entry, RawBatch};

use super::devices::Devices;
use super::instant::Window;
use super::payload::Payload;
use super::{Refused, excerpt};

/// The fields of an entry that are read; of a field that is there twice the last one counts.
#[derive(Debug, Default)]
struct Known<'a> {
    device_id: Option<&'a [u8]>,
    codec: Option<&'a [u8]>,
    payload: Option<&'a [u8]>,
}

impl<'a> Known<'a> {
    fn of(entry: Entry<'a>) -> Self {
        let mut known = Self::default();
        for (name, value) in entry.fields() {
            match name {
                b"device_id" => known.device_id = Some(value),
                b"codec" => known.codec = Some(value),
                b"payload" => known.payload = Some(value),
                // `ts` repeats the payload's timestamp, and others may be added by anybody.
                _ => {}
            }
        }
        known
    }
}

/// Decodes one entry. Its payload says what is so; the codec is only beside it, and a device that is named beside
/// it must be the payload's.
pub(super) fn decode(entry: Entry<'_>, batch: &RawBatch, devices: &mut Devices) -> Result<Position, Refused> {
    let known = Known::of(entry);
    let document = known
        .payload
        .ok_or_else(|| Refused::new("payload", "is missing: the fix as a JSON document is required"))?;
    let payload = Payload::read(document).map_err(|refused| Refused { field: "payload", ..refused })?;
    let codec = codec(known.codec)?;
    let device = payload.device(None, None, batch, devices)?;
    if let Some(beside) = known.device_id.filter(|beside| *beside != device.as_bytes()) {
        return Err(Refused::new(
            "device_id",
            format!("{} differs from the payload's {}", excerpt(beside), excerpt(device.as_bytes())),
        ));
    }
    if let Some(field) = payload.missing() {
        return Err(Refused::new(field, "is missing from the payload"));
    }
    payload.decode(device, codec, &Window::new(entry.id.time()))
}

fn codec(text: Option<&[u8]>) -> Result<&'static str, Refused> {
    match text {
        Some(b"8") => Ok("8"),
        Some(b"8E") => Ok("8E"),
        Some(b"16") => Ok("16"),
        Some(other) => Err(Refused::new("codec", format!("{} is none of 8, 8E and 16", excerpt(other)))),
        None => Err(Refused::new("codec", "is missing: 8, 8E or 16 is required")),
    }
}
