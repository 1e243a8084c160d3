//! Positions in a real PostgreSQL.
#![cfg(test)]

#[path = "../support/postgres.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with an example")]
mod postgres;

mod duplicates;
mod encoding;
mod fixture;
mod hypertable;
mod lost;
mod oracle;
mod positions;
mod proxy;
mod schema;
mod tls;
mod writers;
