//! The stages that a position goes through, and the threads they run on. [`topology`] shows the whole.

pub mod batch;
pub mod broker;
pub mod decode;
pub mod in_flight;
pub mod judge;
pub mod lane;
pub mod limits;
pub mod source;
mod stray;
pub mod topology;
pub mod write;
