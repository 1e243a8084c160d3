//! Where to keep things, as written on the command line.

use std::path::PathBuf;
use std::str::FromStr;

/// A store by its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    /// `sqlite:PATH`: one file, made when absent.
    Sqlite(PathBuf),
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.trim_start_matches("//").is_empty() => {
                Ok(Self::Sqlite(PathBuf::from(path.strip_prefix("//").unwrap_or(path))))
            }
            _ => Err(format!("{text:?} is no store; use sqlite:PATH, for example sqlite:./race.db")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_may_be_relative_or_absolute() {
        let path = |url: &str| url.parse().map(|StoreUrl::Sqlite(path)| path.display().to_string());
        assert_eq!(path("sqlite:./race.db").as_deref(), Ok("./race.db"));
        assert_eq!(path("sqlite:/tmp/race.db").as_deref(), Ok("/tmp/race.db"));
        assert_eq!(path("sqlite:///tmp/race.db").as_deref(), Ok("/tmp/race.db"));
        assert!(path("race.db").is_err() && path("sqlite:").is_err() && path("mysql:x").is_err());
    }
}
