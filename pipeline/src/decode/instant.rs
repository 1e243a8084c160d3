//! The instant of a fix.

use race::time::Timestamp;

use crate::limits::{MAX_FUTURE_MS, MIN_TIMESTAMP_MS};

use super::{Refused, excerpt};

/// Between which instants a fix may lie.
#[derive(Debug)]
pub(super) struct Window {
    earliest: Timestamp,
    latest: Timestamp,
    received_at: Timestamp,
}

impl Window {
    pub(super) fn new(received_at: Timestamp) -> Self {
        Self {
            earliest: Timestamp::from_millis(MIN_TIMESTAMP_MS),
            latest: received_at.plus_millis(MAX_FUTURE_MS),
            received_at,
        }
    }

    /// The instant that `text` says, if it lies in the window.
    pub(super) fn read(&self, field: &'static str, text: &[u8]) -> Result<Timestamp, Refused> {
        let ts = instant(text).map_err(|message| Refused::new(field, message))?;
        if ts < self.earliest {
            return Err(Refused::new(field, format!("{} is before {}", excerpt(text), self.earliest)));
        }
        if ts > self.latest {
            return Err(Refused::new(
                field,
                format!(
                    "{} is more than {} h after it was received at {}: no fix may be later than {}",
                    excerpt(text),
                    MAX_FUTURE_MS / 3_600_000,
                    self.received_at,
                    self.latest
                ),
            ));
        }
        Ok(ts)
    }
}

/// What an instant looks like, for messages.
const ALLOWED: &str = "an ISO 8601 instant with an offset, such as 2026-06-07T08:15:30.000Z";

fn instant(text: &[u8]) -> Result<Timestamp, String> {
    if let Some(ts) = common(text) {
        return Ok(ts);
    }
    if text.is_empty() {
        return Err(format!("is missing: {ALLOWED} is required"));
    }
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| format!("{} is not {ALLOWED}", excerpt(text)))
}

/// `YYYY-MM-DDTHH:MM:SS[.ffffff]Z` without the detour over a general parser, which takes longer than all other
/// fields together; `None` for everything else, right or wrong.
fn common(text: &[u8]) -> Option<Timestamp> {
    let (head, rest) = text.split_at_checked(19)?;
    let fraction = match rest.strip_suffix(b"Z")? {
        [] => 0,
        [b'.', digits @ ..] if (1..=6).contains(&digits.len()) => {
            (digits.len()..6).try_fold(number(digits)?, |micros, _| Some(micros * 10))?
        }
        _ => return None,
    };
    if head[4] != b'-' || head[7] != b'-' || head[10] != b'T' || head[13] != b':' || head[16] != b':' {
        return None;
    }
    let (year, month, day) = (number(&head[..4])?, number(&head[5..7])?, number(&head[8..10])?);
    let (hour, minute, second) = (number(&head[11..13])?, number(&head[14..16])?, number(&head[17..])?);
    if day < 1 || day > days_in_month(year, month)? || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Timestamp::from_micros(seconds * 1_000_000 + fraction))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

fn days_in_month(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => Some(28 + i64::from(leap)),
        4 | 6 | 9 | 11 => Some(30),
        1..=12 => Some(31),
        _ => None,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar; a year is counted from March, so that its last day is the leap
/// day.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_tell_the_window() {
        let window = Window::new("2026-06-07T00:00:00Z".parse().unwrap());
        let message = |text: &str| window.read("ts", text.as_bytes()).unwrap_err().message;
        assert_eq!(
            message("1999-12-31T23:59:59.999Z"),
            r#""1999-12-31T23:59:59.999Z" is before 2000-01-01T00:00:00.000Z"#
        );
        assert!(
            message("2026-06-08T00:00:00.001Z")
                .contains("more than 24 h after it was received at 2026-06-07T")
        );
        assert!(message("2026-06-07T08:15:30").contains("is not an ISO 8601 instant with an offset"));
        assert!(message("").starts_with("is missing"));
        for allowed in ["2000-01-01T00:00:00Z", "2026-06-08T00:00:00Z", "2026-06-07T10:15:30.5+02:00"] {
            assert!(window.read("ts", allowed.as_bytes()).is_ok(), "{allowed}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_equals_the_long_one(
            year in 0_i64..=9999, month in 0_i64..=13, day in 0_i64..=32,
            hour in 0_i64..=24, minute in 0_i64..=60, second in 0_i64..=61,
            fraction in "(\\.[0-9]{0,9})?", end in "Z|z|\\+00:00|",
        ) {
            let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{end}");
            if let Some(ts) = common(text.as_bytes()) {
                prop_assert_eq!(Some(ts), text.parse().ok(), "{}", text);
            } else if end == "Z" && fraction.len() != 1 && fraction.len() <= 7 && second < 60 {
                prop_assert!(text.parse::<Timestamp>().is_err(), "{} was left to the long way", text);
            }
        }

        #[test]
        fn any_text_gives_the_same_both_ways(text in "[0-9TZ:. +-]{18,32}") {
            if let Some(ts) = common(text.as_bytes()) {
                prop_assert_eq!(Some(ts), text.parse().ok());
            }
        }
    }
}
