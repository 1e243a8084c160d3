//! Changes of race records and of rights.

use super::bench::{Bench, EVENT, LIVE, rows};
use super::book::Said;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_from_now_on_arrives_once_and_in_order() {
    let mut bench = Bench::new();
    bench.server =
        test_redis::Server::start(test_redis::Options { append_only: true, ..Default::default() }).unwrap();
    let add = |bench: &Bench, n: u32| -> String {
        bench.redis(&format!(
            "XADD race:changes * outbox_id {n} kind crossing event_id {EVENT} entry_id e payload {{\"n\":{n}}}"
        ))
    };
    let before = add(&bench, 1);
    let _: String = bench.redis("XADD authz:changed * user nobody");
    let running = bench.start(rows(1)).await;
    let begins = |book: &super::book::Book| {
        book.said().into_iter().find_map(|said| match said {
            Said::Race(LIVE, changes, read_to, _) => Some((changes.len(), read_to.to_string())),
            _ => None,
        })
    };
    assert_eq!(bench.book.until("it listens", begins).await, (0, before));
    let _: String = bench.redis("XADD race:changes * kind result payload {}");
    let mut ids = vec![add(&bench, 2), add(&bench, 3)];
    bench.book.until("two", |book| (book.race(LIVE).len() == 2).then_some(())).await;
    bench.server.restart().unwrap();
    ids.push(add(&bench, 4));
    let told =
        bench.book.until("the third", |book| Some(book.race(LIVE)).filter(|told| told.len() >= 3)).await;
    assert_eq!(told.iter().map(|(change, _)| change.seq.to_string()).collect::<Vec<_>>(), ids);
    assert_eq!(*told[2].0.json, *r#"{"kind":"crossing","entry_id":"e","outbox_id":4,"payload":{"n":4}}"#);

    // Read by whoever was away: the second is told although the broker was.
    let _: String = bench.redis("XADD authz:changed * user u1");
    let authz = bench
        .book
        .until("the change of rights", |book| {
            let said = book.said().into_iter();
            let told: Vec<_> = said
                .filter_map(|said| if let Said::Authz(change) = said { Some(change) } else { None })
                .collect();
            (!told.is_empty()).then_some(told)
        })
        .await;
    assert_eq!((authz.len(), authz[0].user.as_deref(), authz[0].event), (1, Some("u1"), None));
    running.end(true).await;
}
