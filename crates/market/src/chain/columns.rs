//! The columns that a chain can have, and the names that files give them.

/// A column of a chain, by our name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Column {
    /// Ticker of the underlying.
    Underlying,
    /// Date of the quotes, perhaps with a time.
    QuoteDate,
    /// New York time of the quotes.
    QuoteTime,
    /// OCC symbol.
    Symbol,
    /// Option root.
    Root,
    /// Call or put.
    OptionType,
    /// Expiry: a date, or a date-time.
    Expiry,
    /// Strike.
    Strike,
    /// Bid.
    Bid,
    /// Ask.
    Ask,
    /// Contracts wanted at the bid.
    BidSize,
    /// Contracts offered at the ask.
    AskSize,
    /// Last trade.
    Last,
    /// Volume.
    Volume,
    /// Open interest.
    OpenInterest,
    /// The vendor's implied volatility.
    ImpliedVolatility,
    /// Price of the underlying.
    Spot,
    /// AM or PM.
    Settlement,
    /// European or American.
    ExerciseStyle,
}

/// Number of columns.
pub const COUNT: usize = 19;

/// A column, its name, and other names for it, the likelier first. Names are compared by their letters and digits in lower
/// case: `Open Interest`, `openInterest` and `open_interest` are one.
pub(super) struct Names {
    pub column: Column,
    pub ours: &'static str,
    pub synonyms: &'static [&'static str],
}

const fn names(column: Column, ours: &'static str, synonyms: &'static [&'static str]) -> Names {
    Names { column, ours, synonyms }
}

/// In the order of [`Column`].
pub(super) const TABLE: [Names; COUNT] = [
    names(
        Column::Underlying,
        "underlying",
        &["underlyingsymbol", "underlyingticker", "undsymbol", "ticker", "actsymbol", "basesymbol"],
    ),
    names(
        Column::QuoteDate,
        "quote_date",
        &["quotedatetime", "quotetimestamp", "date", "tradedate", "datadate", "asofdate", "datetime", "timestamp"],
    ),
    names(Column::QuoteTime, "quote_time", &["time", "snapshottime"]),
    names(
        Column::Symbol,
        "symbol",
        &[
            "optionsymbol",
            "optionroot",
            "occsymbol",
            "occ",
            "osi",
            "contractsymbol",
            "contractid",
            "contract",
            "option",
            "optionalias",
        ],
    ),
    names(Column::Root, "root", &["rootsymbol", "optionclass", "optionroot"]),
    names(
        Column::OptionType,
        "option_type",
        &["type", "callput", "putcall", "cp", "cpflag", "right", "optionright", "callorput"],
    ),
    names(
        Column::Expiry,
        "expiry",
        &["expiration", "expirationdate", "expirydate", "expdate", "exdate", "expiredate", "maturity", "maturitydate"],
    ),
    names(Column::Strike, "strike", &["strikeprice", "strikepx"]),
    names(Column::Bid, "bid", &["bidclose", "bidprice", "bestbid", "bid1545", "bideod", "closebid", "bidpx"]),
    names(Column::Ask, "ask", &["askclose", "askprice", "bestask", "offer", "ask1545", "askeod", "closeask", "askpx"]),
    names(Column::BidSize, "bid_size", &["bidsize1545", "bidsizeeod", "bidqty", "bidquantity", "bidsz"]),
    names(Column::AskSize, "ask_size", &["asksize1545", "asksizeeod", "askqty", "askquantity", "asksz", "offersize"]),
    names(Column::Last, "last", &["lastprice", "lasttradeprice", "lasttrade", "lastpx", "close"]),
    names(Column::Volume, "volume", &["tradevolume", "totalvolume", "dayvolume"]),
    names(Column::OpenInterest, "open_interest", &["oi", "openint"]),
    names(Column::ImpliedVolatility, "implied_volatility", &["impliedvol", "iv", "impvol", "midiv"]),
    names(
        Column::Spot,
        "spot",
        &[
            "underlyinglast",
            "underlyingprice",
            "underlyingclose",
            "underlyinglastprice",
            "activeunderlyingprice1545",
            "spotprice",
            "stockprice",
            "currentprice",
        ],
    ),
    names(Column::Settlement, "settlement", &["settlementtype", "amsettlement"]),
    names(Column::ExerciseStyle, "exercise_style", &["exercise", "style"]),
];

impl Column {
    /// Our name.
    pub fn name(self) -> &'static str {
        TABLE[self as usize].ours
    }

    /// The column of our name.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|names| names.ours == name).map(|names| names.column)
    }
}

/// Our names, for errors and `--help`.
pub fn names_of_columns() -> String {
    TABLE.iter().map(|names| names.ours).collect::<Vec<_>>().join(", ")
}

/// Letters and digits in lower case: what names are compared by.
pub(crate) fn normalized(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_columns() {
        for (at, names) in TABLE.iter().enumerate() {
            assert_eq!(names.column as usize, at);
            assert_eq!(Column::from_name(names.ours), Some(names.column));
            assert!(names.synonyms.iter().all(|synonym| normalized(synonym) == **synonym), "{}", names.ours);
        }
    }

    #[test]
    fn no_name_of_one_column_is_a_synonym_of_another() {
        for names in &TABLE {
            for other in TABLE.iter().filter(|other| other.column != names.column) {
                let ours = normalized(names.ours);
                assert!(!other.synonyms.contains(&ours.as_str()), "{} and {}", names.ours, other.ours);
            }
        }
    }
}
