//! A worker that is killed again and again at its worst moments, and servers that are: nothing is lost, nothing is there
//! twice, and the results are those of a run that nobody disturbed.

mod bench;
mod cut;
mod servers;

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use self::bench::{Bench, DEVICES, PATIENCE, commits, parts};
use crate::fleet::{Entry, disorder, race};
use crate::link::Moment;
use crate::platform::{GROUP, Platform, STREAM, wait};

/// Kills of each kind that must have happened.
const KILLS: usize = 10;
/// From the start of a worker whose predecessor was killed to its first commit. It is a matter of one or two.
const BACK_AT_WORK: Duration = Duration::from_secs(10);

/// The COMMIT of a batch of positions does not reach the server.
const COMMIT: Moment = Moment { of: "COPY positions (", request: "; COMMIT", reply: None };
/// It does, and the worker does not learn it.
const COMMITTED: Moment = Moment { reply: Some("COMMIT"), ..COMMIT };
/// The worker knows that it is committed, and cannot say so to the broker.
const ACK: Moment = Moment { of: "", request: "XACK", reply: None };
/// Entries of another consumer are the worker's, and it does not know which.
const CLAIM: Moment =
    Moment { of: "", request: "XAUTOCLAIM\r\n$19\r\ntelemetry:teltonika", reply: Some("*3\r\n") };
/// Records, or the state of an entry, or results, are on their way to be committed.
const JUDGED: Moment = Moment { of: "INSERT INTO entry_crossings", request: "; COMMIT", reply: None };
/// They are committed, and the judge does not learn it.
const RECORDED: Moment = Moment { reply: Some("COMMIT"), ..JUDGED };

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kill {
    ReadNotCommitted,
    CommittedNotAcknowledged,
    WithinClaim,
    AnswerToCommitLost,
    RecordsNotCommitted,
    RecordsCommitted,
    WhileStopping,
}

/// Those that are counted one by one.
const COUNTED: [Kill; 3] = [Kill::ReadNotCommitted, Kill::WithinClaim, Kill::CommittedNotAcknowledged];
/// Of these, one after each round of the others.
const FURTHER: [Kill; 4] =
    [Kill::RecordsNotCommitted, Kill::AnswerToCommitLost, Kill::WhileStopping, Kill::RecordsCommitted];

impl Bench {
    /// Starts a worker, lets it work, and kills it at such a moment while the entries come. Whether it was that
    /// moment is told by what is left; and how long the worker took to its first commit, where it came to one.
    fn kill(&self, kind: Kill, n: usize, entries: &[Entry]) -> (bool, Option<Duration>) {
        let (before, during) = entries.split_at(entries.len() / 2);
        self.feed(before);
        if kind == Kill::WithinClaim {
            self.feed(during);
            return (self.kill_within_claim(), None);
        }
        let begun = Instant::now();
        let mut worker = self.worker();
        wait("the first commit", PATIENCE, || commits(&worker) > 0.0);
        let back = begun.elapsed();
        let link = if kind == Kill::CommittedNotAcknowledged { &self.redis } else { &self.postgres };
        link.arm(match kind {
            Kill::ReadNotCommitted => COMMIT,
            Kill::AnswerToCommitLost => COMMITTED,
            Kill::CommittedNotAcknowledged => ACK,
            Kill::RecordsNotCommitted => JUDGED,
            Kill::RecordsCommitted => RECORDED,
            // Held up in the midst of its last batch, or not at all.
            Kill::WhileStopping if n.is_multiple_of(2) => COMMIT,
            Kill::WhileStopping | Kill::WithinClaim => Moment { request: "\0never\0", ..COMMIT },
        });
        let was_so = thread::scope(|scope| {
            scope.spawn(|| self.feed(during));
            if kind == Kill::WhileStopping {
                if n.is_multiple_of(2) {
                    link.wait(PATIENCE);
                }
                worker.signal("TERM");
                thread::sleep(Duration::from_millis(n as u64 % 8));
                let was_running = worker.is_running();
                worker.kill9();
                return was_running;
            }
            link.wait(PATIENCE);
            let is_so = || match kind {
                Kill::ReadNotCommitted => self.uncommitted() > 0,
                Kill::CommittedNotAcknowledged | Kill::AnswerToCommitLost => self.unacknowledged() > 0,
                _ => true,
            };
            wait("what the moment leaves", PATIENCE, is_so);
            worker.kill9();
            is_so()
        });
        (was_so, Some(back))
    }

    /// Entries lie with a consumer that is dead; the worker takes them over and is killed before it knows.
    fn kill_within_claim(&self) -> bool {
        let _: redis::Value =
            self.platform.redis(&format!("XREADGROUP GROUP {GROUP} dead COUNT 30 STREAMS {STREAM} >"));
        let theirs = self.pending_of("dead");
        self.redis.arm(CLAIM);
        let mut worker = self.worker();
        self.redis.wait(PATIENCE);
        worker.kill9();
        !theirs.is_empty()
            && self.pending_of("dead").is_empty()
            && self.pending_of("processor-1").is_superset(&theirs)
    }
}

#[test]
fn a_worker_that_is_killed_at_any_moment_loses_nothing_and_doubles_nothing() {
    let bench = Bench::new(Platform::start());
    let fixes = race(DEVICES, 200);
    let sent = disorder(&fixes, 15, 20, 7);
    let mut counts: BTreeMap<Kill, usize> = BTreeMap::new();
    let mut slowest = Duration::ZERO;
    let kinds = (0..KILLS).flat_map(|n| COUNTED.into_iter().chain([FURTHER[n % FURTHER.len()]]));
    let kinds: Vec<Kill> = kinds.collect();
    for (n, (&kind, part)) in kinds.iter().zip(parts(&sent, kinds.len())).enumerate() {
        let (was_so, back) = bench.kill(kind, n / 8, part);
        *counts.entry(kind).or_default() += usize::from(was_so);
        slowest = slowest.max(back.unwrap_or_default());
    }
    println!("{counts:?}, first commit within {slowest:?}");
    for kind in COUNTED {
        assert!(counts[&kind] >= KILLS, "{counts:?}");
    }
    for kind in FURTHER {
        assert!(counts[&kind] > 0, "{counts:?}");
    }
    assert!(slowest < BACK_AT_WORK, "{slowest:?}");
    let mut worker = bench.worker();
    bench.expect_all(&fixes);
    assert!(worker.terminate().success(), "{}", worker.log());
    bench.expect_idle_restart();
}
