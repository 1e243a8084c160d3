//! What the editor of a roadbook wants to know: courses that can be judged, but perhaps not as meant.
//!
//! What cannot be judged at all is a [`super::Problem`] and is found by [`super::parse`].

mod finding;
mod formulas;
mod people;
mod places;
mod polygons;
mod rings;
mod starts;
#[cfg(test)]
mod tests;
mod waypoints;
mod zones;

pub use finding::{Finding, RowRef, Severity};

use super::tables::Tables;
use places::Places;

/// Looks at a course that [`super::parse`] has accepted; ordered by severity, then code, then row.
///
/// Any tables are fine: a reference that leads nowhere is passed over.
pub fn check(tables: &Tables) -> Vec<Finding> {
    let places = Places::new(tables);
    let mut findings = Vec::new();
    waypoints::check(tables, &places, &mut findings);
    zones::check(tables, &mut findings);
    polygons::check(tables, &mut findings);
    people::check(tables, &mut findings);
    starts::check(tables, &mut findings);
    formulas::check(tables, &places, &mut findings);
    findings.sort_by(|a, b| (a.severity, a.code, &a.rows).cmp(&(b.severity, b.code, &b.rows)));
    findings
}
