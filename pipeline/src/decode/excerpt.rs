//! Text of a source repeated in a message.

/// Characters of an excerpt.
const SHOWN_CHARS: usize = 40;

/// `bytes` in quotes, shortened, and with everything escaped that a terminal could take for more than text.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    // Four bytes are the longest character; what lies beyond is never looked at.
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_CHARS * 4)]);
    let mut shown = String::with_capacity(SHOWN_CHARS + 8);
    shown.push('"');
    let mut chars = head.chars();
    for c in chars.by_ref().take(SHOWN_CHARS) {
        if c == '\'' { shown.push(c) } else { shown.extend(c.escape_debug()) }
    }
    if chars.next().is_some() || bytes.len() > SHOWN_CHARS * 4 {
        shown.push('…');
    }
    shown.push('"');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_short_and_has_no_control_characters() {
        assert_eq!(excerpt(b"41.3"), r#""41.3""#);
        assert_eq!(excerpt(b"a\x1b[2J\"\n\xff"), "\"a\\u{1b}[2J\\\"\\n\u{fffd}\"");
        assert_eq!(excerpt("\u{202e}abc".as_bytes()), r#""\u{202e}abc""#);
        assert_eq!(excerpt(&[b'x'; 1_000]).chars().count(), SHOWN_CHARS + 3);
        assert_eq!(excerpt(&[b'x'; SHOWN_CHARS]).chars().count(), SHOWN_CHARS + 2);
    }
}
