//! Payloads as `JSON.stringify` writes them, read in one pass: no blanks, no escapes, no exponents, attributes that
//! are scalars or sentinels. Nearly every payload is one.
//!
//! Whatever is anything else, right or wrong, is left to the long way, which alone says what is wrong. What is read
//! here is read there in the same way (`tests` below).

use std::borrow::Cow;

use super::payload::{Attributes, Payload};

/// The longest number that is surely no longer than what a jsonb column holds.
const MAX_NUMBER_BYTES: usize = 64;
/// Attributes told apart here; a tracker sends some dozen.
const MAX_MEMBERS: usize = 64;
/// The longest key of an attribute: its bytes and their number fill a word.
const MAX_KEY_BYTES: usize = 15;

/// The fields of a payload; `None` leaves it to the long way.
pub(super) fn read(text: &str) -> Option<Payload<'_>> {
    let mut reader = Reader { text, at: 0 };
    let mut payload = Payload::default();
    reader.expect(b'{')?;
    loop {
        let key = reader.string()?;
        reader.expect(b':')?;
        if key == "attributes" {
            payload.attributes = reader.attributes()?;
        } else {
            let value = reader.value()?;
            if let Some(field) = payload.field(key) {
                *field = (value != "null").then_some(value);
            }
        }
        match reader.next()? {
            b',' => {}
            b'}' => return (reader.at == text.len()).then_some(payload),
            _ => return None,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// Goes over a word, if it comes next.
    #[inline]
    fn take(&mut self, word: &str) -> Option<()> {
        let comes = self.text.as_bytes().get(self.at..)?.starts_with(word.as_bytes());
        self.at += word.len();
        comes.then_some(())
    }

    /// A string without escapes, without its quotes.
    #[inline]
    fn string(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            match self.next()? {
                b'"' => return self.text.get(start..self.at - 1),
                b'\\' | 0..=0x1f => return None,
                _ => {}
            }
        }
    }

    /// A string, with its quotes, a number or a literal.
    #[inline]
    fn value(&mut self) -> Option<&'a str> {
        let start = self.at;
        match self.peek()? {
            b'"' => drop(self.string()?),
            b'n' => self.take("null")?,
            b't' => self.take("true")?,
            b'f' => self.take("false")?,
            _ => self.number()?,
        }
        self.text.get(start..self.at)
    }

    /// A number without an exponent.
    #[inline]
    fn number(&mut self) -> Option<()> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.at += 1;
        }
        let integer = self.at;
        self.digits()?;
        if self.at - integer > 1 && self.text.as_bytes()[integer] == b'0' {
            return None;
        }
        if self.peek()? == b'.' {
            self.at += 1;
            self.digits()?;
        }
        // An exponent is no end of a value, and ends this way.
        (self.at - start <= MAX_NUMBER_BYTES).then_some(())
    }

    #[inline]
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek()?.is_ascii_digit() {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    /// The attributes as they are stored, `Some(None)` for null.
    fn attributes(&mut self) -> Option<Option<Attributes<'a>>> {
        if self.peek()? == b'n' {
            self.take("null")?;
            return Some(None);
        }
        let start = self.at;
        self.expect(b'{')?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(Some(Attributes::AsStored(Cow::Borrowed("{}"))));
        }
        // What was copied so far, if anything differs from what was sent, and from where on nothing is copied yet.
        let (mut stored, mut copied) = (String::new(), start);
        let mut keys = Keys { seen: [0; MAX_MEMBERS], len: 0, largest: 0 };
        loop {
            keys.push(self.string()?)?;
            self.expect(b':')?;
            if self.peek()? == b'{' {
                stored.push_str(self.text.get(copied..self.at)?);
                stored.push_str(self.sentinel()?);
                copied = self.at;
            } else {
                self.value()?;
            }
            match self.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        let rest = self.text.get(copied..self.at)?;
        Some(Some(Attributes::AsStored(if stored.is_empty() {
            Cow::Borrowed(rest)
        } else {
            stored.push_str(rest);
            Cow::Owned(stored)
        })))
    }

    /// The string, with its quotes, that a sentinel stands for.
    fn sentinel(&mut self) -> Option<&'a str> {
        self.expect(b'{')?;
        let key = self.string()?;
        self.expect(b':')?;
        let start = self.at;
        self.string()?;
        let value = self.text.get(start..self.at)?;
        self.expect(b'}')?;
        super::sentinel::is_sentinel(key, value).then_some(value)
    }
}

/// The keys of an object, to see that none is there twice.
struct Keys {
    seen: [u128; MAX_MEMBERS],
    len: usize,
    largest: u128,
}

