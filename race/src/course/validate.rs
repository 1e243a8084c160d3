//! What must hold between the rows of a course before anything is judged by it.
//!
//! Each problem here would leave a result undefined: a reference into nothing, two rows that claim the same place,
//! a bracket that no measure falls in. What is merely unwise is reported by [`super::check`].

mod brackets;
mod formulas;
mod index;
pub(super) mod plane;
mod ranges;
mod references;
pub(super) mod row;
mod shapes;
mod starts;
#[cfg(test)]
pub(super) mod tests;
mod unique;
pub(super) mod window;

use super::load::Problem;
use super::tables::Tables;
use index::Index;

/// Metres from the middle of a feature to which a tangent plane around it holds: 20 km.
pub const MAX_EXTENT_METERS: f64 = 20_000.0;

/// The longest duration a course may speak of: one year, far inside what integer microseconds can add up.
pub const MAX_SECONDS: f64 = 31_536_000.0;

/// Adds every problem of the tables as a whole: references, ranges, duplicates, shapes, penalty tables.
///
/// Problems come in no particular order; [`super::parse`] sorts them.
pub fn tables(tables: &Tables, problems: &mut Vec<Problem>) {
    let index = Index::new(tables);
    unique::check(tables, problems);
    references::check(tables, &index, problems);
    ranges::check(tables, problems);
    shapes::check(tables, problems);
    starts::check(tables, problems);
    formulas::check(tables, problems);
    brackets::check(tables, problems);
}
