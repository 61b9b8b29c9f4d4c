//! Quotes around prices that no arbitrage is in, for tests.

use zomma_base::{ExerciseStyle, OptionType};
use zomma_pricing::{
    american,
    black::{Model, Row, scalar},
};

use super::quotes::{CashQuote, ExpiryQuotes, Hedge, Level, OptionQuote, QuoteState};

/// A market of one underlying.
#[derive(Clone, Debug)]
pub(super) struct TestMarket {
    pub style: ExerciseStyle,
    pub spot: f64,
    pub rate: f64,
    pub dividend_yield: f64,
    pub volatility: f64,
    /// Of a mixture of two lognormals, by which European smiles get a skew; zero for American options.
    pub mixture: f64,
    pub half_spread: f64,
    pub years: Vec<f64>,
    pub strikes: Vec<f64>,
}

impl TestMarket {
    /// Price of one option.
    pub fn price(&self, option_type: OptionType, strike: f64, years: f64) -> f64 {
        let row = |spot: f64, volatility: f64| Row {
            option_type,
            spot,
            strike,
            expiry_years: years,
            risk_free_rate: self.rate,
            dividend_yield: self.dividend_yield,
            volatility,
        };
        match self.style {
            // A jump at once and a volatility that goes with it: a martingale, so its prices have no arbitrage.
            ExerciseStyle::European => {
                [(1.0 + self.mixture, 1.0 - self.mixture), (1.0 - self.mixture, 1.0 + self.mixture)]
                    .into_iter()
                    .map(|(level, scale)| {
                        0.5 * scalar::price(&row(self.spot * level, self.volatility * scale), Model::Bsm).unwrap()
                    })
                    .sum()
            }
            ExerciseStyle::American => american::price(&row(self.spot, self.volatility)).unwrap(),
        }
    }

    /// Forward and discount factor.
    pub fn carry(&self, years: f64) -> [f64; 2] {
        [self.spot * ((self.rate - self.dividend_yield) * years).exp(), (-self.rate * years).exp()]
    }

    /// Bid and ask around each price, on a tick of a cent away from it.
    pub fn quotes(&self) -> Vec<ExpiryQuotes> {
        let level = |price: f64| Level { price, size: Some(10.0) };
        let mut row = 0;
        let quote = |option_type, strike, years, row: &mut usize| {
            let price = self.price(option_type, strike, years);
            let bid = ((price - self.half_spread) * 100.0).floor() / 100.0;
            let ask = ((price + self.half_spread) * 100.0).ceil() / 100.0;
            *row += 1;
            let bid = (bid > 0.0).then(|| level(bid));
            OptionQuote { row: *row - 1, option_type, strike, bid, ask: Some(level(ask)), state: QuoteState::Live }
        };
        self.years
            .iter()
            .map(|&years| ExpiryQuotes {
                years,
                exercise_style: self.style,
                cash: Some(CashQuote::at(self.rate, 0.002, years)),
                hedge: Some(Hedge::Stock {
                    bid: Level { price: self.spot - 0.01, size: Some(1_000.0) },
                    ask: Level { price: self.spot + 0.01, size: Some(1_000.0) },
                    dividend_yield: self.dividend_yield,
                }),
                carry: Some(self.carry(years)),
                options: self
                    .strikes
                    .iter()
                    .flat_map(|&strike| [(OptionType::Call, strike), (OptionType::Put, strike)])
                    .map(|(option_type, strike)| quote(option_type, strike, years, &mut row))
                    .collect(),
            })
            .collect()
    }
}

/// A hundred-dollar stock.
pub(super) fn market(style: ExerciseStyle) -> TestMarket {
    TestMarket {
        style,
        spot: 100.0,
        rate: 0.04,
        dividend_yield: 0.015,
        volatility: 0.25,
        mixture: if style == ExerciseStyle::European { 0.08 } else { 0.0 },
        half_spread: 0.02,
        years: vec![0.1, 0.35, 1.0],
        strikes: vec![70.0, 80.0, 85.0, 90.0, 95.0, 97.5, 100.0, 102.5, 105.0, 110.0, 120.0, 140.0],
    }
}
