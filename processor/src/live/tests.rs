//! The feeds between a real broker, a real database and a book of what came.
#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

mod bench;
mod book;
mod changes;
mod delayed;
mod groups;
mod overload;
mod storage;
