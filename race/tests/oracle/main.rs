//! The engine against a second, slow implementation of the rules, over random courses and fleets.
//!
//! The oracle looks at a whole track at once, keeps no state and shares no code with the engine; it reads the rows of
//! a course and nothing that the engine makes of them.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "a test ends at what it does not expect, and measures are small"
)]

mod charges;
mod compare;
mod doubt;
mod engine;
mod fences;
mod formulas;
mod generate;
mod ground;
mod line;
mod results;
mod segments;
#[cfg(test)]
mod survey;

use generate::Case;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use std::cell::Cell;

/// How many choices a case is drawn from; more than it can read.
const CHOICES: usize = 900;
/// Cases when `PROPTEST_CASES` does not say.
const CASES: u32 = 96;

fn choices() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(any::<u32>(), CHOICES)
}

fn config() -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES);
    Config { cases, max_shrink_iters: 3_000, failure_persistence: None, ..Config::default() }
}

/// Differences of engine and oracle, and whether the case hangs on an edge.
fn differences(case: &Case, used: Option<&mut std::collections::BTreeMap<String, u32>>) -> (Vec<String>, Vec<String>) {
    let course = engine::course(&case.tables);
    let found = engine::whole(&course, &case.rows);
    doubt::clear();
    let event = &case.tables.events[0];
    let mut entries: Vec<_> = case.tables.entries.iter().collect();
    entries.sort_by_key(|e| e.race_number);
    let expected: Vec<_> =
        entries.iter().map(|e| results::judge(&case.tables, event, e.id, &case.rows)).collect();
    if let Some(used) = used {
        for o in &expected {
            for s in &o.stages {
                *used.entry(format!("status {}", s.status.as_str())).or_default() += 1;
                for c in &s.charges {
                    *used.entry(format!("charge {}", c.evaluator)).or_default() += 1;
                }
            }
            for c in &o.crossings {
                *used.entry(format!("crossing {}", c.direction.as_str())).or_default() += 1;
            }
        }
    }
    (compare::event(&case.tables, &found, &expected), doubt::noted())
}

#[test]
fn the_engine_finds_what_the_oracle_finds() {
    let (judged, skipped) = (Cell::new(0_u32), Cell::new(0_u32));
    let result = TestRunner::new(config()).run(&choices(), |choices| {
        let (differences, doubts) = differences(&generate::case(&choices), None);
        judged.set(judged.get() + 1);
        if differences.is_empty() {
            return Ok(());
        }
        if !doubts.is_empty() {
            skipped.set(skipped.get() + 1);
            return Ok(());
        }
        Err(TestCaseError::fail(differences.join("\n")))
    });
    if let Err(error) = result {
        if let proptest::test_runner::TestError::Fail(reason, choices) = &error {
            let case = generate::case(choices);
            println!("{}\n{reason}", serde_json::to_string(&case.tables).unwrap());
            for row in &case.rows {
                let p = &row.position;
                println!("{} {} {:.7} {:.7} {} {}", p.device_id, p.ts, p.latitude, p.longitude, p.speed, row.faulty);
            }
            panic!("{reason}");
        }
        panic!("{error}");
    }
    println!("{} cases judged, {} hang on an edge and differ", judged.get(), skipped.get());
    assert!(skipped.get() * 20 <= judged.get(), "{} of {} cases hang on an edge", skipped.get(), judged.get());
}
