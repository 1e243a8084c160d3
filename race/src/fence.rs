//! Geofences: what the line of a track meets, and when.

pub mod area;
pub mod gate;
pub mod line;
mod outline;
pub mod polygon;
pub mod silence;
pub mod state;
pub mod touch;
pub mod zone;
