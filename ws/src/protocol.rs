//! What clients say, and the answers that are no positions.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::encode::{self, Encoding};
use crate::fix::{LiveFix, Seq};
use crate::frame::{self, Kind};
use crate::limits::{CLIENT_ID_CHARS, MAX_HZ, TOPIC_CHARS};
use crate::secret::Secret;

/// A message that was understood.
#[derive(Debug)]
pub(crate) enum Request {
    Subscribe { topic: String, id: Option<ClientId>, wishes: Wishes },
    Unsubscribe { topic: String, id: Option<ClientId> },
    Auth { token: Secret, extensions: bool, id: Option<ClientId> },
}

/// A client's own id for a message, as JSON: it is given back as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientId(Box<str>);

/// What a subscription asks for beyond the contract. All of it is ours.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Wishes {
    /// Frames that the contract does not have are understood.
    pub(crate) extensions: bool,
    /// What came behind this entry is wanted, in place of a snapshot.
    pub(crate) resume_from: Option<Seq>,
    /// The least time between two positions of one device.
    pub(crate) every: Option<Duration>,
    pub(crate) viewport: Option<Viewport>,
    pub(crate) binary: bool,
}

impl Wishes {
    pub(crate) fn encoding(&self) -> Encoding {
        match (self.binary, self.extensions) {
            (true, _) => Encoding::Binary,
            (false, true) => Encoding::Sequenced,
            (false, false) => Encoding::Plain,
        }
    }
}

/// A box on the map; across the 180th meridian when its west is greater than its east. Degrees WGS84.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Viewport {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Viewport {
    pub(crate) fn contains(&self, lat: f64, lon: f64) -> bool {
        let in_lon = if self.west <= self.east {
            (self.west..=self.east).contains(&lon)
        } else {
            lon >= self.west || lon <= self.east
        };
        in_lon && (self.south..=self.north).contains(&lat)
    }
}

/// Why a message was not understood. What it was about is told back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misunderstood {
    pub(crate) topic: Option<String>,
    pub(crate) id: Option<ClientId>,
    pub(crate) message: &'static str,
}

/// Fields that are not known are let pass: a newer client may send some.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(default, rename = "type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(default, borrow)]
    topic: Option<&'a RawValue>,
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
    #[serde(default, borrow)]
    access_token: Option<&'a RawValue>,
    #[serde(default)]
    extensions: Option<serde_json::Value>,
    #[serde(default, borrow)]
    resume_from: Option<&'a RawValue>,
    #[serde(default)]
    max_hz: Option<serde_json::Value>,
    #[serde(default)]
    bbox: Option<serde_json::Value>,
    #[serde(default)]
    encoding: Option<serde_json::Value>,
}

