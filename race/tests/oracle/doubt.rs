//! What hangs on an edge: a decision that two honest computations may take either way.
//!
//! The engine and this oracle measure the ground by different means, so a comparison that is decided by less than
//! their tolerance says nothing. Such cases are noted here, skipped and counted.

use std::cell::RefCell;

thread_local! {
    static NOTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Forgets what was noted.
pub(crate) fn clear() {
    NOTED.with_borrow_mut(Vec::clear);
}

/// What was noted since [`clear`].
pub(crate) fn noted() -> Vec<String> {
    NOTED.with_borrow(Clone::clone)
}

fn note(what: &str, a: f64, b: f64) {
    NOTED.with_borrow_mut(|noted| noted.push(format!("{what}: {a} and {b}")));
}

/// Metres that both computations agree within, for what is compared in whole centimetres.
const METRES: f64 = 0.02;
/// Milliseconds that both agree within.
const MS: u64 = 2;

/// Whether `a` metres are more than `b`, in whole centimetres.
pub(crate) fn farther(what: &str, a: f64, b: f64) -> bool {
    if (a - b).abs() < METRES {
        note(what, a, b);
    }
    (a * 100.0).round() > (b * 100.0).round()
}

/// Whether instant or duration `a` is more than `b`, milliseconds. Two that are equal come from one and the same
/// crossing and are no doubt.
pub(crate) fn later(what: &str, a: i64, b: i64) -> bool {
    if a != b && a.abs_diff(b) <= MS {
        note(what, a as f64, b as f64);
    }
    a > b
}

/// Whether a duration reaches a bound, milliseconds; equal is as doubtful as nearly equal.
pub(crate) fn reaches(what: &str, a: i64, bound: i64) -> bool {
    if a.abs_diff(bound) <= 2 * MS {
        note(what, a as f64, bound as f64);
    }
    a >= bound
}

/// Whether a speed is more than another, hundredths of km/h; `tolerance` is what a centimetre makes of it.
pub(crate) fn faster(what: &str, a: i64, b: i64, tolerance: i64) -> bool {
    if (a - b).abs() <= tolerance {
        note(what, a as f64, b as f64);
    }
    a > b
}

/// Notes an unconditional doubt.
pub(crate) fn always(what: &str, a: f64) {
    note(what, a, a);
}
