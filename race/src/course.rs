//! The course: what is given before the first fix arrives.

pub mod check;
pub mod geometry;
pub mod load;
pub mod tables;
pub mod validate;

pub use geometry::{Geometry, LonLat};
pub use load::{CourseErrors, Problem, parse};
pub use tables::Tables;
