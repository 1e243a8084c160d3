//! Whom a request comes from: the address behind trusted proxies, the host it was for, and whether its origin may use a
//! cookie.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{HOST, HeaderName, ORIGIN};

use crate::config::Network;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// The elements of a list that may be spread over several lines, from the last to the first: the nearest proxy's first.
fn backwards<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    let mut elements: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    elements.reverse();
    elements
}

/// The nearest address on the way that is no trusted proxy's. Whoever writes more of them before it convinces nobody.
pub(crate) fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let mut address = peer;
    for element in backwards(headers, &FORWARDED_FOR) {
        if !is_trusted(address, trusted) {
            break;
        }
        let Some(next) = with_or_without_port(element) else { break };
        address = next;
    }
    address
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn with_or_without_port(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next());
    let parsed = bare.unwrap_or(text).parse();
    parsed.ok().or_else(|| text.rsplit_once(':').and_then(|(address, _)| address.parse().ok()))
}

/// The host, with its port where it has one, that the request was for.
fn host<'a>(peer: IpAddr, headers: &'a HeaderMap, trusted: &[Network]) -> Option<&'a str> {
    let forwarded = is_trusted(peer, trusted).then(|| backwards(headers, &FORWARDED_HOST));
    let forwarded = forwarded.and_then(|hosts| hosts.into_iter().find(|host| !host.is_empty()));
    forwarded.or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()))
}

/// Scheme, host and port of an origin.
fn parts(origin: &str) -> Option<(&str, &str, u16)> {
    let (scheme, rest) = origin.split_once("://")?;
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let (host, port) = host_and_port(rest)?;
    Some((scheme, host, port.unwrap_or(default_port)))
}

fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let colon = text.rfind(':').filter(|&at| !text[at..].contains(']'));
    match colon {
        Some(at) => Some((&text[..at], Some(text[at + 1..].parse().ok()?))),
        None => Some((text, None)),
    }
}

/// Whether a request may be made with a cookie: its one origin is that of the host it was for, or is listed. A browser
/// sends cookies with every site's requests, but says whose.
pub(crate) fn may_use_cookie(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted: &[Network],
    allowed_origins: &[String],
) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next().and_then(|origin| origin.to_str().ok()), origins.next())
    else {
        return false;
    };
    let Some((scheme, name, port)) = parts(origin) else { return false };
    let is =
        |other: (&str, &str, u16)| scheme == other.0 && name.eq_ignore_ascii_case(other.1) && port == other.2;
    if allowed_origins.iter().any(|allowed| parts(allowed.trim_end_matches('/')).is_some_and(is)) {
        return true;
    }
    // Which scheme the request came by is known to a proxy only: the port tells as much.
    let own = host(peer, headers, trusted).and_then(host_and_port);
    let default_port = if scheme == "http" { 80 } else { 443 };
    own.is_some_and(|(own, own_port)| is((scheme, own, own_port.unwrap_or(default_port))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = lines.iter().map(|(name, value)| {
            (HeaderName::from_static(name), hyper::header::HeaderValue::from_static(value))
        });
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Vec<Network> = vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        for (peer, forwarded, expected) in [
            ("192.0.2.9", "203.0.113.5", "192.0.2.9"),
            ("10.0.0.1", "203.0.113.5", "203.0.113.5"),
            ("10.0.0.1", "198.51.100.1, 203.0.113.5, 10.0.0.2", "203.0.113.5"),
            ("::1", "2001:db8::7", "2001:db8::7"),
            ("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
            ("10.0.0.1", "203.0.113.5:4711", "203.0.113.5"),
            ("10.0.0.1", "unknown", "10.0.0.1"),
            ("10.0.0.1", "10.0.0.3", "10.0.0.3"),
        ] {
            let found = address(ip(peer), &headers(&[("x-forwarded-for", forwarded)]), &trusted);
            assert_eq!(found, ip(expected), "{peer} {forwarded}");
        }
        let two_lines = headers(&[("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "203.0.113.5")]);
        assert_eq!(address(ip("10.0.0.1"), &two_lines, &trusted), ip("203.0.113.5"));
    }

    #[test]
    fn a_cookie_is_for_ones_own_pages() {
        let trusted: Vec<Network> = vec!["10.0.0.0/8".parse().unwrap()];
        let allowed = vec!["https://app.example:8443".to_owned()];
        let may = |peer: &str, lines: &[(&'static str, &'static str)]| {
            may_use_cookie(ip(peer), &headers(lines), &trusted, &allowed)
        };
        assert!(may("192.0.2.1", &[("host", "live.example"), ("origin", "https://live.example")]));
        assert!(may("192.0.2.1", &[("host", "LIVE.example:443"), ("origin", "https://live.example")]));
        assert!(may("192.0.2.1", &[("host", "live.example:8080"), ("origin", "http://live.example:8080")]));
        assert!(may("192.0.2.1", &[("host", "other"), ("origin", "https://app.example:8443")]));
        assert!(may(
            "10.0.0.1",
            &[
                ("host", "inner:8081"),
                ("x-forwarded-host", "live.example"),
                ("origin", "https://live.example")
            ]
        ));
        for refused in [
            &[("host", "live.example")][..],
            &[("host", "live.example"), ("origin", "null")],
            &[("host", "live.example"), ("origin", "https://evil.example")],
            &[("host", "live.example"), ("origin", "https://live.example.evil")],
            &[("host", "live.example"), ("origin", "https://live.example:444")],
            &[
                ("host", "live.example"),
                ("origin", "https://live.example"),
                ("origin", "https://live.example"),
            ],
            &[("host", "live.example"), ("origin", "https://app.example")],
            // Not a proxy's word.
            &[("host", "a"), ("x-forwarded-host", "live.example"), ("origin", "https://live.example")],
        ] {
            assert!(!may("192.0.2.1", refused), "{refused:?}");
        }
    }
}
