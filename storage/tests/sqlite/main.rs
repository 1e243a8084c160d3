//! The embedded database against real files.
#![cfg(test)]

#[path = "../support/race_rows.rs"]
#[allow(dead_code, reason = "shared by the tests of both databases")]
mod race_rows;

mod concurrent;
mod course;
mod fixture;
mod opening;
mod positions;
mod records;
mod removal;
mod snapshot;
