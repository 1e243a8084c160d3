//! Where the database is, from a URL, and how to get there.

mod tls_mode;
mod url;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, SslNegotiation};

use self::url::Url;

/// A server, a login, a database, and whether the way there is by TLS. The password is never shown.
#[derive(Clone)]
pub struct PostgresEndpoint {
    config: Config,
    tls: Option<tls::Options>,
}

/// What is wrong with a URL; the URL is not repeated, because a password may stand anywhere in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the URL of the database {0}: postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE is expected")]
pub struct EndpointError(&'static str);

impl PostgresEndpoint {
    /// Reads a URL as the Node driver does (`pg` 8 with `pg-connection-string` 2): parts that are missing are
    /// localhost, 5432, and a database named like the user; `?host=`, `?port=`, `?user=` and `?password=` go before
    /// the URL's own places; parameters that neither know are passed over.
    ///
    /// TLS is on with `ssl=true`, or with one of `sslmode`, `sslrootcert`, `sslcert` and `sslkey`, and then the
    /// server must offer it. Certificate and name are checked by every `sslmode` but `disable` and `no-verify`;
    /// with `uselibpqcompat=true` the modes mean what they mean to psql. One departure: `ssl=false` is off.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        Self::parse_with(url, |_| None)
    }

    /// As [`PostgresEndpoint::parse`], with the variables that the driver reads where the URL is silent: PGHOST,
    /// PGPORT, PGUSER (then USER), PGPASSWORD, PGDATABASE, PGAPPNAME, PGOPTIONS, PGCONNECT_TIMEOUT, PGSSLMODE.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse_with(url: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, EndpointError> {
        let url = Url::parse(url)?;
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let of = |own: &str, parameter: &str, name: &str| {
            let own = (!own.is_empty()).then(|| own.to_owned());
            url.parameter(parameter).map(str::to_owned).or(own).or_else(|| variable(name))
        };

        let mut config = Config::new();
        config.host(of(&url.host, "host", "PGHOST").unwrap_or_else(|| "localhost".to_owned()));
        config.port(match of(&url.port, "port", "PGPORT").map(|port| port.parse::<u16>()) {
            None => 5432,
            Some(Ok(port)) if port > 0 => port,
            Some(_) => return Err(EndpointError("has a port that is no number from 1 to 65535")),
        });
        let user = of(&url.user, "user", "PGUSER").or_else(|| variable("USER"));
        let user = user.ok_or(EndpointError("has no user"))?;
        if let Some(password) = of(&url.password, "password", "PGPASSWORD") {
            config.password(password);
        }
        // The driver forgets a `?database=`.
        let database = Some(url.database.clone()).filter(|name| !name.is_empty());
        config.dbname(database.or_else(|| variable("PGDATABASE")).unwrap_or_else(|| user.clone()));
        config.user(user);
        if let Some(name) = of("", "application_name", "PGAPPNAME")
            .or_else(|| url.parameter("fallback_application_name").map(str::to_owned))
        {
            config.application_name(name);
        }
        if let Some(options) = options(&url, of("", "options", "PGOPTIONS")) {
            config.options(options);
        }
        if let Some(seconds) = of("", "connect_timeout", "PGCONNECT_TIMEOUT") {
            let seconds = seconds.parse::<u32>();
            match seconds.map_err(|_| EndpointError("has a connect_timeout that is no number of seconds"))? {
                0 => {}
                seconds => drop(config.connect_timeout(Duration::from_secs(seconds.into()))),
            }
        }
        let tls = tls_mode::of(&url, variable("PGSSLMODE").as_deref())?;
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        match url.parameter("sslnegotiation") {
            None | Some("postgres") => {}
            Some("direct") if tls.is_some() => drop(config.ssl_negotiation(SslNegotiation::Direct)),
            Some("direct") => return Err(EndpointError("asks for sslnegotiation=direct without TLS")),
            Some(_) => {
                return Err(EndpointError("has an sslnegotiation that is neither postgres nor direct"));
            }
        }
        Ok(Self { config, tls })
    }

    /// Trusts the roots in a PEM file as well; without effect where no TLS is asked for.
    #[must_use]
    pub fn trusting(mut self, roots: impl Into<PathBuf>) -> Self {
        if let Some(tls) = &mut self.tls {
            tls.extra_roots.push(roots.into());
        }
        self
    }

    /// Uses TLS as `options` say; the server must offer it.
    #[must_use]
    pub fn with_tls(mut self, options: tls::Options) -> Self {
        self.config.ssl_mode(SslMode::Require);
        self.tls = Some(options);
        self
    }

    /// How to connect, but for TLS. Its `Debug` leaves the password out.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// For what only the caller can say, such as a timeout.
    pub fn config_mut(&mut self) -> &mut Config {
        &mut self.config
    }

    /// How TLS is done; `None` for a connection without.
    pub fn tls(&self) -> Option<&tls::Options> {
        self.tls.as_ref()
    }

    /// What makes TLS connections; `None` for connections without. Reads the files anew.
    pub(super) fn connector(&self) -> Result<Option<tokio_postgres_rustls::MakeRustlsConnect>, tls::Error> {
        let Some(options) = &self.tls else { return Ok(None) };
        let mut config = tls::client_config(options)?;
        if self.config.get_ssl_negotiation() == SslNegotiation::Direct {
            // The server takes a handshake out of the blue only with this name in it.
            config.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        Ok(Some(tokio_postgres_rustls::MakeRustlsConnect::new(config)))
    }
}

/// What the driver sends as parameters of the session travels as options.
fn options(url: &Url, own: Option<String>) -> Option<String> {
    let mut options = own;
    for name in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"] {
        if let Some(millis) = url.parameter(name).and_then(|value| value.parse::<u32>().ok()) {
            let before = options.map(|options| options + " ").unwrap_or_default();
            options = Some(format!("{before}-c {name}={millis}"));
        }
    }
    options
}

/// A connection without TLS, as the configuration says.
impl From<Config> for PostgresEndpoint {
    fn from(config: Config) -> Self {
        Self { config, tls: None }
    }
}

impl fmt::Display for PostgresEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.config.get_user().unwrap_or_default();
        let password = if self.config.get_password().is_some() { ":***" } else { "" };
        write!(f, "postgresql://{user}{password}@")?;
        match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) if host.contains(':') => write!(f, "[{host}]")?,
            Some(Host::Tcp(host)) => f.write_str(host)?,
            #[cfg(unix)]
            Some(Host::Unix(path)) => write!(f, "{}", path.display())?,
            None => {}
        }
        let port = self.config.get_ports().first().copied().unwrap_or(5_432);
        write!(f, ":{port}/{}", self.config.get_dbname().unwrap_or(user))?;
        match self.tls.as_ref().map(|tls| tls.verify) {
            None => Ok(()),
            Some(tls::Verify::Full) => f.write_str("?sslmode=verify-full"),
            Some(tls::Verify::Chain) => f.write_str("?sslmode=verify-ca&uselibpqcompat=true"),
            Some(tls::Verify::None) => f.write_str("?sslmode=no-verify"),
        }
    }
}

impl fmt::Debug for PostgresEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresEndpoint({self})")
    }
}
