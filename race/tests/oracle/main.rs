//! The engine against a second, slow implementation of the rules, over random courses and fleets.
//!
//! The oracle looks at a whole track at once, keeps no state and shares no code with the engine; it reads the rows of
//! a course and nothing that the engine makes of them. `PROPTEST_CASES` says how many cases are tried.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "a test ends at what it does not expect, and measures are small"
)]

mod absences;
mod announced;
mod charges;
mod compare;
mod compare_charges;
mod compare_places;
mod controls;
mod doubt;
mod engine;
mod fences;
mod formulas;
mod generate;
mod ground;
mod hits;
mod line;
mod offences;
mod orders;
mod overrides;
mod results;
mod roadbook;
mod segments;
mod speeds;
mod standings;
mod zones;

use std::cell::{Cell, RefCell};

use generate::Case;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

/// How many choices a case is drawn from; more than it can read.
const CHOICES: usize = 1_600;
/// Cases when `PROPTEST_CASES` does not say.
const CASES: u32 = 256;

fn choices() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(any::<u32>(), CHOICES)
}

fn config() -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES);
    // The same cases each time; others by `PROPTEST_RNG_SEED`.
    let seed = std::env::var("PROPTEST_RNG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(2);
    let rng_seed = RngSeed::Fixed(seed);
    Config { cases, max_shrink_iters: 300, failure_persistence: None, rng_seed, ..Config::default() }
}

/// What the oracle judges, in order of race number.
fn expected(case: &Case) -> Vec<results::Outcome<'_>> {
    let mut entries: Vec<_> = case.tables.entries.iter().collect();
    entries.sort_by_key(|e| e.race_number);
    entries.iter().map(|e| results::judge(&case.tables, &case.tables.events[0], e.id, &case.rows)).collect()
}

/// What a person needs to look into a case that failed.
fn told(choices: &[u32]) -> String {
    let case = generate::case(choices);
    let rows = case.rows.iter().map(|row| {
        let p = &row.position;
        let place = format!("{:.7} {:.7}", p.latitude, p.longitude);
        format!("{} {} {place} {} {} {}", p.device_id, p.ts, p.speed, p.satellites, row.faulty)
    });
    let rows: Vec<String> = rows.collect();
    format!("{}\n{}", serde_json::to_string(&case.tables).unwrap(), rows.join("\n"))
}

#[test]
fn the_engine_finds_what_the_oracle_finds() {
    let (judged, skipped) = (Cell::new(0_u32), Cell::new(0_u32));
    let hits: RefCell<hits::Hits> = RefCell::default();
    // Shrinking may slip from one difference to another.
    let first: RefCell<Option<String>> = RefCell::default();
    let result = TestRunner::new(config()).run(&choices(), |choices| {
        let case = generate::case(&choices);
        let course = engine::course(&case.tables);
        let found = engine::whole(&course, &case.rows);
        doubt::clear();
        let expected = expected(&case);
        let differences = compare::event(&case.tables, &found, &expected);
        judged.set(judged.get() + 1);
        hits.borrow_mut().note(&case.tables, &expected);
        if differences.is_empty() {
            return Ok(());
        }
        if !doubt::noted().is_empty() {
            skipped.set(skipped.get() + 1);
            return Ok(());
        }
        let differences = differences.join("\n");
        first.borrow_mut().get_or_insert_with(|| differences.clone());
        Err(TestCaseError::fail(differences))
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, choices)) => {
            panic!("{}\n{reason}\nat first:\n{}", told(&choices), first.take().unwrap_or_default())
        }
        Err(error) => panic!("{error}"),
    }
    let (judged, skipped) = (judged.get(), skipped.get());
    println!("{judged} cases, {skipped} of them differ and hang on an edge: {:#?}", hits.borrow());
    assert!(skipped * 25 <= judged, "{skipped} of {judged} cases hang on an edge");
    // Few cases need not show everything.
    if judged >= CASES {
        assert_eq!(hits.borrow().missing(), [""; 0], "no case has these");
    }
}

#[test]
fn no_order_of_arrival_changes_a_byte() {
    let config = Config { cases: (config().cases / 4).max(1), ..config() };
    let result = TestRunner::new(config).run(&(choices(), any::<u64>()), |(choices, seed)| {
        match orders::differs(&generate::case(&choices), seed) {
            None => Ok(()),
            Some(difference) => Err(TestCaseError::fail(difference)),
        }
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, (choices, seed))) => panic!("seed {seed}\n{}\n{reason}", told(&choices)),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn what_changes_is_announced() {
    let config = Config { cases: (config().cases / 8).max(1), ..config() };
    let result = TestRunner::new(config).run(&(choices(), any::<usize>()), |(choices, entry)| {
        // What the close of a stage may change is announced until then: here that says nothing.
        let mut case = generate::case(&choices);
        case.tables.stages.iter_mut().filter(|_| entry % 4 > 0).for_each(|stage| stage.closed_at = None);
        match announced::unannounced(&case, entry) {
            None => Ok(()),
            Some(difference) => Err(TestCaseError::fail(difference)),
        }
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, (choices, entry))) => {
            panic!("entry {entry}\n{}\n{reason}", told(&choices))
        }
        Err(error) => panic!("{error}"),
    }
}
