//! Penalty tables: the closest one, its bracket and its amount.

use race::course::tables::{BelongsTo, CountsFor, Event, Operator, PenaltyFormula, Tables};
use uuid::Uuid;

use crate::line::div_half_away;

/// What a table says to a measure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) formula: Uuid,
    pub(crate) operator: Operator,
    pub(crate) ms: i64,
    pub(crate) counts_for: Vec<CountsFor>,
}

/// The rows of the closest table, ascending; the scopes from the closest to the widest.
pub(crate) fn closest<'a>(
    tables: &'a Tables,
    event: &Event,
    evaluator: &str,
    scopes: &[(BelongsTo, Uuid)],
    class: Option<Uuid>,
    kind: Option<&str>,
    at_ms: i64,
) -> Option<Vec<&'a PenaltyFormula>> {
    let mut classes = vec![class, None];
    classes.dedup();
    let mut kinds = vec![kind, None];
    kinds.dedup();
    for &(scope, id) in scopes {
        for &class in &classes {
            for &kind in &kinds {
                let mut rows: Vec<&PenaltyFormula> = tables
                    .penalty_formulas
                    .iter()
                    .filter(|f| {
                        f.enabled
                            && f.event_id == event.id
                            && f.evaluator == evaluator
                            && f.belongs_to_type == scope
                            && f.belongs_to_id == id
                            && f.class_id == class
                            && f.kind.as_deref() == kind
                            && f.valid_from.is_none_or(|t| t.micros() <= at_ms * 1_000)
                            && f.valid_to.is_none_or(|t| at_ms * 1_000 < t.micros())
                    })
                    .collect();
                if !rows.is_empty() {
                    rows.sort_by(|a, b| a.offence_min.total_cmp(&b.offence_min));
                    return Some(rows);
                }
            }
        }
    }
    None
}

/// A fraction of whole numbers: `parts` of `of`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure {
    pub(crate) parts: i64,
    pub(crate) of: i64,
}

impl Measure {
    pub(crate) const ONE: Self = Self { parts: 1, of: 1 };

    pub(crate) fn whole(parts: i64) -> Self {
        Self { parts, of: 1 }
    }
}

/// Columns have few decimals: as whole millionths nothing is lost.
fn micro(column: f64) -> i128 {
    (column * 1e6).round() as i128
}

/// What a table says; `None` where the measure lies below its first bracket. In whole numbers: floats fall on either
/// side of a half.
pub(crate) fn verdict(rows: &[&PenaltyFormula], bracket_by: Measure, unit: Measure) -> Option<Verdict> {
    let (measure, of) = (i128::from(bracket_by.parts) * 1_000_000, i128::from(bracket_by.of));
    let above = |bound: f64| measure > micro(bound) * of;
    let row = *rows.iter().find(|r| above(r.offence_min) && r.offence_max.is_none_or(|most| !above(most)))?;
    // Millionths of a second, as a fraction.
    let (amount, of) = match row.operator {
        Operator::Flat => (micro(row.penalty), 1),
        Operator::PerUnit => (micro(row.penalty) * i128::from(unit.parts), i128::from(unit.of)),
        Operator::Progressive => {
            let brackets = rows.iter().filter(|r| r.operator == Operator::Progressive).map(|r| {
                let most = r.offence_max.map_or(measure, |most| measure.min(micro(most) * of));
                micro(r.penalty) * (most - micro(r.offence_min) * of).max(0)
            });
            (brackets.sum(), of * 1_000_000)
        }
        Operator::Exclude | Operator::NotClassified => (-micro(row.base), 1),
    };
    Some(Verdict {
        formula: row.id,
        operator: row.operator,
        ms: div_half_away(micro(row.base) * of + amount, of * 1_000),
        counts_for: row.counts_for.clone(),
    })
}
