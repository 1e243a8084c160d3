//! What waits to be written to one session: bounded by bytes, and what of it may be left out when it waits too long.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::limits::WRITE_SLICES;
use crate::tick::Chunk;
use crate::wire::Wire;

/// Positions of one subscription.
#[derive(Debug)]
pub(crate) struct Positions {
    pub(crate) bytes: Bytes,
    pub(crate) frames: u32,
    /// Where panic fixes may be among them.
    pub(crate) chunk: Option<Arc<Chunk>>,
    /// The subscription.
    pub(crate) subscription: u32,
    /// The last tick of which the subscription had everything before these.
    pub(crate) before: u64,
}

#[derive(Debug)]
enum Item {
    /// What the session is owed: answers, notices, panic fixes, changes of race records.
    Owed(Bytes),
    /// What may be left out in favour of what is newer.
    Positions(Positions),
}

impl Item {
    fn bytes(&self) -> &Bytes {
        match self {
            Self::Owed(bytes) => bytes,
            Self::Positions(positions) => &positions.bytes,
        }
    }
}

/// Positions that were left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shed {
    pub(crate) subscription: u32,
    /// The last tick of which the subscription has everything.
    pub(crate) before: u64,
    pub(crate) frames: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    items: VecDeque<Item>,
    /// Bytes of the first item that are written.
    begun: usize,
    /// Bytes that are not.
    waiting_bytes: usize,
    /// Of the longest answer since nothing waited.
    answer_bytes: usize,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Bytes that may wait beyond what is allowed otherwise: a snapshot is as long as its event is large.
    pub(crate) fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }

    /// Owes an answer that may be long.
    pub(crate) fn answer(&mut self, bytes: Bytes) {
        self.answer_bytes = self.answer_bytes.max(bytes.len());
        self.owe(bytes);
    }

    pub(crate) fn owe(&mut self, bytes: Bytes) {
        self.waiting_bytes += bytes.len();
        self.items.push_back(Item::Owed(bytes));
    }

    pub(crate) fn push(&mut self, positions: Positions) {
        self.waiting_bytes += positions.bytes.len();
        self.items.push_back(Item::Positions(positions));
    }

    /// Leaves out all positions that wait, but for panic fixes and for the item that is half written.
    pub(crate) fn shed(&mut self) -> Vec<Shed> {
        let mut shed: Vec<Shed> = Vec::new();
        let kept_whole = usize::from(self.begun > 0);
        for item in std::mem::take(&mut self.items) {
            if self.items.len() < kept_whole {
                self.items.push_back(item);
                continue;
            }
            let Item::Positions(positions) = item else {
                self.items.push_back(item);
                continue;
            };
            let panics = positions.chunk.as_ref().map_or(&[][..], |chunk| &chunk.panics);
            let left_out = positions.frames.saturating_sub(u32::try_from(panics.len()).unwrap_or(u32::MAX));
            if let Some(chunk) = &positions.chunk {
                self.items.extend(panics.iter().map(|&n| Item::Owed(chunk.frame(n as usize))));
            }
            match shed.iter_mut().find(|shed| shed.subscription == positions.subscription) {
                Some(known) => known.frames += left_out,
                None => shed.push(Shed {
                    subscription: positions.subscription,
                    before: positions.before,
                    frames: left_out,
                }),
            }
        }
        self.waiting_bytes = self.items.iter().map(|item| item.bytes().len()).sum::<usize>() - self.begun;
        shed
    }

    /// Forgets everything but the item that is half written; how many frames it forgot.
    pub(crate) fn clear(&mut self) -> u64 {
        let kept = usize::from(self.begun > 0);
        let forgotten = self.items.iter().skip(kept).map(|item| match item {
            Item::Owed(_) => 1,
            Item::Positions(positions) => u64::from(positions.frames),
        });
        let forgotten = forgotten.sum();
        self.items.truncate(kept);
        self.waiting_bytes = self.items.front().map_or(0, |item| item.bytes().len() - self.begun);
        forgotten
    }

    /// Writes as much as the connection takes; ready when nothing waits any more.
    pub(crate) fn poll_write(&mut self, wire: &Wire, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.items.is_empty() {
            let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
            let mut used = 0;
            for (slice, item) in slices.iter_mut().zip(&self.items) {
                let begun = if used == 0 { self.begun } else { 0 };
                *slice = IoSlice::new(&item.bytes()[begun..]);
                used += 1;
            }
            match wire.poll_write(context, &slices[..used]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => self.wrote(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.answer_bytes = 0;
        // A burst is over: an idle session keeps little.
        if self.items.capacity() > WRITE_SLICES {
            self.items = VecDeque::new();
        }
        wire.poll_flush(context)
    }

    fn wrote(&mut self, mut written: usize) {
        self.waiting_bytes -= written;
        written += self.begun;
        while let Some(item) = self.items.front() {
            let len = item.bytes().len();
            if written < len {
                break;
            }
            written -= len;
            self.items.pop_front();
        }
        self.begun = written;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Directory;
    use crate::encode::Encoding;
    use crate::fix::{FixBatch, LiveFix, Seq};
    use crate::tick::Tick;
    use uuid::Uuid;

    fn chunk(panics: &[bool]) -> Arc<Chunk> {
        let event = Uuid::from_u128(1);
        let fixes = (0..).zip(panics).map(|(n, &panic)| LiveFix {
            seq: Seq { ms: n, n: 0 },
            device: "d".into(),
            lat: n as f64,
            lon: 0.0,
            ts_ms: n as i64,
            speed_kmh: 0.0,
            course_deg: 0.0,
            panic,
        });
        let directory = Directory::new([(event, "d".into())], [], []);
        let tick = Tick::new(FixBatch { fixes: fixes.collect(), ..FixBatch::default() }, &directory);
        Arc::clone(tick.chunk(0, Encoding::Plain))
    }

    fn push(outbox: &mut Outbox, chunk: &Arc<Chunk>, subscription: u32, before: u64) {
        let frames = chunk.frames() as u32;
        let (bytes, chunk) = (chunk.bytes.clone(), Some(Arc::clone(chunk)));
        outbox.push(Positions { bytes, frames, chunk, subscription, before });
    }

    #[test]
    fn answers_and_panic_fixes_stay_when_positions_are_shed() {
        let mut outbox = Outbox::default();
        let (plain, panicking) = (chunk(&[false, false]), chunk(&[false, true, false]));
        push(&mut outbox, &plain, 7, 3);
        outbox.owe(Bytes::from_static(b"answer"));
        push(&mut outbox, &panicking, 7, 4);
        push(&mut outbox, &plain, 8, 2);
        let shed = outbox.shed();
        let of = |subscription, before, frames| Shed { subscription, before, frames };
        assert_eq!(shed, [of(7, 3, 4), of(8, 2, 2)]);
        let left: Vec<&Bytes> = outbox.items.iter().map(Item::bytes).collect();
        assert_eq!(left, [&Bytes::from_static(b"answer"), &panicking.frame(1)]);
        assert_eq!(outbox.waiting_bytes(), 6 + panicking.frame(1).len());
    }

    #[test]
    fn what_is_half_written_is_finished() {
        let mut outbox = Outbox::default();
        let plain = chunk(&[false, false]);
        push(&mut outbox, &plain, 7, 3);
        push(&mut outbox, &plain, 7, 4);
        outbox.wrote(5);
        assert_eq!(outbox.shed(), [Shed { subscription: 7, before: 4, frames: 2 }]);
        assert_eq!(outbox.waiting_bytes(), plain.bytes.len() - 5);
        outbox.owe(Bytes::from_static(b"x"));
        assert_eq!(outbox.clear(), 1);
        assert_eq!(outbox.waiting_bytes(), plain.bytes.len() - 5);
        outbox.wrote(plain.bytes.len() - 5);
        assert!(outbox.is_empty());
        assert_eq!((outbox.begun, outbox.waiting_bytes()), (0, 0));
    }
}
