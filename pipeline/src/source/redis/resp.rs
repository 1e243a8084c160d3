//! RESP2, read in place: values borrow from the bytes they came in, and nothing is allocated.
//!
//! Bytes may be any prefix of a reply. What is not complete says how many bytes it lacks at least; what is no RESP2
//! is an error, whatever the bytes are.

use memchr::memchr;

use crate::limits::{MAX_REPLY_LINE_BYTES, MAX_REPLY_NESTING};

/// Bytes that are no RESP2, or not the reply that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the broker's reply cannot be understood: {0}")]
pub struct ProtocolError(pub(super) &'static str);

/// What a look at a prefix of a reply came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan<T> {
    /// All of it was there, in so many bytes.
    Whole(T, usize),
    /// At least so many bytes more are needed.
    Need(usize),
}

/// The first line of a value; the body of a bulk string, or the items of an array, follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head<'a> {
    /// A status, such as `OK`.
    Simple(&'a [u8]),
    /// An error: a code in capitals, and words.
    Error(&'a [u8]),
    /// A whole number.
    Integer(i64),
    /// A string of so many bytes.
    Bulk(usize),
    /// So many values.
    Array(u64),
    /// No string, or no array.
    Nil,
}

/// A value, or the head of an array whose items follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// A status, such as `OK`.
    Simple(&'a [u8]),
    /// An error: a code in capitals, and words.
    Error(&'a [u8]),
    /// A whole number.
    Integer(i64),
    /// A string.
    Bulk(&'a [u8]),
    /// So many values follow, one level deeper.
    Array(u64),
    /// No string, or no array.
    Nil,
}

/// The shortest value there is: a type, an end of line.
const SHORTEST: usize = 3;

/// Reads the first line of a value.
///
/// # Errors
/// The bytes are no RESP2.
#[inline]
pub fn head(bytes: &[u8]) -> Result<Scan<Head<'_>>, ProtocolError> {
    let Some((kind, rest)) = bytes.split_first() else { return Ok(Scan::Need(SHORTEST)) };
    Ok(match kind {
        b'$' => match number(rest)? {
            Scan::Whole(-1, used) => Scan::Whole(Head::Nil, used + 1),
            Scan::Whole(len, used) => match usize::try_from(len) {
                // Room for the end of line, so that no sum of a length and a place can overflow.
                Ok(len) if len < usize::MAX / 4 => Scan::Whole(Head::Bulk(len), used + 1),
                _ => return Err(ProtocolError("a string has an impossible length")),
            },
            Scan::Need(more) => Scan::Need(more),
        },
        b'*' => match number(rest)? {
            Scan::Whole(-1, used) => Scan::Whole(Head::Nil, used + 1),
            Scan::Whole(items, used) => match u64::try_from(items) {
                Ok(items) => Scan::Whole(Head::Array(items), used + 1),
                Err(_) => return Err(ProtocolError("an array has an impossible length")),
            },
            Scan::Need(more) => Scan::Need(more),
        },
        b':' => match number(rest)? {
            Scan::Whole(number, used) => Scan::Whole(Head::Integer(number), used + 1),
            Scan::Need(more) => Scan::Need(more),
        },
        b'+' => line(rest)?.map(Head::Simple),
        b'-' => line(rest)?.map(Head::Error),
        _ => return Err(ProtocolError("a value begins with no type of RESP2")),
    })
}

impl<'a> Scan<&'a [u8]> {
    fn map(self, head: impl FnOnce(&'a [u8]) -> Head<'a>) -> Scan<Head<'a>> {
        match self {
            Self::Whole(line, used) => Scan::Whole(head(line), used + 1),
            Self::Need(more) => Scan::Need(more),
        }
    }
}

/// A number and the end of its line.
#[inline]
fn number(bytes: &[u8]) -> Result<Scan<i64>, ProtocolError> {
    const WRONG: ProtocolError = ProtocolError("a length is no number");
    let negative = bytes.first() == Some(&b'-');
    let first = usize::from(negative || bytes.first() == Some(&b'+'));
    let mut value = 0_i64;
    for (n, byte) in bytes.iter().enumerate().skip(first) {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            // Towards the sign, so that the least number can be read.
            let digit = if negative { -i64::from(digit) } else { i64::from(digit) };
            value = value.checked_mul(10).and_then(|value| value.checked_add(digit)).ok_or(WRONG)?;
        } else if *byte == b'\r' && n > first {
            return match bytes.get(n + 1) {
                Some(b'\n') => Ok(Scan::Whole(value, n + 2)),
                Some(_) => Err(ProtocolError("a line has no proper end")),
                None => Ok(Scan::Need(1)),
            };
        } else {
            return Err(WRONG);
        }
        if n >= 32 {
            return Err(WRONG);
        }
    }
    Ok(Scan::Need(if bytes.len() <= first { SHORTEST } else { 2 }))
}

/// The text up to the end of the line.
fn line(bytes: &[u8]) -> Result<Scan<&[u8]>, ProtocolError> {
    let Some(end) = memchr(b'\r', &bytes[..bytes.len().min(MAX_REPLY_LINE_BYTES)]) else {
        if bytes.len() >= MAX_REPLY_LINE_BYTES {
            return Err(ProtocolError("a line is too long"));
        }
        return Ok(Scan::Need(2));
    };
    match bytes.get(end + 1) {
        Some(b'\n') => Ok(Scan::Whole(&bytes[..end], end + 2)),
        Some(_) => Err(ProtocolError("a line has no proper end")),
        None => Ok(Scan::Need(1)),
    }
}

/// The body of a bulk string of `len` bytes that begins at `start`, and where the next value begins.
#[inline]
pub(super) fn body(bytes: &[u8], start: usize, len: usize) -> Result<Scan<&[u8]>, ProtocolError> {
    let end = start + len;
    match bytes.get(end..end + 2) {
        Some(b"\r\n") => Ok(Scan::Whole(&bytes[start..end], end + 2)),
        Some(_) => Err(ProtocolError("a string is longer than its length says")),
        None => Ok(Scan::Need(end + 2 - bytes.len())),
    }
}

/// Digits of a length that is read the short way.
const SHORT_DIGITS: usize = 6;

/// Where the bulk string at `at` begins and ends, if all of it is there and nothing about it is unusual: the way
/// that nearly every string of a reply goes. `None` leaves the judgement to [`head`].
#[inline]
pub(super) fn whole_bulk(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let line = bytes.get(at..)?.strip_prefix(b"$")?;
    let mut len = 0;
    for (n, byte) in line.iter().take(SHORT_DIGITS + 1).enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let start = at + n + 3;
            let framed = n > 0 && *byte == b'\r' && line.get(n + 1) == Some(&b'\n');
            let ended = framed && bytes.get(start + len..start + len + 2) == Some(b"\r\n");
            return ended.then_some((start, start + len));
        }
        len = len * 10 + usize::from(digit);
    }
    None
}

