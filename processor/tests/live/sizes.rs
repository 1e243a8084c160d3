//! What is too large, too much or too slow costs bounded memory, and nothing is lost by it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::fleet::{Entry, fix, keys, race};
use crate::letters::{self, Fields, Letter, fields, letters};
use crate::platform::{Platform, wait};
use crate::records::stored;
use crate::worker::Worker;

const WITHIN: Duration = Duration::from_secs(180);
const MIB: usize = 1 << 20;
/// What a container gives a worker.
const LIMIT_BYTES: usize = 512 * MIB;
const GIANT_BYTES: usize = 16 * MIB;
/// Bytes kept of an entry that is too large.
const HEAD_BYTES: usize = 4_096;

/// The most memory that the process has had in use.
fn peak_bytes(worker: &Worker) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1_024
}

/// Bounds what the process may allocate: data, stacks and everything else that is mapped and its own.
fn limit(worker: &Worker) {
    let status = std::process::Command::new("prlimit")
        .args([format!("--pid={}", worker.id()), format!("--data={LIMIT_BYTES}")])
        .status()
        .unwrap();
    assert!(status.success());
}

fn giant(n: u32) -> Fields {
    let id = n.to_string();
    let mut giant =
        fields(&[(b"ts", b"2026-06-07T09:00:00.000Z"), (b"device_id", id.as_bytes()), (b"codec", b"8E")]);
    giant.push((b"payload".to_vec(), vec![b'x'; GIANT_BYTES]));
    giant
}

fn assert_head(letter: &Letter, giant: &Fields) {
    let bytes = |fields: &Fields| fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    assert_eq!(letter.length_bytes, Some(bytes(giant) as u64));
    assert_eq!(bytes(&letter.fields), HEAD_BYTES);
    assert_eq!(letter.fields[..3], giant[..3]);
    assert!(letter.fields[3].1.iter().all(|byte| *byte == b'x'));
    assert!(letter.error.contains("bytes of names and values: at most"), "{}", letter.error);
}

/// Giants among normal load, with the worker killed and restarted half-way.
fn giants(count: u32) {
    let platform = Platform::start();
    let usual = race(20, 100);
    let mut ids = Vec::new();
    let each = usual.len() / count as usize;
    let mut worker = platform.worker(&[]);
    limit(&worker);
    worker.wait_until_ready();
    for (n, part) in (0..count).zip(usual.chunks(each)) {
        ids.extend(letters::add(&platform, &[giant(n)]));
        platform.add(part);
        if n == count / 2 {
            wait("the first giant is told", WITHIN, || !letters(&platform).is_empty());
            assert!(peak_bytes(&worker) < LIMIT_BYTES);
            worker.kill9();
        }
    }
    // What was read and not told before is pending; the rest comes as one long reply.
    worker = platform.worker(&[]);
    limit(&worker);
    platform.wait_until_done(WITHIN);
    let kept = letters(&platform);
    assert_eq!(kept.keys().cloned().collect::<BTreeSet<_>>(), ids.iter().cloned().collect());
    for (n, id) in (0..).zip(&ids) {
        assert_head(&kept[id], &giant(n));
    }
    assert_eq!(stored(&platform), keys(&usual[..each * count as usize]));
    let peak = peak_bytes(&worker);
    eprintln!("at most {} MiB", peak / MIB);
    assert!(peak < LIMIT_BYTES);
    assert_eq!(worker.metric("processor_decode_errors_total"), worker.metric("processor_dead_letters_total"));
    assert!(worker.terminate().success());
}

#[test]
fn ten_entries_of_16_mib_among_normal_load_are_told_by_their_beginning() {
    giants(10);
}

#[test]
#[ignore = "Redis has to write and hold 800 MiB"]
fn fifty_entries_of_16_mib_among_normal_load_are_told_by_their_beginning() {
    giants(50);
}

