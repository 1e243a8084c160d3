//! Penalties: the same offences, measured alike, and priced exactly by what was measured.

use race::course::tables::{CountsFor, PenaltyFormula};
use race::record::{Penalty, PenaltyStatus};

use crate::compare::{Differences, ms};
use crate::formulas::{Measure, verdict};
use crate::offences::Charge;

/// Milliseconds by which two honest sums of time x speed may differ, beside a part of them.
const GAINED_MS: i64 = 8;
const GAINED_PART: i64 = 500;
/// What a hundredth of a minute costs at most.
const LATE_TOTAL_MS: i64 = 3_000;
/// 0.02 km/h for a mean; for one movement what a centimetre makes of it in the shortest time between two fixes, 0.4 s.
const MEAN_CKMH: i64 = 2;
const SPEED_CKMH: i64 = 10;

/// What the engine charges more than the oracle for what it measured otherwise, within the tolerance.
#[derive(Debug, Default)]
pub(crate) struct More {
    pub(crate) stage: i64,
    pub(crate) overall: i64,
    pub(crate) start_order: i64,
}

/// The measure of a penalty as the engine tells it, in the parts of the oracle's.
fn told(penalty: &Penalty, of: i64) -> Option<i64> {
    let inputs = &penalty.inputs;
    let instant = |name: &str| Some(ms(inputs[name].as_str()?.parse().unwrap()));
    let between = |from: &str, to: &str| {
        let cut = inputs["truncated_to_ms"].as_i64().unwrap_or(1);
        let cut = |at: i64| at.div_euclid(cut) * cut;
        Some(cut(instant(to)?) - cut(instant(from)?))
    };
    match penalty.evaluator.as_str() {
        "speeding_time_gained" => inputs["gained_ms"].as_i64(),
        "early_neutralisation" | "false_start" => inputs["early_ms"].as_i64(),
        "segment_over_time" => Some(inputs["taken_ms"].as_i64()? - inputs["allowed_ms"].as_i64()?),
        "late_check_in" => between("due", "arrival"),
        "early_check_in" => between("arrival", "due"),
        "late_start" => between("target", "departure"),
        // Sums of minutes are told to the hundredth of one.
        "late_total" => Some((inputs["measure"].as_f64()? * of as f64).round() as i64),
        "speeding_peak" | "speeding_average" => Some((inputs["measure"].as_f64()? * 100.0).round() as i64),
        "speeding_ordinal" => Some((inputs["by_unit"].as_f64()? * 100.0).round() as i64),
        _ => None,
    }
}

/// How much a measure may differ, in the parts of the oracle's.
fn tolerance(charge: &Charge, measure: Measure, by: i64) -> i64 {
    match charge.evaluator {
        "speeding_time_gained" => GAINED_MS + measure.parts / GAINED_PART,
        "early_neutralisation" | "false_start" | "segment_over_time" => 3 * by,
        "late_check_in" | "early_check_in" | "late_start" => 2 * by,
        "late_total" => 600,
        "speeding_average" => MEAN_CKMH,
        "speeding_peak" | "speeding_ordinal" => SPEED_CKMH,
        _ => 0,
    }
}

pub(crate) fn stage(d: &mut Differences, at: &str, engine: &[Penalty], oracle: &[Charge], by: i64) -> More {
    let mut engine: Vec<&Penalty> = engine.iter().collect();
    let mut oracle: Vec<&Charge> = oracle.iter().collect();
    // Two may begin at the same instant, in two neutralisations.
    let window = |p: &Penalty| [0, 1].map(|n| p.inputs["window"][n].as_str().map(str::to_owned));
    engine.sort_by_cached_key(|p| {
        (p.segment_id, p.evaluator.clone(), p.kind.clone(), window(p), p.formula_id, p.penalty_ms)
    });
    oracle.sort_by_cached_key(|c| (c.segment, c.evaluator, c.kind.clone(), c.window, c.formula, c.ms));
    let mut more = More::default();
    let same =
        engine.len() == oracle.len() && engine.iter().zip(&oracle).all(|(e, o)| is_same(e, o, by, &mut more));
    if !same {
        let engine: Vec<String> = engine.iter().map(|p| told_engine(p)).collect();
        let oracle: Vec<String> = oracle.iter().map(|c| told_oracle(c)).collect();
        d.0.push(format!("{at} penalties:\n  engine {engine:#?}\n  oracle {oracle:#?}"));
    }
    more
}

fn is_same(e: &Penalty, o: &Charge, by: i64, more: &mut More) -> bool {
    let alike = e.segment_id == o.segment
        && e.evaluator == o.evaluator
        && e.kind == o.kind
        && e.status == o.status
        && e.needs_review <= o.review.unwrap_or(true)
        && o.review.is_none_or(|review| review <= e.needs_review);
    let computed = if matches!(e.status, PenaltyStatus::Computed | PenaltyStatus::Confirmed) {
        e.penalty_ms
    } else {
        e.inputs["computed_ms"].as_i64().unwrap()
    };
    if !alike {
        return false;
    }
    if computed == o.computed_ms {
        return e.penalty_ms == o.ms && e.formula_id == o.formula && e.counts_for == o.counts_for;
    }
    // Measured a little otherwise, and priced by that.
    let Some((measure, table)) = &o.measured else { return false };
    let Some(parts) = told(e, measure.of) else { return false };
    let told = Measure { parts, ..*measure };
    let rows: Vec<&PenaltyFormula> = table.iter().collect();
    let bracket_by = if e.evaluator.ends_with("ordinal") || e.evaluator == "false_start" {
        Measure::whole(e.inputs["measure"].as_i64().unwrap())
    } else {
        told
    };
    let Some(priced) = verdict(&rows, bracket_by, told) else { return false };
    let rounding = if e.evaluator == "late_total" { LATE_TOTAL_MS } else { 0 };
    let is_priced_so = (priced.ms - computed).abs() <= rounding && Some(priced.formula) == e.formula_id;
    if o.ms == o.computed_ms {
        let by = computed - o.computed_ms;
        for counts_for in &e.counts_for {
            match counts_for {
                CountsFor::Stage => more.stage += by,
                CountsFor::Overall => more.overall += by,
                CountsFor::StartOrder => more.start_order += by,
            }
        }
    }
    (parts - measure.parts).abs() <= tolerance(o, *measure, by) && is_priced_so
}

fn told_engine(p: &Penalty) -> String {
    let formula = p.formula_id.map_or(0, |id| id.as_u128());
    let how = (p.status, p.needs_review);
    format!("{} {:?} {formula} {} ms {how:?} {}", p.evaluator, p.kind, p.penalty_ms, p.inputs)
}

fn told_oracle(c: &Charge) -> String {
    let formula = c.formula.map_or(0, |id| id.as_u128());
    let how = (c.status, c.review, c.window, c.measured.as_ref().map(|m| m.0));
    format!("{} {:?} {formula} {} ms {how:?}", c.evaluator, c.kind, c.ms)
}
