//! One status per row: what is wrong with which field. No number leaves a batch without one.

use serde::{Deserialize, Serialize};

/// What became of one row of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[repr(u8)]
pub enum Status {
    /// The row's numbers are right.
    #[default]
    Ok,
    /// The row has more cells than the header.
    BadRow,
    /// The field is empty or not among `call`, `put`.
    BadOptionType,
    /// The field is not among `european`, `american`, or the style is not supported by the verb.
    BadExerciseStyle,
    /// The model is not known to the verb.
    BadModel,
    /// The spot is absent, not finite, or not above zero.
    BadSpot,
    /// The forward is absent, not finite, or not above zero.
    BadForward,
    /// The strike is absent, not finite, or not above zero.
    BadStrike,
    /// The expiry is absent or cannot be read.
    BadExpiry,
    /// The date or time of the quote is absent or cannot be read.
    BadQuoteDate,
    /// The rate is absent or not finite.
    BadRate,
    /// The dividend yield is not finite.
    BadYield,
    /// The volatility is absent, not finite, or below zero.
    BadVolatility,
    /// The price is absent, not finite, or below zero.
    BadPrice,
    /// The quantity of a position is absent or not finite.
    BadQuantity,
    /// The multiplier of a position is not a finite number above zero.
    BadMultiplier,
    /// The quote is not a finite number at or above zero.
    BadQuote,
    /// The expiry instant is at or before the valuation instant.
    Expired,
    /// The price is below the intrinsic value of the forward: no volatility gives it.
    BelowIntrinsic,
    /// The price is at or above the largest value that any volatility gives.
    AboveMaximum,
    /// The price, as rounded, does not determine a volatility.
    Undetermined,
    /// An iteration ended without meeting its tolerance.
    NotConverged,
    /// The result is not representable (overflow).
    Overflow,
    /// Bid above ask.
    CrossedQuote,
    /// An ask, and a bid that is zero or empty: nobody buys.
    ZeroBid,
    /// Neither a bid nor an ask.
    NoQuote,
    /// The contract stands in an earlier row of the same chain.
    Duplicate,
    /// Bid and ask repeat those of the day before in a file that repeats that day.
    StaleQuote,
    /// No forward could be found for the row's expiry.
    NoForward,
    /// No slice of the surface covers the row.
    NoSurface,
    /// A real-world density needs a price history, and there is none.
    NoHistory,
}

impl Status {
    /// Every status, in the order of their numbers.
    pub const ALL: [Self; 31] = [
        Self::Ok,
        Self::BadRow,
        Self::BadOptionType,
        Self::BadExerciseStyle,
        Self::BadModel,
        Self::BadSpot,
        Self::BadForward,
        Self::BadStrike,
        Self::BadExpiry,
        Self::BadQuoteDate,
        Self::BadRate,
        Self::BadYield,
        Self::BadVolatility,
        Self::BadPrice,
        Self::BadQuantity,
        Self::BadMultiplier,
        Self::BadQuote,
        Self::Expired,
        Self::BelowIntrinsic,
        Self::AboveMaximum,
        Self::Undetermined,
        Self::NotConverged,
        Self::Overflow,
        Self::CrossedQuote,
        Self::ZeroBid,
        Self::NoQuote,
        Self::Duplicate,
        Self::StaleQuote,
        Self::NoForward,
        Self::NoSurface,
        Self::NoHistory,
    ];

    /// The code that outputs print.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::BadRow => "bad_row",
            Self::BadOptionType => "bad_option_type",
            Self::BadExerciseStyle => "bad_exercise_style",
            Self::BadModel => "bad_model",
            Self::BadSpot => "bad_spot",
            Self::BadForward => "bad_forward",
            Self::BadStrike => "bad_strike",
            Self::BadExpiry => "bad_expiry",
            Self::BadQuoteDate => "bad_quote_date",
            Self::BadRate => "bad_rate",
            Self::BadYield => "bad_yield",
            Self::BadVolatility => "bad_volatility",
            Self::BadPrice => "bad_price",
            Self::BadQuantity => "bad_quantity",
            Self::BadMultiplier => "bad_multiplier",
            Self::BadQuote => "bad_quote",
            Self::Expired => "expired",
            Self::BelowIntrinsic => "below_intrinsic",
            Self::AboveMaximum => "above_maximum",
            Self::Undetermined => "undetermined",
            Self::NotConverged => "not_converged",
            Self::Overflow => "overflow",
            Self::CrossedQuote => "crossed_quote",
            Self::ZeroBid => "zero_bid",
            Self::NoQuote => "no_quote",
            Self::Duplicate => "duplicate",
            Self::StaleQuote => "stale_quote",
            Self::NoForward => "no_forward",
            Self::NoSurface => "no_surface",
            Self::NoHistory => "no_history",
        }
    }

    /// Whether the row's numbers are right.
    #[inline]
    pub fn is_ok(self) -> bool {
        self == Self::Ok
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_holds_each_status_at_its_number() {
        for (number, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, number, "{status}");
        }
        assert_eq!(Status::ALL.last(), Some(&Status::NoHistory), "the last one of the enumeration");
    }
}
