//! `processor run` as operators run it: the built program between a real Redis and a real PostgreSQL.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a test ends at what it does not expect; each part uses a part of the platform"
)]

mod arbitrary;
mod broker_loss;
mod channel;
mod config;
mod fleet;
mod kill;
mod letters;
mod link;
mod outage;
mod past;
mod platform;
mod poison;
mod recompute;
mod records;
mod sizes;
mod start;
mod state;
mod two;
mod viewer;
mod worker;