/// Shows every value of the reply at the beginning of `bytes` with its depth, in order, and says how many bytes the
/// whole reply has. Of a reply that is not complete the values that are there are shown.
///
/// # Errors
/// The bytes are no RESP2, or arrays lie deeper than [`MAX_REPLY_NESTING`].
pub fn walk<'a>(bytes: &'a [u8], mut visit: impl FnMut(usize, Token<'a>)) -> Result<Scan<()>, ProtocolError> {
    // Values still to come in each array that is open, outermost first.
    let mut left = [0_u64; MAX_REPLY_NESTING];
    let (mut depth, mut at) = (0, 0);
    loop {
        let (head, used) = match head(&bytes[at..])? {
            Scan::Whole(head, used) => (head, used),
            Scan::Need(more) => return Ok(Scan::Need(more)),
        };
        at += used;
        match head {
            Head::Simple(line) => visit(depth, Token::Simple(line)),
            Head::Error(line) => visit(depth, Token::Error(line)),
            Head::Integer(number) => visit(depth, Token::Integer(number)),
            Head::Nil => visit(depth, Token::Nil),
            Head::Bulk(len) => match body(bytes, at, len)? {
                Scan::Whole(text, next) => {
                    visit(depth, Token::Bulk(text));
                    at = next;
                }
                Scan::Need(more) => return Ok(Scan::Need(more)),
            },
            Head::Array(items) => {
                visit(depth, Token::Array(items));
                if items > 0 {
                    *left.get_mut(depth).ok_or(ProtocolError("arrays lie too deep"))? = items;
                    depth += 1;
                    continue;
                }
            }
        }
        loop {
            let Some(outer) = depth.checked_sub(1) else { return Ok(Scan::Whole((), at)) };
            left[outer] -= 1;
            if left[outer] > 0 {
                break;
            }
            depth = outer;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_numbers_are_bounded() {
        for wrong in [
            "$-2\r\n",
            "*-2\r\n",
            ":\r\n",
            ":-\r\n",
            ":1a\r\n",
            "$1\rx",
            "!1\r\n",
            ":9223372036854775808\r\n",
        ] {
            assert!(head(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert!(head(format!(":{}", "0".repeat(40)).as_bytes()).is_err());
        assert!(head(format!("$9{}\r\n", "0".repeat(18)).as_bytes()).is_err());
        assert!(head(&vec![b'+'; MAX_REPLY_LINE_BYTES + 1]).is_err());
        let least = format!(":{}\r\n", i64::MIN);
        assert_eq!(head(least.as_bytes()), Ok(Scan::Whole(Head::Integer(i64::MIN), least.len())));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels: usize| "*1\r\n".repeat(levels) + ":1\r\n";
        assert!(matches!(walk(nested(MAX_REPLY_NESTING).as_bytes(), |_, _| ()), Ok(Scan::Whole(..))));
        assert!(walk(nested(MAX_REPLY_NESTING + 1).as_bytes(), |_, _| ()).is_err());
        assert_eq!(walk(b"*2\r\n*0\r\n*1\r\n$0\r\n\r\n", |_, _| ()), Ok(Scan::Whole((), 18)));
        assert!(walk(b"$1\r\nabc", |_, _| ()).is_err());
    }
}
