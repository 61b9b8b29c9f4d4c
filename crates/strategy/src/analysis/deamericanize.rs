//! Takes the early-exercise premium out of American quotes: price → volatility on the tree → European price at that volatility.

use zomma_base::{OptionType, Status};
use zomma_pricing::{
    implied_vol::{self, PriceColumns},
    parity::ParityPair,
};

use super::{forwards::Carry, normal::normal_cdf};

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
    /// Discount factor.
    pub discount_factor: f64,
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
            discount_factor: carry.discount_factor,
        }
    }

    /// Volatility of an American price.
    pub fn volatility(&self, option_type: OptionType, strike: f64, price: f64) -> Result<f64, Status> {
        let (mut out, mut status) = ([f64::NAN], [Status::Ok]);
        implied_vol::implied_volatility(
            &PriceColumns {
                option_type: &[option_type],
                forward: &[self.forward],
                strike: &[strike],
                expiry_years: &[self.years],
                discount_factor: &[self.discount_factor],
                price: &[price],
            },
            &mut out,
            &mut status,
        );
        if status[0].is_ok() { Ok(out[0]) } else { Err(status[0]) }
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
            let european = |option_type, price| {
                let volatility = terms.volatility(option_type, pair.strike, price).ok()?;
                Some(black_price(option_type, pair.strike, volatility, terms))
            };
            let call_mid = european(OptionType::Call, pair.call_mid)?;
            let put_mid = european(OptionType::Put, pair.put_mid)?;
            Some(ParityPair { call_mid, put_mid, ..*pair })
        })
        .collect();
    pairs.sort_by(|a, b| a.strike.total_cmp(&b.strike));
    pairs
}

/// Black's European price.
fn black_price(option_type: OptionType, strike: f64, volatility: f64, terms: &EarlyExercise) -> f64 {
    let deviation = volatility * terms.years.sqrt();
    let d1 = (terms.forward / strike).ln() / deviation + 0.5 * deviation;
    let sign = option_type.sign();
    let undiscounted = sign * (terms.forward * normal_cdf(sign * d1) - strike * normal_cdf(sign * (d1 - deviation)));
    terms.discount_factor * undiscounted
}
