//! Where Directus is.

use std::fmt;

use hyper::Uri;
use hyper::http::uri::Scheme;

use crate::directus::DirectusError;

/// An origin and a path before every call's own, without a slash at its end.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl(Box<str>);

impl BaseUrl {
    /// Reads `http://host:port/prefix` or the like with `https`.
    ///
    /// # Errors
    /// It has another scheme, no host, a login, a query or a fragment, or is no URL.
    pub(crate) fn parse(text: &str) -> Result<Self, DirectusError> {
        // The library drops a fragment without a word.
        if text.contains('#') {
            return Err(DirectusError::Url("it has a fragment"));
        }
        let uri: Uri = text.trim().parse().map_err(|_| DirectusError::Url("it is no URL"))?;
        let scheme = uri.scheme().filter(|scheme| [&Scheme::HTTP, &Scheme::HTTPS].contains(scheme));
        let Some((scheme, authority)) = scheme.zip(uri.authority()) else {
            return Err(DirectusError::Url("it does not begin with http:// or https://"));
        };
        if authority.host().is_empty() {
            return Err(DirectusError::Url("it names no host"));
        }
        if authority.as_str().contains('@') {
            return Err(DirectusError::Url("it has a login: callers' own credentials are sent there"));
        }
        if uri.query().is_some() {
            return Err(DirectusError::Url("it has a query"));
        }
        Ok(Self(format!("{scheme}://{authority}{}", uri.path().trim_end_matches('/')).into()))
    }

    /// Whether credentials go there in the clear.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.starts_with("http://")
    }

    /// The URL of a path that begins with a slash.
    pub(crate) fn join(&self, path: &str) -> Result<Uri, hyper::http::uri::InvalidUri> {
        format!("{}{path}", self.0).parse()
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_ports_and_addresses_are_kept() {
        for (base, joined) in [
            ("http://directus:8055", "http://directus:8055/users/me"),
            ("http://directus:8055/", "http://directus:8055/users/me"),
            ("HTTPS://Race.example/a/b//", "https://Race.example/a/b/users/me"),
            ("http://[::1]:80/cms", "http://[::1]:80/cms/users/me"),
            (" http://10.0.0.1 ", "http://10.0.0.1/users/me"),
        ] {
            assert_eq!(
                BaseUrl::parse(base).unwrap().join("/users/me").unwrap().to_string(),
                joined,
                "{base}"
            );
        }
    }

    #[test]
    fn what_is_no_place_for_calls_is_refused_without_being_shown() {
        for text in [
            "",
            "directus:8055",
            "/cms",
            "ftp://directus",
            "http://",
            "http://secret-login@directus",
            "http://u:secret-login@directus/x",
            "http://directus/?token=secret-login",
            "http://directus/#secret-login",
            "http://dir ectus",
        ] {
            let error = BaseUrl::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret-login"), "{error}");
        }
    }
}
