//! Every range in one table (name, least, greatest), so that errors, documentation and tests say the same.
//!
//! The bounds are where the formulae keep their promises in f64, far outside any market. Spots, strikes and forwards are in
//! currency per unit, times in ACT/365F years, volatilities per sqrt(year), rates and yields continuously compounded.

use std::fmt;

/// A range of f64 with a name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// Our column name.
    pub name: &'static str,
    /// Least value.
    pub min: f64,
    /// Whether `min` itself is allowed.
    pub min_inclusive: bool,
    /// Greatest value, allowed.
    pub max: f64,
}

impl Bound {
    const fn above(name: &'static str, min: f64, max: f64) -> Self {
        Self { name, min, min_inclusive: false, max }
    }

    const fn from(name: &'static str, min: f64, max: f64) -> Self {
        Self { name, min, min_inclusive: true, max }
    }

    /// Whether `value` is inside. NaN and infinities are not.
    #[inline]
    pub fn contains(&self, value: f64) -> bool {
        (value > self.min || (self.min_inclusive && value == self.min)) && value <= self.max
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = if self.min_inclusive { '[' } else { '(' };
        write!(f, "{open}{}, {:e}]", self.min, self.max)
    }
}

/// Price of the underlying.
pub const SPOT: Bound = Bound::above("spot", 0.0, 1e15);
/// Forward price of the underlying.
pub const FORWARD: Bound = Bound::above("forward", 0.0, 1e15);
/// Strike.
pub const STRIKE: Bound = Bound::above("strike", 0.0, 1e15);
/// Time to the expiry instant.
pub const EXPIRY_YEARS: Bound = Bound::above("expiry_years", 0.0, 1e3);
/// Volatility.
pub const VOLATILITY: Bound = Bound::from("volatility", 0.0, 1e3);
/// Risk-free rate.
pub const RISK_FREE_RATE: Bound = Bound::from("risk_free_rate", -1e2, 1e2);
/// Dividend yield.
pub const DIVIDEND_YIELD: Bound = Bound::from("dividend_yield", -1e2, 1e2);
/// Price of an option.
pub const PRICE: Bound = Bound::from("price", 0.0, 1e15);
/// Bid of an option.
pub const BID: Bound = Bound::from("bid", 0.0, 1e15);
/// Ask of an option.
pub const ASK: Bound = Bound::from("ask", 0.0, 1e15);

/// The whole table.
pub const ALL: [Bound; 10] =
    [SPOT, FORWARD, STRIKE, EXPIRY_YEARS, VOLATILITY, RISK_FREE_RATE, DIVIDEND_YIELD, PRICE, BID, ASK];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_not_a_number_is_inside() {
        for bound in ALL {
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                assert!(!bound.contains(bad), "{} holds {bad}", bound.name);
            }
        }
    }

    #[test]
    fn ends_are_as_printed() {
        for bound in ALL {
            assert!(bound.contains(bound.max));
            assert!(!bound.contains(bound.max.next_up()));
            assert_eq!(bound.contains(bound.min), bound.min_inclusive);
            assert!(bound.contains(bound.min.next_up()));
            assert!(!bound.contains(bound.min.next_down()));
            assert_eq!(bound.to_string().starts_with('['), bound.min_inclusive);
        }
        assert_eq!(STRIKE.to_string(), "(0, 1e15]");
        assert_eq!(VOLATILITY.to_string(), "[0, 1e3]");
    }
}
