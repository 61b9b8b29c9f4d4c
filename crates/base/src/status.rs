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
    /// The variance now, `v0`, is absent, not finite, or below zero.
    BadV0,
    /// The speed of mean reversion, `kappa`, is absent, not finite, or not above zero.
    BadKappa,
    /// The long-run variance, `theta_v`, is absent, not finite, or below zero.
    BadThetaV,
    /// The volatility of variance, `sigma_v`, is absent, not finite, or below zero.
    BadSigmaV,
    /// The correlation of spot and variance, `rho_v`, is absent or not within −1 and 1.
    BadRhoV,
    /// The jumps a year, `jump_intensity`, are absent, not finite, or below zero.
    BadJumpIntensity,
    /// The mean of a jump's logarithm, `jump_mean`, is absent or not finite.
    BadJumpMean,
    /// The deviation of a jump's logarithm, `jump_std`, is absent, not finite, or below zero.
    BadJumpStd,
    /// The share of upward jumps, `jump_up_probability`, is absent or not within 0 and 1.
    BadJumpUpProbability,
    /// The rate of upward jumps' sizes, `jump_up_rate`, is absent, not finite, or not above 1.
    BadJumpUpRate,
    /// The rate of downward jumps' sizes, `jump_down_rate`, is absent, not finite, or not above zero.
    BadJumpDownRate,
    /// The drift of variance gamma, `vg_theta`, is absent or not finite, or leaves the spot without a mean.
    BadVgTheta,
    /// The variance rate of variance gamma, `vg_nu`, is absent, not finite, or below zero.
    BadVgNu,
    /// The displacement is absent or not finite, or leaves the displaced spot or strike not above zero.
    BadDisplacement,
    /// The barrier is absent, not finite, or not above zero.
    BadBarrier,
    /// The spot is at or beyond the barrier already.
    BarrierHit,
    /// The rebate is not finite or below zero.
    BadRebate,
    /// A cash dividend's amount is not finite or below zero, or its time is not finite or below zero.
    BadDividend,
    /// Early exercise pays between two boundaries here, which the method does not handle.
    TwoBoundaries,
    /// The method does not value this model or exercise style.
    BadMethod,
    /// The currency has no rate to the reporting currency.
    BadCurrency,
    /// The log-moneyness is not finite.
    BadLogMoneyness,
    /// The surface has arbitrage there: local volatility, or the density, is none.
    Arbitrage,
    /// Fewer quotes at different strikes than the shape has parameters.
    TooFewQuotes,
    /// The payoff is not among those known, or its model or the verb does not know it.
    BadPayoff,
    /// The kind of barrier is not among those known, or its payoff has no barrier.
    BadBarrierType,
    /// The observation dates are no whole number above zero, or absent where the payoff needs them.
    BadObservationDates,
    /// The exercise times of a Bermudan option are absent, cannot be read, or are not between now and expiry.
    BadExerciseTimes,
    /// The extreme so far of a lookback is not a finite number above zero, or is given where it cannot be used.
    BadExtreme,
    /// The amount of a cash-or-nothing option is not finite or below zero.
    BadCash,
    /// A cash dividend of the row's own falls at or after its expiry.
    DividendAfterExpiry,
    /// The cash dividends before expiry are worth the spot or more.
    DividendAboveSpot,
    /// More than one volatility gives the price.
    SeveralVolatilities,
    /// Some of the Greeks asked for grow without bound towards this limit: their cells are empty, the row's other numbers are right.
    Diverges,
    /// The price is right; the engine that takes such a row makes no Greeks, and their cells are empty.
    PriceAlone,
}

impl Status {
    /// Every status, in the order of their numbers.
    pub const ALL: [Self; 66] = [
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
        Self::BadV0,
        Self::BadKappa,
        Self::BadThetaV,
        Self::BadSigmaV,
        Self::BadRhoV,
        Self::BadJumpIntensity,
        Self::BadJumpMean,
        Self::BadJumpStd,
        Self::BadJumpUpProbability,
        Self::BadJumpUpRate,
        Self::BadJumpDownRate,
        Self::BadVgTheta,
        Self::BadVgNu,
        Self::BadDisplacement,
        Self::BadBarrier,
        Self::BarrierHit,
        Self::BadRebate,
        Self::BadDividend,
        Self::TwoBoundaries,
        Self::BadMethod,
        Self::BadCurrency,
        Self::BadLogMoneyness,
        Self::Arbitrage,
        Self::TooFewQuotes,
        Self::BadPayoff,
        Self::BadBarrierType,
        Self::BadObservationDates,
        Self::BadExerciseTimes,
        Self::BadExtreme,
        Self::BadCash,
        Self::DividendAfterExpiry,
        Self::DividendAboveSpot,
        Self::SeveralVolatilities,
        Self::Diverges,
        Self::PriceAlone,
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
            Self::BadV0 => "bad_v0",
            Self::BadKappa => "bad_kappa",
            Self::BadThetaV => "bad_theta_v",
            Self::BadSigmaV => "bad_sigma_v",
            Self::BadRhoV => "bad_rho_v",
            Self::BadJumpIntensity => "bad_jump_intensity",
            Self::BadJumpMean => "bad_jump_mean",
            Self::BadJumpStd => "bad_jump_std",
            Self::BadJumpUpProbability => "bad_jump_up_probability",
            Self::BadJumpUpRate => "bad_jump_up_rate",
            Self::BadJumpDownRate => "bad_jump_down_rate",
            Self::BadVgTheta => "bad_vg_theta",
            Self::BadVgNu => "bad_vg_nu",
            Self::BadDisplacement => "bad_displacement",
            Self::BadBarrier => "bad_barrier",
            Self::BarrierHit => "barrier_hit",
            Self::BadRebate => "bad_rebate",
            Self::BadDividend => "bad_dividend",
            Self::TwoBoundaries => "two_boundaries",
            Self::BadMethod => "bad_method",
            Self::BadCurrency => "bad_currency",
            Self::BadLogMoneyness => "bad_log_moneyness",
            Self::Arbitrage => "arbitrage",
            Self::TooFewQuotes => "too_few_quotes",
            Self::BadPayoff => "bad_payoff",
            Self::BadBarrierType => "bad_barrier_type",
            Self::BadObservationDates => "bad_observation_dates",
            Self::BadExerciseTimes => "bad_exercise_times",
            Self::BadExtreme => "bad_extreme",
            Self::BadCash => "bad_cash",
            Self::DividendAfterExpiry => "dividend_after_expiry",
            Self::DividendAboveSpot => "dividend_above_spot",
            Self::SeveralVolatilities => "several_volatilities",
            Self::Diverges => "diverges",
            Self::PriceAlone => "price_alone",
        }
    }

    /// Whether the row's numbers are right.
    #[inline]
    pub fn is_ok(self) -> bool {
        self == Self::Ok
    }

    /// Whether the numbers that the row has are right: all of them are there, or the status says which are not.
    #[inline]
    pub fn has_numbers(self) -> bool {
        matches!(self, Self::Ok | Self::Diverges | Self::PriceAlone)
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
        assert_eq!(Status::ALL.last(), Some(&Status::PriceAlone), "the last one of the enumeration");
    }
}
