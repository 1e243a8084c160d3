//! Where the broker is, from a URL.

use std::fmt;
use std::path::PathBuf;

/// A broker, a login and a database. The password is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address, without the brackets of IPv6.
    pub host: String,
    /// The port, by default 6379.
    pub port: u16,
    /// The number of the database, by default 0.
    pub database: u32,
    /// Whether the URL asks for TLS.
    pub tls: bool,
    /// The user; empty for the default one.
    username: String,
    /// The password; empty for no login.
    password: String,
    /// How TLS is done, where it is.
    tls_options: tls::Options,
}

/// What is wrong with a URL; the URL is not repeated, because a password may stand anywhere in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the URL of the broker {0}: redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE] is expected")]
pub struct EndpointError(&'static str);

impl Endpoint {
    /// Reads a URL as the Node driver does: user and password are percent-decoded, a user without a password is
    /// no login, and `?db=`, `?username=` and `?password=` count where the URL's own place is empty.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = url.trim().split_once("://").ok_or(EndpointError("has no scheme"))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "redis" => false,
            "rediss" => true,
            _ => return Err(EndpointError("has a scheme that is neither redis nor rediss")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        // The last @ and only then the first slash: a password may contain either.
        let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (place, path) = place.split_once('/').unwrap_or((place, ""));
        let (username, password) = login.split_once(':').unwrap_or((login, ""));
        let (host, port) = host_and_port(place)?;
        let mut endpoint = Self {
            host: host.to_owned(),
            port,
            database: 0,
            tls,
            username: decoded(username)?,
            password: decoded(password)?,
            tls_options: tls::Options::default(),
        };
        let mut database = decoded(path.trim_end_matches('/'))?;
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let own = match name {
                "db" => &mut database,
                "username" => &mut endpoint.username,
                "password" => &mut endpoint.password,
                _ => continue,
            };
            if own.is_empty() {
                *own = decoded(value)?;
            }
        }
        if !database.is_empty() {
            endpoint.database =
                database.parse().map_err(|_| EndpointError("has a database that is no number"))?;
        }
        Ok(endpoint)
    }

    /// Host and port, for messages and for connecting.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Trusts the roots in a PEM file as well, where TLS is used.
    #[must_use]
    pub fn trusting(mut self, roots: impl Into<PathBuf>) -> Self {
        self.tls_options.extra_roots.push(roots.into());
        self
    }

    /// How TLS is done; `None` for a connection without.
    pub fn tls_options(&self) -> Option<&tls::Options> {
        self.tls.then_some(&self.tls_options)
    }

    /// The URL for a person who checks it: with the user and without the password. A user without a password,
    /// which is no login, may be a password in the wrong place and is left out.
    pub fn redacted(&self) -> String {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let login = if self.password.is_empty() { String::new() } else { format!("{}:***@", self.username) };
        format!("{scheme}://{login}{}/{}", self.address(), self.database)
    }

    /// The arguments of AUTH; `None` for no login.
    pub(crate) fn login(&self) -> Option<Vec<&[u8]>> {
        match (self.username.as_str(), self.password.as_str()) {
            (_, "") => None,
            ("", password) => Some(vec![b"AUTH", password.as_bytes()]),
            (username, password) => Some(vec![b"AUTH", username.as_bytes(), password.as_bytes()]),
        }
    }
}

fn host_and_port(place: &str) -> Result<(&str, u16), EndpointError> {
    const PORT: EndpointError = EndpointError("has a port that is no number from 1 to 65535");
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(EndpointError("has an address without its ]"))?;
            (host, rest.strip_prefix(':').unwrap_or(rest))
        }
        None => place.split_once(':').unwrap_or((place, "")),
    };
    let host = if host.is_empty() { "localhost" } else { host };
    let port = if port.is_empty() { 6379 } else { port.parse().map_err(|_| PORT)? };
    if port == 0 { Err(PORT) } else { Ok((host, port)) }
}

fn decoded(text: &str) -> Result<String, EndpointError> {
    const WRONG: EndpointError = EndpointError("has a % that is not followed by two digits of a UTF-8 byte");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = after.split_at_checked(2).ok_or(WRONG)?;
        let digit = |n: usize| char::from(digits[n]).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(0).ok_or(WRONG)? * 16 + digit(1).ok_or(WRONG)?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| WRONG)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        write!(f, "{scheme}://{}/{}", self.address(), self.database)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_node_driver_reads() {
        for (url, shown, login) in [
            ("redis://", "redis://localhost:6379/0", None),
            ("redis://redis:6380/3", "redis://redis:6380/3", None),
            ("rediss://h/", "rediss://h:6379/0", None),
            ("redis://[::1]:7000", "redis://[::1]:7000/0", None),
            ("redis://:p%40ss@h", "redis://h:6379/0", Some(vec!["AUTH", "p@ss"])),
            ("redis://u:p/a@b@h/1", "redis://h:6379/1", Some(vec!["AUTH", "u", "p/a@b"])),
            ("redis://u@h", "redis://h:6379/0", None),
            ("redis://h?db=4&password=x&family=6", "redis://h:6379/4", Some(vec!["AUTH", "x"])),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!(endpoint.to_string(), shown, "{url}");
            let login = login.map(|words| words.iter().map(|word| word.as_bytes().to_vec()).collect());
            let own: Option<Vec<Vec<u8>>> =
                endpoint.login().map(|words| words.iter().map(|word| word.to_vec()).collect());
            assert_eq!(own, login, "{url}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let endpoint = Endpoint::parse("redis://user:hunter2@h").unwrap();
        assert!(!format!("{endpoint} {endpoint:?} {endpoint:#?}").contains("hunter2"));
        for url in
            ["hunter2", "redis://:hunter2%@h", "redis://:hunter2@h:0", "redis://:hunter2@h/x", "x://hunter2"]
        {
            let error = Endpoint::parse(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}");
        }
    }
}
