//! The live channel: positions to people who may see them, over WebSockets, as they arrive.
//!
//! It knows neither the broker nor the database: the processor feeds it by a [`Hub`].
//!
//! ```text
//!  feeder ─ publish ─▶ Hub ─ one Tick for all ═flume═▶ shard k: Feed (who is where) ─▶ Sessions ─ Outbox ─▶ Wire ─▶ client
//!                                                         ▲
//!  listener ─ admission ─ socket ═════════════flume═══════┘ connection: TLS, request, who it is, upgrade; then its messages
//! ```
//!
//! A shard is a thread with a part of the sessions, and everything of a session happens there, without a lock. A position
//! is encoded once for each event and encoding, by the first shard that needs it, as complete frames; sessions share the
//! bytes, and what a tick brings to one of them leaves in one write.

mod admission;
pub mod auth;
pub mod authz;
mod client;
mod config;
mod connection;
pub mod directory;
pub mod directus;
mod encode;
mod feed;
pub mod fix;
mod frame;
mod hub;
mod incoming;
mod limits;
mod metrics;
mod outbox;
mod protocol;
mod race;
pub mod secret;
mod server;
mod session;
mod sessions;
mod shard;
mod tick;
mod topic;
mod wire;

pub use config::{LiveConfig, Network, NoNetwork};
pub use hub::Hub;
pub use metrics::LiveMetrics;
pub use server::{LiveServer, StartError};
