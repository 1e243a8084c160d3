//! What a race is and how it is judged.
//!
//! Pure: no I/O, no clock, no randomness, no logging. The same evidence gives the same result, byte for byte.

pub mod course;
pub mod earth;
pub mod fence;
pub mod follow;
pub mod ids;
pub mod judge;
pub mod num;
pub mod position;
pub mod record;
pub mod start_order;
pub mod time;
pub mod track;
