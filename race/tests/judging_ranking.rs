//! The ranking of a stage, from results written down.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

mod support;

use race::course::Course;
use race::judge::EntryEvaluation;
use race::judge::ranking::rank;
use race::judge::stage::StageEvaluation;
use race::record::StageStatus::{self, Dnf, Dns, Dsq, Finished, NotStarted, Running};
use race::track::FixCounts;
use serde_json::json;
use support::{add, course, document, id};

/// Race number, class, status, seconds elapsed, seconds of penalties.
type Row = (i64, Option<u128>, StageStatus, Option<i64>, i64);

/// Race number, position, position in class, gap in seconds.
type Ranked = (i64, Option<u32>, Option<u32>, Option<i64>);

/// The field, entered in the order of the rows.
fn field(rows: &[Row]) -> Course {
    let mut document = document();
    document["entries"] = json!([]);
    document["entry_devices"] = json!([]);
    document["classes"] = json!([
        {"id": id(8), "event_id": id(1), "code": "T1"},
        {"id": id(9), "event_id": id(1), "code": "T2"}]);
    for (n, row) in (200u128..).zip(rows) {
        // Ids fall as rows go on, so that no id stands for the race number.
        let entry = json!({"id": id(1_000 - n), "event_id": id(1), "race_number": row.0,
            "class_id": row.1.map(id)});
        add(&mut document, "entries", entry);
    }
    course(&document)
}

fn evaluation(course: &Course, entry: usize, rows: &[Row]) -> EntryEvaluation {
    let entry = &course.events[0].entries[entry];
    let row = rows.iter().find(|row| row.0 == entry.row.race_number).unwrap();
    let (elapsed_ms, penalty_ms) = (row.3.map(|s| s * 1_000), row.4 * 1_000);
    let stage = StageEvaluation {
        stage_id: id(5),
        status: row.2,
        started_at: None,
        finished_at: None,
        laps: None,
        elapsed_ms,
        neutralised_ms: 0,
        clean_ms: elapsed_ms,
        penalty_ms,
        overall_penalty_ms: 0,
        start_order_penalty_ms: 0,
        total_ms: elapsed_ms.map(|elapsed| elapsed + penalty_ms),
        provisional: false,
        segments: Vec::new(),
        penalties: Vec::new(),
    };
    EntryEvaluation {
        entry_id: entry.row.id,
        fixes: FixCounts::default(),
        crossings: Vec::new(),
        overrides: Vec::new(),
        stages: vec![stage],
    }
}

fn ranked(rows: &[Row]) -> Vec<Ranked> {
    let course = field(rows);
    let event = &course.events[0];
    let evaluations: Vec<_> = (0..event.entries.len()).map(|n| evaluation(&course, n, rows)).collect();
    let number = |id| {
        event.entries.iter().find(|entry| entry.row.id == id).map(|entry| entry.row.race_number).unwrap()
    };
    let results = rank(event, 0, &evaluations);
    results
        .iter()
        .map(|r| (number(r.entry_id), r.position, r.class_position, r.gap_ms.map(|ms| ms / 1_000)))
        .collect()
}

#[test]
fn finished_rank_by_total_then_clean_then_number() {
    let cases: [(&str, &[Row], &[Ranked]); 4] = [
        (
            "total before clean",
            &[
                (1, None, Finished, Some(100), 60),
                (2, None, Finished, Some(150), 0),
                (3, None, Finished, Some(90), 100),
            ],
            &[(2, Some(1), None, Some(0)), (1, Some(2), None, Some(10)), (3, Some(3), None, Some(40))],
        ),
        (
            "a tie goes to the lower clean time",
            &[
                (1, None, Finished, Some(150), 10),
                (2, None, Finished, Some(100), 60),
                (3, None, Finished, Some(120), 40),
            ],
            &[(2, Some(1), None, Some(0)), (3, Some(2), None, Some(0)), (1, Some(3), None, Some(0))],
        ),
        (
            "what remains goes to the lower number, as a number",
            &[
                (100, None, Finished, Some(100), 0),
                (9, None, Finished, Some(100), 0),
                (20, None, Finished, Some(100), 0),
            ],
            &[(9, Some(1), None, Some(0)), (20, Some(2), None, Some(0)), (100, Some(3), None, Some(0))],
        ),
        (
            "a stage without a special stage has no times",
            &[(2, None, Finished, None, 30), (1, None, Finished, None, 60)],
            &[(1, Some(1), None, None), (2, Some(2), None, None)],
        ),
    ];
    for (name, rows, expected) in cases {
        assert_eq!(ranked(rows), expected, "{name}");
    }
}

#[test]
fn each_class_has_places_of_its_own() {
    let rows = [
        (1, Some(8), Finished, Some(130), 0),
        (2, Some(9), Finished, Some(120), 0),
        (3, Some(8), Finished, Some(110), 0),
        (4, Some(9), Finished, Some(140), 0),
        (5, None, Finished, Some(100), 0),
        (6, Some(8), Running, None, 0),
        (7, Some(8), Finished, Some(150), 0),
    ];
    let expected = [
        (5, Some(1), None, Some(0)),
        (3, Some(2), Some(1), Some(10)),
        (2, Some(3), Some(1), Some(20)),
        (1, Some(4), Some(2), Some(30)),
        (4, Some(5), Some(2), Some(40)),
        (7, Some(6), Some(3), Some(50)),
        (6, None, None, None),
    ];
    assert_eq!(ranked(&rows), expected);
}

#[test]
fn the_others_follow_by_status_without_place_or_gap() {
    // A fixed time gives nobody a place, however short it is.
    let rows = [
        (1, Some(8), Dsq, None, 0),
        (2, Some(8), Dns, Some(10), 0),
        (3, Some(8), Dnf, Some(20), 0),
        (4, Some(8), Dnf, Some(15), 0),
        (5, Some(8), Running, None, 0),
        (6, Some(8), Finished, Some(100), 0),
        (7, Some(8), Dsq, Some(5), 0),
        (8, Some(8), NotStarted, None, 0),
    ];
    let unplaced = |number| (number, None, None, None);
    let expected = [
        (6, Some(1), Some(1), Some(0)),
        unplaced(5),
        unplaced(8),
        unplaced(3),
        unplaced(4),
        unplaced(2),
        unplaced(1),
        unplaced(7),
    ];
    assert_eq!(ranked(&rows), expected);
    // And without anybody finished.
    assert_eq!(ranked(&rows[2..4]), [unplaced(3), unplaced(4)]);
}
