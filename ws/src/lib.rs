//! The live channel: positions to people who may see them, over WebSockets, within milliseconds.
//!
//! It knows neither the broker nor the database: the processor feeds it.

pub mod directory;
pub mod fix;
