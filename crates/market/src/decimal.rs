//! Exact reading of decimal text into whole numbers of a fixed unit: never through a float.

/// Why a decimal was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not `[+-]digits[.digits]` with at least one digit.
    #[error("allowed: digits with at most one point")]
    NotANumber,
    /// Something other than zeros stands behind the last decimal that is kept.
    #[error("it has more decimals than are kept")]
    TooFine,
    /// It does not fit in 63 bits of the unit.
    #[error("it is too large for its unit")]
    TooLarge,
}

/// How many digits always fit in 64 bits.
const SAFE_DIGITS: usize = 18;

/// Powers of ten that fit in an i64, by exponent.
const POWERS: [u64; 19] = {
    let mut powers = [1; 19];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// Reads `61737.63` as a whole number of units of 10^−`decimals` (at most 18 of them): 6,173,763,000,000 for 8. Exact, or an error.
///
/// # Errors
///
/// [`DecimalError`] where the text is no number, is finer than the unit, or does not fit.
pub fn fixed(text: &[u8], decimals: usize) -> Result<i64, DecimalError> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let magnitude = i64::try_from(unsigned(digits, decimals)?).map_err(|_| DecimalError::TooLarge)?;
    Ok(if negative { -magnitude } else { magnitude })
}

/// The same for what cannot be below zero and has no sign.
///
/// # Errors
///
/// As [`fixed`].
pub fn unsigned(text: &[u8], decimals: usize) -> Result<u64, DecimalError> {
    let mut value = 0_u64;
    // None until the point has been seen; then how many decimals came after it.
    let mut behind_point: Option<usize> = None;
    let mut digits_seen = 0;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            digits_seen += 1;
            if let Some(behind) = &mut behind_point {
                if *behind == decimals {
                    if digit != 0 {
                        return Err(DecimalError::TooFine);
                    }
                    continue;
                }
                *behind += 1;
            }
            value = if digits_seen <= SAFE_DIGITS {
                value * 10 + u64::from(digit)
            } else {
                times_ten(value)?.checked_add(u64::from(digit)).ok_or(DecimalError::TooLarge)?
            };
        } else if byte == b'.' && behind_point.is_none() {
            behind_point = Some(0);
        } else {
            return Err(DecimalError::NotANumber);
        }
    }
    if digits_seen == 0 {
        return Err(DecimalError::NotANumber);
    }
    let power = POWERS.get(decimals - behind_point.unwrap_or(0)).ok_or(DecimalError::TooLarge)?;
    value.checked_mul(*power).ok_or(DecimalError::TooLarge)
}

fn times_ten(value: u64) -> Result<u64, DecimalError> {
    value.checked_mul(10).ok_or(DecimalError::TooLarge)
}

/// Reads a whole number without sign; `None` where it is none or does not fit.
pub fn whole(text: &[u8]) -> Option<u64> {
    if text.contains(&b'.') { None } else { unsigned(text, 0).ok() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        assert_eq!(fixed(b"61737.63000000", 8), Ok(6_173_763_000_000));
        assert_eq!(fixed(b"0.00000001", 8), Ok(1));
        assert_eq!(fixed(b"-0.5", 9), Ok(-500_000_000));
        assert_eq!(fixed(b"6422", 9), Ok(6_422_000_000_000));
        assert_eq!(fixed(b".5", 1), Ok(5));
        assert_eq!(fixed(b"5.", 1), Ok(50));
        // 0.1 + 0.2 is no float here.
        assert_eq!(fixed(b"0.30", 2), Ok(30));
        assert_eq!(unsigned(b"18446744073709551615", 0), Ok(u64::MAX));
        assert_eq!(whole(b"1723161253937085768"), Some(1_723_161_253_937_085_768));
    }

    #[test]
    fn zeros_behind_the_last_decimal_are_taken_and_digits_are_not() {
        assert_eq!(fixed(b"1.2300000000000000", 2), Ok(123));
        assert_eq!(fixed(b"1.231", 2), Err(DecimalError::TooFine));
    }

    #[test]
    fn what_is_no_number_or_does_not_fit_is_refused() {
        for text in ["", "-", ".", "1.2.3", "1e5", "abc", " 1", "--1", "1-"] {
            assert_eq!(fixed(text.as_bytes(), 8), Err(DecimalError::NotANumber), "{text}");
        }
        assert_eq!(fixed(b"92233720368.54775808", 8), Err(DecimalError::TooLarge));
        assert_eq!(fixed(b"92233720368.54775807", 8), Ok(i64::MAX));
        assert_eq!(unsigned(b"18446744073709551616", 0), Err(DecimalError::TooLarge));
        assert_eq!(fixed(&[b'9'; 400], 8), Err(DecimalError::TooLarge));
        assert_eq!(whole(b"-1"), None);
        assert_eq!(whole(b"1.0"), None);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(value in -1_000_000_000_000_000_000_i64..=1_000_000_000_000_000_000, decimals in 1_usize..=18) {
            let (magnitude, unit) = (value.unsigned_abs(), POWERS[decimals]);
            let sign = if value < 0 { "-" } else { "" };
            let text = format!("{sign}{}.{:0decimals$}", magnitude / unit, magnitude % unit);
            prop_assert_eq!(fixed(text.as_bytes(), decimals), Ok(value));
        }
    }
}
