//! Changes of race records on their way to people.

use bytes::{BufMut as _, Bytes, BytesMut};
use uuid::Uuid;

use crate::fix::{RaceChange, Seq};
use crate::frame::{self, Kind};
use crate::topic::{Topic, TopicKind};

/// A change as a complete frame.
#[derive(Debug)]
pub(crate) struct RaceFrame {
    pub(crate) seq: Seq,
    pub(crate) event: Uuid,
    pub(crate) bytes: Bytes,
}

impl RaceFrame {
    pub(crate) fn new(change: &RaceChange) -> Self {
        let topic = Topic { event: change.event, kind: TopicKind::Race };
        let head =
            format!("{{\"type\":\"race\",\"topic\":\"{topic}\",\"seq\":\"{}\",\"change\":", change.seq);
        let mut out = BytesMut::with_capacity(head.len() + change.json.len() + 16);
        frame::append(&mut out, Kind::Text, |out| {
            out.put_slice(head.as_bytes());
            out.put_slice(change.json.as_bytes());
            out.put_u8(b'}');
        });
        Self { seq: change.seq, event: change.event, bytes: out.freeze() }
    }
}
