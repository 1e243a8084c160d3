//! What the judge behind the writers knows and decides, without a database and without waiting: who reads and saves
//! for it is the caller.
//!
//! The lanes follow entries while their positions are on their way; what they say is true once those are committed. The
//! promises between the two sides:
//!
//! - A lane asks for a state when it has none, and asks again only when it has refused the answer. Exactly one state
//!   is handed over for each time it asks, so that a lane that follows an entry never hears a state of it, and nothing
//!   of an entry is read for its lane while the lane follows it.
//! - A state that is handed over has seen every batch of the lane up to the one that asked. What came since, the lane
//!   has kept.
//! - What a lane says of an entry counts only while it builds on the last state that was handed over and nothing that
//!   contradicts it was committed since ([`Desk`]'s generations). Whatever does not count is followed by a read.

mod desk;
mod mail;
mod reading;

pub use self::desk::{Desk, Recorded, ToSave};
pub use self::mail::{Mail, Work};
pub use self::reading::{Reading, Stored, Stretch};
