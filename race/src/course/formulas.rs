//! Penalty tables: which one applies, and what it makes of a measure.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::feature::holds_at;
use super::tables::{BelongsTo, Operator, PenaltyFormula, Tables};
use crate::num::{div_round, round_to};
use crate::time::Timestamp;

/// Brackets and penalties are held as whole millionths, so that no float decides on which side of an edge a
/// measure falls.
const MICRO: i128 = 1_000_000;
/// What milliseconds are divided by to be seconds.
const MILLIS: i64 = 1_000;

/// What was measured, as an exact fraction: 35 missed of 100, 27 km/h over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// Above the line.
    pub numerator: i64,
    /// Below the line; above 0.
    pub denominator: i64,
}

impl Measure {
    /// A whole number.
    pub const fn whole(number: i64) -> Self {
        Self { numerator: number, denominator: 1 }
    }

    /// A fraction; the denominator must be above 0.
    pub const fn ratio(numerator: i64, denominator: i64) -> Self {
        Self { numerator, denominator }
    }

    /// The measure in millionths times its denominator.
    fn scaled(self) -> i128 {
        i128::from(self.numerator) * MICRO
    }

    /// Whether it is above a bracket edge in millionths.
    fn is_above(self, edge_micro: i64) -> bool {
        self.scaled() > i128::from(edge_micro) * i128::from(self.denominator)
    }

    /// As published: a number rounded to 0.01, but seconds with all their milliseconds, so that what is priced by them
    /// can be added up from what is told.
    pub fn rounded(self) -> f64 {
        let parts: i32 = if self.denominator == MILLIS { 1_000 } else { 100 };
        #[allow(clippy::cast_precision_loss, reason = "a published measure is small")]
        let told =
            div_round(i128::from(self.numerator) * i128::from(parts), i128::from(self.denominator)) as f64;
        told / f64::from(parts)
    }
}

/// What a penalty table is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableKey {
    /// The evaluator.
    pub evaluator: String,
    /// To what kind of row it belongs.
    pub scope: BelongsTo,
    /// To which.
    pub scope_id: Uuid,
    /// Only for this class; null is any.
    pub class_id: Option<Uuid>,
    /// Only for this kind; null is any.
    pub kind: Option<String>,
}

/// The rows of a table that hold at some instant, by bracket.
#[derive(Debug, Clone, PartialEq)]
pub struct TableAt<'a> {
    /// What it is for.
    pub key: &'a TableKey,
    /// Its brackets from the lowest on.
    pub rows: Vec<&'a PenaltyFormula>,
}

/// What a table makes of a measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment<'a> {
    /// The bracket that the measure falls in.
    pub row: &'a PenaltyFormula,
    /// Milliseconds; 0 for an exclusion.
    pub penalty_ms: i64,
}

/// The enabled penalty tables of an event.
#[derive(Debug, Default)]
pub struct Formulas {
    tables: BTreeMap<TableKey, Vec<PenaltyFormula>>,
}

impl Formulas {
    /// The tables of an event. Disabled rows do not exist.
    pub fn of_event(tables: &Tables, event_id: Uuid) -> Self {
        let mut found: BTreeMap<TableKey, Vec<PenaltyFormula>> = BTreeMap::new();
        for row in tables.penalty_formulas.iter().filter(|f| f.enabled && f.event_id == event_id) {
            let key = TableKey {
                evaluator: row.evaluator.clone(),
                scope: row.belongs_to_type,
                scope_id: row.belongs_to_id,
                class_id: row.class_id,
                kind: row.kind.clone(),
            };
            found.entry(key).or_default().push(row.clone());
        }
        for rows in found.values_mut() {
            rows.sort_by_key(|row| (micro(row.offence_min), row.id));
        }
        Self { tables: found }
    }

    /// The closest table for an offence that began at `at`: scopes from the closest to the widest, a class before
    /// none, a kind before none.
    pub fn closest(
        &self,
        evaluator: &str,
        class: Option<Uuid>,
        kind: Option<&str>,
        scopes: &[(BelongsTo, Uuid)],
        at: Timestamp,
    ) -> Option<TableAt<'_>> {
        let some_before_none = |some: bool| if some { vec![true, false] } else { vec![false] };
        for &(scope, scope_id) in scopes {
            for with_class in some_before_none(class.is_some()) {
                for with_kind in some_before_none(kind.is_some()) {
                    let key = TableKey {
                        evaluator: evaluator.to_owned(),
                        scope,
                        scope_id,
                        class_id: class.filter(|_| with_class),
                        kind: kind.filter(|_| with_kind).map(str::to_owned),
                    };
                    let Some((key, rows)) = self.tables.get_key_value(&key) else { continue };
                    let rows: Vec<_> =
                        rows.iter().filter(|row| holds_at(row.valid_from, row.valid_to, at)).collect();
                    if !rows.is_empty() {
                        return Some(TableAt { key, rows });
                    }
                }
            }
        }
        None
    }
}

impl<'a> TableAt<'a> {
    /// What the table makes of one measure that is both what the bracket is found by and what is paid by unit; nothing
    /// when it is in no bracket.
    pub fn assess(&self, measure: Measure) -> Option<Assessment<'a>> {
        self.assess_by(measure, measure)
    }

    /// What the table makes of `unit` in the bracket of `measure`, such as km/h of the third speeding; nothing when the
    /// measure is in no bracket.
    pub fn assess_by(&self, measure: Measure, unit: Measure) -> Option<Assessment<'a>> {
        let row = *self.rows.iter().find(|row| {
            measure.is_above(micro(row.offence_min))
                && row.offence_max.is_none_or(|max| !measure.is_above(micro(max)))
        })?;
        let (amount, denominator) = match row.operator {
            Operator::Exclude | Operator::NotClassified => return Some(Assessment { row, penalty_ms: 0 }),
            Operator::Flat => (i128::from(micro(row.penalty)) * MICRO, 1),
            Operator::PerUnit => (i128::from(micro(row.penalty)) * unit.scaled(), unit.denominator),
            Operator::Progressive => (self.progressive(row, measure), measure.denominator),
        };
        // In millionths of a second, times 1e6 times the denominator; from there to milliseconds.
        let one_unit = MICRO * i128::from(denominator);
        let amount = i128::from(micro(row.base)) * one_unit + amount;
        Some(Assessment { row, penalty_ms: div_round(amount, one_unit * 1_000) })
    }

    /// The sum over the brackets up to `row` of penalty times the part of the measure inside, as with income tax.
    fn progressive(&self, row: &PenaltyFormula, measure: Measure) -> i128 {
        let denominator = i128::from(measure.denominator);
        let parts = self.rows.iter().filter(|below| below.offence_min <= row.offence_min).map(|below| {
            let low = i128::from(micro(below.offence_min)) * denominator;
            let high = below
                .offence_max
                .map_or(measure.scaled(), |max| measure.scaled().min(i128::from(micro(max)) * denominator));
            i128::from(micro(below.penalty)) * (high - low)
        });
        parts.sum()
    }
}

fn micro(value: f64) -> i64 {
    round_to(value, 1e6)
}

#[cfg(test)]
mod tests;
