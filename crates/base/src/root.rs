//! What an option root says: exercise style, settlement, underlying.
//!
//! Cash-settled index options are European, with one exception: OEX is American (XEO is the same index, European). What is
//! not in the table is an option on a share or a fund: American, PM-settled.
//!
//! AM-settled contracts stop trading the evening before and settle at the opening prints of the expiry date. VIX settles on
//! a Wednesday morning, from the opening of the SPX options that expire 30 days later; its expiry date in files is that
//! Wednesday, so 09:30 of the expiry date is right for it as well.
//!
//! Source     contract specifications of Cboe and Nasdaq.

use jiff::civil::{Date, Weekday};

use crate::{ExerciseStyle, Settlement, calendar};

/// One index root.
struct IndexRoot {
    root: &'static str,
    underlying: &'static str,
    style: ExerciseStyle,
    settlement: Settlement,
}

const fn european(root: &'static str, underlying: &'static str, settlement: Settlement) -> IndexRoot {
    IndexRoot { root, underlying, style: ExerciseStyle::European, settlement }
}

/// Sorted by root.
const INDEX_ROOTS: [IndexRoot; 38] = [
    european("CBTX", "CBTX", Settlement::Pm),
    european("DJX", "DJX", Settlement::Am),
    european("MBTX", "MBTX", Settlement::Pm),
    european("MRUT", "MRUT", Settlement::Pm),
    european("MXEA", "MXEA", Settlement::Pm),
    european("MXEF", "MXEF", Settlement::Pm),
    european("NANOS", "NANOS", Settlement::Pm),
    european("NDX", "NDX", Settlement::Am),
    european("NDXP", "NDX", Settlement::Pm),
    european("NQX", "NQX", Settlement::Pm),
    IndexRoot { root: "OEX", underlying: "OEX", style: ExerciseStyle::American, settlement: Settlement::Pm },
    european("RLG", "RLG", Settlement::Am),
    european("RLV", "RLV", Settlement::Am),
    european("RUI", "RUI", Settlement::Am),
    european("RUT", "RUT", Settlement::Am),
    european("RUTW", "RUT", Settlement::Pm),
    european("SIXB", "SIXB", Settlement::Am),
    european("SIXC", "SIXC", Settlement::Am),
    european("SIXE", "SIXE", Settlement::Am),
    european("SIXI", "SIXI", Settlement::Am),
    european("SIXM", "SIXM", Settlement::Am),
    european("SIXR", "SIXR", Settlement::Am),
    european("SIXRE", "SIXRE", Settlement::Am),
    european("SIXT", "SIXT", Settlement::Am),
    european("SIXU", "SIXU", Settlement::Am),
    european("SIXV", "SIXV", Settlement::Am),
    european("SIXY", "SIXY", Settlement::Am),
    european("SPESG", "SPESG", Settlement::Am),
    european("SPX", "SPX", Settlement::Am),
    european("SPXPM", "SPX", Settlement::Pm),
    european("SPXQ", "SPX", Settlement::Pm),
    european("SPXW", "SPX", Settlement::Pm),
    european("VIX", "VIX", Settlement::Am),
    european("VIXW", "VIX", Settlement::Am),
    european("VOLQ", "VOLQ", Settlement::Am),
    european("XEO", "XEO", Settlement::Pm),
    european("XND", "XND", Settlement::Pm),
    european("XSP", "XSP", Settlement::Pm),
];

/// Exercise style by root: European for cash-settled index roots but OEX, American otherwise.
pub fn exercise_style(root: &str) -> ExerciseStyle {
    find(root).map_or(ExerciseStyle::American, |index| index.style)
}

/// Settlement by root: AM for the standard monthlies of an index (SPX, NDX, RUT, DJX, …) and for VIX, PM otherwise.
pub fn settlement(root: &str) -> Settlement {
    find(root).map_or(Settlement::Pm, |index| index.settlement)
}

