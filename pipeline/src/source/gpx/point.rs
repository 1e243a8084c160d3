//! One track point while it is read.

use quick_xml::XmlVersion;
use quick_xml::escape::unescape;
use quick_xml::events::BytesStart;

use crate::batch::FIELDS;
use crate::decode::{excerpt, words};
use crate::limits::MAX_RECORD_BYTES;

/// What an element inside a point can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Time,
    Elevation,
    Speed,
    Course,
    Satellites,
    Fix,
}

impl Value {
    /// By local name. Time and elevation are the point's own only as its `direct` children; the others are found
    /// in extensions too.
    pub(super) fn of(local: &[u8], direct: bool) -> Option<Self> {
        match local {
            b"time" if direct => Some(Self::Time),
            b"ele" if direct => Some(Self::Elevation),
            b"speed" => Some(Self::Speed),
            b"course" => Some(Self::Course),
            b"sat" => Some(Self::Satellites),
            b"fix" => Some(Self::Fix),
            _ => None,
        }
    }
}

/// A point's values as text; kept between points so that its memory is.
#[derive(Default)]
pub(super) struct Point {
    line: u64,
    latitude: String,
    longitude: String,
    /// By [`Value`]; the first of each counts.
    values: [String; 6],
    given: [bool; 6],
    /// The value whose text is being read, and how many elements are open inside it, itself included.
    reading: Option<(Value, usize)>,
    refused: Option<(&'static str, String)>,
}

impl Point {
    /// Starts anew with a point of `line`.
    pub(super) fn begin(&mut self, line: u64) {
        self.line = line;
        self.latitude.clear();
        self.longitude.clear();
        self.values.iter_mut().for_each(String::clear);
        self.given = [false; 6];
        self.reading = None;
        self.refused = None;
    }

    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Refuses the point; the first reason is told.
    pub(super) fn refuse(&mut self, field: &'static str, message: String) {
        self.refused.get_or_insert((field, message));
    }

    /// Reads `lat` and `lon` from the content of the tag.
    pub(super) fn read_attributes(&mut self, tag: &[u8], name_len: usize) {
        let Ok(tag) = std::str::from_utf8(tag) else {
            return self.refuse("", format!("the attributes of {} are not UTF-8", excerpt(tag)));
        };
        for attribute in BytesStart::from_content(tag, name_len).attributes() {
            let read = attribute.map_err(|error| words(&error)).and_then(|attribute| {
                let value = match attribute.key.0 {
                    "lat" => &mut self.latitude,
                    "lon" => &mut self.longitude,
                    _ => return Ok(()),
                };
                let text =
                    attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| words(&error))?;
                value.push_str(&text);
                Ok(())
            });
            if let Err(error) = read {
                return self.refuse(
                    "",
                    format!("the attributes of {} cannot be read: {error}", excerpt(tag.as_bytes())),
                );
            }
        }
    }

    /// An element begins that is the `depth`th open one.
    pub(super) fn open(&mut self, value: Value, depth: usize) {
        if self.reading.is_none() && !self.given[value as usize] {
            self.reading = Some((value, depth));
        }
    }

    /// Whether text directly inside the `depth`th open element belongs to a value.
    pub(super) fn wants(&self, depth: usize) -> bool {
        self.reading.is_some_and(|(_, own)| own == depth)
    }

    /// Takes in text of the value that is being read.
    pub(super) fn text(&mut self, raw: &[u8], escaped: bool) {
        let Some((value, _)) = self.reading else { return };
        // Bytes that are not UTF-8 stay visible as such, and are no number.
        let raw = String::from_utf8_lossy(raw);
        let text =
            if escaped { unescape(&raw).map_err(|error| words(&error)) } else { Ok(raw.as_ref().into()) };
        match text {
            Ok(text) if self.values[value as usize].len() + text.len() <= MAX_RECORD_BYTES => {
                self.values[value as usize].push_str(&text);
            }
            Ok(_) => self.refuse("", format!("a value is longer than the {MAX_RECORD_BYTES} bytes allowed")),
            Err(error) => {
                self.refuse("", format!("{} cannot be read: {error}", excerpt(raw.as_bytes())));
            }
        }
    }

    /// The `depth`th open element ends.
    pub(super) fn close(&mut self, depth: usize) {
        if let Some((value, own)) = self.reading
            && own == depth
        {
            self.given[value as usize] = true;
            self.reading = None;
        }
    }

    /// The fields in the order of [`FIELDS`], or what field is refused and why.
    pub(super) fn finish(&mut self) -> Result<[&[u8]; FIELDS.len()], (&'static str, String)> {
        if let Some(refused) = self.refused.take() {
            return Err(refused);
        }
        if let Some(kmh) = kmh(&self.values[Value::Speed as usize]) {
            self.values[Value::Speed as usize] = kmh;
        }
        let value = |value: Value| self.values[value as usize].as_bytes();
        let no_fix = value(Value::Fix).trim_ascii() == b"none";
        Ok([
            value(Value::Time),
            self.latitude.as_bytes(),
            self.longitude.as_bytes(),
            value(Value::Elevation),
            value(Value::Speed),
            value(Value::Course),
            if no_fix { b"0" } else { value(Value::Satellites) },
        ])
    }
}

/// Metres per second as km/h to 0.1, half away from zero; `None` for what is no speed, which stays as it is
/// written so that the decoder refuses it in the words of the file.
///
/// Rounded here, in one multiplication by 36, so that a speed that lies exactly between two tenths in decimal does
/// so in binary as well.
fn kmh(metres_per_second: &str) -> Option<String> {
    let speed: f64 = metres_per_second.trim().parse().ok()?;
    let tenths = race::num::round_to(speed, 36.0);
    (speed.is_finite() && speed >= 0.0).then(|| format!("{}.{}", tenths / 10, tenths % 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metres_per_second_become_kmh_to_a_tenth() {
        assert_eq!(kmh("12.5").unwrap(), "45.0");
        assert_eq!(kmh(" 0.375 ").unwrap(), "1.4");
        assert_eq!(kmh("4.125").unwrap(), "14.9");
        for no_speed in ["-0.001", "NaN", "inf", "", "fast"] {
            assert_eq!(kmh(no_speed), None, "{no_speed}");
        }
    }
}
