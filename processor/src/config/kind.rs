//! What a value may be, and reading it from text.

use std::fmt;
use std::net::IpAddr;

use pipeline::source::redis::Endpoint;
use storage::timescale::PostgresEndpoint;

use super::secret::{HttpUrl, Secret};

/// Names end up in keys of the broker and in its listings.
const MAX_NAME_CHARS: usize = 200;

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A name of printable characters without blanks.
    Name,
    /// A name or an address to listen on.
    Host,
    /// A whole number from `min` to `max`.
    Integer {
        unit: &'static str,
        min: u64,
        max: u64,
    },
    /// On or off.
    Switch,
    /// One of these words; the second of each pair is what it stands for.
    Choice(&'static [(&'static str, &'static str)]),
    RedisUrl,
    PostgresUrl,
    HttpUrl,
    /// Never shown.
    Secret,
    /// The path of a file.
    File,
    /// Origins of web pages, parted by commas.
    Origins,
    /// Addresses and networks, parted by commas.
    Networks,
}

/// A value that was read. What it shows of itself is fit for everybody.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Integer(u64),
    Switch(bool),
    List(Vec<String>),
    Redis(Endpoint),
    Postgres(Box<PostgresEndpoint>),
    Http(HttpUrl),
    Secret(Secret),
}

impl Kind {
    /// Reads a value; an error says what is wrong or expected and never repeats the text. `variable` is the
    /// environment, which the Node driver for PostgreSQL asks where a URL is silent.
    pub(crate) fn read(self, text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Value, String> {
        let (whole, text) = (text, text.trim());
        let expected = || format!("{} is expected", self.allowed());
        match self {
            Self::Name => {
                let fits = (1..=MAX_NAME_CHARS).contains(&text.chars().count())
                    && !text.contains(|c: char| c.is_whitespace() || c.is_control());
                fits.then(|| Value::Text(text.to_owned())).ok_or_else(expected)
            }
            Self::Host => {
                let address = text.trim_start_matches('[').trim_end_matches(']');
                let fits = address.parse::<IpAddr>().is_ok()
                    || !address.is_empty()
                        && address.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
                fits.then(|| Value::Text(address.to_owned())).ok_or_else(expected)
            }
            Self::Integer { min, max, .. } => {
                let number = text.parse::<u64>().ok().filter(|number| (min..=max).contains(number));
                number.map(Value::Integer).ok_or_else(expected)
            }
            Self::Switch => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "on" => Ok(Value::Switch(true)),
                "false" | "0" | "off" => Ok(Value::Switch(false)),
                _ => Err(expected()),
            },
            Self::Choice(words) => {
                let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
                found.map(|(_, meant)| Value::Text((*meant).to_owned())).ok_or_else(expected)
            }
            Self::RedisUrl => Endpoint::parse(text).map(Value::Redis).map_err(|error| error.to_string()),
            Self::PostgresUrl => PostgresEndpoint::parse_with(text, variable)
                .map(|endpoint| Value::Postgres(Box::new(endpoint)))
                .map_err(|error| error.to_string()),
            Self::HttpUrl => HttpUrl::parse(text).map(Value::Http).ok_or_else(expected),
            // As it is, blanks and all: another program signs with the same.
            Self::Secret => {
                (!text.is_empty()).then(|| Value::Secret(Secret::new(whole))).ok_or_else(expected)
            }
            Self::File => (!text.is_empty()).then(|| Value::Text(text.to_owned())).ok_or_else(expected),
            Self::Origins => list(text, is_origin).ok_or_else(expected),
            Self::Networks => list(text, is_network).ok_or_else(expected),
        }
    }

    /// What is allowed, in words.
    pub(crate) fn allowed(self) -> String {
        match self {
            Self::Name => format!("a name of 1 to {MAX_NAME_CHARS} characters without blanks"),
            Self::Host => "a host name or an address".to_owned(),
            Self::Integer { unit, min, max } => {
                format!(
                    "a whole number from {min} to {max}{}",
                    if unit.is_empty() { String::new() } else { format!(" ({unit})") }
                )
            }
            Self::Switch => "true, false, 1, 0, on or off".to_owned(),
            Self::Choice(words) => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                format!("one of {}", words.join(", "))
            }
            Self::RedisUrl => {
                "redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS".to_owned()
            }
            Self::PostgresUrl => "postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?sslmode=…]".to_owned(),
            Self::HttpUrl => "http://HOST[:PORT][/PATH] or https://…".to_owned(),
            Self::Secret => "a text that is not empty".to_owned(),
            Self::File => "the path of a file".to_owned(),
            Self::Origins => "origins such as https://race.example, parted by commas".to_owned(),
            Self::Networks => "addresses and networks such as 10.0.0.0/8, parted by commas".to_owned(),
        }
    }

    /// Whether a text that was meant as such a value may be repeated in an error.
    pub(crate) fn is_public(self) -> bool {
        !matches!(self, Self::RedisUrl | Self::PostgresUrl | Self::HttpUrl | Self::Secret)
    }
}

fn list(text: &str, fits: impl Fn(&str) -> bool) -> Option<Value> {
    let items: Vec<&str> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    let all = items.iter().all(|item| fits(item));
    all.then(|| Value::List(items.into_iter().map(str::to_owned).collect()))
}

/// Scheme, host and port, and nothing after it: browsers send exactly that.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).unwrap_or_default();
    !host.is_empty() && !host.contains(|c: char| "/?#@".contains(c) || c.is_whitespace())
}

fn is_network(text: &str) -> bool {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    !text.contains('/') || length.parse::<u8>().is_ok_and(|length| length <= longest)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Switch(on) => write!(f, "{on}"),
            Self::List(items) => f.write_str(&items.join(", ")),
            Self::Redis(endpoint) => f.write_str(&endpoint.redacted()),
            Self::Postgres(endpoint) => write!(f, "{endpoint}"),
            Self::Http(url) => write!(f, "{url}"),
            Self::Secret(secret) => write!(f, "{secret}"),
        }
    }
}

impl Value {
    /// As JSON, as much of it as everybody may see.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Integer(number) => (*number).into(),
            Self::Switch(on) => (*on).into(),
            Self::List(items) => items.clone().into(),
            shown => shown.to_string().into(),
        }
    }
}
