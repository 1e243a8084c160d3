//! A hub that is busy, and a backlog.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ws::fix::{FixBatch, LiveFix, Seq};

use super::bench::{BEGIN_MS, Bench, LIVE, STREAM, Sent, device, rows};

const DEVICES: u32 = 20;

/// The last fix of each device is shown, every panic fix is, and what is not lies in the holes.
fn assert_nothing_unsaid(sent: &[Sent], ids: &[String], batches: &[FixBatch]) {
    let fixes: Vec<&LiveFix> = batches.iter().flat_map(|batch| &batch.fixes).collect();
    let shown: BTreeSet<Seq> = fixes.iter().map(|fix| fix.seq).collect();
    assert_eq!(shown.len(), fixes.len(), "each once");
    assert!(fixes.is_sorted_by_key(|fix| fix.seq), "in the order of their entries");
    let mut latest: BTreeMap<String, i64> = BTreeMap::new();
    for fix in &fixes {
        let known = latest.entry(fix.device.to_string()).or_insert(i64::MIN);
        *known = (*known).max(fix.ts_ms);
    }
    for (sent, id) in sent.iter().zip(ids) {
        let seq: Seq = id.parse().unwrap();
        let ts_ms = BEGIN_MS + sent.second * 1_000;
        assert!(latest[&device(sent.device)] >= ts_ms, "the latest of {sent:?}");
        if shown.contains(&seq) {
            continue;
        }
        assert_eq!(sent.priority, 0, "{sent:?}");
        let holes = batches.iter().filter_map(|batch| batch.hole);
        assert!(holes.into_iter().any(|(first, last)| (first..=last).contains(&seq)), "{seq} is not told");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_hub_is_busy_it_is_read_on_and_what_waits_is_conflated() {
    let bench = Bench::new();
    let running = bench.start(rows(DEVICES)).await;
    bench.book.set_open(false);
    let sent: Vec<Sent> = (0..20_000)
        .map(|n| Sent {
            priority: if n % 997 == 0 { 2 } else { 0 },
            ..Sent::of(n % DEVICES + 1, i64::from(n))
        })
        .collect();
    let mut ids = Vec::new();
    for part in sent.chunks(1_000) {
        ids.extend(bench.add(part));
    }
    let read = || bench.events.metrics.live_entries.get();
    bench.book.until("all of it is read", |_| (read() == sent.len() as u64).then_some(())).await;
    assert!(bench.book.fixes(LIVE).len() < 1_000, "the hub has taken one batch");
    bench.book.set_open(true);
    let last: Seq = ids.last().unwrap().parse().unwrap();
    let is_last = |book: &super::book::Book| {
        let batches: Vec<FixBatch> = book.batches(LIVE).into_iter().map(|(batch, _)| batch).collect();
        batches.last().is_some_and(|batch| batch.read_to == last).then_some(batches)
    };
    let batches = bench.book.until("the hub has it all", is_last).await;
    let shown: usize = batches.iter().map(|batch| batch.fixes.len()).sum();
    assert!(shown < 5_000, "{shown}");
    assert_nothing_unsaid(&sent, &ids, &batches);
    let text = bench.events.metrics.text();
    assert!(text.contains(&format!("kind=\"skipped\"}} {}\n", sent.len() - shown)), "{shown}: {text}");
    running.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_backlog_only_the_latest_is_shown() {
    let bench = Bench::new();
    let running = bench.start(rows(DEVICES)).await;
    // Entries of long ago, as their ids say.
    let sent: Vec<Sent> = (0..20_000)
        .map(|n| Sent {
            priority: if n % 1_999 == 0 { 2 } else { 0 },
            ..Sent::of(n % DEVICES + 1, i64::from(n))
        })
        .collect();
    let ids: Vec<String> = (1..).zip(&sent).map(|(n, _)| format!("{}-0", BEGIN_MS + n)).collect();
    let begun = Instant::now();
    bench.add_as(ids.iter().cloned().zip(sent.iter().copied()));
    let last: Seq = ids.last().unwrap().parse().unwrap();
    let is_last = |book: &super::book::Book| {
        let batches: Vec<FixBatch> = book.batches(LIVE).into_iter().map(|(batch, _)| batch).collect();
        batches.last().is_some_and(|batch| batch.read_to == last).then_some(batches)
    };
    let batches = bench.book.until("it has caught up", is_last).await;
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "the last read is not waited for: {:?}",
        begun.elapsed()
    );
    let shown: usize = batches.iter().map(|batch| batch.fixes.len()).sum();
    assert!(shown < sent.len() / 2, "{shown} of {} within {:?}", sent.len(), begun.elapsed());
    assert_nothing_unsaid(&sent, &ids, &batches);
    // What is new is shown as it comes again.
    let before = bench.book.fixes(LIVE).len();
    bench.add(&[Sent::of(1, 90_000), Sent::of(1, 90_001)]);
    bench.book.until("both", |book| (book.fixes(LIVE).len() == before + 2).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(bench.redis::<usize>(&format!("XLEN {STREAM}")), sent.len() + 2, "the stream is as it was");
    running.end(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_trimmed_before_it_was_read_is_a_hole() {
    let bench = Bench::new();
    let running = bench.start(rows(DEVICES)).await;
    bench.add(&[Sent::of(1, 1), Sent::of(1, 2)]);
    bench.book.until("both", |book| (book.fixes(LIVE).len() == 2).then_some(())).await;
    // The feed is cut off, much comes, and only the last of it stays.
    let mut all = redis::pipe();
    all.atomic().cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal");
    for second in 3..200 {
        let command = all.cmd("XADD").arg(STREAM).arg("*");
        for (name, value) in Sent::of(1, second).fields() {
            command.arg(name).arg(value);
        }
    }
    all.cmd("XTRIM").arg(STREAM).arg("MAXLEN").arg("=").arg(10);
    let _: redis::Value = all.query(&mut bench.control()).unwrap();
    let is_told = |book: &super::book::Book| {
        let batches: Vec<FixBatch> = book.batches(LIVE).into_iter().map(|(batch, _)| batch).collect();
        batches.iter().any(|batch| batch.hole.is_some()).then_some(batches)
    };
    let batches = bench.book.until("the hole", is_told).await;
    let fixes: Vec<&LiveFix> = batches.iter().flat_map(|batch| &batch.fixes).collect();
    assert_eq!(fixes.len(), 12, "what is left is shown");
    let holes: Vec<(Seq, Seq)> = batches.iter().filter_map(|batch| batch.hole).collect();
    assert_eq!(holes, [(fixes[1].seq, fixes[2].seq)]);
    assert_eq!(bench.events.metrics.live_trimmed.get(), 1);
    running.end(true).await;
}
