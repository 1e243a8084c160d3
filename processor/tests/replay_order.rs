//! The promise: any order, any duplication, any batches, any parts give the same document, byte for byte.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test ends at what it does not expect"
)]

mod support;

use proptest::prelude::*;
use support::{Bench, Fix, csv};

/// Three tracks that wander about the course, with gaps, stops and spikes.
fn tracks() -> impl Strategy<Value = Vec<Vec<Fix>>> {
    let step = (1u32..20, -60.0f64..60.0, 0.0f64..25.0, prop_oneof![9 => Just(0.0), 1 => Just(4_000.0)]);
    let track = (-150.0f64..50.0, proptest::collection::vec(step, 1..120)).prop_map(|(east, steps)| {
        let (mut seconds, mut east) = (0.0, east);
        let mut fixes = Vec::new();
        for (after, north, speed, spike) in steps {
            seconds += f64::from(after);
            east += speed * f64::from(after);
            fixes.push((seconds, east % 3_400.0, north + spike));
        }
        fixes
    });
    proptest::collection::vec(track, 3)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_duplication_batches_and_parts_change_no_byte(
        tracks in tracks(),
        keys in proptest::collection::vec(any::<u32>(), 400),
        doubled in proptest::collection::vec(any::<proptest::sample::Index>(), 0..60),
        batch in prop_oneof![Just("1"), Just("7"), Just("64"), Just("4096")],
        lanes in prop_oneof![Just("1"), Just("2"), Just("5")],
        write in prop_oneof![Just("1"), Just("33"), Just("50000")],
        cut in any::<proptest::sample::Index>(),
    ) {
        let names = ["d1.csv", "d2.csv", "d3.csv"];
        let sorted = Bench::new();
        for (name, track) in names.iter().zip(&tracks) {
            sorted.write(name, csv(track));
        }
        let (expected, told, code) = sorted.replay(&names);
        prop_assert_eq!(code, 0, "{}", told);

        let mixed = Bench::new();
        let mut arguments = Vec::new();
        for (n, track) in tracks.iter().enumerate() {
            let mut fixes: Vec<Fix> = track.clone();
            fixes.extend(doubled.iter().map(|index| *index.get(track)));
            let mut order: Vec<usize> = (0..fixes.len()).collect();
            order.sort_by_key(|&i| keys[i % keys.len()].rotate_left((i / keys.len()) as u32));
            let shuffled: Vec<Fix> = order.into_iter().map(|i| fixes[i]).collect();
            let (one, other) = shuffled.split_at(cut.index(shuffled.len()));
            for (part, rows) in [("a", one), ("b", other)].into_iter().filter(|(_, rows)| !rows.is_empty()) {
                mixed.write(&format!("{part}{n}.csv"), csv(rows));
                arguments.push((part, format!("d{}={part}{n}.csv", n + 1)));
            }
        }
        let options = ["--batch-records", batch, "--lanes", lanes, "--write-rows", write];
        let mut got = String::new();
        // One part of every track first, in a run of its own: a restart in between.
        for part in ["b", "a"] {
            let files: Vec<&str> = arguments.iter().filter(|(p, _)| *p == part).map(|(_, a)| a.as_str()).collect();
            if files.is_empty() {
                continue;
            }
            let (json, told, code) = mixed.replay(&[&options[..], &files[..]].concat());
            prop_assert_eq!(code, 0, "{}", told);
            got = json;
        }
        prop_assert_eq!(got, expected);
    }
}
