//! The link to the database is cut between COMMIT and its answer, and the worker lives.

use std::thread;

use super::bench::{Bench, DEVICES, PATIENCE, commits, parts};
use super::{COMMITTED, RECORDED};
use crate::fleet::{disorder, fix, keys, race};
use crate::link::Moment;
use crate::platform::{Platform, wait};
use crate::records::{expected, records};
use crate::worker::Worker;

const CUTS: usize = 10;
const SECONDS: u32 = 150;

impl Bench {
    /// Cuts the link at such a moment while these entries come.
    fn cut_within(&self, moment: Moment, entries: &[crate::fleet::Entry]) {
        self.postgres.arm(moment);
        thread::scope(|scope| {
            scope.spawn(|| self.feed(entries));
            self.postgres.wait(PATIENCE);
            self.postgres.cut();
        });
    }
}

fn writes(worker: &Worker, status: &str) -> usize {
    worker.metric(&format!("processor_position_writes_total{{status=\"{status}\"}}")) as usize
}

#[test]
fn nothing_is_there_twice_and_nothing_is_revised_when_the_answer_to_commit_is_lost() {
    let bench = Bench::new(Platform::start());
    let mut worker = bench.worker();
    let mut fixes = race(DEVICES, SECONDS);
    let sent = disorder(&fixes, 15, 20, 11);
    let mut added = sent.len();
    worker.wait_until_ready();
    for (n, part) in parts(&sent, 2 * CUTS).enumerate() {
        bench.cut_within(if n % 2 == 0 { COMMITTED } else { RECORDED }, part);
    }
    bench.expect_all(&fixes);
    // What was committed and not answered is found to be there.
    let (inserted, duplicates) = (writes(&worker, "inserted"), writes(&worker, "duplicate"));
    assert_eq!(inserted + duplicates, added, "each entry counts once");
    assert!(inserted < keys(&fixes).len(), "no row was inserted without the worker's knowledge");

    // Vehicles that are parked change no result, so no revision moves.
    let before = (bench.revisions(), records(&bench.platform));
    for n in 0..CUTS as i64 {
        let second = i64::from(SECONDS) + n;
        let parked: Vec<_> = (1..=DEVICES).map(|d| fix(d, second * 1_000 + 500, 3_150.0, 1.0)).collect();
        bench.cut_within(COMMITTED, &parked);
        added += parked.len();
        fixes.extend(parked);
    }
    bench.expect_all(&fixes);
    assert_eq!((bench.revisions(), records(&bench.platform)), before);
    assert_eq!(commits(&worker) as usize, added);
    assert!(worker.terminate().success(), "{}", worker.log());
    bench.expect_idle_restart();
}

/// The worker must remember that it may have changed the past, although the rows that changed it were there already
/// when it offered them again.
#[test]
fn a_past_that_changed_is_judged_anew_when_the_answer_to_commit_is_lost() {
    let bench = Bench::new(Platform::start());
    let mut worker = bench.worker();
    let fixes = race(DEVICES, SECONDS);
    // Those that were 55 m off at the first waypoint: without them the line between the fixes around goes through it.
    let (late, early): (Vec<_>, Vec<_>) =
        fixes.iter().cloned().partition(|entry| entry.payload.contains(r#""latitude":-1.49950"#));
    worker.wait_until_ready();
    bench.feed(&early);
    bench.platform.wait_until_done(PATIENCE);
    let without = expected(&bench.platform, &early);
    assert_ne!(without, expected(&bench.platform, &fixes));
    wait("the results without what comes late", PATIENCE, || records(&bench.platform) == without);
    for part in parts(&late, CUTS) {
        bench.postgres.arm(COMMITTED);
        bench.platform.add(part);
        bench.postgres.wait(PATIENCE);
        bench.postgres.cut();
        bench.platform.wait_until_done(PATIENCE);
    }
    bench.expect_all(&fixes);
    assert!(worker.terminate().success(), "{}", worker.log());
    bench.expect_idle_restart();
}
