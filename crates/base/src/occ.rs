//! The option symbol of the Options Clearing Corporation: root, expiry date, call or put, strike.
//!
//! Format     root of 1 to 6 characters, `YYMMDD`, `C` or `P`, strike × 1000 in 8 digits: `SPXW190426C00800000`. The padded
//!            form of 21 characters fills the root with blanks: `SPY   210129P00345000`. A contract adjusted for a corporate
//!            action has a digit behind its root: `AAPL7140621C00640000`.
//! Source     OCC, Options Symbology Initiative (2010). Years are 2000 to 2099.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

use crate::OptionType;

/// Bytes behind the root: date, type, strike.
const TAIL: usize = 15;

/// An option symbol, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OccSymbol {
    root: OccRoot,
    /// Expiry date, 2000 to 2099.
    pub expiry: Date,
    /// Call or put.
    pub option_type: OptionType,
    /// Strike in thousandths of the currency, 0 to 99,999,999.
    pub strike_thousandths: u32,
}

/// A root of 1 to 6 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct OccRoot {
    bytes: [u8; 6],
    len: u8,
}

/// Why a text is no option symbol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OccError {
    /// Too short or too long.
    #[error("OCC symbol {value:?}: {length} characters; allowed: 16 to 21, a root of 1 to 6 and 15 behind it")]
    Length {
        /// The text.
        value: String,
        /// Its length.
        length: usize,
    },
    /// The root is not letters and digits.
    #[error("OCC symbol {value:?}: root {root:?}; allowed: 1 to 6 of A-Z and 0-9, a letter first")]
    Root {
        /// The text.
        value: String,
        /// Its root.
        root: String,
    },
    /// The six digits are no date.
    #[error("OCC symbol {value:?}: date {date:?}; allowed: a calendar date as YYMMDD")]
    Date {
        /// The text.
        value: String,
        /// Its date.
        date: String,
    },
    /// Neither call nor put.
    #[error("OCC symbol {value:?}: type {letter:?}; allowed: C or P")]
    Type {
        /// The text.
        value: String,
        /// Its letter.
        letter: char,
    },
    /// The strike is not eight digits, or no whole number of thousandths.
    #[error("OCC symbol {value:?}: strike {strike:?}; allowed: 8 digits, the strike times 1000 (0.001 to 99999.999)")]
    Strike {
        /// The text.
        value: String,
        /// Its strike.
        strike: String,
    },
    /// The expiry is outside 2000 to 2099.
    #[error("OCC symbol for {root:?}: expiry {expiry}; allowed: 2000-01-01 to 2099-12-31")]
    Century {
        /// The root.
        root: String,
        /// The expiry.
        expiry: Date,
    },
}

impl OccSymbol {
    /// Makes a symbol; the strike must be a whole number of thousandths.
    pub fn new(root: &str, expiry: Date, option_type: OptionType, strike: f64) -> Result<Self, OccError> {
        let checked = OccRoot::new(root.as_bytes())
            .ok_or_else(|| OccError::Root { value: root.to_owned(), root: root.to_owned() })?;
        if !(2000..=2099).contains(&expiry.year()) {
            return Err(OccError::Century { root: root.to_owned(), expiry });
        }
        let thousandths = (strike * 1000.0).round();
        let is_exact = (strike * 1000.0 - thousandths).abs() <= 1e-6;
        if !(is_exact && (1.0..=99_999_999.0).contains(&thousandths)) {
            return Err(OccError::Strike { value: root.to_owned(), strike: strike.to_string() });
        }
        Ok(Self { root: checked, expiry, option_type, strike_thousandths: thousandths as u32 })
    }

    /// Reads either form. Blanks around the symbol and between root and date are allowed.
    pub fn parse(text: &str) -> Result<Self, OccError> {
        Self::parse_bytes(text.as_bytes()).map_err(|fault| fault.with_words(text.trim()))
    }

    /// The same without words for what is wrong, for the inner loop of a reader.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::parse_bytes(bytes).ok()
    }

    fn parse_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        let bytes = bytes.trim_ascii();
        if bytes.len() <= TAIL {
            return Err(Fault::Length);
        }
        let (root, tail) = bytes.split_at(bytes.len() - TAIL);
        if root.len() > 6 {
            return Err(Fault::Length);
        }
        let root = OccRoot::new(root.trim_ascii_end()).ok_or(Fault::Root)?;
        let expiry = digits(&tail[..6]).and_then(date_of).ok_or(Fault::Date)?;
        let option_type = match tail[6] {
            b'C' => OptionType::Call,
            b'P' => OptionType::Put,
            _ => return Err(Fault::Type),
        };
        let strike_thousandths = digits(&tail[7..]).ok_or(Fault::Strike)?;
        Ok(Self { root, expiry, option_type, strike_thousandths })
    }

    /// The root, without padding.
    pub fn root(&self) -> &str {
        self.root.as_str()
    }

    /// The strike.
    pub fn strike(&self) -> f64 {
        f64::from(self.strike_thousandths) / 1000.0
    }

    /// The form of 21 characters.
    pub fn padded(&self) -> String {
        format!("{:<6}{}", self.root(), Tail(self))
    }
}

impl fmt::Display for OccSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.root(), Tail(self))
    }
}

impl FromStr for OccSymbol {
    type Err = OccError;

    fn from_str(text: &str) -> Result<Self, OccError> {
        Self::parse(text)
    }
}

