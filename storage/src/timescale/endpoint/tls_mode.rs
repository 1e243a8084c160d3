//! What the parameters of a URL say about TLS, as the Node driver reads them.

use tls::{Identity, Options, Verify};

use super::EndpointError;
use super::url::Url;

/// How TLS is done; `None` for a connection without. `default_mode` is PGSSLMODE.
pub(super) fn of(url: &Url, default_mode: Option<&str>) -> Result<Option<Options>, EndpointError> {
    let [mode, roots, certificate, key] =
        ["sslmode", "sslrootcert", "sslcert", "sslkey"].map(|name| url.parameter(name));
    if [mode, roots, certificate, key].iter().all(Option::is_none) {
        return Ok(switch(url, default_mode).map(checking));
    }
    let as_libpq = url.parameter("uselibpqcompat") == Some("true");
    let verify = match mode {
        Some("disable") => return Ok(None),
        Some("prefer") if as_libpq => Verify::None,
        Some("require") if as_libpq => {
            if roots.is_some() {
                Verify::Chain
            } else {
                Verify::None
            }
        }
        Some("verify-ca") if as_libpq => {
            if roots.is_none() {
                return Err(EndpointError("asks for sslmode=verify-ca without sslrootcert"));
            }
            Verify::Chain
        }
        Some("no-verify") if !as_libpq => Verify::None,
        // The driver's word for everything else, a mode that it does not know included.
        _ => Verify::Full,
    };
    let identity = match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(Identity { certificate: certificate.into(), key: key.into() }),
        _ => return Err(EndpointError("has one of sslcert and sslkey without the other")),
    };
    Ok(Some(Options { verify, roots: roots.map(Into::into), identity, ..Options::default() }))
}

fn checking(verify: Verify) -> Options {
    Options { verify, ..Options::default() }
}

/// Without a word on modes or files: on or off.
fn switch(url: &Url, default_mode: Option<&str>) -> Option<Verify> {
    match url.parameter("ssl") {
        // To the driver `false` is a text like any other, and so on; nobody who writes it means that.
        Some("0" | "false") => None,
        Some("no-verify") => Some(Verify::None),
        Some(_) => Some(Verify::Full),
        None if url.parameter("sslnegotiation") == Some("direct") => Some(Verify::Full),
        None => match default_mode {
            Some("prefer" | "require" | "verify-ca" | "verify-full") => Some(Verify::Full),
            Some("no-verify") => Some(Verify::None),
            _ => None,
        },
    }
}
