//! Dead letters on a real server: what they keep, and that none is lost or written twice.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod broker_support;

use std::sync::atomic::Ordering;

use broker_support::{Bench, DLQ, GROUP, Pairs, Proxy, STREAM, broker_at, id, letter, value};
use pipeline::batch::{RefusedEntry, Reject};
use pipeline::broker::{BrokerError, Letter};
use pipeline::limits::{DLQ_ERROR_BYTES, DLQ_MAX_ENTRIES};

async fn bench(entries: u64) -> Bench {
    let mut bench = Bench::new();
    bench.broker().ensure_group(STREAM, GROUP).await.unwrap();
    bench.deliver(entries, "c");
    bench
}

#[tokio::test]
async fn a_letter_tells_where_it_came_from_and_why_and_keeps_every_field() {
    let mut bench = bench(2).await;
    let binary: Vec<u8> = (0..=255).collect();
    let fields: Pairs = (0..300).map(|n| (format!("f{n}").into_bytes(), binary.clone())).collect();
    let refused = RefusedEntry { id: id(1), fields, len_bytes: 80_000, cut: false };
    let reject = Reject {
        source: STREAM.into(),
        line: 0,
        field: "payload",
        message: "is no JSON".into(),
        entry: Some(Box::new(refused.clone())),
    };
    let letters = [Letter::from_reject(reject).unwrap()];
    assert_eq!(bench.broker().dead_letter(STREAM, GROUP, &letters).await, Ok(1));
    let kept = bench.entries(DLQ);
    assert_eq!(kept.len(), 1);
    let fields = &kept[0].1;
    assert_eq!(value(fields, "source_id"), b"1-0");
    assert_eq!(value(fields, "error"), b"payload: is no JSON");
    assert_eq!(value(fields, "attempts"), b"1");
    assert_eq!(fields[3..], refused.fields);
    assert_eq!(bench.pending(), 1, "only the entry of the letter is acknowledged");
}

#[tokio::test]
async fn attempts_count_deliveries() {
    let mut bench = bench(1).await;
    for _ in 0..4 {
        let _: redis::Value = bench.run(&format!("XREADGROUP GROUP {GROUP} c STREAMS {STREAM} 0"));
    }
    bench.broker().dead_letter(STREAM, GROUP, &[letter(id(1), &[])]).await.unwrap();
    assert_eq!(value(&bench.entries(DLQ)[0].1, "attempts"), b"5");
}

#[tokio::test]
async fn fields_named_like_a_letters_own_are_kept_apart() {
    let mut bench = bench(1).await;
    let letters = [letter(id(1), &[(b"error", b"theirs"), (b"field:error", b"odd"), (b"error", b"again")])];
    bench.broker().dead_letter(STREAM, GROUP, &letters).await.unwrap();
    let fields = &bench.entries(DLQ)[0].1;
    let names: Vec<_> = fields.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
    assert_eq!(names, ["source_id", "error", "attempts", "field:error", "field:field:error", "field:error"]);
}

#[tokio::test]
async fn of_a_cut_entry_the_length_is_told_and_a_long_reason_is_shortened() {
    let mut bench = bench(1).await;
    let mut long = letter(id(1), &[(b"payload", b"{\"begin")]);
    (long.entry.cut, long.entry.len_bytes) = (true, 16_000_000);
    long.error = "é".repeat(DLQ_ERROR_BYTES);
    bench.broker().dead_letter(STREAM, GROUP, &[long]).await.unwrap();
    let fields = &bench.entries(DLQ)[0].1;
    assert_eq!((value(fields, "length_bytes"), value(fields, "cut")), (&b"16000000"[..], &b"1"[..]));
    assert_eq!(value(fields, "payload"), b"{\"begin");
    let error = std::str::from_utf8(value(fields, "error")).unwrap();
    assert!(error.len() <= DLQ_ERROR_BYTES && error.len() > DLQ_ERROR_BYTES - 4);
}

