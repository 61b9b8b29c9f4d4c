//! Takes the early-exercise premium out of American quotes: price → volatility on the tree → European price at that volatility.

use zomma_base::{OptionType, Status};
use zomma_pricing::{american, black::Row, parity::ParityPair};

use super::forwards::Carry;

/// Strikes next to the forward that parity reads: there the premium is small and known best.
const PAIRS_MAX: usize = 16;

/// What early exercise depends on besides the contract.
#[derive(Clone, Copy, Debug)]
pub(super) struct EarlyExercise {
    /// Spot.
    pub spot: f64,
    /// Years to expiry.
    pub years: f64,
    /// Continuously compounded.
    pub rate: f64,
    /// Continuously compounded.
    pub dividend_yield: f64,
    /// Forward.
    pub forward: f64,
}

impl EarlyExercise {
    /// The terms of one expiry.
    pub fn new(spot: f64, carry: &Carry, years: f64) -> Self {
        Self {
            spot,
            years,
            rate: carry.rate,
            dividend_yield: carry.dividend_yield(spot, years),
            forward: carry.forward,
        }
    }

    fn row(&self, option_type: OptionType, strike: f64, volatility: f64) -> Row {
        Row {
            option_type,
            spot: self.spot,
            strike,
            expiry_years: self.years,
            risk_free_rate: self.rate,
            dividend_yield: self.dividend_yield,
            volatility,
        }
    }

    /// Volatility of an American price.
    pub fn volatility(&self, option_type: OptionType, strike: f64, price: f64) -> Result<f64, Status> {
        american::implied_volatility(&self.row(option_type, strike, f64::NAN), price)
    }

    /// American price at a volatility.
    pub fn price(&self, option_type: OptionType, strike: f64, volatility: f64) -> Result<f64, Status> {
        american::price(&self.row(option_type, strike, volatility))
    }

    /// European price at the volatility of an American one.
    fn european(&self, option_type: OptionType, strike: f64, price: f64) -> Option<f64> {
        let volatility = self.volatility(option_type, strike, price).ok()?;
        american::european_price(&self.row(option_type, strike, volatility)).ok()
    }
}

/// The pairs next to the forward with European prices; a pair whose price determines no volatility is left out.
pub(super) fn european_pairs(quoted: &[ParityPair], terms: &EarlyExercise) -> Vec<ParityPair> {
    let mut near: Vec<&ParityPair> = quoted.iter().collect();
    near.sort_by(|a, b| {
        let distance = |pair: &ParityPair| (pair.strike / terms.forward).ln().abs();
        distance(a).total_cmp(&distance(b)).then_with(|| a.strike.total_cmp(&b.strike))
    });
    near.truncate(PAIRS_MAX);
    let mut pairs: Vec<ParityPair> = near
        .into_iter()
        .filter_map(|pair| {
            let call_mid = terms.european(OptionType::Call, pair.strike, pair.call_mid)?;
            let put_mid = terms.european(OptionType::Put, pair.strike, pair.put_mid)?;
            Some(ParityPair { call_mid, put_mid, ..*pair })
        })
        .collect();
    pairs.sort_by(|a, b| a.strike.total_cmp(&b.strike));
    pairs
}
