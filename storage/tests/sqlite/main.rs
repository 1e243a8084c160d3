//! The embedded database against real files.
#![cfg(test)]

mod concurrent;
mod course;
mod fixture;
mod opening;
mod positions;
mod records;
mod removal;