#[tokio::test]
async fn what_is_not_pending_was_done_before() {
    let mut bench = bench(3).await;
    let broker = bench.broker();
    let letters: Vec<Letter> = (1..=4).map(|n| letter(id(n), &[])).collect();
    broker.ack(STREAM, GROUP, &[id(2)]).await.unwrap();
    // The fourth was never delivered.
    assert_eq!(broker.dead_letter(STREAM, GROUP, &letters).await, Ok(2));
    assert_eq!(broker.dead_letter(STREAM, GROUP, &letters).await, Ok(0));
    assert_eq!((bench.entries(DLQ).len(), bench.pending()), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_whose_answer_was_lost_are_not_written_twice() {
    let mut bench = bench(500).await;
    let proxy = Proxy::start(bench.server.port(), "EXEC", 3).await;
    let broker = broker_at(&proxy.url());
    let letters: Vec<Letter> = (1..=500).map(|n| letter(id(n), &[(b"n", b"x")])).collect();
    let (mut lost, mut told) = (0, 0);
    loop {
        match broker.dead_letter(STREAM, GROUP, &letters).await {
            Ok(written) => break told += written,
            Err(BrokerError::Away { .. }) => lost += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((lost, proxy.cuts.load(Ordering::SeqCst)), (3, 0), "three answers were lost");
    assert!(told < 500);
    let mut sources: Vec<Vec<u8>> =
        bench.entries(DLQ).iter().map(|(_, fields)| value(fields, "source_id").to_vec()).collect();
    assert_eq!((sources.len(), bench.pending()), (500, 0));
    sources.sort();
    sources.dedup();
    assert_eq!(sources.len(), 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_with_the_same_letters_write_each_once() {
    let mut bench = bench(400).await;
    let letters: Vec<Letter> = (1..=400).map(|n| letter(id(n), &[])).collect();
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let (broker, letters) = (bench.broker(), letters.clone());
            tokio::spawn(async move { broker.dead_letter(STREAM, GROUP, &letters).await.unwrap() })
        })
        .collect();
    let mut written = 0;
    for call in calls {
        written += call.await.unwrap();
    }
    assert_eq!((written, bench.entries(DLQ).len(), bench.pending()), (400, 400, 0));
}

#[tokio::test]
async fn an_entry_stays_pending_when_its_letter_cannot_be_written() {
    let mut bench = bench(1).await;
    let broker = bench.broker();
    let _: String = bench.run(&format!("SET {DLQ} text"));
    let refused = broker.dead_letter(STREAM, GROUP, &[letter(id(1), &[])]).await;
    assert!(matches!(&refused, Err(BrokerError::Refused { reason, .. }) if reason.contains("not a stream")));
    assert_eq!(bench.pending(), 1);
    // No memory, no letter, no acknowledgement.
    let _: u64 = bench.run(&format!("DEL {DLQ}"));
    let _: String = bench.run("CONFIG SET maxmemory 1");
    let away = broker.dead_letter(STREAM, GROUP, &[letter(id(1), &[])]).await;
    assert!(matches!(&away, Err(BrokerError::Away { reason, .. }) if reason.contains("OOM")), "{away:?}");
    let _: String = bench.run("CONFIG SET maxmemory 0");
    assert_eq!(bench.pending(), 1);
    assert_eq!(broker.dead_letter(STREAM, GROUP, &[letter(id(1), &[])]).await, Ok(1));
}

#[tokio::test]
async fn old_letters_make_room() {
    let entries = DLQ_MAX_ENTRIES + 1_000;
    let mut bench = bench(entries).await;
    let letters: Vec<Letter> = (1..=entries).map(|n| letter(id(n), &[])).collect();
    assert_eq!(bench.broker().dead_letter(STREAM, GROUP, &letters).await, Ok(entries));
    let kept: u64 = bench.run(&format!("XLEN {DLQ}"));
    // Whole nodes of a hundred entries go.
    assert!((DLQ_MAX_ENTRIES..DLQ_MAX_ENTRIES + 200).contains(&kept), "{kept}");
    let last = bench.entries(DLQ).pop().unwrap();
    assert_eq!(value(&last.1, "source_id"), format!("{entries}-0").as_bytes());
}
