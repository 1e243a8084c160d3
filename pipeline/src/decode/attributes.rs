//! Attributes of a payload, rewritten for the `attributes` column.
//!
//! Text is copied, not parsed and printed: a number beyond 2^53 or with a long fraction stays what was sent.
//! Blanks between tokens go, sentinels become strings, and of a key that is there twice the last one stays.

use std::borrow::Cow;
use std::ops::Range;

use crate::limits::MAX_NESTING;

use super::excerpt;
use super::json_text::{is_storable_number, string_end, unquoted};
use super::sentinel::is_sentinel;

/// Members up to which comparing each with each is quicker than sorting.
const FEW_MEMBERS: usize = 16;

/// The attributes to store, `None` for none; `raw` must be well-formed JSON.
///
/// Errors: `raw` is no object, lies too deep, or holds what a jsonb column refuses.
pub(super) fn rewrite(raw: &str) -> Result<Option<Box<str>>, String> {
    if !raw.starts_with('{') {
        return Err(format!("{} is not an object", excerpt(raw.as_bytes())));
    }
    let mut rewriter =
        Rewriter { text: raw, at: 0, out: String::with_capacity(raw.len()), members: Vec::new() };
    rewriter.value(0)?;
    Ok((rewriter.out != "{}").then(|| rewriter.out.into_boxed_str()))
}

struct Rewriter<'a> {
    text: &'a str,
    at: usize,
    out: String,
    /// The members of all objects that are open, innermost last.
    members: Vec<Member<'a>>,
}

struct Member<'a> {
    key: Cow<'a, str>,
    /// Where the member lies in the output, key and value.
    all: Range<usize>,
    value_start: usize,
}

impl<'a> Rewriter<'a> {
    /// The next byte that is not blank; 0 at the end.
    fn next(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Goes over `byte`, if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        let there = self.next() == byte;
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.take(byte) {
            return Ok(());
        }
        Err(format!("no {:?} at character {}", char::from(byte), self.at + 1))
    }

    /// Copies a value with `depth` objects and arrays around it.
    fn value(&mut self, depth: usize) -> Result<(), String> {
        match self.next() {
            b'{' | b'[' if depth >= MAX_NESTING => {
                Err(format!("objects and arrays lie more than {MAX_NESTING} deep"))
            }
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => {
                let text = self.string()?;
                self.out.push_str(text);
                Ok(())
            }
            _ => self.scalar(),
        }
    }