#[test]
fn entries_as_large_as_may_be_are_stored_or_told_in_bounded_memory() {
    let platform = Platform::start();
    let (mut entries, mut good) = (Vec::new(), Vec::new());
    let filler = "x".repeat(1_000_000);
    for n in 0..100 {
        let mut entry: Entry = fix(1, n * 1_000, 0.0, 0.0);
        entry.payload = entry.payload.replace("\"21\":4", &format!("\"21\":\"{filler}\""));
        good.push(entry.clone());
        entries.push(letters::fields_of(&entry));
        entry.payload = entry.payload.replace("\"speed\":63", "\"speed\":-1");
        entries.push(letters::fields_of(&entry));
    }
    letters::add(&platform, &entries);
    let mut worker = platform.worker(&[]);
    limit(&worker);
    platform.wait_until_done(WITHIN);
    assert_eq!(stored(&platform), keys(&good));
    let kept = letters(&platform);
    assert_eq!(kept.len(), 100);
    let sent: BTreeSet<&Fields> = entries.iter().collect();
    assert!(kept.values().all(|letter| letter.length_bytes.is_none() && sent.contains(&letter.fields)));
    let peak = peak_bytes(&worker);
    eprintln!("at most {} MiB", peak / MIB);
    assert!(peak < LIMIT_BYTES);
    assert!(worker.terminate().success());
}

/// What may be in memory while nothing is committed, from `pipeline/src/limits.rs` and the defaults: a reply of
/// 4 MiB, then batches of 4096 entries in channels of 4 before decode, 4 before each of two lanes and 16 before the
/// writer, and 10 000 rows that are being written, twice as rows and as COPY. At 350 bytes of an entry and 500 of a row
/// with attributes that is some 70 MiB; the program, its threads and what allocators keep come to no more than that.
const STUCK_BYTES: usize = 150 * MIB;

/// Holds the table against all who write while `work` is done.
fn while_locked<T>(platform: &Platform, work: impl FnOnce() -> T) -> T {
    let hold = "SET application_name = 'holder'; BEGIN; LOCK TABLE positions IN EXCLUSIVE MODE; \
                SELECT pg_sleep(150)";
    let holder = "pg_stat_activity WHERE application_name = 'holder' AND datname = current_database()";
    std::thread::scope(|scope| {
        // It ends with its connection.
        let held = scope.spawn(|| platform.postgres().psql(&platform.database, hold).is_err());
        wait("the table is locked", WITHIN, || {
            platform.count(&format!("{holder} AND query LIKE '%pg_sleep%' AND wait_event = 'PgSleep'")) == 1
        });
        let done = work();
        platform.sql(&format!("SELECT pg_terminate_backend(pid) FROM {holder}"));
        assert!(held.join().unwrap(), "the lock was held all the time");
        done
    })
}

/// With so many entries waiting, far more than are read.
fn stuck(count: u32) {
    let platform = Platform::start();
    let entries = race(100, count / 100);
    platform.add(&entries);
    let (mut worker, read, stuck) = while_locked(&platform, || {
        let worker = platform.worker(&[]);
        let (mut before, mut since) = ((0.0, 0), Instant::now());
        wait("no more is read", Duration::from_secs(90), || {
            let now = (worker.metric("processor_consumer_records_total"), peak_bytes(&worker));
            if now != before {
                (before, since) = (now, Instant::now());
            }
            now.0 > 0.0 && since.elapsed() > Duration::from_secs(3)
        });
        let waiting = "pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        assert_eq!(platform.count(waiting), 1);
        (worker, before.0, before.1)
    });
    eprintln!("{read} entries in {} MiB", stuck / MIB);
    assert!((10_000.0..100_000.0).contains(&read), "{read}");
    assert!(stuck < STUCK_BYTES, "{stuck}");
    platform.wait_until_done(WITHIN);
    assert_eq!(platform.count("positions"), entries.len());
    assert!(peak_bytes(&worker) < STUCK_BYTES, "{}", peak_bytes(&worker));
    assert!(worker.terminate().success());
}

#[test]
fn a_database_that_stands_still_costs_bounded_memory() {
    stuck(120_000);
}

#[test]
#[ignore = "the same with more, which takes a minute"]
fn a_database_that_stands_still_costs_no_more_the_more_waits() {
    stuck(300_000);
}
