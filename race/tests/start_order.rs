//! Start orders from results written down, and the cases of `fixtures/cases/start_order.json`.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_wrap,
    reason = "a test ends at what it does not expect, and a field is small"
)]

#[path = "support/field.rs"]
mod field;
mod support;

use std::collections::BTreeMap;

use field::{Result, evaluations, field, finished, with};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use race::course::Course;
use race::record::StageStatus::{Dnf, Dns, Dsq, NotStarted, Running};
use race::start_order::{StartList, StartOrderError, propose};
use race::time::Timestamp;
use serde_json::{Value, json};
use support::{add, at, course, id};

/// Proposes the list of the last stage.
fn proposed(
    document: &Value,
    results: &[(i64, &[Result])],
) -> std::result::Result<StartList, StartOrderError> {
    let course: Course = course(document);
    let event = &course.events[0];
    let mut results: Vec<(i64, Vec<Result>)> = results.iter().map(|(n, r)| (*n, r.to_vec())).collect();
    for (_, stages) in &mut results {
        stages.resize(event.stages.len(), with(NotStarted));
    }
    let results: Vec<(i64, &[Result])> = results.iter().map(|(n, r)| (*n, r.as_slice())).collect();
    propose(event, event.stages.len() - 1, &evaluations(event, &results))
}

fn numbers(list: &StartList) -> Vec<i64> {
    list.slots.iter().map(|slot| slot.race_number).collect()
}

/// An event of `stages` stages; the last one has this strategy.
fn event(stages: usize, numbers: &[i64], strategy: &str, params: &Value) -> Value {
    let mut document = field(stages, numbers);
    let last = &mut document["stages"][stages - 1];
    last["start_order_strategy"] = json!(strategy);
    last["start_order_strategy_params"] = params.clone();
    document
}

fn order(strategy: &str, params: &Value, results: &[(i64, &[Result])]) -> Vec<i64> {
    let entered: Vec<i64> = results.iter().map(|(number, _)| *number).collect();
    numbers(&proposed(&event(results[0].1.len() + 1, &entered, strategy, params), results).unwrap())
}

fn cases() -> Vec<Value> {
    let text = include_str!("../../fixtures/cases/start_order.json");
    serde_json::from_str::<Value>(text).unwrap()["cases"].as_array().unwrap().clone()
}

fn case(name: &str) -> Value {
    cases().into_iter().find(|case| case["name"] == name).unwrap_or_else(|| panic!("no case {name:?}"))
}

/// Seconds of `h:mm:ss`.
fn clock(value: &Value) -> i64 {
    value.as_str().unwrap().split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap())
}