    /// The string that comes next, with its quotes.
    fn string(&mut self) -> Result<&'a str, String> {
        let start = self.at;
        self.at = string_end(self.text.as_bytes(), start)?;
        self.text.get(start..self.at).ok_or_else(|| "a string has no end".into())
    }

    /// Copies a number, true, false or null.
    fn scalar(&mut self) -> Result<(), String> {
        let rest = &self.text[self.at..];
        let len =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(rest.len());
        let scalar = &rest[..len];
        if len == 0 {
            return Err(format!("no value at character {}", self.at + 1));
        }
        if scalar.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && !is_storable_number(scalar) {
            return Err(format!(
                "{} is out of range: at most 131072 digits before and 16383 after the point can be stored",
                excerpt(scalar.as_bytes())
            ));
        }
        self.at += len;
        self.out.push_str(scalar);
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), String> {
        self.expect(b'[')?;
        self.out.push('[');
        let mut first = true;
        while self.next() != b']' {
            if !std::mem::take(&mut first) {
                self.expect(b',')?;
                self.out.push(',');
                self.next();
            }
            self.value(depth + 1)?;
        }
        self.expect(b']')?;
        self.out.push(']');
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), String> {
        self.expect(b'{')?;
        let start = self.out.len();
        let first = self.members.len();
        self.out.push('{');
        while self.next() != b'}' {
            if self.members.len() > first {
                self.expect(b',')?;
                self.out.push(',');
                self.next();
            }
            self.member(depth)?;
        }
        self.expect(b'}')?;
        self.out.push('}');
        self.drop_repeated(start, first);
        if depth > 0
            && let [only] = &self.members[first..]
            && is_sentinel(&only.key, &self.out[only.value_start..only.all.end])
        {
            let value = self.out[only.value_start..only.all.end].to_owned();
            self.out.truncate(start);
            self.out.push_str(&value);
        }
        self.members.truncate(first);
        Ok(())
    }

    fn member(&mut self, depth: usize) -> Result<(), String> {
        if self.next() != b'"' {
            return Err(format!("no key at character {}", self.at + 1));
        }
        let key = self.string()?;
        let start = self.out.len();
        self.out.push_str(key);
        self.expect(b':')?;
        self.out.push(':');
        let value_start = self.out.len();
        self.value(depth + 1)?;
        self.members.push(Member { key: unquoted(key)?, all: start..self.out.len(), value_start });
        Ok(())
    }

    /// Keeps only the last member of each key of the object that begins at `start`.
    fn drop_repeated(&mut self, start: usize, first: usize) {
        let members = &self.members[first..];
        let repeated = if members.len() <= FEW_MEMBERS {
            members.iter().enumerate().any(|(n, member)| members[..n].iter().any(|m| m.key == member.key))
        } else {
            let mut keys: Vec<&str> = members.iter().map(|member| member.key.as_ref()).collect();
            keys.sort_unstable();
            keys.windows(2).any(|pair| pair[0] == pair[1])
        };
        if !repeated {
            return;
        }
        let mut order: Vec<usize> = (0..members.len()).collect();
        // Stable, so that of equal keys the last one written comes last.
        order.sort_by(|a, b| members[*a].key.cmp(&members[*b].key));
        let mut kept: Vec<usize> = order
            .iter()
            .enumerate()
            .filter(|(n, member)| {
                order.get(n + 1).is_none_or(|next| members[*next].key != members[**member].key)
            })
            .map(|(_, member)| *member)
            .collect();
        kept.sort_unstable();
        let old = self.out.split_off(start);
        let members = self.members.split_off(first);
        self.out.push('{');
        for (n, member) in members.into_iter().enumerate().filter(|(n, _)| kept.binary_search(n).is_ok()) {
            if n != kept[0] {
                self.out.push(',');
            }
            let moved = self.out.len();
            self.out.push_str(&old[member.all.start - start..member.all.end - start]);
            let value_start = moved + (member.value_start - member.all.start);
            self.members.push(Member { key: member.key, all: moved..self.out.len(), value_start });
        }
        self.out.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(raw: &str) -> String {
        rewrite(raw).unwrap().map_or("none".into(), String::from)
    }

    #[test]
    fn sentinels_become_strings_and_all_else_stays() {
        for (raw, stored) in [
            (
                r#"{"16":{"__bigint":"18446744073709551615"},"21":4,"385":{"__buffer_b64":"3q2+7w=="}}"#,
                r#"{"16":"18446744073709551615","21":4,"385":"3q2+7w=="}"#,
            ),
            (r#"{"1":{"__bigint":"-5"},"2":[{"__buffer_b64":""}]}"#, r#"{"1":"-5","2":[""]}"#),
            (r#"{ "a" : [ 1 , [ ] , { } , null ] }"#, r#"{"a":[1,[],{},null]}"#),
            (
                r#"{"n":9007199254740993,"f":0.10000000000000000000001,"e":1E+5}"#,
                r#"{"n":9007199254740993,"f":0.10000000000000000000001,"e":1E+5}"#,
            ),
            (r#"{"a":{"__bigint":"1","x":2}}"#, r#"{"a":{"__bigint":"1","x":2}}"#),
            (r#"{"a":{"__bigint":1},"b":{"__bigint":"x"}}"#, r#"{"a":{"__bigint":1},"b":{"__bigint":"x"}}"#),
            (r#"{"a":{"__buffer_b64":"a"}}"#, r#"{"a":{"__buffer_b64":"a"}}"#),
            (r#"{"__bigint":"1"}"#, r#"{"__bigint":"1"}"#),
            (r#"{"a":"{\"b\": 1}"}"#, r#"{"a":"{\"b\": 1}"}"#),
            (r#"{"":"\ud83d\ude00"}"#, r#"{"":"\ud83d\ude00"}"#),
            ("{ }", "none"),
        ] {
            assert_eq!(rewritten(raw), stored);
        }
    }

    #[test]
    fn of_a_repeated_key_the_last_one_stays() {
        assert_eq!(rewritten(r#"{"a":1,"b":2,"\u0061":3}"#), r#"{"b":2,"\u0061":3}"#);
        assert_eq!(rewritten(r#"{"x":{"__bigint":"1","__bigint":"2"}}"#), r#"{"x":"2"}"#);
        assert_eq!(rewritten(r#"{"x":{"a":{"k":1,"k":2},"a":{"k":3,"k":4}}}"#), r#"{"x":{"a":{"k":4}}}"#);
        let many: Vec<String> = (0..40).map(|n| format!("\"{}\":{n}", n % 20)).collect();
        let kept: Vec<String> = (20..40).map(|n| format!("\"{}\":{n}", n % 20)).collect();
        assert_eq!(rewritten(&format!("{{{}}}", many.join(","))), format!("{{{}}}", kept.join(",")));
    }

    #[test]
    fn what_a_column_refuses_is_refused_first() {
        let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(rewrite(&nested(MAX_NESTING - 1)).is_ok());
        assert!(rewrite(&nested(MAX_NESTING)).unwrap_err().contains("more than 64 deep"));
        assert!(rewrite(&nested(100_000)).is_err());
        for refused in [
            r#"{"a":"\u0000"}"#,
            r#"{"\u0000":1}"#,
            r#"{"a":["\udead"]}"#,
            r#"{"a":1e200000}"#,
            "[]",
            "1",
            "\"\"",
        ] {
            assert!(rewrite(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_no_json_is_no_panic() {
        for broken in [
            "{",
            "{\"",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":[1",
            "{,}",
            "{\"a\" 1}",
            "{\"a\":é}",
            "{\"a\":[[],",
        ] {
            assert!(rewrite(broken).is_err(), "{broken}");
        }
    }
}
