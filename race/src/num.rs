//! Rounding: everything compared or published is rounded first, half away from zero.
//!
//! Distances become whole centimetres, speeds whole hundredths of km/h, so that two honest computations of one
//! number cannot fall on different sides of a limit.

/// `numerator / denominator` rounded half away from zero; the denominator must be positive.
///
/// Saturates at the ends of `i64`, which no distance, speed or duration of a race comes near.
pub fn div_round(numerator: i128, denominator: i128) -> i64 {
    debug_assert!(denominator > 0, "a rounded quotient needs a positive denominator");
    let half = denominator / 2;
    let quotient =
        if numerator >= 0 { (numerator + half) / denominator } else { (numerator - half) / denominator };
    i64::try_from(quotient).unwrap_or(if quotient > 0 { i64::MAX } else { i64::MIN })
}

/// A finite float rounded half away from zero to a whole number of `1 / per_unit`; saturates.
#[allow(clippy::cast_possible_truncation, reason = "a float cast saturates, which is what is wanted")]
pub fn round_to(value: f64, per_unit: f64) -> i64 {
    (value * per_unit).round() as i64
}

/// Metres to whole centimetres.
pub fn cm(metres: f64) -> i64 {
    round_to(metres, 100.0)
}

/// Degrees to the published precision of 1e-7.
pub fn degrees_e7(degrees: f64) -> f64 {
    (degrees * 1e7).round() / 1e7
}

/// Distances and times below these (10 000 km, and over a month) give numbers below 2^63 on the way to a speed.
const SHORT_CM: i64 = 1_000_000_000;
const SHORT_US: i64 = 1 << 42;

/// Hundredths of km/h that cover `distance_cm` in `duration_us`; [`i64::MAX`] when no time passes.
pub fn speed_ckmh(distance_cm: i64, duration_us: i64) -> i64 {
    if duration_us <= 0 {
        return if distance_cm == 0 { 0 } else { i64::MAX };
    }
    // cm / us -> 0.01 km/h: (cm / 100) m, (us / 1e6) s, * 3.6 km/h, * 100.
    let (half_us, is_short) = (duration_us / 2, (0..SHORT_CM).contains(&distance_cm));
    if is_short && duration_us < SHORT_US {
        // What a track is made of fits 64 bits, in which a division costs a fraction.
        return (distance_cm * 3_600_000 + half_us) / duration_us;
    }
    div_round(i128::from(distance_cm) * 3_600_000, i128::from(duration_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_away_from_zero() {
        assert_eq!(div_round(5, 2), 3);
        assert_eq!(div_round(-5, 2), -3);
        assert_eq!(div_round(7, 3), 2);
        assert_eq!(cm(0.005), 1);
        assert_eq!(cm(-0.005), -1);
    }

    proptest::proptest! {
        #[test]
        fn short_distances_and_times_are_divided_like_all_others(
            distance_cm in 0..2 * SHORT_CM, duration_us in proptest::prop_oneof![1..10_000_000_i64, 1..2 * SHORT_US],
        ) {
            let exact = div_round(i128::from(distance_cm) * 3_600_000, i128::from(duration_us));
            proptest::prop_assert_eq!(speed_ckmh(distance_cm, duration_us), exact);
        }
    }

    #[test]
    fn sixty_kmh_over_900_m_is_54_s() {
        assert_eq!(speed_ckmh(90_000, 54_000_000), 6_000);
        assert_eq!(speed_ckmh(1, 0), i64::MAX);
    }
}
