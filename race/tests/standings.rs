//! Overall standings, and the ranking of stages with laps, from results written down.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

#[path = "support/field.rs"]
mod field;
mod support;

use field::{Result, evaluations, field, finished, number, with};
use race::judge::ranking::rank;
use race::judge::standings::after;
use race::record::StageStatus::{Dnf, Dns, Dsq, Finished, Running};
use serde_json::json;
use support::{course, id};

/// Race number, stages completed, position, total and gap in seconds.
type Row = (i64, u32, Option<u32>, Option<i64>, Option<i64>);

fn standings(stage: usize, results: &[(i64, &[Result])]) -> Vec<Row> {
    let numbers: Vec<i64> = results.iter().map(|(number, _)| *number).collect();
    let course = course(&field(results[0].1.len(), &numbers));
    let event = &course.events[0];
    let seconds = |ms: Option<i64>| ms.map(|ms| ms / 1_000);
    after(event, stage, &evaluations(event, results))
        .into_iter()
        .map(|r| {
            let number = number(event, r.entry_id);
            (number, r.completed_stages, r.position, seconds(r.total_ms), seconds(r.gap_ms))
        })
        .collect()
}

#[test]
fn stages_and_penalties_that_count_overall_add_up() {
    let late = Result { penalty: 900, overall_penalty: 60, ..finished(90) };
    let results: &[(i64, &[Result])] = &[
        (1, &[finished(100), finished(100)]),
        (2, &[late, finished(100)]),
        (3, &[finished(120), finished(70)]),
    ];
    assert_eq!(
        standings(0, results),
        [
            (1, 1, Some(1), Some(100), Some(0)),
            (3, 1, Some(2), Some(120), Some(20)),
            (2, 1, Some(3), Some(150), Some(50)),
        ]
    );
    assert_eq!(
        standings(1, results),
        [
            (3, 2, Some(1), Some(190), Some(0)),
            (1, 2, Some(2), Some(200), Some(10)),
            (2, 2, Some(3), Some(250), Some(60)),
        ]
    );
}

#[test]
fn ties_go_to_the_clean_time_then_to_the_lower_number() {
    let with_penalty = |elapsed, penalty| Result { overall_penalty: penalty, ..finished(elapsed) };
    let results: &[(i64, &[Result])] = &[
        (10, &[with_penalty(100, 0)]),
        (9, &[with_penalty(100, 0)]),
        (1, &[with_penalty(90, 10)]),
        (2, &[with_penalty(110, -10)]),
    ];
    let places: Vec<_> = standings(0, results).iter().map(|row| (row.0, row.2.unwrap(), row.4)).collect();
    assert_eq!(places, [(1, 1, Some(0)), (9, 2, Some(0)), (10, 3, Some(0)), (2, 4, Some(0))]);
}

#[test]
fn more_completed_stages_rank_first_and_a_fixed_time_completes_one() {
    let fixed = |status| Result { fixed: Some(500), penalty: 60, overall_penalty: 60, ..with(status) };
    let results: &[(i64, &[Result])] = &[
        (1, &[finished(10), with(Dnf)]),
        (2, &[finished(100), fixed(Dnf)]),
        (3, &[fixed(Dns), finished(100)]),
        (4, &[with(Dns), with(Dns)]),
        (5, &[with(Dns), with(Running)]),
        (6, &[finished(300), finished(300)]),
        (7, &[finished(5), with(Running)]),
    ];
    assert_eq!(
        standings(1, results),
        [
            (6, 2, Some(1), Some(600), Some(0)),
            (2, 2, Some(2), Some(660), Some(60)),
            (3, 2, Some(3), Some(660), Some(60)),
            // A time over fewer stages is no gap.
            (7, 1, Some(4), Some(5), None),
            (1, 1, Some(5), Some(10), None),
            (4, 0, None, None, None),
            (5, 0, None, None, None),
        ]
    );
}

#[test]
fn who_is_excluded_is_unranked_and_last_from_that_stage_on() {
    let results: &[(i64, &[Result])] = &[
        (1, &[finished(10), with(Dsq), with(Dsq)]),
        (2, &[with(Dns), with(Dns), with(Dns)]),
        (3, &[finished(100), finished(100), finished(100)]),
    ];
    assert_eq!(standings(0, results)[0].0, 1);
    for stage in [1, 2] {
        let rows = standings(stage, results);
        assert_eq!(rows.iter().map(|r| r.0).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!((rows[2].2, rows[2].3), (None, None));
    }
}

#[test]
fn classes_have_places_and_one_provisional_stage_makes_the_sum_provisional() {
    let mut document = field(2, &[1, 2, 3, 4]);
    document["classes"] = json!([{"id": id(8), "event_id": id(1), "code": "T1"}]);
    for n in [1, 3] {
        document["entries"][n]["class_id"] = json!(id(8));
    }
    let open = Result { provisional: true, ..finished(100) };
    let results: &[(i64, &[Result])] = &[
        (1, &[finished(1), finished(1)]),
        (2, &[open, finished(1)]),
        (3, &[finished(1), open]),
        (4, &[finished(50), finished(1)]),
    ];
    let course = course(&document);
    let event = &course.events[0];
    let rows = after(event, 1, &evaluations(event, results));
    let found: Vec<_> =
        rows.iter().map(|r| (number(event, r.entry_id), r.class_position, r.provisional)).collect();
    assert_eq!(found, [(1, None, false), (4, Some(1), false), (2, Some(2), true), (3, None, true)]);
    assert_eq!(rows[0].status, Finished);
}

#[test]
fn more_laps_rank_first_and_a_gap_is_among_equal_laps() {
    let laps = |laps, elapsed| Result { laps: Some(laps), ..finished(elapsed) };
    let results: &[(i64, &[Result])] = &[
        (1, &[laps(3, 100)]),
        (2, &[laps(5, 900)]),
        (3, &[laps(4, 300)]),
        (4, &[laps(5, 800)]),
        (5, &[Result { laps: Some(9), ..with(Dnf) }]),
    ];
    let numbers: Vec<i64> = results.iter().map(|(number, _)| *number).collect();
    let course = course(&field(1, &numbers));
    let event = &course.events[0];
    let rows = rank(event, 0, &evaluations(event, results));
    let found: Vec<_> =
        rows.iter().map(|r| (number(event, r.entry_id), r.position, r.gap_ms.map(|ms| ms / 1_000))).collect();
    assert_eq!(
        found,
        [
            (4, Some(1), Some(0)),
            (2, Some(2), Some(100)),
            (3, Some(3), None),
            (1, Some(4), None),
            (5, None, None)
        ]
    );
    assert_eq!(rows[0].status, Finished);
}
