//! How one position looks on the wire. It is encoded once for each event and encoding that somebody asked for, as a
//! complete frame, and the same bytes go to everybody.

use std::fmt::{self, Write as _};

use bytes::{BufMut as _, BytesMut};
use uuid::Uuid;

use crate::fix::{LiveFix, Seq};
use crate::frame::{self, Kind};

/// What a subscriber has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    /// As the contract has it.
    Plain,
    /// The same with the id of the stream's entry, `seq`.
    Sequenced,
    /// A fixed layout, see [`append_binary`].
    Binary,
}

impl Encoding {
    pub(crate) const COUNT: usize = 3;
}

/// Appends the frame of one position.
pub(crate) fn append(out: &mut BytesMut, event: Uuid, fix: &LiveFix, encoding: Encoding) {
    match encoding {
        Encoding::Plain => frame::append(out, Kind::Text, |out| append_json(out, event, fix, false)),
        Encoding::Sequenced => frame::append(out, Kind::Text, |out| append_json(out, event, fix, true)),
        Encoding::Binary => frame::append(out, Kind::Binary, |out| append_binary(out, event, fix)),
    }
}

fn append_json(out: &mut BytesMut, event: Uuid, fix: &LiveFix, sequenced: bool) {
    out.put_slice(b"{\"type\":\"position\",\"topic\":\"event:");
    put(out, format_args!("{}", event.hyphenated()));
    out.put_slice(b"\",");
    append_fields(out, fix, sequenced);
    out.put_u8(b'}');
}

/// Appends what a position frame and an entry of a snapshot have in common: `speed` and `course` are left out when 0.
pub(crate) fn append_fields(out: &mut BytesMut, fix: &LiveFix, sequenced: bool) {
    out.put_slice(b"\"deviceId\":");
    append_string(out, &fix.device);
    put(out, format_args!(",\"lat\":{},\"lon\":{},\"ts\":{}", fix.lat, fix.lon, fix.ts_ms));
    if fix.speed_kmh != 0.0 {
        put(out, format_args!(",\"speed\":{}", fix.speed_kmh));
    }
    if fix.course_deg != 0.0 {
        put(out, format_args!(",\"course\":{}", fix.course_deg));
    }
    if sequenced && fix.seq != Seq::ZERO {
        put(out, format_args!(",\"seq\":\"{}\"", fix.seq));
    }
}

/// A JSON string.
fn append_string(out: &mut BytesMut, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.put_u8(b'"');
        out.put_slice(text.as_bytes());
        out.put_u8(b'"');
    } else {
        put(out, format_args!("{}", serde_json::Value::from(text)));
    }
}

fn put(out: &mut BytesMut, text: fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = out.write_fmt(text);
}

/// The version of the layout, its first byte.
const BINARY_POSITION: u8 = 1;
const PANIC: u8 = 1;

/// Appends a position as bytes, numbers with the most significant byte first:
///
/// | bytes | what |
/// |---|---|
/// | 1 | 1: a position in this layout |
/// | 1 | flags: bit 0 panic |
/// | 16 | id of the event |
/// | 8, 4 | `seq`: milliseconds, number |
/// | 8 | `ts`, signed |
/// | 8, 8 | latitude, longitude: IEEE 754 binary64 |
/// | 4, 4 | speed in km/h, course in degrees: IEEE 754 binary32; 0 when unknown |
/// | the rest | the device, UTF-8 |
fn append_binary(out: &mut BytesMut, event: Uuid, fix: &LiveFix) {
    out.put_u8(BINARY_POSITION);
    out.put_u8(if fix.panic { PANIC } else { 0 });
    out.put_slice(event.as_bytes());
    out.put_u64(fix.seq.ms);
    // The broker numbers entries of one millisecond from 0: it does not reach 2^32 of them.
    out.put_u32(u32::try_from(fix.seq.n).unwrap_or(u32::MAX));
    out.put_i64(fix.ts_ms);
    out.put_f64(fix.lat);
    out.put_f64(fix.lon);
    out.put_f32(fix.speed_kmh);
    out.put_f32(fix.course_deg);
    out.put_slice(fix.device.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fix() -> LiveFix {
        LiveFix {
            seq: Seq { ms: 1_780_820_130_500, n: 3 },
            device: "356307042441013".into(),
            lat: 41.3,
            lon: 19.8,
            ts_ms: 1_780_820_130_000,
            speed_kmh: 63.0,
            course_deg: 214.0,
            panic: false,
        }
    }

    fn text(fix: &LiveFix, encoding: Encoding) -> String {
        let mut out = BytesMut::new();
        append(&mut out, Uuid::from_u128(7), fix, encoding);
        assert_eq!(out[0], 0x81);
        let header = if out[1] == 126 { 4 } else { 2 };
        String::from_utf8(out[header..].to_vec()).unwrap()
    }

    #[test]
    fn a_position_is_what_the_contract_says_to_the_byte() {
        let expected = r#"{"type":"position","topic":"event:00000000-0000-0000-0000-000000000007","deviceId":"356307042441013","lat":41.3,"lon":19.8,"ts":1780820130000,"speed":63,"course":214}"#;
        assert_eq!(text(&fix(), Encoding::Plain), expected);
        let sequenced = expected.replace('}', r#","seq":"1780820130500-3"}"#);
        assert_eq!(text(&fix(), Encoding::Sequenced), sequenced);
    }

    #[test]
    fn what_is_nought_is_left_out_and_what_is_odd_is_escaped() {
        let odd = LiveFix {
            device: "a\"b\\\u{1}".into(),
            speed_kmh: 0.0,
            course_deg: 0.0,
            lat: -0.000_000_1,
            lon: 180.0,
            ..fix()
        };
        let text = text(&odd, Encoding::Plain);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["deviceId"], "a\"b\\\u{1}");
        assert_eq!(value["lat"].as_f64(), Some(-0.000_000_1));
        assert_eq!(value.get("speed"), None);
        assert_eq!(value.get("course"), None);
        assert!(text.contains("\"lon\":180,"));
    }

    #[test]
    fn the_binary_layout_is_as_documented() {
        let mut out = BytesMut::new();
        append(&mut out, Uuid::from_u128(7), &LiveFix { panic: true, ..fix() }, Encoding::Binary);
        assert_eq!(out[..4], [0x82, 77, 1, 1]);
        let payload = &out[2..];
        assert_eq!(payload[2..18], *Uuid::from_u128(7).as_bytes());
        assert_eq!(payload[18..26], 1_780_820_130_500_u64.to_be_bytes());
        assert_eq!(payload[26..30], [0, 0, 0, 3]);
        assert_eq!(payload[30..38], 1_780_820_130_000_i64.to_be_bytes());
        assert_eq!(payload[38..46], 41.3_f64.to_be_bytes());
        assert_eq!(payload[46..54], 19.8_f64.to_be_bytes());
        assert_eq!(payload[54..58], 63.0_f32.to_be_bytes());
        assert_eq!(payload[58..62], 214.0_f32.to_be_bytes());
        assert_eq!(&payload[62..], b"356307042441013");
    }
}
