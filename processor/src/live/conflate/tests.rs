use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use race::time::Timestamp;
use ws::fix::LiveFix;

use super::*;

fn fix(ms: u64, device: u8, ts: i64, panic: bool) -> Fix {
    let live = LiveFix {
        seq: Seq { ms, n: 0 },
        device: format!("{device}").into(),
        lat: 0.0,
        lon: 0.0,
        ts_ms: ts,
        speed_kmh: 0.0,
        course_deg: 0.0,
        panic,
    };
    Fix { live, ts: Timestamp::from_millis(ts) }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_latest_of_each_device_and_every_panic_fix_stay(
        // Each with whether it is conflated behind it.
        given in vec((0_u8..6, 0_i64..40, prop::bool::weighted(0.1), prop::bool::weighted(0.05)), 0..200),
    ) {
        let mut waiting = Waiting::default();
        let mut all = Vec::new();
        for (ms, &(device, ts, panic, conflates)) in (1..).zip(&given) {
            let fix = fix(ms, device, ts, panic);
            all.push(fix.clone());
            waiting.saw(fix.live.seq);
            waiting.push(fix);
            if conflates {
                waiting.conflate();
            }
        }
        waiting.conflate();
        let taken = waiting.take();
        prop_assert_eq!(taken.read_to.ms, given.len() as u64);
        prop_assert!(taken.fixes.is_sorted_by(|a, b| a.live.seq < b.live.seq), "in the order of entries, each once");
        prop_assert_eq!(taken.fixes.len() as u64 + taken.skipped, all.len() as u64);

        // The oracle: the first fix of the greatest instant of each device, and every panic fix.
        let mut expected: BTreeMap<Arc<str>, &Fix> = BTreeMap::new();
        for fix in all.iter().filter(|fix| !fix.live.panic) {
            let known = expected.entry(Arc::clone(&fix.live.device)).or_insert(fix);
            if known.ts < fix.ts {
                *known = fix;
            }
        }
        let mut expected: Vec<&Fix> = expected.into_values().chain(all.iter().filter(|f| f.live.panic)).collect();
        expected.sort_by_key(|fix| fix.live.seq);
        prop_assert_eq!(taken.fixes.iter().collect::<Vec<_>>(), expected);

        let left_out: Vec<Seq> =
            all.iter().filter(|fix| !taken.fixes.contains(fix)).map(|fix| fix.live.seq).collect();
        prop_assert_eq!(taken.hole, left_out.first().copied().zip(left_out.last().copied()));
        prop_assert!(waiting.is_empty());
        prop_assert_eq!(waiting.read_to().ms, given.len() as u64);
    }
}

#[test]
fn what_waits_is_bounded_and_a_few_wait_as_they_came() {
    let mut waiting = Waiting::default();
    for ms in 0..WAITING_FIXES as u64 {
        waiting.push(fix(ms, (ms % 7) as u8, ms as i64, false));
    }
    assert_eq!((waiting.fixes.len(), waiting.skipped), (WAITING_FIXES, 0));
    for ms in 0..100_000 {
        waiting.push(fix(10_000 + ms, (ms % 7) as u8, 10_000 + ms as i64, false));
        assert!(waiting.fixes.len() <= WAITING_FIXES);
    }
    assert!(!waiting.is_full());
    for ms in 0..WAITING_PANIC_FIXES as u64 {
        waiting.push(fix(1_000_000 + ms, 1, ms as i64, true));
    }
    assert!(waiting.is_full(), "no panic fix is left out, so nothing more is read");
    let taken = waiting.take();
    assert_eq!(taken.fixes.iter().filter(|fix| fix.live.panic).count(), WAITING_PANIC_FIXES);
    assert!(!waiting.is_full());
}

#[test]
fn what_was_not_read_widens_the_hole() {
    let mut waiting = Waiting::default();
    let seq = |ms| Seq { ms, n: 0 };
    waiting.missed(seq(5), seq(9));
    assert!(!waiting.is_empty(), "a hole is news by itself");
    for (ms, ts) in [(20, 2), (21, 1), (22, 3)] {
        waiting.push(fix(ms, 1, ts, false));
    }
    waiting.conflate();
    let taken = waiting.take();
    assert_eq!((taken.hole, taken.skipped), (Some((seq(5), seq(21))), 2));
    assert_eq!(waiting.take().hole, None);
}
