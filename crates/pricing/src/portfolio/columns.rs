//! The columns that a portfolio comes in.

use std::ops::Range;

use zomma_base::{OptionType, Status};

use crate::black::{Model, Row, scalar};
use crate::implied_vol::implied_volatility_bsm_row;

/// What the market is known by, of every row of a batch.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// Volatilities, per square root of a year.
    Volatility(&'a [f64]),
    /// Prices per share, of which the implied volatility is taken first.
    Price(&'a [f64]),
}

impl<'a> Given<'a> {
    /// The column, whichever it is.
    pub fn column(self) -> &'a [f64] {
        match self {
            Self::Volatility(column) | Self::Price(column) => column,
        }
    }
}

/// Positions in European options, as columns of one length.
#[derive(Clone, Copy, Debug)]
pub struct PositionColumns<'a> {
    /// The formula of each row.
    pub model: &'a [Model],
    /// Call or put.
    pub option_type: &'a [OptionType],
    /// Spot, or the forward under Black-76; currency per share.
    pub spot: &'a [f64],
    /// Strike; currency per share.
    pub strike: &'a [f64],
    /// ACT/365F years to the expiry instant.
    pub expiry_years: &'a [f64],
    /// Continuously compounded.
    pub risk_free_rate: &'a [f64],
    /// Continuously compounded; ignored under Black-76.
    pub dividend_yield: &'a [f64],
    /// Volatilities or prices.
    pub given: Given<'a>,
    /// Contracts: above zero where long, below where short.
    pub quantity: &'a [f64],
    /// Shares of one contract, above zero.
    pub multiplier: &'a [f64],
    /// Which sum the row belongs to, from 0: an underlying, an expiry, a strategy, or any crossing of them.
    pub group: &'a [u32],
}

/// Positions that own their columns; see [`PositionColumns`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Positions {
    /// The formula of each row.
    pub model: Vec<Model>,
    /// Call or put.
    pub option_type: Vec<OptionType>,
    /// Spot, or the forward under Black-76.
    pub spot: Vec<f64>,
    /// Strike.
    pub strike: Vec<f64>,
    /// Years to expiry.
    pub expiry_years: Vec<f64>,
    /// Rate.
    pub risk_free_rate: Vec<f64>,
    /// Yield.
    pub dividend_yield: Vec<f64>,
    /// Volatilities, or prices where `prices` is set.
    pub given: Vec<f64>,
    /// Whether `given` holds prices.
    pub prices: bool,
    /// Contracts, with their sign.
    pub quantity: Vec<f64>,
    /// Shares of one contract.
    pub multiplier: Vec<f64>,
    /// Which sum the row belongs to.
    pub group: Vec<u32>,
}

impl Positions {
    /// The columns.
    pub fn columns(&self) -> PositionColumns<'_> {
        PositionColumns {
            model: &self.model,
            option_type: &self.option_type,
            spot: &self.spot,
            strike: &self.strike,
            expiry_years: &self.expiry_years,
            risk_free_rate: &self.risk_free_rate,
            dividend_yield: &self.dividend_yield,
            given: if self.prices { Given::Price(&self.given) } else { Given::Volatility(&self.given) },
            quantity: &self.quantity,
            multiplier: &self.multiplier,
            group: &self.group,
        }
    }
}

/// How the market of every row is moved before it is valued. Volatilities are implied from prices before the move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shock {
    /// What spot or forward is multiplied by.
    pub spot_factor: f64,
    /// What is added to the volatility.
    pub volatility_shift: f64,
    /// No volatility is shifted below this, or below itself where it is lower already; `f64::MIN` for no floor.
    pub volatility_floor: f64,
    /// What is added to the rate.
    pub rate_shift: f64,
    /// Years that pass: what the expiry is shortened by.
    pub years: f64,
}

impl Shock {
    /// The market as it is.
    pub const NONE: Self =
        Self { spot_factor: 1.0, volatility_shift: 0.0, volatility_floor: f64::MIN, rate_shift: 0.0, years: 0.0 };

    /// A volatility after the move.
    #[inline(always)]
    pub(super) fn volatility(self, volatility: f64) -> f64 {
        let floor = if volatility < self.volatility_floor { volatility } else { self.volatility_floor };
        let moved = volatility + self.volatility_shift;
        if moved < floor { floor } else { moved }
    }
}

