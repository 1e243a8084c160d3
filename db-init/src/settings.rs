//! What the environment says.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use tls::Verify;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

/// Where the server is, what to apply, and how long to wait.
pub(crate) struct Settings {
    /// How to connect. Its `Debug` leaves the password out, and nothing here hands it on.
    pub(crate) database: Config,
    /// How TLS is done; `None` for a connection without.
    pub(crate) tls: Option<tls::Options>,
    /// `host:port/database`, for messages.
    pub(crate) target: String,
    /// A folder that replaces the files built in.
    pub(crate) folder: Option<PathBuf>,
    /// For how long a server that does not accept connections is asked again.
    pub(crate) timeout: Duration,
}

impl Settings {
    pub(crate) fn from_environment() -> Result<Settings> {
        Settings::read(|name| std::env::var_os(name))
    }

    /// A variable that is empty counts as not set, as compose files pass what nobody gave.
    fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Settings> {
        let raw = |name: &str| variable(name).filter(|value| !value.is_empty());
        // Never shows a value that is no text: it may be the password.
        let text = |name: &str| {
            raw(name).map(|value| value.into_string().map_err(|_| anyhow!("{name} is not UTF-8"))).transpose()
        };
        let required = |name: &str| text(name)?.with_context(|| format!("{name} is not set"));

        let host = text("DB_HOST")?.unwrap_or_else(|| "localhost".to_owned());
        let port = match text("DB_PORT")? {
            None => 5432,
            Some(value) => match value.parse::<u16>() {
                Ok(port) if port > 0 => port,
                _ => bail!("DB_PORT is {value:?}, not a port number"),
            },
        };
        let (user, name) = (required("DB_USER")?, required("DB_DATABASE")?);
        let timeout = match text("DB_INIT_TIMEOUT_SECONDS")? {
            None => Duration::from_secs(60),
            Some(value) => value
                .parse::<u32>()
                .map(|seconds| Duration::from_secs(seconds.into()))
                .map_err(|_| anyhow!("DB_INIT_TIMEOUT_SECONDS is {value:?}, not a number of seconds"))?,
        };

        let mut database = Config::new();
        database.host(&host).port(port).user(&user).dbname(&name).application_name("db-init");
        if let Some(password) = text("DB_PASSWORD")? {
            database.password(password);
        }
        let roots = raw("DB_SSLROOTCERT").map(PathBuf::from);
        let verify = match text("DB_SSLMODE")?.as_deref() {
            None if roots.is_none() => None,
            None | Some("prefer" | "require" | "verify-ca" | "verify-full") => Some(Verify::Full),
            Some("no-verify") => Some(Verify::None),
            Some("disable") => None,
            Some(mode) => bail!(
                "DB_SSLMODE is {mode:?}, not one of disable, no-verify, prefer, require, verify-ca, verify-full"
            ),
        };
        let extra_roots: Vec<PathBuf> = raw("TLS_CA_FILE").map(PathBuf::from).into_iter().collect();
        let tls = verify.map(|verify| tls::Options { verify, roots, extra_roots, identity: None });
        database.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        let folder = raw("DB_INIT_DIR").map(PathBuf::from);
        Ok(Settings { database, tls, target: format!("{host}:{port}/{name}"), folder, timeout })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings> {
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), OsString::from(v))).collect();
        Settings::read(|name| pairs.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()))
    }

    #[test]
    fn defaults_and_empty_values() {
        let settings =
            read(&[("DB_USER", "u"), ("DB_DATABASE", "d"), ("DB_PORT", ""), ("DB_PASSWORD", "")]).unwrap();
        assert_eq!(settings.target, "localhost:5432/d");
        assert_eq!(settings.timeout, Duration::from_secs(60));
        assert_eq!(settings.database.get_password(), None);
        assert_eq!(settings.folder, None);
        assert_eq!(settings.tls, None);
    }

    #[test]
    fn tls_is_as_in_the_url_of_the_processor() {
        let tls = |pairs: &[(&str, &str)]| {
            let settings = read(&[&[("DB_USER", "u"), ("DB_DATABASE", "d")], pairs].concat()).unwrap();
            let demanded = settings.database.get_ssl_mode() == SslMode::Require;
            assert_eq!(demanded, settings.tls.is_some(), "never without where it was asked for");
            settings.tls
        };
        assert_eq!(tls(&[("DB_SSLMODE", "disable"), ("DB_SSLROOTCERT", "/ca.pem")]), None);
        for mode in ["prefer", "require", "verify-ca", "verify-full"] {
            assert_eq!(tls(&[("DB_SSLMODE", mode)]).unwrap().verify, Verify::Full, "{mode}");
        }
        assert_eq!(tls(&[("DB_SSLMODE", "no-verify")]).unwrap().verify, Verify::None);
        let by_roots = tls(&[("DB_SSLROOTCERT", "/ca.pem"), ("TLS_CA_FILE", "/more.pem")]).unwrap();
        assert_eq!(by_roots.verify, Verify::Full);
        assert_eq!(by_roots.roots, Some("/ca.pem".into()));
        assert_eq!(by_roots.extra_roots, [PathBuf::from("/more.pem")]);
    }

    #[test]
    fn a_wrong_value_is_named() {
        let message = |pairs: &[(&str, &str)]| format!("{:#}", read(pairs).err().unwrap());
        assert_eq!(message(&[("DB_DATABASE", "d")]), "DB_USER is not set");
        assert_eq!(message(&[("DB_PORT", "0")]), "DB_PORT is \"0\", not a port number");
        let mode = [("DB_USER", "u"), ("DB_DATABASE", "d"), ("DB_SSLMODE", "sometimes")];
        assert!(message(&mode).starts_with("DB_SSLMODE is \"sometimes\", not one of disable, "));
        let late = [("DB_USER", "u"), ("DB_DATABASE", "d"), ("DB_INIT_TIMEOUT_SECONDS", "soon")];
        assert_eq!(message(&late), "DB_INIT_TIMEOUT_SECONDS is \"soon\", not a number of seconds");
    }
}
