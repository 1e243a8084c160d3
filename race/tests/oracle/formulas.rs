//! Penalty tables: the closest one, its bracket and its amount.

use race::course::tables::{BelongsTo, CountsFor, Event, Operator, PenaltyFormula, Tables};
use uuid::Uuid;

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
    pub(crate) fn whole(parts: i64) -> Self {
        Self { parts, of: 1 }
    }

    pub(crate) fn value(self) -> f64 {
        self.parts as f64 / self.of as f64
    }
}

/// What a table says; `None` where the measure lies below its first bracket.
pub(crate) fn verdict(rows: &[&PenaltyFormula], bracket_by: Measure, unit: f64) -> Option<Verdict> {
    let measure = bracket_by.value();
    // Bounds are given with few decimals: compare them times `of` as numbers that are whole, or nearly.
    let above = |bound: f64| bracket_by.parts as f64 > bound * bracket_by.of as f64 + 1e-7;
    let row = *rows.iter().find(|r| above(r.offence_min) && r.offence_max.is_none_or(|most| !above(most)))?;
    let seconds = match row.operator {
        Operator::Flat => row.base + row.penalty,
        Operator::PerUnit => row.base + row.penalty * unit,
        Operator::Progressive => {
            row.base
                + rows
                    .iter()
                    .filter(|r| r.operator == Operator::Progressive)
                    .map(|r| {
                        let most = r.offence_max.map_or(measure, |most| most.min(measure));
                        r.penalty * (most - r.offence_min).max(0.0)
                    })
                    .sum::<f64>()
        }
        Operator::Exclude | Operator::NotClassified => 0.0,
    };
    Some(Verdict {
        formula: row.id,
        operator: row.operator,
        ms: (seconds * 1_000.0).round() as i64,
        counts_for: row.counts_for.clone(),
    })
}
