//! The course: what is given before the first fix arrives.

pub mod check;
pub mod feature;
pub mod formulas;
pub mod geometry;
pub mod keep;
pub mod load;
pub mod plan;
pub mod roster;
pub mod salvage;
mod strict_json;
pub mod tables;
pub mod validate;
pub mod zone;

pub use geometry::{Geometry, LonLat};
pub use load::{CourseErrors, Problem, parse};
pub use plan::Course;
pub use tables::Tables;
