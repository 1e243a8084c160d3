//! What is wrong with what the program was told.

use std::fmt;

use super::keys::Id;
use super::resolved::Source;

/// How much of a wrong value is repeated.
const SHOWN_CHARS: usize = 80;

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub(crate) enum Problem {
    /// A value is not what it may be. `text` is what was given; `why` what is expected.
    Wrong { id: Id, source: Source, text: String, why: String },
    /// There is no such key.
    Unknown { place: String, name: String, nearest: Option<&'static str> },
    /// A value is needed and nobody gave one.
    Missing(Id),
    /// Something cannot be read at all.
    Unreadable { place: String, what: String },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong { id, source, text, why } => {
                let key = id.key();
                match source {
                    Source::Environment => write!(f, "{} ({})", key.env, key.name)?,
                    source => write!(f, "{source}: {}", key.name)?,
                }
                if !key.kind.is_public() {
                    return write!(f, ": {why}");
                }
                let shown: String = text.chars().take(SHOWN_CHARS).collect();
                let cut = if shown.len() < text.len() { "…" } else { "" };
                write!(f, " is {shown:?}{cut}: {why}")
            }
            Self::Unknown { place, name, nearest } => {
                write!(f, "{place}: unknown key {name:?}")?;
                nearest.map_or(Ok(()), |key| write!(f, "; the nearest known one is {key:?}"))
            }
            Self::Missing(id) => {
                let key = id.key();
                write!(f, "{} is not set; in the file it is {:?}", key.env, key.name)?;
                key.flag.map_or(Ok(()), |flag| write!(f, ", on the command line {flag}"))
            }
            Self::Unreadable { place, what } => write!(f, "{place}: {what}"),
        }
    }
}

/// Everything that is wrong, one a line.
#[derive(Debug)]
pub(crate) struct ConfigErrors(pub(super) Vec<Problem>);

impl ConfigErrors {
    /// One by one.
    pub(crate) fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
