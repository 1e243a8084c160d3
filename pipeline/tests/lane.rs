//! A lane hears of an entry whose state it has given up. All other orders are in `lanes_backed.rs`.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pipeline::batch::{EntryKey, EvaluatedBatch, Rows};
use pipeline::lane::{Follow, FromStorage, Lane, News};
use race::course::{Course, parse};
use race::follow::Follower;
use race::position::Position;
use race::time::Timestamp;
use serde_json::{Value, json};

const ONE: EntryKey = (0, 0);
const OTHER: EntryKey = (0, 1);

struct Bench {
    course: Arc<Course>,
    committed: Arc<AtomicU64>,
    lane: Lane,
}

impl Bench {
    fn new(max_states: usize) -> Self {
        let id = |n: u32| format!("00000000-0000-0000-0000-{n:012}");
        let each = |row: &dyn Fn(u32) -> Value| (1..=2).map(row).collect::<Vec<_>>();
        let document = json!({
            "events": [{"id": id(1), "name": "test"}],
            "entries": each(&|n| json!({"id": id(10 + n), "event_id": id(1), "race_number": n})),
            "devices": each(&|n| json!({"id": id(20 + n), "imei": format!("tracker-{n}")})),
            "entry_devices": each(&|n| json!({"id": id(30 + n), "entry_id": id(10 + n), "device_id": id(20 + n)})),
        });
        let course = Arc::new(Course::new(Arc::new(parse(&document.to_string()).unwrap())));
        let committed = Arc::new(AtomicU64::new(0));
        let lane = Lane::new(0, 1, &course, &Follow::Backed { max_states }, Arc::clone(&committed));
        Self { course, committed, lane }
    }

    fn fix(&mut self, device: u32, seconds: i64) -> EvaluatedBatch {
        let position = Position {
            device_id: format!("tracker-{device}").into(),
            ts: Timestamp::from_micros(1_780_000_000_000_000 + seconds * 1_000_000),
            latitude: 45.0,
            longitude: 13.0,
            altitude: 0.0,
            angle: 0.0,
            speed: 0.0,
            satellites: 9,
            priority: 0,
            codec: "8",
            attributes: None,
        };
        self.lane.run(Rows { positions: vec![position], ..Rows::default() })
    }

    /// The writer has stored everything up to this batch.
    fn commit(&self, batch: &EvaluatedBatch) {
        self.committed.store(batch.parts[0].seq, Ordering::Release);
    }

    /// The judge has read an entry after this batch of the lane was committed; nothing was found.
    fn state(&self, entry: EntryKey, generation: u32, included: u64) -> News {
        News::State(FromStorage {
            entry,
            follower: Box::new(Follower::new(&self.course.events[0])),
            included,
            generation,
            unsaved: 0,
            seen: Vec::new(),
        })
    }
}

#[test]
fn a_past_that_changed_is_judged_anew_although_the_state_was_given_up() {
    let mut bench = Bench::new(1);
    for (entry, device) in [(ONE, 1), (OTHER, 2)] {
        let batch = bench.fix(device, 0);
        bench.commit(&batch);
        bench.lane.hear(bench.state(entry, 1, batch.parts[0].seq));
    }
    let batch = bench.fix(2, 1);
    assert_eq!(batch.parts[0].counts.states, 1, "there is room for one, and the first was used least lately");
    // The judge learns of a row that was late only now.
    bench.lane.hear(News::Stale(ONE));
    assert!(bench.lane.is_due());
    assert_eq!(bench.lane.run(Rows::default()).parts[0].wanted, [ONE]);
}
