//! A record that is a telemetry payload in JSON.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use race::position::{Position, SATELLITES_UNKNOWN};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::batch::RawBatch;

use super::devices::{DEVICE_ID_ALLOWED, Devices};
use super::instant::Window;
use super::{BatchDevice, Refused, attributes, excerpt, number, quick, words};

/// The fields of a payload as they are written; `None` where one is missing or null.
///
/// Other fields are passed over, and of a field that is there twice the last one counts, as in jsonb.
#[derive(Debug, Default)]
pub(super) struct Payload<'a> {
    device_id: Option<&'a str>,
    timestamp: Option<&'a str>,
    latitude: Option<&'a str>,
    longitude: Option<&'a str>,
    altitude: Option<&'a str>,
    angle: Option<&'a str>,
    speed: Option<&'a str>,
    satellites: Option<&'a str>,
    priority: Option<&'a str>,
    pub(super) attributes: Option<Attributes<'a>>,
}

/// Attributes that were not looked at yet, or were read in passing.
#[derive(Debug, Clone)]
pub(super) enum Attributes<'a> {
    /// As they were sent, well-formed.
    AsSent(&'a str),
    /// As they are to be stored.
    AsStored(Cow<'a, str>),
}

impl Attributes<'_> {
    /// The attributes to store, `None` for none; or what is wrong with them.
    pub(super) fn into_stored(self) -> Result<Option<Box<str>>, String> {
        match self {
            Self::AsSent(raw) => attributes::rewrite(raw),
            Self::AsStored(stored) => Ok((stored != "{}").then(|| stored.into())),
        }
    }
}

impl<'a> Payload<'a> {
    /// Reads a document. Numbers stay text, so that none goes through a type that cannot hold it.
    pub(super) fn read(document: &'a [u8]) -> Result<Self, Refused> {
        let text = std::str::from_utf8(document).map_err(|error| {
            Refused::new("", format!("byte {} of the payload is not UTF-8", error.valid_up_to() + 1))
        })?;
        quick::read(text).map_or_else(|| Self::read_long(text), Ok)
    }