#[test]
fn every_case_is_known() {
    let names: Vec<String> = cases().iter().map(|case| case["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["tiers", "tie goes to the lower number", "inverse top 4", "n beyond the field"]);
}

#[test]
fn tiers_case() {
    let case = case("tiers");
    let entered: Vec<i64> = (1..=24).collect();
    let mut document = event(1, &entered, "manual", &case["params"]);
    let day: Timestamp = "2026-06-07T00:00:00Z".parse().unwrap();
    let second = |value: &Value| day.plus_millis(clock(value) * 1_000);
    document["stages"][0]["starts_at"] = json!(second(&case["starts_at"]));
    let results: Vec<(i64, &[Result])> = entered.iter().map(|n| (*n, &[][..])).collect();
    let list = proposed(&document, &results).unwrap();
    for (position, time) in case["expect"].as_object().unwrap() {
        let slot = list.slots.iter().find(|slot| slot.start_position.to_string() == *position).unwrap();
        assert_eq!(slot.target_at, Some(second(time)), "{position}");
    }
    assert_eq!((list.segment_id, list.input_stage_id, list.provisional), (id(30), None, false));
}

#[test]
fn tie_case() {
    let case = case("tie goes to the lower number");
    let results: Vec<(i64, Vec<Result>)> = case["results"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(number, time)| (number.parse().unwrap(), vec![finished(clock(time))]))
        .collect();
    let results: Vec<(i64, &[Result])> = results.iter().map(|(n, r)| (*n, r.as_slice())).collect();
    let expected: Vec<i64> =
        case["expect"].as_array().unwrap().iter().map(|n| n.as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(order(case["strategy"].as_str().unwrap(), &Value::Null, &results), expected);
}

#[test]
fn inverse_top_cases() {
    for name in ["inverse top 4", "n beyond the field"] {
        let case = case(name);
        // Numbers fall along the ranking, so that the order is not theirs.
        let ranking: Vec<&str> =
            case["ranking"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
        let by_name: BTreeMap<&str, i64> = ranking.iter().copied().zip((1..100).rev()).collect();
        let results: Vec<(i64, [Result; 1])> =
            ranking.iter().zip(0..).map(|(name, n)| (by_name[name], [finished(100 + n)])).collect();
        let results: Vec<(i64, &[Result])> = results.iter().map(|(n, r)| (*n, r.as_slice())).collect();
        let expected: Vec<i64> =
            case["expect"].as_array().unwrap().iter().map(|name| by_name[name.as_str().unwrap()]).collect();
        let params = json!({"n": case["n"]});
        assert_eq!(order(case["strategy"].as_str().unwrap(), &params, &results), expected, "{name}");
    }
}

#[test]
fn a_clean_result_counts_only_penalties_that_count_for_a_start_order() {
    let result =
        |elapsed, penalty, start_order_penalty| Result { penalty, start_order_penalty, ..finished(elapsed) };
    let results: &[(i64, &[Result])] =
        &[(1, &[result(100, 0, 30)]), (2, &[result(110, 900, 0)]), (3, &[result(120, 0, 0)])];
    assert_eq!(order("previous_stage_clean_result", &Value::Null, results), [2, 3, 1]);
    // Times are multiplied, rounded and only then compared.
    let close: &[(i64, &[Result])] = &[(1, &[finished(101)]), (2, &[finished(100)])];
    let factor = |factor: f64| order("previous_stage_clean_result", &json!({"input_factor": factor}), close);
    assert_eq!((factor(1.5), factor(0.001), factor(0.000_001)), (vec![2, 1], vec![2, 1], vec![1, 2]));
}

#[test]
fn only_who_finished_is_ordered_or_reversed() {
    let results: &[(i64, &[Result])] = &[
        (9, &[finished(100)]),
        (8, &[with(Dns)]),
        (7, &[with(Dnf)]),
        (6, &[with(Dsq)]),
        (5, &[with(Dnf)]),
        (4, &[finished(300)]),
        (3, &[with(Running)]),
        (2, &[with(Dns)]),
        (1, &[finished(200)]),
    ];
    for (strategy, params, first) in [
        ("previous_stage_clean_result", json!({}), [9, 1, 4]),
        ("inverse_top_n_then_natural", json!({"n": 2}), [1, 9, 4]),
        ("inverse_top_n_then_natural", json!({"n": 0}), [9, 1, 4]),
        ("inverse_of_overall", json!({}), [4, 1, 9]),
    ] {
        assert_eq!(order(strategy, &params, results), [&first[..], &[3, 5, 7, 2, 8]].concat(), "{strategy}");
    }
    assert_eq!(order("manual", &json!({"order": [8, 99, 1, 6]}), results), [8, 1, 2, 3, 4, 5, 7, 9]);
}

#[test]
fn ties_go_to_the_lower_number_after_reversing() {
    let results: &[(i64, &[Result])] =
        &[(1, &[finished(100)]), (2, &[finished(100)]), (3, &[finished(50)]), (4, &[finished(100)])];
    assert_eq!(order("inverse_of_overall", &Value::Null, results), [1, 2, 4, 3]);
    assert_eq!(order("inverse_top_n_then_natural", &json!({"n": 3}), results), [1, 2, 3, 4]);
    assert_eq!(order("inverse_top_n_then_natural", &json!({"n": 9}), results), [1, 2, 4, 3]);
}

#[test]
fn the_overall_standings_are_those_after_the_input_stage() {
    let results: &[(i64, &[Result])] = &[
        (1, &[finished(100), finished(10), finished(900)]),
        (2, &[finished(50), finished(70), finished(10)]),
        (3, &[finished(60), finished(60), with(Dsq)]),
    ];
    let mut document = event(4, &[1, 2, 3], "inverse_of_overall", &Value::Null);
    for (input, expected) in [(5, [1, 2]), (6, [2, 1]), (7, [1, 2])] {
        document["stages"][3]["start_order_input_stage_id"] = json!(id(input));
        let list = proposed(&document, results).unwrap();
        // Who was excluded since does not start.
        assert_eq!(numbers(&list), expected, "{input}");
        assert_eq!(list.input_stage_id, Some(id(input)));
    }
    document["stages"][3]["start_order_input_stage_id"] = Value::Null;
    assert_eq!(proposed(&document, results).unwrap().input_stage_id, Some(id(7)), "the stage before");
}

#[test]
fn a_provisional_result_makes_a_provisional_list() {
    let open = Result { provisional: true, ..finished(100) };
    let results: &[(i64, &[Result])] = &[(1, &[open, finished(1)]), (2, &[finished(1), finished(1)])];
    for (strategy, provisional) in
        [("manual", false), ("previous_stage_clean_result", false), ("inverse_of_overall", true)]
    {
        let list = proposed(&event(3, &[1, 2], strategy, &Value::Null), results).unwrap();
        assert_eq!(list.provisional, provisional, "{strategy}");
    }
}

/// Number, position, seconds, overridden.
type Slot = (i64, i64, Option<Timestamp>, bool);

fn slots(list: &StartList) -> Vec<Slot> {
    list.slots.iter().map(|s| (s.race_number, s.start_position, s.target_at, s.manual_override)).collect()
}

#[test]
fn who_a_person_placed_keeps_position_and_time() {
    let results: Vec<(i64, &[Result])> = (1..=5).map(|n| (n, &[][..])).collect();
    let mut document = event(1, &[1, 2, 3, 4, 5], "manual", &Value::Null);
    let entry = |number: u128| id(1_000 - (number - 1));
    let rows = [
        (1, json!({"start_position": 3, "target_at": at(999.0), "manual_override": true})),
        (4, json!({"start_position": 1, "manual_override": true})),
        (5, json!({"target_at": at(777.0), "manual_override": true})),
        // Handed out before, by nobody in person.
        (2, json!({"start_position": 9, "target_at": at(555.0)})),
    ];
    for (number, columns) in rows {
        let mut row = json!({"entry_id": entry(number), "segment_id": id(30)});
        for (column, value) in columns.as_object().unwrap() {
            row[column] = value.clone();
        }
        add(&mut document, "entry_segment_starts", row);
    }
    for (stage, time) in [
        (json!({"starts_at": at(0.0), "start_interval_seconds": 60}), [Some(0.0), Some(60.0), Some(180.0)]),
        (json!({"starts_at": at(0.0), "start_interval_seconds": 0.5}), [Some(0.0), Some(0.5), Some(1.5)]),
        (json!({"starts_at": at(0.0)}), [None; 3]),
        (json!({"start_interval_seconds": 60}), [None; 3]),
    ] {
        let mut document = document.clone();
        for (column, value) in stage.as_object().unwrap() {
            document["stages"][0][column] = value.clone();
        }
        let [first, second, fourth] = time.map(|second| second.map(at));
        let expected = [
            (4, 1, first, true),
            (2, 2, second, false),
            (1, 3, Some(at(999.0)), true),
            (3, 4, fourth, false),
            (5, 5, Some(at(777.0)), true),
        ];
        assert_eq!(slots(&proposed(&document, &results).unwrap()), expected, "{stage}");
    }
}

#[test]
fn groups_start_together_and_the_last_tier_goes_on() {
    let results: Vec<(i64, &[Result])> = (1..=8).map(|n| (n, &[][..])).collect();
    let entered: Vec<i64> = (1..=8).collect();
    for (tiers, seconds) in [
        (json!([{"seconds": 30, "group": 3}]), [0, 0, 0, 30, 30, 30, 60, 60]),
        (
            json!([{"upto": 3, "seconds": 60, "group": 2}, {"upto": 4, "seconds": 10}]),
            [0, 0, 60, 70, 80, 90, 100, 110],
        ),
        (json!([{"upto": 1, "seconds": 500}, {"seconds": 0}]), [0; 8]),
        (
            json!([{"upto": 2, "seconds": 5}, {"upto": 4, "seconds": 7}, {"seconds": 1, "group": 9}]),
            [0, 5, 12, 19, 20, 20, 20, 20],
        ),
    ] {
        let mut document = event(1, &entered, "manual", &json!({"tiers": tiers}));
        // Tiers come before the interval.
        document["stages"][0]["start_interval_seconds"] = json!(3_600);
        document["stages"][0]["starts_at"] = json!(at(0.0));
        let list = proposed(&document, &results).unwrap();
        let found: Vec<i64> =
            list.slots.iter().map(|s| s.target_at.unwrap().millis_since(at(0.0)) / 1_000).collect();
        assert_eq!(found, seconds, "{tiers}");
    }
}

#[test]
fn the_slots_are_those_of_the_first_segment_that_is_not_a_parc_ferme() {
    let mut document = event(1, &[1], "manual", &Value::Null);
    document["segments"][0]["sort_order"] = json!(5);
    for (n, kind) in [(1, "parc-ferme"), (2, "liaison")] {
        add(
            &mut document,
            "segments",
            json!({"id": id(40 + n), "stage_id": id(5), "sort_order": n as u64, "type": kind}),
        );
    }
    assert_eq!(proposed(&document, &[(1, &[])]).unwrap().segment_id, id(42));
    document["segments"] = json!([]);
    let error = proposed(&document, &[(1, &[])]).unwrap_err();
    assert_eq!((error.stage_id, error.field), (id(5), ""));
}

#[test]
fn an_input_stage_that_is_not_before_is_refused_with_the_row() {
    let mut document = event(3, &[1], "inverse_of_overall", &Value::Null);
    let course = course(&document);
    let mut tables = (*course.tables).clone();
    for (stage, input) in [(0, None), (1, Some(id(6))), (1, Some(id(7))), (1, Some(id(99)))] {
        // A course file with such a row is refused when it is read; a plan may be made from other tables.
        tables.stages[stage].start_order_strategy = Some("inverse_of_overall".to_owned());
        tables.stages[stage].start_order_input_stage_id = input;
        let course = Course::new(std::sync::Arc::new(tables.clone()));
        let event = &course.events[0];
        let evaluations = evaluations(event, &[(1, &[with(NotStarted); 3])]);
        let error = propose(event, stage, &evaluations).unwrap_err();
        assert_eq!((error.stage_id, error.field), (event.stages[stage].row.id, "start_order_input_stage_id"));
        assert!(error.to_string().starts_with("stages ("), "{error}");
    }
    document["stages"][2]["start_order_input_stage_id"] = json!(id(7));
    let problem = race::course::parse(&document.to_string()).unwrap_err().to_string();
    assert!(problem.contains("stages[2]") && problem.contains("itself"), "{problem}");
}

/// A result, often one that others have too.
fn results() -> impl Strategy<Value = Result> {
    prop_oneof![
        4 => (1_i64..6, 0_i64..3).prop_map(|(elapsed, penalty)| Result {
            penalty,
            overall_penalty: penalty,
            start_order_penalty: penalty / 2,
            ..finished(elapsed)
        }),
        1 => select(vec![Dnf, Dns, Dsq, Running, NotStarted]).prop_map(with),
        1 => Just(Result { fixed: Some(9), ..with(Dnf) }),
    ]
}

proptest::proptest! {
    #[test]
    fn every_list_holds_everybody_once_in_order_of_position(
        field in proptest::collection::vec((proptest::array::uniform2(results()), any::<Option<u8>>()), 1..14),
        strategy in select(vec!["manual", "previous_stage_clean_result", "inverse_top_n_then_natural", "inverse_of_overall"]),
        n in 0_usize..16,
        group in 1_i64..4,
    ) {
        let entered: Vec<i64> = (0..field.len()).map(|n| (n as i64 * 7) % 101 + 1).collect();
        let params = json!({"n": n, "order": [8, 1], "tiers": [{"upto": 4, "seconds": 60, "group": group}, {"seconds": 30}]});
        let mut document = event(3, &entered, strategy, &params);
        document["stages"][2]["starts_at"] = json!(at(0.0));
        let mut placed = BTreeMap::new();
        for (n, (number, (_, position))) in (0..).zip(entered.iter().zip(&field)) {
            let Some(position) = position.map(|p| i64::from(p % 20) + 1) else { continue };
            if placed.values().any(|taken| *taken == position) { continue; }
            placed.insert(*number, position);
            add(&mut document, "entry_segment_starts", json!({"entry_id": id(1_000 - n), "segment_id": id(32),
                "start_position": position, "manual_override": true}));
        }
        let results: Vec<(i64, &[Result])> = entered.iter().zip(&field).map(|(n, (r, _))| (*n, r.as_slice())).collect();
        let list = proposed(&document, &results).unwrap();
        let mut listed = numbers(&list);
        listed.sort_unstable();
        let mut starters: Vec<i64> =
            results.iter().filter(|(_, stages)| stages.iter().all(|s| s.status != Dsq)).map(|(n, _)| *n).collect();
        starters.sort_unstable();
        proptest::prop_assert_eq!(listed, starters);
        for pair in list.slots.windows(2) {
            proptest::prop_assert!(pair[0].start_position < pair[1].start_position);
            proptest::prop_assert!(pair[0].target_at <= pair[1].target_at);
        }
        // The others stand without a gap wherever nobody was placed.
        let kept: Vec<i64> = list.slots.iter().filter(|s| s.manual_override).map(|s| s.start_position).collect();
        let others: Vec<i64> = list.slots.iter().filter(|s| !s.manual_override).map(|s| s.start_position).collect();
        let free: Vec<i64> = (1..).filter(|p| !kept.contains(p)).take(others.len()).collect();
        proptest::prop_assert_eq!(others, free);
        for slot in list.slots.iter().filter(|s| s.manual_override) {
            proptest::prop_assert_eq!(Some(&slot.start_position), placed.get(&slot.race_number));
        }
    }
}
