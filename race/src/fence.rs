//! Geofences: what the line of a track meets, and when.

pub mod area;
pub mod gate;
pub mod line;
pub mod silence;
pub mod state;
pub mod touch;
pub mod zone;