fn string(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

impl Request {
    pub(crate) fn read(text: &[u8]) -> Result<Self, Misunderstood> {
        let nothing = |message| Misunderstood { topic: None, id: None, message };
        let fields: Fields<'_> = serde_json::from_slice(text)
            .map_err(|_| nothing("the message is no JSON object of the protocol"))?;
        let id = match fields.id.map(ClientId::read) {
            Some(Some(id)) => Some(id),
            Some(None) => return Err(nothing("id is neither a number nor a string of up to 128 characters")),
            None => None,
        };
        let topic = string(fields.topic);
        let kind = string(fields.kind);
        let wrong = |message| Misunderstood { topic: topic.clone(), id: id.clone(), message };
        match kind.as_deref() {
            Some("auth") => {
                let token = string(fields.access_token).ok_or_else(|| wrong("access_token is missing"))?;
                let extensions = flag(fields.extensions.as_ref());
                let extensions = extensions.ok_or_else(|| wrong("extensions is neither true nor false"))?;
                Ok(Self::Auth { token: Secret::new(token), extensions, id })
            }
            Some("subscribe") => {
                let wishes = wishes(&fields).map_err(wrong)?;
                let topic = topic.ok_or(Misunderstood {
                    topic: None,
                    id: id.clone(),
                    message: "topic is missing",
                })?;
                Ok(Self::Subscribe { topic, id, wishes })
            }
            Some("unsubscribe") => {
                let topic = topic.ok_or(Misunderstood {
                    topic: None,
                    id: id.clone(),
                    message: "topic is missing",
                })?;
                Ok(Self::Unsubscribe { topic, id })
            }
            _ => Err(wrong("type is none of subscribe, unsubscribe and auth")),
        }
    }
}

impl ClientId {
    fn read(value: &RawValue) -> Option<Self> {
        let text = value.get();
        let is_scalar = text.starts_with(['"', '-']) || text.starts_with(|c: char| c.is_ascii_digit());
        (is_scalar && text.chars().count() <= CLIENT_ID_CHARS + 2).then(|| Self(text.into()))
    }
}

fn flag(value: Option<&serde_json::Value>) -> Option<bool> {
    value.map_or(Some(false), serde_json::Value::as_bool)
}

fn wishes(fields: &Fields<'_>) -> Result<Wishes, &'static str> {
    let mut wishes = Wishes {
        extensions: flag(fields.extensions.as_ref()).ok_or("extensions is neither true nor false")?,
        ..Wishes::default()
    };
    if let Some(seq) = fields.resume_from {
        let seq = string(Some(seq)).and_then(|seq| seq.parse().ok());
        wishes.resume_from = Some(seq.ok_or("resume_from is no seq of a frame")?);
    }
    if let Some(hz) = &fields.max_hz {
        let hz = hz.as_f64().filter(|hz| MAX_HZ.contains(hz)).ok_or("max_hz is not between 0.01 and 50")?;
        wishes.every = Some(Duration::from_secs_f64(1.0 / hz));
    }
    if let Some(bbox) = &fields.bbox {
        wishes.viewport = Some(viewport(bbox).ok_or("bbox is not [west, south, east, north] in degrees")?);
    }
    match fields.encoding.as_ref().map(|encoding| encoding.as_str()) {
        None | Some(Some("json")) => {}
        Some(Some("binary")) => wishes.binary = true,
        Some(_) => return Err("encoding is neither json nor binary"),
    }
    // Whoever asks for any of it knows what is ours.
    wishes.extensions |=
        wishes.resume_from.is_some() || wishes.every.is_some() || wishes.viewport.is_some() || wishes.binary;
    Ok(wishes)
}

fn viewport(value: &serde_json::Value) -> Option<Viewport> {
    let [west, south, east, north] = value.as_array()?.as_slice() else { return None };
    let viewport = Viewport {
        west: west.as_f64()?,
        south: south.as_f64()?,
        east: east.as_f64()?,
        north: north.as_f64()?,
    };
    let in_range = [viewport.west, viewport.east].iter().all(|lon| (-180.0..=180.0).contains(lon))
        && -90.0 <= viewport.south
        && viewport.south <= viewport.north
        && viewport.north <= 90.0;
    in_range.then_some(viewport)
}

/// Codes of error frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    UnknownTopic,
    Forbidden,
    NotFound,
    Error,
    Protocol,
}

impl ErrorCode {
    fn name(self) -> &'static str {
        match self {
            Self::UnknownTopic => "unknown-topic",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::Error => "error",
            Self::Protocol => "protocol",
        }
    }
}

/// A frame that is one JSON object, written field by field.
struct Object<'a>(&'a mut BytesMut);

impl Object<'_> {
    fn frame(kind: &'static str, write: impl FnOnce(&mut Object<'_>)) -> Bytes {
        let mut out = BytesMut::with_capacity(256);
        frame::append(&mut out, Kind::Text, |out| {
            out.put_slice(b"{\"type\":\"");
            out.put_slice(kind.as_bytes());
            out.put_u8(b'"');
            write(&mut Object(out));
            out.put_u8(b'}');
        });
        out.freeze()
    }

    /// A field whose value is JSON already.
    fn raw(&mut self, name: &str, json: &str) {
        self.0.put_slice(b",\"");
        self.0.put_slice(name.as_bytes());
        self.0.put_slice(b"\":");
        self.0.put_slice(json.as_bytes());
    }

    fn text(&mut self, name: &str, text: &str) {
        self.raw(name, &serde_json::Value::from(text).to_string());
    }

    fn id(&mut self, id: Option<&ClientId>) {
        if let Some(ClientId(json)) = id {
            self.raw("id", json);
        }
    }
}

