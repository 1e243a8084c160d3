//! The id of a stream entry.

use std::fmt;
use std::str::FromStr;

use race::time::Timestamp;

/// When an entry was added, in the broker's milliseconds, and its number within that millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub ms: u64,
    /// Tells entries of one millisecond apart.
    pub seq: u64,
}

/// A text that is no stream id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stream id is two whole numbers with a hyphen between them, such as 1780820130000-0")]
pub struct ParseStreamIdError;

impl StreamId {
    /// Before every entry: reading one's own pending entries begins behind it.
    pub const ZERO: Self = Self { ms: 0, seq: 0 };

    /// When the entry was added; saturates at the end of the range.
    pub fn time(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.ms).unwrap_or(i64::MAX))
    }

    /// The id as the broker writes it, without the detour over a formatter and an allocation.
    pub fn as_text(self, buffer: &mut StreamIdText) -> &[u8] {
        let seq = digits(self.seq, &mut buffer.0, STREAM_ID_TEXT_BYTES);
        buffer.0[seq - 1] = b'-';
        let ms = digits(self.ms, &mut buffer.0, seq - 1);
        &buffer.0[ms..]
    }

    /// Reads `ms-seq`; nothing else is an id.
    pub fn from_bytes(text: &[u8]) -> Option<Self> {
        let hyphen = text.iter().position(|byte| *byte == b'-')?;
        Some(Self { ms: number(&text[..hyphen])?, seq: number(&text[hyphen + 1..])? })
    }
}

/// Two numbers of 20 digits at most, and a hyphen.
const STREAM_ID_TEXT_BYTES: usize = 41;

/// Room for the text of an id.
#[derive(Debug, Clone, Copy)]
pub struct StreamIdText([u8; STREAM_ID_TEXT_BYTES]);

impl Default for StreamIdText {
    fn default() -> Self {
        Self([0; STREAM_ID_TEXT_BYTES])
    }
}

/// Writes a number so that it ends before `end`; where it begins.
fn digits(mut number: u64, buffer: &mut [u8; STREAM_ID_TEXT_BYTES], mut end: usize) -> usize {
    loop {
        end -= 1;
        #[allow(clippy::cast_possible_truncation, reason = "a digit")]
        let digit = (number % 10) as u8;
        buffer[end] = b'0' + digit;
        number /= 10;
        if number == 0 {
            return end;
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 20 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}

impl FromStr for StreamId {
    type Err = ParseStreamIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_bytes(text.as_bytes()).ok_or(ParseStreamIdError)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints_and_nothing_else() {
        for text in ["0-0", "1780820130000-7", "18446744073709551615-18446744073709551615"] {
            let id: StreamId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(id.as_text(&mut StreamIdText::default()), text.as_bytes());
        }
        for text in ["", "-", "1", "1-", "-1", "1-2-3", "+1-0", "1-a", "18446744073709551616-0", " 1-0"] {
            assert_eq!(text.parse::<StreamId>(), Err(ParseStreamIdError), "{text}");
        }
    }

    #[test]
    fn orders_by_time_and_never_overflows() {
        assert!(StreamId { ms: 1, seq: u64::MAX } < StreamId { ms: 2, seq: 0 });
        assert_eq!(StreamId { ms: 1_500, seq: 3 }.time().micros(), 1_500_000);
        assert_eq!(StreamId { ms: u64::MAX, seq: 0 }.time().micros(), i64::MAX);
    }
}
