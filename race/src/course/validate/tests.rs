//! One violation, one problem: each case breaks one thing of a course that is otherwise right.

mod course;
mod properties;
mod rules;
mod starts;
mod tables;
mod values;

pub(in crate::course) use course::{course, id};