impl Keys {
    /// `None` when it is there already, or cannot be told.
    #[inline]
    fn push(&mut self, key: &str) -> Option<()> {
        if key.len() > MAX_KEY_BYTES || self.len == MAX_MEMBERS {
            return None;
        }
        // Shorter ones first, as the numbers that keys are: a program that writes them in order makes no search.
        let word = key.bytes().fold(key.len() as u128, |word, byte| word << 8 | u128::from(byte));
        if word > self.largest || self.len == 0 {
            self.largest = word;
        } else if self.seen[..self.len].contains(&word) {
            return None;
        }
        self.seen[self.len] = word;
        self.len += 1;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a payload says, read the long way and, where it can be, in one pass.
    fn both(text: &str) -> (Option<String>, Option<String>) {
        let told = |mut payload: Payload<'_>| {
            let attributes = payload.attributes.take().map(Attributes::into_stored);
            format!("{payload:?} {attributes:?}")
        };
        (Payload::read_long(text).ok().map(told), read(text).map(told))
    }

    fn agree(text: &str) -> Result<bool, TestCaseError> {
        let (long, quick) = both(text);
        if quick.is_some() {
            prop_assert_eq!(&quick, &long, "{}", text);
        }
        Ok(quick.is_some())
    }

    const USUAL: &str = r#"{"device_id":"356307042441013","timestamp":"2026-06-07T08:15:30.000Z","latitude":41.3275,"longitude":-19.8187,"altitude":112,"angle":214,"speed":63.5,"satellites":11,"priority":0,"attributes":{"16":{"__bigint":"18446744073709551615"},"21":4,"66":12750,"385":{"__buffer_b64":"3q2+7w=="},"x":"é","y":null,"z":true}}"#;

    #[test]
    fn the_usual_is_read_in_one_pass() {
        for text in [USUAL.to_owned(), USUAL.replace("\"speed\"", "\"odometer\":17,\"gone\":null,\"speed\"")]
        {
            let (long, quick) = both(&text);
            assert_eq!(long, quick);
            assert!(
                quick.is_some_and(|told| told.contains(r#"\"18446744073709551615\",\"21\":4"#)),
                "{text}"
            );
        }
        for attributes in ["{}", "null", r#"{"":1}"#, r#"{"b":1,"a":-0.5}"#, r#"{"__bigint":"1"}"#] {
            assert!(agree(&format!(r#"{{"attributes":{attributes}}}"#)).unwrap(), "{attributes}");
        }
    }

    #[test]
    fn all_else_is_left_to_the_long_way() {
        for other in [
            "",
            "{}",
            "[]",
            "{\"a\":1}x",
            "{\"a\":1,}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":-}",
            "{\"a\":1e5}",
            "{\"a\": 1}",
            "{\"a\":nul}",
            "{\"a\":{}}",
            "{\"a\":\"\\n\"}",
            "{\"a\":\"\n\"}",
            r#"{"attributes":[]}"#,
            r#"{"attributes":{"a":1,"b":2,"a":3}}"#,
            r#"{"attributes":{"b":1,"a":2,"a":3}}"#,
            r#"{"attributes":{"":1,"":3}}"#,
            r#"{"attributes":{"a":{"__bigint":"x"}}}"#,
            r#"{"attributes":{"a":{"__bigint":"1","b":2}}}"#,
            r#"{"attributes":{"a":[1]}}"#,
            r#"{"attributes":{"a":1"#,
        ] {
            assert!(read(other).is_none(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn one_pass_reads_what_the_long_way_reads(
            at in 0..USUAL.len(), len in 0_usize..6, put in r#"[]{}",:0-9a-z.+\\ eE\-\u{0}-\u{1f}é]{0,6}"#,
        ) {
            let mut text = USUAL.to_owned();
            let ends = (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap();
            let end = (ends + len..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(ends);
            text.replace_range(ends..end, &put);
            agree(&text)?;
        }

        #[test]
        fn members_of_any_kind_and_order(
            members in prop::collection::vec((
                "(device_id|timestamp|latitude|speed|attributes|[a-c]{0,2})",
                r#"(null|true|-?[0-9]{1,3}(\.[0-9]{1,2})?(e5)?|"[0-9a-b\\"]{0,3}"|\{\}|\{("[a-c0-2]{0,2}":(1|"x"|null|\{"__bigint":"[0-9]?"\}|\{"__buffer_b64":"AA[A=]="\}),?){1,3}\})"#,
            ), 0..8),
        ) {
            let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            agree(&format!("{{{}}}", members.join(",")))?;
        }

        #[test]
        fn any_text_at_all(text in r#"[{}",:a\\0-9\[\] .-]{0,40}"#) {
            agree(&text)?;
        }
    }
}
