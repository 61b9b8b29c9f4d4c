//! Takes the early-exercise premium out of American quotes: price → volatility by an American engine → European price at that volatility.
//!
//! Without cash dividends before expiry the engine is the collocation with a continuous yield. With them it is the grid of the spot model
//! (docs/finite-difference.md), whose volatility becomes Black's against the forward before it leaves this file: all volatilities of an
//! analysis are of the European option.

use rayon::prelude::*;
use zomma_base::{OptionType, Status};
use zomma_pricing::{
    american,
    black::{Model, Row, RowColumns, scalar},
    finite_difference::{self, CashDividend, Settings},
    parity::ParityPair,
};

use super::{cash_dividends::CashDividends, forwards::Carry};

/// Strikes next to the forward that parity reads: there the premium is small and known best.
const PAIRS_MAX: usize = 16;

/// What early exercise depends on besides the contract.
#[derive(Clone, Copy, Debug)]
pub(super) struct EarlyExercise<'a> {
    /// Spot.
    pub spot: f64,
    /// Years to expiry.
    pub years: f64,
    /// Continuously compounded.
    pub rate: f64,
    /// Continuously compounded; with cash dividends what they leave of it.
    pub dividend_yield: f64,
    /// Forward.
    pub forward: f64,
    /// Cash dividends before expiry.
    dividends: &'a [CashDividend],
}

/// One American price.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted {
    pub option_type: OptionType,
    pub strike: f64,
    pub price: f64,
}

impl<'a> EarlyExercise<'a> {
    /// The terms of one expiry. Where the forward has grown faster than the rate lets it, cash dividends added, the rate is taken to be
    /// the growth and not the yield below zero: American pairs tell the forward well and the rate badly.
    pub fn new(spot: f64, carry: &Carry, years: f64, cash: Option<&'a CashDividends>) -> Self {
        let dividends = cash.map_or(&[][..], |cash| cash.before(years));
        let plain = [carry.rate, carry.dividend_yield(spot, years)];
        let [rate, dividend_yield] = match cash.filter(|_| !dividends.is_empty()) {
            Some(cash) => {
                let growth = cash.growth(spot, carry.forward, years);
                let rate = carry.rate.max(growth);
                [rate, rate - growth]
            }
            None => plain,
        };
        Self { spot, years, rate, dividend_yield, forward: carry.forward, dividends }
    }

    /// Whether volatilities come from the grid.
    pub fn has_cash(&self) -> bool {
        !self.dividends.is_empty()
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

    /// Volatility of an American price: of the European option on the same surface.
    pub fn volatility(&self, quoted: &Quoted) -> Result<f64, Status> {
        let row = self.row(quoted.option_type, quoted.strike, f64::NAN);
        if !self.has_cash() {
            return american::implied_volatility(&row, quoted.price);
        }
        self.volatilities(std::slice::from_ref(quoted))[0]
    }

    /// [`Self::volatility`] of many, with cash dividends: in one batch of the grid, over the threads of the pool.
    pub fn volatilities(&self, quoted: &[Quoted]) -> Vec<Result<f64, Status>> {
        let n = quoted.len();
        let settings = Settings::default();
        let option_type: Vec<OptionType> = quoted.iter().map(|quoted| quoted.option_type).collect();
        let strike: Vec<f64> = quoted.iter().map(|quoted| quoted.strike).collect();
        let price: Vec<f64> = quoted.iter().map(|quoted| quoted.price).collect();
        let same = |x: f64| vec![x; n];
        let (spot, years) = (same(self.spot), same(self.years));
        let (rate, dividend_yield, volatility) = (same(self.rate), same(self.dividend_yield), same(f64::NAN));
        let rows = RowColumns {
            option_type: &option_type,
            spot: &spot,
            strike: &strike,
            expiry_years: &years,
            risk_free_rate: &rate,
            dividend_yield: &dividend_yield,
            volatility: &volatility,
        };
        let (mut found, mut status) = (vec![f64::NAN; n], vec![Status::Ok; n]);
        finite_difference::implied_volatility_batch(&rows, &price, self.dividends, &settings, &mut found, &mut status);
        let against_forward = |(i, quoted): (usize, &Quoted)| {
            if !status[i].is_ok() {
                return Err(status[i]);
            }
            let row = self.row(quoted.option_type, quoted.strike, found[i]);
            finite_difference::forward_volatility(&row, self.dividends, &settings)
        };
        quoted.par_iter().enumerate().map(against_forward).collect()
    }

    /// American price at a volatility of the surface.
    pub fn price(&self, option_type: OptionType, strike: f64, volatility: f64) -> Result<f64, Status> {
        let row = self.row(option_type, strike, volatility);
        if !self.has_cash() {
            return american::price(&row);
        }
        let settings = Settings::default();
        let volatility = finite_difference::spot_volatility(&row, self.dividends, &settings)?;
        let row = Row { volatility, ..row };
        finite_difference::american_with_dividends(&row, self.dividends, &settings).map(|estimate| estimate.value)
    }

    /// European price at the volatility of an American one.
    fn european(&self, quoted: &Quoted, volatility: Result<f64, Status>) -> Option<f64> {
        let row = self.row(quoted.option_type, quoted.strike, volatility.ok()?);
        if !self.has_cash() {
            return american::european_price(&row).ok();
        }
        // At the rate of the volatility: what the fit of parity says otherwise is then what the quotes say.
        let spot = self.forward * (-self.rate * self.years).exp();
        scalar::price(&Row { spot, dividend_yield: 0.0, ..row }, Model::Bsm).ok()
    }
}

/// The pairs next to the forward with European prices; a pair whose price determines no volatility is left out.
pub(super) fn european_pairs(quoted: &[ParityPair], terms: &EarlyExercise<'_>) -> Vec<ParityPair> {
    let mut near: Vec<&ParityPair> = quoted.iter().collect();
    near.sort_by(|a, b| {
        let distance = |pair: &ParityPair| (pair.strike / terms.forward).ln().abs();
        distance(a).total_cmp(&distance(b)).then_with(|| a.strike.total_cmp(&b.strike))
    });
    near.truncate(PAIRS_MAX);
    let side = |option_type: OptionType, mid: fn(&ParityPair) -> f64| {
        let of = |pair: &&ParityPair| Quoted { option_type, strike: pair.strike, price: mid(pair) };
        let quoted: Vec<Quoted> = near.iter().map(of).collect();
        let volatilities: Vec<Result<f64, Status>> = if terms.has_cash() {
            terms.volatilities(&quoted)
        } else {
            quoted.iter().map(|quoted| terms.volatility(quoted)).collect()
        };
        quoted.iter().zip(volatilities).map(|(quoted, found)| terms.european(quoted, found)).collect::<Vec<_>>()
    };
    let calls = side(OptionType::Call, |pair| pair.call_mid);
    let puts = side(OptionType::Put, |pair| pair.put_mid);
    let mut pairs: Vec<ParityPair> = near
        .into_iter()
        .zip(calls.into_iter().zip(puts))
        .filter_map(|(pair, (call, put))| Some(ParityPair { call_mid: call?, put_mid: put?, ..*pair }))
        .collect();
    pairs.sort_by(|a, b| a.strike.total_cmp(&b.strike));
    pairs
}
