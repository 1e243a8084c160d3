//! Positions in a real PostgreSQL.
#![cfg(test)]

#[path = "../support/postgres.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with an example")]
mod postgres;
#[path = "../support/race_rows.rs"]
#[allow(dead_code, reason = "shared by the tests of both databases")]
mod race_rows;

mod audience;
mod course;
mod dirty;
mod duplicates;
mod encoding;
mod fence;
mod fixture;
mod hypertable;
mod judged;
mod lease;
mod lost;
mod oracle;
mod positions;
mod proxy;
mod records;
mod schema;
mod snapshot;
mod tables;
mod tls;
mod tracks;
mod writers;
