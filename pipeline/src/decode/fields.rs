//! A record of seven fields.

use std::sync::Arc;

use race::position::{Position, SATELLITES_UNKNOWN};

use crate::batch::{FIELDS, RawBatch};

use super::instant::Window;
use super::{Refused, number};

/// Decodes one record of a batch of fields; blanks around a field are no part of it.
pub(super) fn decode(
    batch: &RawBatch,
    record: usize,
    device: &Arc<str>,
    window: &Window,
) -> Result<Position, Refused> {
    let field = |n| batch.field(record, n).trim_ascii();
    Ok(Position {
        ts: window.read(FIELDS[0], field(0))?,
        latitude: number::latitude(field(1))?,
        longitude: number::longitude(field(2))?,
        altitude: number::altitude(field(3))?,
        speed: number::speed(field(4))?,
        angle: number::angle(field(5))?,
        satellites: number::whole(FIELDS[6], field(6), 255, SATELLITES_UNKNOWN)?,
        priority: 0,
        codec: batch.codec,
        attributes: None,
        device_id: Arc::clone(device),
    })
}
