//! A feed that is delayed shows nothing before its time, and all of it then.

use std::time::Duration;

use storage::EventDelay;
use ws::fix::{DelayMs, Seq};

use super::bench::{Bench, EVENT, LIVE, Rows, STREAM, Sent, rows};

const DELAY: DelayMs = DelayMs(1_500);

fn delayed(devices: u32) -> Rows {
    let mut rows = rows(devices);
    rows.0.delays.push(EventDelay { event_id: EVENT, role: None, delay_ms: DELAY.0 });
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_shown_before_its_time() {
    let bench = Bench::new();
    // Of the minute before, it is shown at once.
    let old = bench.add(&[Sent::of(1, 1)]);
    tokio::time::sleep(Duration::from_millis(DELAY.0)).await;
    let running = bench.start(delayed(3)).await;
    let mut ids = old;
    for second in 2..60 {
        ids.extend(bench.add(&[Sent::of(1, second), Sent::of(2, second), Sent::of(3, second)]));
        let change =
            format!("XADD race:changes * kind result event_id {EVENT} entry_id e{second} payload {{}}");
        let _: String = bench.redis(&change);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let batches = bench
        .book
        .until("all of it is shown", |book| {
            (book.fixes(DELAY).len() >= ids.len()).then(|| book.batches(DELAY))
        })
        .await;
    let fixes: Vec<Seq> =
        batches.iter().flat_map(|(batch, _)| batch.fixes.iter().map(|fix| fix.seq)).collect();
    assert_eq!(fixes.iter().map(ToString::to_string).collect::<Vec<_>>(), ids, "each once, in order");
    for (batch, at) in &batches {
        assert!(batch.fixes.iter().all(|fix| fix.seq.ms + DELAY.0 <= *at), "{batch:?} at {at}");
        assert!(batch.read_to.ms + DELAY.0 <= *at, "what is not shown is not told either: {batch:?} at {at}");
    }
    let race =
        bench.book.until("every change", |book| Some(book.race(DELAY)).filter(|race| race.len() >= 58)).await;
    assert!(race.iter().all(|(change, at)| change.seq.ms + DELAY.0 <= *at), "{race:?}");
    assert!(race.is_sorted_by(|(a, _), (b, _)| a.seq < b.seq));
    // The live feed has shown it as it happened.
    let live = bench.book.batches(LIVE);
    let quick =
        live.iter().filter(|(batch, at)| batch.fixes.first().is_some_and(|fix| fix.seq.ms + 500 > *at));
    assert!(quick.count() > 20, "{live:?}");
    assert_eq!(bench.book.fixes(LIVE).len(), ids.len() - 1, "the first one was there before");
    running.end(true).await;
    assert_eq!(bench.redis::<usize>(&format!("XLEN {STREAM}")), ids.len());
}
