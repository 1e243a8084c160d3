//! A URL taken apart as the Node driver takes it apart.

use super::EndpointError;

/// What `decodeURI`, which the driver uses for the database, leaves encoded.
const RESERVED: &[u8] = b";/?:@&=+$,#";

/// The parts, decoded; what is not there is empty.
pub(super) struct Url {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) host: String,
    pub(super) port: String,
    pub(super) database: String,
    parameters: Vec<(String, String)>,
}

impl Url {
    pub(super) fn parse(url: &str) -> Result<Self, EndpointError> {
        let url = url.trim();
        let percent = Percent::of(url);
        let (scheme, rest) = url.split_once("://").ok_or(EndpointError("has no scheme"))?;
        if !["postgres", "postgresql"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(EndpointError("has a scheme that is neither postgres nor postgresql"));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = place.rsplit_once('@').unwrap_or(("", place));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (host, port) = match place.strip_prefix('[') {
            Some(place) => {
                let (host, port) =
                    place.split_once(']').ok_or(EndpointError("has an address without its ]"))?;
                (host, port.strip_prefix(':').unwrap_or(port))
            }
            None => place.split_once(':').unwrap_or((place, "")),
        };
        let parameters = query.split('&').filter_map(|pair| pair.split_once('='));
        Ok(Self {
            user: percent.decoded(user, b"")?,
            password: percent.decoded(password, b"")?,
            host: percent.decoded(host, b"")?,
            port: port.to_owned(),
            database: percent.decoded(path, RESERVED)?,
            parameters: parameters.map(|(name, value)| (form_decoded(name), form_decoded(value))).collect(),
        })
    }

    /// A parameter that has a value; of several the last.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().rev().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// How a % is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Percent {
    /// Two hexadecimal digits follow.
    Strict,
    /// Somewhere in the URL stands a blank, or a % that means itself: then only two decimal digits make a byte.
    Lenient,
}

impl Percent {
    fn of(url: &str) -> Self {
        let alone = url.bytes().enumerate().filter(|(_, byte)| *byte == b'%').any(|(at, _)| {
            let digits = url.as_bytes().get(at + 1..).unwrap_or_default();
            digits.iter().take(2).any(|digit| !digit.is_ascii_hexdigit())
        });
        if alone || url.contains(' ') { Self::Lenient } else { Self::Strict }
    }

    fn decoded(self, text: &str, kept: &[u8]) -> Result<String, EndpointError> {
        const WRONG: EndpointError =
            EndpointError("has a % that is not followed by two digits of a UTF-8 byte");
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            let coded = if byte == b'%' { hex(after) } else { None };
            match coded {
                Some(coded) if !kept.contains(&coded) && (self == Self::Strict || is_decimal(after)) => {
                    bytes.push(coded);
                    rest = &after[2..];
                }
                None if byte == b'%' && self == Self::Strict => return Err(WRONG),
                _ => {
                    bytes.push(byte);
                    rest = after;
                }
            }
        }
        String::from_utf8(bytes).map_err(|_| WRONG)
    }
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit =
        |n: usize| char::from(*digits.get(n)?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(0)? * 16 + digit(1)?)
}

fn is_decimal(digits: &[u8]) -> bool {
    digits.iter().take(2).all(u8::is_ascii_digit)
}

/// As the value of a form: + is a blank, and what is no code stays as it is.
fn form_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, hex(after)) {
            (b'%', Some(coded)) => {
                bytes.push(coded);
                rest = &after[2..];
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
