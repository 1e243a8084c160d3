//! What the feeder brought at once, sorted by who is to see it, and its frames, encoded by the first who needs them.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use uuid::Uuid;

use crate::directory::Directory;
use crate::encode::{self, Encoding};
use crate::fix::{FixBatch, LiveFix, Seq};

/// Fixes of one feed and the events they belong to; what is remembered of a tick.
#[derive(Debug)]
pub(crate) struct TickFixes {
    /// In the order of their entries.
    pub(crate) fixes: Vec<LiveFix>,
    /// Ordered by event: which of the fixes belong to it.
    pub(crate) events: Vec<(Uuid, Vec<u32>)>,
    /// Entries before the fixes that were left out.
    pub(crate) hole: Option<(Seq, Seq)>,
    /// Up to which entry the feed has been read.
    pub(crate) read_to: Seq,
}

/// One tick on its way through the shards.
#[derive(Debug)]
pub(crate) struct Tick {
    pub(crate) data: Arc<TickFixes>,
    /// For each of its events, the frames in each encoding.
    chunks: Vec<[OnceLock<Arc<Chunk>>; Encoding::COUNT]>,
}

/// Frames one after another: all of one event in one tick.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) bytes: Bytes,
    /// Where each frame ends.
    pub(crate) ends: Box<[u32]>,
    /// Which frames are of panic fixes; mostly none.
    pub(crate) panics: Box<[u32]>,
}

impl Chunk {
    pub(crate) fn frames(&self) -> usize {
        self.ends.len()
    }

    fn range(&self, frame: usize) -> Range<usize> {
        let start = if frame == 0 { 0 } else { self.ends[frame - 1] as usize };
        start..self.ends[frame] as usize
    }

    /// One frame, sharing the memory.
    pub(crate) fn frame(&self, frame: usize) -> Bytes {
        self.bytes.slice(self.range(frame))
    }

    /// Frames one after another, sharing the memory.
    pub(crate) fn frames_of(&self, frames: Range<usize>) -> Bytes {
        if frames.is_empty() {
            return Bytes::new();
        }
        self.bytes.slice(self.range(frames.start).start..self.range(frames.end - 1).end)
    }

    /// The longest runs of frames that are wanted.
    pub(crate) fn runs(&self, is_wanted: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for frame in (0..self.frames()).filter(|&frame| is_wanted(frame)) {
            match runs.last_mut() {
                Some(run) if run.end == frame => run.end += 1,
                _ => runs.push(frame..frame + 1),
            }
        }
        runs
    }
}

/// Bytes of a frame, about: what is reserved for each.
const FRAME_BYTES: usize = 200;

impl TickFixes {
    /// Sorts a batch by event; a fix of no event is left out.
    fn new(batch: FixBatch, directory: &Directory) -> Self {
        let FixBatch { mut fixes, hole, read_to, .. } = batch;
        fixes.retain(|fix| !directory.events_of(&fix.device).is_empty());
        let mut pairs: Vec<(Uuid, u32)> = Vec::with_capacity(fixes.len());
        for (n, fix) in (0..).zip(&fixes) {
            pairs.extend(directory.events_of(&fix.device).iter().map(|event| (*event, n)));
        }
        pairs.sort_unstable();
        let of_event = |pairs: &[(Uuid, u32)]| (pairs[0].0, pairs.iter().map(|pair| pair.1).collect());
        let events = pairs.chunk_by(|a, b| a.0 == b.0).map(of_event).collect();
        Self { fixes, events, hole, read_to }
    }

    /// The fixes of an event, in the order of their entries.
    pub(crate) fn of_event(&self, event: Uuid) -> impl Iterator<Item = &LiveFix> {
        let found = self.events.binary_search_by_key(&event, |(event, _)| *event);
        let numbers = found.map_or(&[][..], |n| &self.events[n].1);
        numbers.iter().map(|&n| &self.fixes[n as usize])
    }
}

impl Tick {
    pub(crate) fn new(batch: FixBatch, directory: &Directory) -> Self {
        let data = Arc::new(TickFixes::new(batch, directory));
        let chunks = data.events.iter().map(|_| [const { OnceLock::new() }; Encoding::COUNT]).collect();
        Self { data, chunks }
    }

    /// The frames of the `n`-th event.
    pub(crate) fn chunk(&self, n: usize, encoding: Encoding) -> &Arc<Chunk> {
        self.chunks[n][encoding as usize].get_or_init(|| {
            let (event, numbers) = &self.data.events[n];
            let mut bytes = BytesMut::with_capacity(numbers.len() * FRAME_BYTES);
            let mut ends = Vec::with_capacity(numbers.len());
            let mut panics = Vec::new();
            for (frame, &n) in (0..).zip(numbers) {
                let fix = &self.data.fixes[n as usize];
                encode::append(&mut bytes, *event, fix, encoding);
                // A batch is some thousand fixes of some hundred bytes.
                ends.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                if fix.panic {
                    panics.push(frame);
                }
            }
            Arc::new(Chunk { bytes: bytes.freeze(), ends: ends.into(), panics: panics.into() })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fix(device: &str, n: u64) -> LiveFix {
        LiveFix {
            seq: Seq { ms: n, n: 0 },
            device: device.into(),
            lat: 1.0,
            lon: 2.0,
            ts_ms: 3,
            speed_kmh: 0.0,
            course_deg: 0.0,
            panic: n == 3,
        }
    }

    #[test]
    fn a_device_of_two_events_is_in_both_and_one_of_none_in_none() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let members = [(two, "a"), (one, "a"), (two, "b")].map(|(e, d)| (e, Arc::from(d)));
        let directory = Directory::new(members, [], []);
        let fixes = vec![fix("a", 1), fix("c", 2), fix("b", 3), fix("a", 4)];
        let tick = Tick::new(FixBatch { fixes, ..FixBatch::default() }, &directory);
        let seqs = |event| tick.data.of_event(event).map(|fix| fix.seq.ms).collect::<Vec<_>>();
        assert_eq!(seqs(one), [1, 4]);
        assert_eq!(seqs(two), [1, 3, 4]);
        assert_eq!(seqs(Uuid::from_u128(3)), [0_u64; 0]);

        let chunk = tick.chunk(1, Encoding::Plain);
        assert_eq!((chunk.frames(), &chunk.panics[..]), (3, &[1][..]));
        let joined: Vec<u8> = (0..3).flat_map(|n| chunk.frame(n)).collect();
        assert_eq!(joined, chunk.bytes);
        assert!(Arc::ptr_eq(chunk, tick.chunk(1, Encoding::Plain)), "encoded once");
    }
}
