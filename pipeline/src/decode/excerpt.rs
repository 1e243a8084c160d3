//! Text of a source repeated in a message.

/// Characters of an excerpt, and of the words of a parser.
const SHOWN_CHARS: usize = 40;
const WORDS_CHARS: usize = 120;

/// `bytes` in quotes, shortened, and with everything escaped that a terminal could take for more than text.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    // Four bytes are the longest character; what lies beyond is never looked at.
    let head = &bytes[..bytes.len().min((SHOWN_CHARS + 1) * 4)];
    let mut shown = String::with_capacity(SHOWN_CHARS + 8);
    shown.push('"');
    append(&mut shown, &String::from_utf8_lossy(head), SHOWN_CHARS, true);
    shown.push('"');
    shown
}

/// What a parser says, which may repeat text of the source: shortened and escaped as well.
pub(crate) fn words(error: &impl std::fmt::Display) -> String {
    let mut shown = String::new();
    append(&mut shown, &error.to_string(), WORDS_CHARS, false);
    shown
}

fn append(shown: &mut String, text: &str, max_chars: usize, quoted: bool) {
    for (n, c) in text.chars().enumerate() {
        match c {
            _ if n == max_chars => return shown.push('…'),
            '\'' => shown.push(c),
            '"' | '\\' if !quoted => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_short_and_has_no_control_characters() {
        assert_eq!(excerpt(b"41.3"), r#""41.3""#);
        assert_eq!(excerpt(b"a\x1b[2J\"\n\xff"), "\"a\\u{1b}[2J\\\"\\n\u{fffd}\"");
        assert_eq!(excerpt("\u{202e}abc".as_bytes()), r#""\u{202e}abc""#);
        assert_eq!(words(&"a \"b\" \u{7f}"), r#"a "b" \u{7f}"#);
        assert_eq!(words(&"x".repeat(1_000)).chars().count(), WORDS_CHARS + 1);
        assert_eq!(excerpt(&[b'x'; 1_000]).chars().count(), SHOWN_CHARS + 3);
        assert_eq!(excerpt(&[b'x'; SHOWN_CHARS]).chars().count(), SHOWN_CHARS + 2);
    }
}