/// `subscribed` with its snapshot; `seq`, for those who know ours, is what can be resumed from.
pub(crate) fn subscribed<'a>(
    topic: &str,
    id: Option<&ClientId>,
    seq: Option<Seq>,
    snapshot: impl IntoIterator<Item = &'a LiveFix>,
) -> Bytes {
    Object::frame("subscribed", |object| {
        object.text("topic", topic);
        object.id(id);
        if let Some(seq) = seq {
            object.text("seq", &seq.to_string());
        }
        object.raw("snapshot", "[");
        for (n, fix) in snapshot.into_iter().enumerate() {
            object.0.put_slice(if n > 0 { b",{" } else { b"{" });
            encode::append_fields(object.0, fix, seq.is_some());
            object.0.put_u8(b'}');
        }
        object.0.put_u8(b']');
    })
}

pub(crate) fn unsubscribed(topic: &str, id: Option<&ClientId>) -> Bytes {
    Object::frame("unsubscribed", |object| {
        object.text("topic", shortened(topic));
        object.id(id);
    })
}

pub(crate) fn error(code: ErrorCode, topic: Option<&str>, id: Option<&ClientId>, message: &str) -> Bytes {
    Object::frame("error", |object| {
        object.text("code", code.name());
        if let Some(topic) = topic {
            object.text("topic", shortened(topic));
        }
        object.id(id);
        object.text("message", message);
    })
}

/// Ours: positions were left out, and what follows is the latest of each device.
pub(crate) fn gap(topic: &str, skipped: u64) -> Bytes {
    Object::frame("gap", |object| {
        object.text("topic", topic);
        object.raw("skipped", &skipped.to_string());
    })
}

/// Ours: what was to be resumed cannot be; a whole snapshot follows.
pub(crate) fn resync(topic: &str, id: Option<&ClientId>) -> Bytes {
    Object::frame("resync", |object| {
        object.text("topic", topic);
        object.id(id);
    })
}

/// Ours: the token was good.
pub(crate) fn authenticated(id: Option<&ClientId>, expires_at_ms: Option<i64>) -> Bytes {
    Object::frame("authenticated", |object| {
        object.id(id);
        if let Some(at) = expires_at_ms {
            object.raw("expires_at", &at.to_string());
        }
    })
}

/// Ours: a fresh token is needed by then.
pub(crate) fn auth_expiring(expires_at_ms: i64) -> Bytes {
    Object::frame("auth-expiring", |object| object.raw("expires_at", &expires_at_ms.to_string()))
}

