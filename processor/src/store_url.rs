//! Where to keep things, as written on the command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A store by its URL. `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    /// `sqlite:PATH`: one file, made when absent.
    Sqlite(PathBuf),
    /// `postgres`: the database that `POSTGRES_URL` names.
    Platform,
    /// The URL of a PostgreSQL database. Read later: what cannot be read as one must not be repeated, because a
    /// password may stand in it.
    Postgres(String),
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Platform | Self::Postgres(_) => f.write_str("postgres"),
        }
    }
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.trim_start_matches("//").is_empty() => {
                Ok(Self::Sqlite(PathBuf::from(path.strip_prefix("//").unwrap_or(path))))
            }
            _ if text == "postgres" => Ok(Self::Platform),
            _ if text.starts_with("postgres") || text.contains('@') => Ok(Self::Postgres(text.to_owned())),
            _ => Err("that is no store; use sqlite:PATH, for example sqlite:./race.db".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_may_be_relative_or_absolute() {
        let path = |url: &str| match url.parse() {
            Ok(StoreUrl::Sqlite(path)) => path.display().to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(path("sqlite:./race.db"), "./race.db");
        assert_eq!(path("sqlite:/tmp/race@home.db"), "/tmp/race@home.db");
        assert_eq!(path("sqlite:///tmp/race.db"), "/tmp/race.db");
        for wrong in ["race.db", "sqlite:", "mysql:x"] {
            assert!(wrong.parse::<StoreUrl>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_may_have_a_password_in_it_is_not_shown() {
        for url in ["postgres://u:secret@h/d", "postgresql:/u:secret@h/d", "pg://u:secret@h/d"] {
            let store = url.parse::<StoreUrl>();
            assert!(matches!(store, Ok(StoreUrl::Postgres(_))), "{url}");
            assert!(!format!("{store:?}").contains("secret"), "{url}");
        }
        assert_eq!("postgres".parse(), Ok(StoreUrl::Platform));
    }
}
