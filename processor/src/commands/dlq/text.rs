//! What came from elsewhere, made fit for a terminal.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pipeline::broker::KeptLetter;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) use crate::show::words::escaped;

/// Bytes for a person: text as it is, escaped, and what is no text as base64 with a note.
pub(super) fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => escaped(text),
        Err(_) => format!("{} (base64 of {} bytes that are not UTF-8)", STANDARD.encode(bytes), bytes.len()),
    }
}

/// Bytes for a program: a string, or an object with the key `base64`.
pub(super) fn as_json(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}

/// The device that an entry is of, by its own field or by the payload, where either can be read.
pub(super) fn device(letter: &KeptLetter) -> Option<String> {
    #[derive(Deserialize)]
    struct Payload {
        device_id: String,
    }
    let own = letter.field("device_id").map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    own.or_else(|| Some(serde_json::from_slice::<Payload>(letter.field("payload")?).ok()?.device_id))
}

/// Bytes that the entry had.
pub(super) fn len_bytes(letter: &KeptLetter) -> u64 {
    letter.cut_from_bytes.unwrap_or(letter.len_bytes() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_as_a_command() {
        assert_eq!(escaped("a\u{1b}[31m\r\n\u{202e}ü\u{9b}"), "a\\u{1b}[31m\\r\\n\\u{202e}ü\\u{9b}");
        assert_eq!(readable(b"\xff\x00"), "/wA= (base64 of 2 bytes that are not UTF-8)");
        assert_eq!(as_json(b"\xff\x00"), json!({"base64": "/wA="}));
    }
}
