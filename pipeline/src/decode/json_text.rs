//! Strings and numbers of JSON text, checked for what a jsonb column refuses.
//!
//! The text was checked to be JSON before; these look only for what is JSON and cannot be stored all the same.

use std::borrow::Cow;

use memchr::memchr2;

use super::words;

/// Digits before and after the point of a jsonb number.
const MAX_INTEGER_DIGITS: i64 = 131_072;
const MAX_FRACTION_DIGITS: i64 = 16_383;

/// The end of the string whose opening quote is at `start`, behind its closing quote.
///
/// Errors: it holds U+0000 or half a surrogate pair.
pub(super) fn string_end(text: &[u8], start: usize) -> Result<usize, String> {
    let mut at = start + 1;
    loop {
        let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) else {
            return Err("a string has no end".into());
        };
        at += found;
        if text[at] == b'"' {
            return Ok(at + 1);
        }
        if text.get(at + 1) != Some(&b'u') {
            at += 2;
            continue;
        }
        let unit = code_unit(text, at);
        at += 6;
        match unit {
            None => return Err("a \\u escape has no four digits".into()),
            Some(0) => return Err("\\u0000 cannot be stored in a string".into()),
            Some(0xd800..=0xdbff) => {
                if !matches!(code_unit(text, at), Some(0xdc00..=0xdfff)) {
                    return Err("a string holds half a surrogate pair, which is no character".into());
                }
                at += 6;
            }
            Some(0xdc00..=0xdfff) => {
                return Err("a string holds half a surrogate pair, which is no character".into());
            }
            Some(_) => {}
        }
    }
}

/// The number of a `\uXXXX` at `at`.
fn code_unit(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
}

/// The text of a string that is written with its quotes.
pub(super) fn unquoted(quoted: &str) -> Result<Cow<'_, str>, String> {
    if quoted.contains('\\') {
        return serde_json::from_str(quoted).map(Cow::Owned).map_err(|error| words(&error));
    }
    Ok(Cow::Borrowed(quoted.trim_matches('"')))
}

/// Whether a jsonb column can hold the number, exactly as written.
pub(super) fn is_storable_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>()),
        None => (unsigned, Ok(0)),
    };
    // An exponent beyond i32 is refused even for a zero.
    let Ok(exponent) = exponent.map(i64::from) else { return false };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let length = |digits: &str| i64::try_from(digits.len()).unwrap_or(i64::MAX / 2);
    if length(fraction) - exponent > MAX_FRACTION_DIGITS || exponent.abs() >= i64::from(i32::MAX / 2) {
        return false;
    }
    // Only from the first digit that is not zero on do digits take up room before the point.
    let leading = integer.chars().chain(fraction.chars()).take_while(|digit| *digit == '0').count();
    let leading = i64::try_from(leading).unwrap_or(i64::MAX / 2);
    let zero = leading == length(integer) + length(fraction);
    zero || length(integer) - leading + exponent <= MAX_INTEGER_DIGITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_at_their_quote() {
        assert_eq!(string_end(br#""a\"b" "#, 0), Ok(6));
        assert_eq!(string_end(br#" "\\""#, 1), Ok(5));
        assert_eq!(string_end(br#""\ud83d\ude00""#, 0), Ok(14));
        for refused in
            [r#""\u0000""#, r#""\ud83d""#, r#""\ude00""#, r#""\ud83dx\ude00""#, r#""\ud83d\ud83d""#]
        {
            assert!(string_end(refused.as_bytes(), 0).is_err(), "{refused}");
        }
        for broken in ["\"", "\"\\", "\"\\u", "\"\\u12", "\"\\ud83d\\u\""] {
            assert!(string_end(broken.as_bytes(), 0).is_err(), "{broken}");
        }
        // An escaped backslash before a `u` is no escape of a character.
        assert!(string_end(br#""\\u0000""#, 0).is_ok());
    }

    #[test]
    fn numbers_are_bounded_as_a_jsonb_column_bounds_them() {
        let long = |digits: usize| "9".repeat(digits);
        for fits in
            ["0", "-1.5", "1e131071", "0.001e131074", "1E-16383", "0e200000", "9007199254740993.25", "123e+5"]
        {
            assert!(is_storable_number(fits), "{fits}");
        }
        assert!(is_storable_number(&long(131_072)));
        assert!(is_storable_number(&format!("0.{}", long(16_383))));
        for refused in ["1e200000", "1e131072", "10e131071", "1e-16384", "1e99999999999", "0e-16384"] {
            assert!(!is_storable_number(refused), "{refused}");
        }
        assert!(!is_storable_number(&long(131_073)));
        assert!(!is_storable_number(&format!("0.{}", long(16_384))));
    }
}
