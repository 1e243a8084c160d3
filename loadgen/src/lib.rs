//! Simulated fleets that know the truth, and the check of a store against it.
//!
//! Same seed, same bytes: numbers come from a stream cipher, sines from `libm`, and nothing hangs on a clock, a hash
//! map's order or the machine. What happened is a closed form of how vehicles move, so that it is known to the microsecond.

pub mod delivery;
pub mod drive;
pub mod driver;
pub mod fleet;
pub mod folder;
pub mod generated;
pub mod motion;
pub mod plan;
pub mod profile;
pub mod random;
pub mod receiver;
pub mod road;
pub mod route;
pub mod send;
pub mod shape;
pub mod simulate;
pub mod truth;
pub mod verify;
