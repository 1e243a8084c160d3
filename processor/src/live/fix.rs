//! A position as people are shown it, and as it is known by in storage.

use std::sync::Arc;

use pipeline::batch::StreamId;
use race::position::Position;
use race::time::Timestamp;
use ws::fix::{LiveFix, Seq};

/// The priority of a fix that somebody sent by pressing the button.
const PANIC: i16 = 2;

/// A fix on its way to the hub.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fix {
    pub(super) live: LiveFix,
    /// With the device the key of its row; to the microsecond.
    pub(super) ts: Timestamp,
}

impl Fix {
    /// Of a position that came in this entry.
    pub(super) fn of(position: &Position, seq: Seq) -> Self {
        let live = LiveFix {
            seq,
            device: Arc::clone(&position.device_id),
            lat: position.latitude,
            lon: position.longitude,
            ts_ms: position.ts.to_ms().micros() / 1_000,
            speed_kmh: position.speed,
            course_deg: position.angle,
            panic: position.priority == PANIC,
        };
        Self { live, ts: position.ts }
    }
}

/// The id of an entry as the live channel names it.
pub(super) fn seq(id: StreamId) -> Seq {
    Seq { ms: id.ms, n: id.seq }
}

/// The same the other way.
pub(super) fn id(seq: Seq) -> StreamId {
    StreamId { ms: seq.ms, seq: seq.n }
}

/// The last id that an entry of this millisecond can have.
pub(super) fn end_of(ms: u64) -> StreamId {
    StreamId { ms, seq: u64::MAX }
}