/// A topic that somebody made up, not longer than is useful.
fn shortened(topic: &str) -> &str {
    topic.char_indices().nth(TOPIC_CHARS).map_or(topic, |(end, _)| &topic[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frame: &Bytes) -> &str {
        let header = match frame[1] {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        std::str::from_utf8(&frame[header..]).unwrap()
    }

    fn id(json: &str) -> Option<ClientId> {
        Some(ClientId(json.into()))
    }

    #[test]
    fn answers_are_what_the_contract_says_to_the_byte() {
        let topic = "event:0b1f6c1e-31e2-4a55-9f0e-6a4f36c4d001";
        let fix = LiveFix {
            seq: Seq { ms: 5, n: 1 },
            device: "356307042441013".into(),
            lat: 41.3,
            lon: 19.8,
            ts_ms: 1_780_820_130_000,
            speed_kmh: 0.0,
            course_deg: 214.0,
            panic: false,
        };
        let entry = r#""deviceId":"356307042441013","lat":41.3,"lon":19.8,"ts":1780820130000,"course":214"#;
        let id = id("\"c1\"");
        assert_eq!(
            text(&subscribed(topic, id.as_ref(), None, [&fix, &fix])),
            format!(
                r#"{{"type":"subscribed","topic":"{topic}","id":"c1","snapshot":[{{{entry}}},{{{entry}}}]}}"#
            )
        );
        assert_eq!(
            text(&subscribed(topic, None, Some(Seq { ms: 9, n: 0 }), [&fix])),
            format!(
                r#"{{"type":"subscribed","topic":"{topic}","seq":"9-0","snapshot":[{{{entry},"seq":"5-1"}}]}}"#
            )
        );
        assert_eq!(
            text(&unsubscribed(topic, id.as_ref())),
            format!(r#"{{"type":"unsubscribed","topic":"{topic}","id":"c1"}}"#)
        );
        assert_eq!(
            text(&error(ErrorCode::UnknownTopic, Some("x\"y"), None, "no")),
            r#"{"type":"error","code":"unknown-topic","topic":"x\"y","message":"no"}"#
        );
    }

    #[test]
    fn ids_come_back_as_they_came() {
        for (sent, kept) in [(r#""c1""#, true), ("17", true), ("-1.5e3", true), (r#""\u0041\n""#, true)] {
            let message = format!(r#"{{"type":"unsubscribe","topic":"t","id":{sent}}}"#);
            let read = Request::read(message.as_bytes());
            assert!(
                matches!(&read, Ok(Request::Unsubscribe { id: i, .. }) if (*i == id(sent)) == kept),
                "{sent}"
            );
        }
        for refused in ["{}", "[1]", "true", &format!("\"{}\"", "x".repeat(200))] {
            let message = format!(r#"{{"type":"unsubscribe","topic":"t","id":{refused}}}"#);
            assert!(Request::read(message.as_bytes()).unwrap_err().message.starts_with("id "));
        }
    }

    #[test]
    fn wishes_are_read_and_wrong_ones_named() {
        let read = |fields: &str| {
            let message = format!(r#"{{"type":"subscribe","topic":"t"{fields}}}"#);
            match Request::read(message.as_bytes()) {
                Ok(Request::Subscribe { wishes, .. }) => Ok(wishes),
                Ok(other) => panic!("{other:?}"),
                Err(wrong) => Err(wrong.message),
            }
        };
        assert_eq!(read(""), Ok(Wishes::default()));
        assert_eq!(read(r#","something":{"new":1}"#), Ok(Wishes::default()));
        let all = r#","max_hz":2,"bbox":[170,-10,-170,10],"encoding":"binary","resume_from":"5-1""#;
        let wishes = read(all).unwrap();
        assert!(wishes.extensions && wishes.binary);
        assert_eq!(wishes.every, Some(Duration::from_millis(500)));
        assert_eq!(wishes.resume_from, Some(Seq { ms: 5, n: 1 }));
        let across = wishes.viewport.unwrap();
        assert!(across.contains(0.0, 175.0) && across.contains(0.0, -175.0));
        assert!(!across.contains(0.0, 0.0) && !across.contains(11.0, 175.0));
        for (wrong, about) in [
            (r#","max_hz":0"#, "max_hz"),
            (r#","max_hz":"1""#, "max_hz"),
            (r#","bbox":[0,0,0]"#, "bbox"),
            (r#","bbox":[0,10,0,-10]"#, "bbox"),
            (r#","bbox":[0,0,0,91]"#, "bbox"),
            (r#","encoding":"xml""#, "encoding"),
            (r#","resume_from":5"#, "resume_from"),
            (r#","extensions":1"#, "extensions"),
        ] {
            assert!(read(wrong).unwrap_err().starts_with(about), "{wrong}");
        }
    }

    #[test]
    fn whatever_is_no_message_is_refused() {
        for text in
            ["", "null", "[]", "1", "{", r#"{"type":1}"#, r#"{"type":"shutdown"}"#, r#"{"type":"subscribe"}"#]
        {
            assert!(Request::read(text.as_bytes()).is_err(), "{text}");
        }
        let deep = format!("{}{}", r#"{"a":"#.repeat(10_000), "1");
        assert!(Request::read(deep.as_bytes()).is_err());
    }
}