struct Tail<'a>(&'a OccSymbol);

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(symbol) = self;
        let letter = match symbol.option_type {
            OptionType::Call => 'C',
            OptionType::Put => 'P',
        };
        let (year, month, day) = (symbol.expiry.year() % 100, symbol.expiry.month(), symbol.expiry.day());
        write!(f, "{year:02}{month:02}{day:02}{letter}{:08}", symbol.strike_thousandths)
    }
}

impl OccRoot {
    fn new(root: &[u8]) -> Option<Self> {
        let is_allowed = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if !(1..=6).contains(&root.len()) || !root[0].is_ascii_uppercase() || !root.iter().all(is_allowed) {
            return None;
        }
        let mut bytes = [0; 6];
        bytes[..root.len()].copy_from_slice(root);
        Some(Self { bytes, len: root.len() as u8 })
    }

    fn as_str(&self) -> &str {
        // Only ASCII gets in, in `new`.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

/// What is wrong, before words are made of it.
#[derive(Clone, Copy)]
enum Fault {
    Length,
    Root,
    Date,
    Type,
    Strike,
}

impl Fault {
    fn with_words(self, text: &str) -> OccError {
        let value = text.to_owned();
        let bytes = text.as_bytes();
        let cut = bytes.len().saturating_sub(TAIL);
        let part = |from: usize, to: usize| String::from_utf8_lossy(&bytes[from..to]).into_owned();
        match self {
            Self::Length => OccError::Length { length: text.chars().count(), value },
            Self::Root => OccError::Root { root: part(0, cut), value },
            Self::Date => OccError::Date { date: part(cut, cut + 6), value },
            Self::Type => OccError::Type { letter: char::from(bytes[cut + 6]), value },
            Self::Strike => OccError::Strike { strike: part(cut + 7, cut + TAIL), value },
        }
    }
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

fn date_of(yymmdd: u32) -> Option<Date> {
    let (year, month, day) = (yymmdd / 10_000, yymmdd / 100 % 100, yymmdd % 100);
    Date::new(2000 + year as i16, month as i8, day as i8).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn published_symbols() {
        let spxw = OccSymbol::parse("SPXW190426C00800000").unwrap();
        assert_eq!((spxw.root(), spxw.expiry, spxw.option_type), ("SPXW", date(2019, 4, 26), OptionType::Call));
        assert_eq!(spxw.strike(), 800.0);
        let spy = OccSymbol::parse("SPY   210129P00345000").unwrap();
        assert_eq!((spy.root(), spy.expiry, spy.option_type), ("SPY", date(2021, 1, 29), OptionType::Put));
        assert_eq!((spy.strike(), spy.to_string().as_str()), (345.0, "SPY210129P00345000"));
        let adjusted = OccSymbol::parse("AAPL7140621C00640500").unwrap();
        assert_eq!((adjusted.root(), adjusted.expiry, adjusted.strike()), ("AAPL7", date(2014, 6, 21), 640.5));
    }

    #[test]
    fn errors_name_the_part_and_what_is_allowed() {
        for (text, part) in [
            ("", "0 characters"),
            ("190426C00800000", "15 characters"),
            ("ABCDEFG190426C00800000", "22 characters"),
            ("7SPX190426C00800000", "\"7SPX\""),
            ("spx190426C00800000", "A-Z"),
            ("SPX190431C00800000", "\"190431\""),
            ("SPX19O426C00800000", "YYMMDD"),
            ("SPX190426X00800000", "'X'"),
            ("SPX190426C0080000A", "\"0080000A\""),
            ("S€190426C00800000", "A-Z"),
        ] {
            let words = OccSymbol::parse(text).unwrap_err().to_string();
            assert!(words.contains(part) && words.contains("allowed"), "{text}: {words}");
        }
    }

    #[test]
    fn a_strike_must_be_whole_thousandths() {
        let on = date(2019, 4, 26);
        for strike in [0.0, -5.0, f64::NAN, f64::INFINITY, 0.0005, 100_000.0] {
            assert!(OccSymbol::new("SPX", on, OptionType::Call, strike).is_err(), "{strike}");
        }
        assert_eq!(OccSymbol::new("SPX", on, OptionType::Call, 2.675).unwrap().strike_thousandths, 2675);
        assert!(OccSymbol::new("SPX", date(1999, 1, 1), OptionType::Call, 5.0).is_err());
    }

    proptest! {
        #[test]
        fn goes_round(
            root in "[A-Z][A-Z0-9]{0,5}",
            day in 0i32..36_524,
            is_call in any::<bool>(),
            strike_thousandths in 1u32..100_000_000,
        ) {
            let expiry = date(2000, 1, 1).checked_add(jiff::Span::new().days(day)).unwrap();
            let option_type = if is_call { OptionType::Call } else { OptionType::Put };
            let made = OccSymbol::new(&root, expiry, option_type, f64::from(strike_thousandths) / 1000.0).unwrap();
            prop_assert_eq!(made.strike_thousandths, strike_thousandths);
            prop_assert_eq!(OccSymbol::parse(&made.to_string()).unwrap(), made);
            prop_assert_eq!(made.padded().len(), 21);
            prop_assert_eq!(OccSymbol::parse(&made.padded()).unwrap(), made);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,30}", bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
            let _ = OccSymbol::parse(&text).map_err(|error| error.to_string());
            let _ = OccSymbol::from_bytes(&bytes);
        }

        #[test]
        fn what_parses_prints_back(text in "[A-Z]{1,4}[0-3][0-9][01][0-9][0-3][0-9][CP][0-9]{8}") {
            if let Ok(symbol) = OccSymbol::parse(&text) {
                prop_assert_eq!(symbol.to_string(), text);
            }
        }
    }
}