    /// Reads a document of any kind.
    pub(super) fn read_long(text: &'a str) -> Result<Self, Refused> {
        serde_json::from_str(text).map_err(|error| {
            // A payload is one line, so that the line in the parser's own words would mislead.
            let said = error.to_string();
            let said = words(&said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said));
            Refused::new(
                "",
                format!(
                    "no telemetry payload in JSON: {said} at column {} of {}",
                    error.column(),
                    excerpt(text.as_bytes())
                ),
            )
        })
    }

    /// The field of a name, save `attributes`; `None` for a field that is passed over.
    #[inline]
    pub(super) fn field(&mut self, name: &str) -> Option<&mut Option<&'a str>> {
        match name {
            "device_id" => Some(&mut self.device_id),
            "timestamp" => Some(&mut self.timestamp),
            "latitude" => Some(&mut self.latitude),
            "longitude" => Some(&mut self.longitude),
            "altitude" => Some(&mut self.altitude),
            "angle" => Some(&mut self.angle),
            "speed" => Some(&mut self.speed),
            "satellites" => Some(&mut self.satellites),
            "priority" => Some(&mut self.priority),
            _ => None,
        }
    }

    /// Which device the record belongs to.
    pub(super) fn device(
        &self,
        given: Option<&BatchDevice>,
        fallback: Option<&BatchDevice>,
        batch: &RawBatch,
        devices: &mut Devices,
    ) -> Result<Arc<str>, Refused> {
        let refused = |message: String| Refused::new("device_id", message);
        let own = self.device_id.map(|raw| (raw, string(raw)));
        if let Some(device) = given {
            if let (Some((raw, own)), Some(first)) = (own, &batch.payload_device)
                && own.as_deref() != Some(first)
            {
                return Err(refused(format!(
                    "{} differs from {}, the first device of the file; leave out DEVICE= to keep each row's own device",
                    excerpt(own.as_deref().unwrap_or(raw).as_bytes()),
                    excerpt(first.as_bytes())
                )));
            }
            return device.clone().map_err(refused);
        }
        match (own, fallback) {
            (Some((raw, own)), _) => own.as_deref().and_then(|own| devices.intern(own)).ok_or_else(|| {
                refused(format!(
                    "{} is not {DEVICE_ID_ALLOWED}",
                    own.as_deref().map_or_else(|| excerpt(raw.as_bytes()), |own| excerpt(own.as_bytes()))
                ))
            }),
            (None, Some(fallback)) => fallback.clone().map_err(refused),
            (None, None) => Err(refused(format!("is missing: {DEVICE_ID_ALLOWED} is required"))),
        }
    }

    /// A field that a file may leave out and a tracker always sends, if it is missing.
    pub(super) fn missing(&self) -> Option<&'static str> {
        [
            ("altitude", self.altitude.is_some()),
            ("angle", self.angle.is_some()),
            ("speed", self.speed.is_some()),
            ("satellites", self.satellites.is_some()),
            ("priority", self.priority.is_some()),
            ("attributes", self.attributes.is_some()),
        ]
        .into_iter()
        .find_map(|(field, is_there)| (!is_there).then_some(field))
    }

    /// The position that the payload says.
    pub(super) fn decode(
        self,
        device_id: Arc<str>,
        codec: &'static str,
        window: &Window,
    ) -> Result<Position, Refused> {
        let text = |field: Option<&'a str>| field.unwrap_or_default().as_bytes();
        // What is no string is shown to the reader of instants as it is, to be refused.
        let timestamp =
            self.timestamp.map_or(Cow::Borrowed(""), |raw| string(raw).unwrap_or(Cow::Borrowed(raw)));
        Ok(Position {
            device_id,
            ts: window.read("timestamp", timestamp.trim().as_bytes())?,
            latitude: number::latitude(text(self.latitude))?,
            longitude: number::longitude(text(self.longitude))?,
            altitude: number::altitude(text(self.altitude))?,
            angle: number::angle(text(self.angle))?,
            speed: number::speed(text(self.speed))?,
            satellites: number::whole("satellites", text(self.satellites), 255, SATELLITES_UNKNOWN)?,
            priority: number::whole("priority", text(self.priority), 2, 0)?,
            codec,
            attributes: match self.attributes {
                Some(attributes) => {
                    attributes.into_stored().map_err(|message| Refused::new("attributes", message))?
                }
                None => None,
            },
        })
    }
}

/// The `device_id` of a document, if it can be read.
pub(crate) fn device(document: &[u8]) -> Option<Arc<str>> {
    let payload = Payload::read(document).ok()?;
    string(payload.device_id?).map(Arc::from)
}

/// The text of a JSON string; `None` for any other value.
fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Payload<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PayloadVisitor)
    }
}

struct PayloadVisitor;

impl<'de> Visitor<'de> for PayloadVisitor {
    type Value = Payload<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with device_id, timestamp, latitude and longitude")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut payload = Payload::default();
        while let Some(key) = map.next_key::<Key>()? {
            // A raw value is checked without recursion, however deep it is.
            let raw = map.next_value::<&RawValue>()?.get();
            let value = (raw != "null").then_some(raw);
            match key {
                Key::Attributes => payload.attributes = value.map(Attributes::AsSent),
                Key::Field(name) => {
                    if let Some(field) = payload.field(name) {
                        *field = value;
                    }
                }
            }
        }
        Ok(payload)
    }
}

/// The fields that are read, save `attributes`.
const NAMES: [&str; 9] = [
    "device_id",
    "timestamp",
    "latitude",
    "longitude",
    "altitude",
    "angle",
    "speed",
    "satellites",
    "priority",
];

enum Key {
    Attributes,
    Field(&'static str),
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field name")
            }

            fn visit_str<E>(self, key: &str) -> Result<Key, E> {
                if key == "attributes" {
                    return Ok(Key::Attributes);
                }
                Ok(Key::Field(NAMES.iter().copied().find(|name| *name == key).unwrap_or_default()))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}
