//! Sizes in bytes as people write them: `1GiB`, `512 MB`, `1.5 TiB`, or a whole number of bytes.

/// Units by name, those that print first. KiB and its like are powers of 1024, kB and its like of 1000.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];

/// Why a text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{got:?} is no size: {why}")]
pub struct SizeError {
    /// What was given.
    pub got: String,
    /// What is wrong with it, and what is allowed.
    pub why: String,
}

/// Reads a size; capitals do not matter, and neither does a space before the unit.
///
/// # Errors
///
/// [`SizeError`] where the text is not a number with a unit that is known, not a whole number of bytes, or past 2⁶⁴ − 1.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    let fault = |why: &str| SizeError { got: text.to_owned(), why: why.to_owned() };
    let trimmed = text.trim();
    let number_end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = (&trimmed[..number_end], trimmed[number_end..].trim_start());
    if number.is_empty() {
        return Err(fault("allowed are a whole number of bytes, or a number with a unit, such as 1GiB or 512 MB"));
    }
    let unit_bytes = match unit {
        "" => 1,
        "K" | "k" | "M" | "G" | "T" | "m" | "g" | "t" => {
            let letter = if unit == "k" || unit == "K" { "K" } else { &unit.to_ascii_uppercase() };
            let decimal = if letter == "K" { "kB".into() } else { format!("{letter}B") };
            return Err(fault(&format!("say {letter}iB (powers of 1024) or {decimal} (powers of 1000)")));
        }
        _ => {
            let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
            known.ok_or_else(|| fault("allowed units are B, kB, KiB, MB, MiB, GB, GiB, TB, TiB"))?.1
        }
    };
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    if decimals.contains('.') || decimals.len() > 18 {
        return Err(fault("its number cannot be read"));
    }
    // Exact: digits are read as whole numbers and divided once.
    let too_large = || fault("it is past 18446744073709551615 bytes");
    let digits: u128 = format!("0{whole}{decimals}").parse().map_err(|_| too_large())?;
    let scaled = digits.checked_mul(u128::from(unit_bytes)).ok_or_else(too_large)?;
    let divisor = 10_u128.pow(decimals.len() as u32);
    if scaled % divisor != 0 {
        return Err(fault("it is not a whole number of bytes"));
    }
    u64::try_from(scaled / divisor).map_err(|_| too_large())
}

/// The shortest text that [`parse`] reads back to the same size: `1GiB`, `512MB`, `1000001`.
pub fn exact(bytes: u64) -> String {
    if bytes == 0 {
        return "0".into();
    }
    let unit = UNITS.iter().find(|(_, unit)| bytes.is_multiple_of(*unit));
    match unit {
        Some((name, unit)) if *unit > 1 => format!("{}{name}", bytes / unit),
        _ => bytes.to_string(),
    }
}

/// The size to three or four digits for people: `1.50 GiB`, `23.4 MiB`, `512 B`.
pub fn rounded(bytes: u64) -> String {
    let binary = [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let Some((name, unit)) = binary.into_iter().find(|(_, unit)| bytes >= *unit) else { return format!("{bytes} B") };
    let value = bytes as f64 / unit as f64;
    let decimals = if bytes.is_multiple_of(unit) || value >= 100.0 { 0 } else { 1 + usize::from(value < 10.0) };
    format!("{value:.decimals$} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("1073741824", 1 << 30),
            ("1GiB", 1 << 30),
            ("1 gib", 1 << 30),
            ("512 MB", 512_000_000),
            ("1.5GiB", 3 << 29),
            ("0.001kB", 1),
            ("16777215TiB", 16_777_215 << 40),
            ("64 B", 64),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_a_reason() {
        for (text, why) in [
            ("", "whole number of bytes"),
            ("-1", "whole number of bytes"),
            ("GiB", "whole number of bytes"),
            ("inf", "whole number of bytes"),
            ("1G", "GiB (powers of 1024) or GB"),
            ("1k", "KiB (powers of 1024) or kB"),
            ("1GiBs", "allowed units"),
            ("1.5", "not a whole number"),
            ("1.2.3MB", "cannot be read"),
            ("1e3", "allowed units"),
            ("18446744073709551616", "past"),
            ("99999999999TiB", "past"),
            ("999999999999999999999999999999999999999999TiB", "past"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn people_see_few_digits() {
        assert_eq!(rounded(0), "0 B");
        assert_eq!(rounded(1 << 30), "1 GiB");
        assert_eq!(rounded(3 << 29), "1.50 GiB");
        assert_eq!(rounded(24_500_000), "23.4 MiB");
        assert_eq!(rounded(u64::MAX), "16777216 TiB");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(mantissa in any::<u32>(), unit in 0..UNITS.len(), raw in any::<u64>()) {
            let whole = u64::from(mantissa).saturating_mul(UNITS[unit].1);
            prop_assert_eq!(parse(&exact(whole)), Ok(whole));
            prop_assert_eq!(parse(&exact(raw)), Ok(raw));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
