//! Numbers of a record, each within its bounds.
//!
//! Negative zero becomes zero: it is the same place and the same speed, and evidence is compared by its bits.

use race::num::round_to;

use crate::limits::{MAX_ALTITUDE_M, MAX_SPEED_KMH};

use super::{Refused, excerpt};

/// The number that `text` is, if it lies between `min` and `max`; `unit` is for the message.
fn within(field: &'static str, text: &[u8], min: f64, max: f64, unit: &str) -> Result<f64, Refused> {
    // A NaN lies between no bounds.
    let number =
        decimal(text).or_else(|| std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok()));
    match number.filter(|number| (min..=max).contains(number)) {
        Some(number) => Ok(number + 0.0),
        None if text.is_empty() => {
            Err(Refused::new(field, format!("is missing: a number from {min} to {max} ({unit}) is required")))
        }
        None => Err(Refused::new(
            field,
            format!("{} is not a number from {min} to {max} ({unit})", excerpt(text)),
        )),
    }
}

/// Powers of ten up to the digits that are read quickly.
const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// The number that some digits with a point and a sign are; `None` leaves it to the library. Up to 15 digits and
/// their power of ten are exact, so that the one division rounds as the library does.
fn decimal(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, text),
    };
    if digits.len() >= POWERS.len() {
        return None;
    }
    let (mut number, mut point) = (0_u64, None);
    for (n, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => number = number * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() && n > 0 => point = Some(n),
            _ => return None,
        }
    }
    let fraction = point.map_or(0, |point| digits.len() - point - 1);
    if digits.is_empty() || point.is_some() && fraction == 0 {
        return None;
    }
    #[allow(clippy::cast_precision_loss, reason = "at most 15 digits")]
    let number = number as f64 / POWERS[fraction];
    Some(if negative { -number } else { number })
}

/// Degrees from -90 to 90.
pub(super) fn latitude(text: &[u8]) -> Result<f64, Refused> {
    within("latitude", text, -90.0, 90.0, "degrees")
}

/// Degrees from -180 to 180.
pub(super) fn longitude(text: &[u8]) -> Result<f64, Refused> {
    within("longitude", text, -180.0, 180.0, "degrees")
}

/// Metres above sea level; 0 for empty text.
#[allow(clippy::cast_possible_truncation, reason = "within bounds, and stored in single precision")]
pub(super) fn altitude(text: &[u8]) -> Result<f32, Refused> {
    optional(text, || within("altitude", text, -MAX_ALTITUDE_M, MAX_ALTITUDE_M, "m").map(|m| m as f32))
}

/// Heading in degrees from 0 to 360; 0 for empty text.
#[allow(clippy::cast_possible_truncation, reason = "within bounds, and stored in single precision")]
pub(super) fn angle(text: &[u8]) -> Result<f32, Refused> {
    optional(text, || within("angle", text, 0.0, 360.0, "degrees").map(|degrees| degrees as f32))
}

/// km/h rounded to 0.1, half away from zero; 0 for empty text.
#[allow(clippy::cast_precision_loss, reason = "tenths up to the limit are exact in single precision")]
pub(super) fn speed(text: &[u8]) -> Result<f32, Refused> {
    optional(text, || {
        let kmh = within("speed", text, 0.0, MAX_SPEED_KMH, "km/h")?;
        Ok(round_to(kmh, 10.0) as f32 / 10.0)
    })
}

/// A whole number from 0 to `max`, also when written with a fraction of zero; `unknown` for empty text.
#[allow(clippy::cast_possible_truncation, reason = "whole and within bounds")]
pub(super) fn whole(field: &'static str, text: &[u8], max: i16, unknown: i16) -> Result<i16, Refused> {
    let digits = text.iter().try_fold(0_i16, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| i16::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    match digits {
        _ if text.is_empty() => Ok(unknown),
        Some(number) if number <= max => Ok(number),
        _ => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse::<f64>().ok())
            .filter(|number| (0.0..=f64::from(max)).contains(number) && number.fract() == 0.0)
            .map(|number| number as i16)
            .ok_or_else(|| {
                Refused::new(field, format!("{} is not a whole number from 0 to {max}", excerpt(text)))
            }),
    }
}

fn optional(text: &[u8], read: impl FnOnce() -> Result<f32, Refused>) -> Result<f32, Refused> {
    if text.is_empty() { Ok(0.0) } else { read() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn digits_are_read_as_the_library_reads_them(text in "-?[0-9]{0,12}\\.?[0-9]{0,12}") {
            if let Some(number) = decimal(text.as_bytes()) {
                prop_assert_eq!(Some(number.to_bits()), text.parse().ok().map(f64::to_bits), "{}", text);
            } else {
                prop_assert!(text.len() >= 15 || text.parse::<f64>().is_err() || text.ends_with('.')
                    || text.trim_start_matches('-').starts_with('.'), "{}", text);
            }
        }
    }

    #[test]
    fn bounds_belong_to_the_range_and_what_is_no_number_does_not() {
        assert_eq!(latitude(b"-90").unwrap(), -90.0);
        assert_eq!(longitude(b"1.8e2").unwrap(), 180.0);
        assert_eq!(longitude(b"-0").unwrap().to_bits(), 0);
        for text in ["90.0000001", "NaN", "inf", "-inf", "1e999", "41,3", "0x10", "4 1", "\"41\""] {
            let refused = latitude(text.as_bytes()).unwrap_err();
            assert_eq!(refused.field, "latitude");
            assert!(
                refused.message.ends_with("is not a number from -90 to 90 (degrees)"),
                "{}",
                refused.message
            );
        }
        assert_eq!(
            latitude(b"").unwrap_err().message,
            "is missing: a number from -90 to 90 (degrees) is required"
        );
    }

    #[test]
    fn speed_is_rounded_half_away_from_zero() {
        assert_eq!(speed(b"63.05").unwrap(), 63.1);
        assert_eq!(speed(b"63.049").unwrap(), 63.0);
        assert_eq!(speed(b"-0.0").unwrap().to_bits(), 0);
        assert_eq!(speed(b"").unwrap(), 0.0);
        assert!(speed(b"-0.01").is_err());
        assert!(speed(b"65535").is_ok());
        assert!(speed(b"65535.1").is_err());
        // Every tenth up to 700 km/h, from the half below it.
        for tenth in 0..7_000_i16 {
            let half = format!("{}.{}5", tenth / 10, tenth % 10);
            assert_eq!(speed(half.as_bytes()).unwrap(), f32::from(tenth + 1) / 10.0, "{half}");
        }
    }

    #[test]
    fn whole_numbers_may_be_written_with_a_point() {
        assert_eq!(whole("satellites", b"255", 255, -1), Ok(255));
        assert_eq!(whole("satellites", b"11.0", 255, -1), Ok(11));
        assert_eq!(whole("satellites", b"", 255, -1), Ok(-1));
        for text in ["256", "-1", "1.5", "99999999999", "x"] {
            assert!(whole("satellites", text.as_bytes(), 255, -1).is_err(), "{text}");
        }
    }
}
