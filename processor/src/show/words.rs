//! Instants, durations and names, as a person reads them.

use race::time::Timestamp;

/// `h:mm:ss` UTC, cut: a clock to find one's way by; the official instant stands in the JSON.
pub(crate) fn to_the_second(ts: Timestamp) -> String {
    let seconds = ts.micros().div_euclid(1_000_000).rem_euclid(86_400);
    format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// The day, in UTC.
pub(crate) fn day(ts: Timestamp) -> String {
    format!("{:.10}", ts.to_string())
}

/// Day and time in UTC, to the millisecond.
pub(crate) fn instant(ts: Timestamp) -> String {
    ts.to_string().replacen('T', " ", 1).replace('Z', " UTC")
}

/// `h:mm:ss.mmm`.
pub(crate) fn duration(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{sign}{hours}:{minutes:02}:{seconds:02}.{:03}", ms % 1_000)
}

/// `h:mm:ss.mmm` without leading zeros: what is added and what one is behind.
pub(crate) fn short(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let long = duration(ms.saturating_abs());
    let short = long
        .strip_prefix("0:")
        .map_or(long.clone(), |minutes| minutes.strip_prefix('0').unwrap_or(minutes).to_owned());
    format!("{sign}{short}")
}

/// Seconds with the milliseconds where there are any.
pub(crate) fn seconds(ms: i64) -> String {
    let (sign, ms) = (if ms < 0 { "-" } else { "" }, ms.unsigned_abs());
    let (whole, rest) = (ms / 1_000, ms % 1_000);
    if rest == 0 { format!("{sign}{whole} s") } else { format!("{sign}{whole}.{rest:03} s") }
}

/// A number of something.
pub(crate) fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Numbers in a row.
pub(crate) fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// The text with everything escaped that a terminal would obey or not show.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Marks of width zero and those that turn the direction of writing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_every_digit() {
        assert_eq!(duration(12_600_000), "3:30:00.000");
        assert_eq!(duration(-1), "-0:00:00.001");
        assert_eq!(to_the_second(Timestamp::from_millis(-1)), "23:59:59");
        assert_eq!(short(742_769), "12:22.769");
        assert_eq!(short(5_100), "0:05.100");
        assert_eq!(short(-5_100), "-0:05.100");
        assert_eq!(short(3_600_000), "1:00:00.000");
        assert_eq!((seconds(2_000), seconds(-2_005)), ("2 s".to_owned(), "-2.005 s".to_owned()));
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(escaped("a\u{1b}[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(instant(Timestamp::from_millis(1_500)), "1970-01-01 00:00:01.500 UTC");
    }
}