/// Settlement where a file names the index alone and not the root: an expiry other than the monthly one (third Friday, or
/// the session before where that is a holiday) belongs to the PM-settled series (SPXW for SPX). VIX is AM throughout.
pub fn settlement_on(index: &str, expiry: Date) -> Settlement {
    let settlement = settlement(index);
    let is_volatility = underlying(index) == "VIX";
    if settlement == Settlement::Am && !is_volatility && !is_monthly(expiry) { Settlement::Pm } else { settlement }
}

/// Whether `expiry` is that of the standard monthly options: the third Friday, the Saturday behind it (as files said until
/// 2015), or the last session before it where it is a holiday.
fn is_monthly(expiry: Date) -> bool {
    let third_friday = expiry.nth_weekday_of_month(3, Weekday::Friday).unwrap_or(expiry);
    expiry == third_friday
        || third_friday.tomorrow().is_ok_and(|saturday| expiry == saturday)
        || expiry == calendar::session_on_or_before(third_friday)
}

/// Whether the root is that of a cash-settled index.
pub fn is_index(root: &str) -> bool {
    find(root).is_some()
}

/// The underlying's ticker: SPX for SPXW; the root without the digit of a corporate action (AAPL for AAPL7) otherwise.
pub fn underlying(root: &str) -> &str {
    let ticker = ticker(root);
    find(ticker).map_or_else(|| ticker.trim_end_matches(|c: char| c.is_ascii_digit()), |index| index.underlying)
}

/// A ticker without the marks that vendors put on an index: `^SPX`, `_SPX`, `$SPX`, `.SPX` and `I:SPX` are SPX.
pub fn ticker(name: &str) -> &str {
    let name = name.trim();
    name.strip_prefix("I:").unwrap_or(name).trim_start_matches(['^', '_', '$', '.'])
}

fn find(root: &str) -> Option<&'static IndexRoot> {
    let root = ticker(root);
    INDEX_ROOTS.binary_search_by(|index| index.root.cmp(root)).ok().map(|at| &INDEX_ROOTS[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_every_root_is_found() {
        assert!(INDEX_ROOTS.windows(2).all(|pair| pair[0].root < pair[1].root));
        for index in &INDEX_ROOTS {
            assert!(is_index(index.root));
            assert_eq!(exercise_style(index.root), index.style);
            assert_eq!(underlying(index.root), index.underlying);
        }
    }

    #[test]
    fn published_specifications() {
        for root in ["SPX", "NDX", "RUT", "VIX", "VIXW", "DJX", "^SPX", "_SPX"] {
            assert_eq!((exercise_style(root), settlement(root)), (ExerciseStyle::European, Settlement::Am), "{root}");
        }
        for root in ["SPXW", "XSP", "NDXP", "RUTW", "MRUT", "XEO"] {
            assert_eq!((exercise_style(root), settlement(root)), (ExerciseStyle::European, Settlement::Pm), "{root}");
        }
        for root in ["OEX", "SPY", "AAPL", "AAPL7", "QQQ", "IWM", "VXX", ""] {
            assert_eq!((exercise_style(root), settlement(root)), (ExerciseStyle::American, Settlement::Pm), "{root}");
        }
    }

    #[test]
    fn an_index_alone_is_am_on_its_monthly_expiry() {
        use jiff::civil::date;
        for (index, expiry, expected) in [
            ("SPX", date(2019, 6, 21), Settlement::Am),
            ("SPX", date(2014, 6, 21), Settlement::Am),
            ("SPX", date(2019, 4, 18), Settlement::Am),
            ("SPX", date(2019, 6, 28), Settlement::Pm),
            ("SPX", date(2019, 6, 20), Settlement::Pm),
            ("VIX", date(2019, 6, 19), Settlement::Am),
            ("SPY", date(2019, 6, 21), Settlement::Pm),
        ] {
            assert_eq!(settlement_on(index, expiry), expected, "{index} {expiry}");
        }
    }

    #[test]
    fn underlyings_and_marks() {
        for (root, expected) in [("SPXW", "SPX"), ("_SPX", "SPX"), ("AAPL7", "AAPL"), ("SPY", "SPY"), ("I:NDX", "NDX")]
        {
            assert_eq!(underlying(root), expected);
        }
    }
}
