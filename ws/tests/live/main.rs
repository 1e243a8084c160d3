//! The live channel as its clients see it: real sockets, a client of another make, and a stand-in for Directus that
//! answers as it is told.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod browser;
mod contract;
mod delivery;
mod encrypted;
mod limits;
mod node;
mod ours;
mod protocol;
mod rights;
mod slow;
mod support;
