//! What `processor replay` is wired from.

pub(crate) mod playlist;
pub(crate) mod sink;
pub(crate) mod summary;
