//! What the program does, one file a command.

pub(crate) mod send;
pub(crate) mod simulate;
pub(crate) mod verify;
