//! The stages that a position goes through, and the threads they run on.

pub mod batch;
pub mod decode;
pub mod limits;
pub mod source;
