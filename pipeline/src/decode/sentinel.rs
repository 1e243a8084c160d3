//! Values that JSON has no type for and that a producer wraps in an object: a large integer, a run of bytes.
//!
//! An object that looks like one but holds something else is kept as the object it is.

use super::json_text::unquoted;

/// Whether an object with this one member stands for the string that is its value.
pub(super) fn is_sentinel(key: &str, value: &str) -> bool {
    let holds = match key {
        "__bigint" => is_decimal,
        "__buffer_b64" => is_base64,
        _ => return false,
    };
    value.starts_with('"') && unquoted(value).is_ok_and(|text| holds(&text))
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_and_base64_are_meant() {
        for value in [r#""0""#, r#""-18446744073709551616""#, r#""+1""#, r#""\u0031""#] {
            assert!(is_sentinel("__bigint", value), "{value}");
        }
        for value in ["1", r#""""#, r#""-""#, r#""1.0""#, r#""0x1""#, r#""1 ""#, "null", "[]"] {
            assert!(!is_sentinel("__bigint", value), "{value}");
        }
        for value in [r#""""#, r#""3q2+7w==""#, r#""3q2\/7wA=""#, r#""AAAA""#] {
            assert!(is_sentinel("__buffer_b64", value), "{value}");
        }
        for value in [r#""3q2""#, r#""====""#, r#""A===""#, r#""3q-_""#, r#""=AAA""#, "7"] {
            assert!(!is_sentinel("__buffer_b64", value), "{value}");
        }
        assert!(!is_sentinel("__date", r#""1""#));
    }
}
