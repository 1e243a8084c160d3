//! What the program is told: defaults, then a TOML file, then the environment, then the command line.
//!
//! `config/keys.rs` is the one table of what can be told; parsing, suggestions, `processor config` and
//! docs/CONFIGURATION.md all come from it.

pub(crate) mod args;
pub(crate) mod environment;
mod file;
pub(crate) mod keys;
pub(crate) mod kind;
pub(crate) mod markdown;
mod nearest;
pub(crate) mod problem;
pub(crate) mod resolved;
pub(crate) mod secret;
pub(crate) mod servers;
pub(crate) mod settings;

#[cfg(test)]
mod tests;

pub(crate) use args::ConfigArgs;
pub(crate) use settings::Settings;
