//! The commands, one file each.

pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod dlq;
pub(crate) mod explain;
pub(crate) mod import;
pub(crate) mod recompute;
pub(crate) mod replay;
pub(crate) mod results;
pub(crate) mod run;
pub(crate) mod start_list;