impl<'a> PositionColumns<'a> {
    /// Some of the rows.
    ///
    /// # Panics
    ///
    /// Where `at` reaches beyond them.
    pub fn part(&self, at: Range<usize>) -> PositionColumns<'a> {
        PositionColumns {
            model: &self.model[at.clone()],
            option_type: &self.option_type[at.clone()],
            spot: &self.spot[at.clone()],
            strike: &self.strike[at.clone()],
            expiry_years: &self.expiry_years[at.clone()],
            risk_free_rate: &self.risk_free_rate[at.clone()],
            dividend_yield: &self.dividend_yield[at.clone()],
            given: match self.given {
                Given::Volatility(column) => Given::Volatility(&column[at.clone()]),
                Given::Price(column) => Given::Price(&column[at.clone()]),
            },
            quantity: &self.quantity[at.clone()],
            multiplier: &self.multiplier[at.clone()],
            group: &self.group[at],
        }
    }
}

impl PositionColumns<'_> {
    /// Rows.
    pub fn len(&self) -> usize {
        self.model.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.model.is_empty()
    }

    /// Panics where the columns are not of one length, or a group is not below `groups`: both are the caller's to make so.
    pub(super) fn assert_whole(&self, groups: usize) {
        let n = self.len();
        let numbers = [self.spot, self.strike, self.expiry_years, self.risk_free_rate, self.dividend_yield];
        let of_one_length = numbers.iter().all(|column| column.len() == n)
            && self.option_type.len() == n
            && self.given.column().len() == n
            && self.quantity.len() == n
            && self.multiplier.len() == n
            && self.group.len() == n;
        assert!(of_one_length, "columns of one length");
        assert!(u32::try_from(n).is_ok(), "at most 2^32 rows");
        assert!(self.group.iter().all(|&group| (group as usize) < groups), "groups below their number");
    }

    /// Shares of a row, with the sign of the position; a fault where that is no number.
    pub(super) fn shares(&self, i: usize) -> Result<f64, Status> {
        shares(self.quantity[i], self.multiplier[i])
    }

    /// A row in the shocked market, with its volatility.
    pub(super) fn row(&self, i: usize, shock: Shock) -> Result<Row, Status> {
        let black_76 = self.model[i] == Model::Black76;
        let mut row = Row {
            option_type: self.option_type[i],
            spot: self.spot[i],
            strike: self.strike[i],
            expiry_years: self.expiry_years[i],
            risk_free_rate: self.risk_free_rate[i],
            // A forward grows at no rate: a yield that equals the rate.
            dividend_yield: if black_76 { self.risk_free_rate[i] } else { self.dividend_yield[i] },
            volatility: 0.0,
        };
        let volatility = match self.given {
            Given::Volatility(column) => column[i],
            Given::Price(column) => implied_volatility_bsm_row(&row, column[i])
                .map_err(|status| if black_76 && status == Status::BadSpot { Status::BadForward } else { status })?,
        };
        row.volatility = shock.volatility(volatility);
        row.spot *= shock.spot_factor;
        row.expiry_years -= shock.years;
        row.risk_free_rate += shock.rate_shift;
        if black_76 {
            row.dividend_yield = row.risk_free_rate;
        }
        Ok(row)
    }

    /// What is wrong with a row, [`Status::Ok`] where nothing is: what `sums` counted it under.
    pub fn status(&self, i: usize, shock: Shock) -> Status {
        let valued = self.row(i, shock).and_then(|row| scalar::greeks(&row, self.model[i]));
        valued.and_then(|_| self.shares(i)).err().unwrap_or(Status::Ok)
    }
}

/// Shares of so many contracts; a fault where that is no number.
pub(super) fn shares(quantity: f64, multiplier: f64) -> Result<f64, Status> {
    if !quantity.is_finite() {
        return Err(Status::BadQuantity);
    }
    if !(multiplier > 0.0 && multiplier.is_finite()) {
        return Err(Status::BadMultiplier);
    }
    let shares = quantity * multiplier;
    if shares.is_finite() { Ok(shares) } else { Err(Status::Overflow) }
}
