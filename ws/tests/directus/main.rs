//! Who somebody is and what they may see, asked of a real Directus, on good days and, by a proxy before it, on bad ones.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod decisions;
mod https;
mod load;
mod logins;
mod people;
mod proxy;
mod revoked;
mod support;
mod tokens;
mod trouble;
