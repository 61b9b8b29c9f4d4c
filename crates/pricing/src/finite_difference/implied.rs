//! The volatility of an American or European price on a share that pays cash dividends.
//!
//! Method    Secant steps inside a bracket that every value narrows, from the volatility of the European option on the spot less the
//!           dividends' present value, first on half the cells and steps; the grid stands still while the volatility is near the one it was made for, so that the value is
//!           smooth in it
//! Accuracy  that of the value over vega: the volatility returned gives the price to the grid's error (docs/finite-difference.md)

use rayon::prelude::*;
use zomma_base::{OptionType, Status};

use super::contract::{CashDividend, Contract, Exercise};
use super::lanes::{self, LANES};
use super::settings::Settings;
use super::solve::{BETWEEN_GRIDS, Estimate, solve, solve_checked, with_scratch};
use crate::black::{Row, RowColumns};
use crate::implied_vol::{implied_volatility_bsm_row, reduced_vega};
use crate::math::Target;

/// Relative change of the volatility at which the search ends, and at which it does where the slope is a secant's.
const TOLERANCE: f64 = 1e-7;
const NEAR_ENOUGH: f64 = 1e-4;
/// Cells from which on half of them are enough for a first search.
const LEAST_FINE: usize = 96;
const MOST_STEPS: usize = 80;
/// Steps after which the bracket is halved.
const PATIENCE: usize = 20;
/// Total volatilities between which one is sought.
const TOTAL_RANGE: [f64; 2] = [1e-4, 6.0];
/// The grid is made anew where the volatility has left it by this factor.
const NEAR: f64 = 1.3;
/// The part of the stated error that extrapolation leaves, and the part of the volatility that it may be worth.
const ERROR_LEFT: f64 = 0.05 / BETWEEN_GRIDS;
const VAGUE: f64 = 0.1;

/// The volatility at which [`american_with_dividends`](super::american_with_dividends) gives `price`; the row's own is ignored.
///
/// Errors: those of [`solve`](super::solve) by field; `BadPrice`; `BelowIntrinsic` below the certain value (that of no volatility, at
/// least the exercise value) and `AboveMaximum` at or above what any volatility gives; `Undetermined` where the time value is less than
/// its rounding, or the value's error worth more than a tenth of the volatility; `NotConverged`.
pub fn implied_volatility_with_dividends(
    row_without_vol: &Row,
    dividends: &[CashDividend],
    price: f64,
    settings: &Settings,
) -> Result<f64, Status> {
    search_alone(row_without_vol, (Exercise::American, dividends), price, settings)
}

/// The same of a European option: the volatility at which
/// [`european_with_dividends`](super::european_with_dividends) gives `price`. Its certain value, below which is `BelowIntrinsic`, is the
/// discounted payoff on the path without volatility.
pub fn european_implied_volatility_with_dividends(
    row_without_vol: &Row,
    dividends: &[CashDividend],
    price: f64,
    settings: &Settings,
) -> Result<f64, Status> {
    search_alone(row_without_vol, (Exercise::European, dividends), price, settings)
}

fn search_alone(
    row_without_vol: &Row,
    (exercise, dividends): (Exercise<'_>, &[CashDividend]),
    price: f64,
    settings: &Settings,
) -> Result<f64, Status> {
    let mut search = Search::new(row_without_vol, (exercise, dividends), price, settings)?;
    with_scratch(|scratch| {
        let coarse = coarser(settings);
        loop {
            let (row, shape) = search.trial();
            let settings = if search.coarse { &coarse } else { settings };
            let contract = Contract { exercise, dividends, ..Contract::european(row) };
            let estimate = solve_checked(&contract, settings, &shape, scratch);
            if let Some(result) = search.learn(estimate) {
                return result;
            }
        }
    })
}

/// [`implied_volatility_with_dividends`] for rows on one share, over the threads of the current rayon pool. The rows' volatilities are
/// ignored; a row whose status is not `Ok` has NaN.
///
/// # Panics
/// Where the columns, `price`, `out` and `status` are not of one length.
pub fn implied_volatility_batch(
    rows: &RowColumns<'_>,
    price: &[f64],
    dividends: &[CashDividend],
    settings: &Settings,
    out: &mut [f64],
    status: &mut [Status],
) {
    let n = out.len();
    let given = [rows.spot, rows.strike, rows.expiry_years, rows.risk_free_rate, rows.dividend_yield, price];
    let fit = given.iter().all(|c| c.len() == n) && rows.option_type.len() == n && rows.volatility.len() == n;
    assert!(fit && status.len() == n, "columns of one length");
    let mut results = vec![Err(Status::NotConverged); n];
    imply_rows(&|i| rows.row(i), price, dividends, settings, &mut results);
    for ((out, status), result) in out.iter_mut().zip(status).zip(results) {
        (*out, *status) = match result {
            Ok(volatility) => (volatility, Status::Ok),
            Err(code) => (f64::NAN, code),
        };
    }
}

/// Rows that one thread searches for with its lanes.
const CHUNK: usize = 4 * LANES;

fn imply_rows(
    row: &(impl Fn(usize) -> Row + Sync),
    price: &[f64],
    dividends: &[CashDividend],
    settings: &Settings,
    out: &mut [Result<f64, Status>],
) {
    // What suits the lanes is told with a volatility that is not zero.
    let some = |i: usize| Row { volatility: 1.0, ..row(i) };
    let work = lanes::divide(price.len(), some, dividends, settings);
    let together = work.together().flat_map(|group| group.chunks(CHUNK)).collect::<Vec<_>>();
    let laned = together.into_par_iter().flat_map_iter(|chunk| search_lanes(chunk, row, price, dividends, settings));
    let alone = work.alone().par_iter();
    let alone = alone.map(|&i| (i, implied_volatility_with_dividends(&row(i), dividends, price[i], settings)));
    for (i, result) in laned.chain(alone).collect::<Vec<_>>() {
        out[i] = result;
    }
}

/// Searches side by side: a lane whose search has ended takes up the next row.
fn search_lanes(
    chunk: &[usize],
    row: &impl Fn(usize) -> Row,
    price: &[f64],
    dividends: &[CashDividend],
    settings: &Settings,
) -> Vec<(usize, Result<f64, Status>)> {
    let mut done = Vec::with_capacity(chunk.len());
    let mut waiting = chunk.iter().copied();
    // Searches on the coarse grid, and on the fine one.
    let mut pools: [Vec<(usize, Search)>; 2] = [Vec::with_capacity(LANES), Vec::with_capacity(2 * LANES)];
    let levels = [coarser(settings), *settings];
    loop {
        while pools[0].len() < LANES
            && let Some(i) = waiting.next()
        {
            match Search::new(&row(i), (Exercise::American, dividends), price[i], settings) {
                Ok(search) => pools[usize::from(!search.coarse)].push((i, search)),
                Err(status) => done.push((i, Err(status))),
            }
        }
        // The fine grid runs when its lanes are full, or nothing coarse is left.
        let level = usize::from(pools[1].len() >= LANES || pools[0].is_empty());
        let running = pools[level].split_off(pools[level].len().saturating_sub(LANES));
        if running.is_empty() {
            return done;
        }
        let (rows, shapes): (Vec<Row>, Vec<Row>) = running.iter().map(|(_, search)| search.trial()).unzip();
        let results = lanes::solve_lanes(&rows, &shapes, dividends, &levels[level], Target::best());
        for ((i, mut search), estimate) in running.into_iter().zip(results) {
            match search.learn(estimate) {
                Some(result) => done.push((i, result)),
                None => pools[usize::from(!search.coarse)].push((i, search)),
            }
        }
    }
}

/// The settings of a first search: half the cells and steps, where that leaves enough of them.
fn coarser(settings: &Settings) -> Settings {
    if settings.space_steps < LEAST_FINE {
        return *settings;
    }
    Settings { space_steps: settings.space_steps / 2, time_steps: settings.time_steps.div_ceil(2), ..*settings }
}

/// One search: what volatility to try next, and what its value teaches.
struct Search {
    row: Row,
    /// The row on the spot less what the dividends are worth now.
    escrowed: Row,
    price: f64,
    low: f64,
    high: f64,
    volatility: f64,
    /// The volatility before, and its excess over the price.
    before: Option<(f64, f64)>,
    /// ∂V/∂σ by a secant.
    slope: Option<f64>,
    /// The volatility that the grid suits.
    shape: f64,
    /// Whether it goes on the coarse grid still.
    coarse: bool,
    first: f64,
    steps: usize,
}

impl Search {
    fn new(
        row_without_vol: &Row,
        (exercise, dividends): (Exercise<'_>, &[CashDividend]),
        price: f64,
        settings: &Settings,
    ) -> Result<Self, Status> {
        let row = Row { volatility: 0.0, ..*row_without_vol };
        let certain = solve(&Contract { exercise, dividends, ..Contract::european(row) }, settings)?.value;
        if !(price.is_finite() && price >= 0.0) {
            return Err(Status::BadPrice);
        }
        let rounding = 64.0 * f64::EPSILON * row.spot.max(row.strike);
        if price < certain - rounding {
            return Err(Status::BelowIntrinsic);
        }
        if price <= certain + rounding {
            return Err(Status::Undetermined);
        }
        let (paid, rate) = match row.option_type {
            OptionType::Call => (row.spot, row.dividend_yield),
            OptionType::Put => (row.strike, row.risk_free_rate),
        };
        // An American one has the better of now and expiry.
        let least = if exercise == Exercise::European { 0.0 } else { 1.0 };
        let most = paid * (-rate * row.expiry_years).exp().max(least);
        if price >= most {
            return Err(Status::AboveMaximum);
        }
        let [low, high] = TOTAL_RANGE.map(|total| total / row.expiry_years.sqrt());
        let escrowed = escrowed(&row, dividends);
        let european = implied_volatility_bsm_row(&escrowed, price);
        let volatility = european.unwrap_or_else(|_| start(&row, price, certain)).clamp(low, high);
        Ok(Self {
            row,
            escrowed,
            price,
            low,
            high,
            volatility,
            before: None,
            slope: None,
            shape: volatility,
            coarse: settings.space_steps >= LEAST_FINE,
            first: volatility,
            steps: 0,
        })
    }

    /// The row to value, and the one that its grid is to suit.
    fn trial(&self) -> (Row, Row) {
        [self.volatility, self.shape].map(|volatility| Row { volatility, ..self.row }).into()
    }

    /// Takes the value of the trial; the result, where the search has ended.
    fn learn(&mut self, estimate: Result<Estimate, Status>) -> Option<Result<f64, Status>> {
        match (self.improve(estimate), self.coarse) {
            (Some(result), true) => {
                // The fine grid goes on from what the coarse one found, its slope included.
                self.coarse = false;
                let volatility = result.unwrap_or(self.first);
                let [low, high] = TOTAL_RANGE.map(|total| total / self.row.expiry_years.sqrt());
                (self.low, self.high, self.volatility, self.before, self.steps) = (low, high, volatility, None, 0);
                self.reshape();
                None
            }
            (result, _) => result,
        }
    }

    fn improve(&mut self, estimate: Result<Estimate, Status>) -> Option<Result<f64, Status>> {
        let estimate = match estimate {
            Ok(estimate) => estimate,
            Err(status) => return Some(Err(status)),
        };
        let volatility = self.volatility;
        let excess = estimate.value - self.price;
        if excess > 0.0 {
            self.high = self.high.min(volatility);
        } else {
            self.low = self.low.max(volatility);
        }
        if let Some((v, e)) = self.before
            && (excess - e) * (volatility - v) > 0.0
        {
            self.slope = Some((excess - e) / (volatility - v));
        }
        let slope = self.slope.unwrap_or_else(|| vega(&self.escrowed, volatility));
        self.before = Some((volatility, excess));
        let next = volatility - excess / slope;
        let middle = 0.5 * (self.low + self.high.min(4.0 * self.low.max(volatility)));
        let inside = next > self.low && next < self.high && self.steps < PATIENCE;
        let next = if inside { next } else { middle };
        // A secant's slope is good to a hundredth at least, and so is what is left of a step.
        let tolerance = if self.slope.is_some() { NEAR_ENOUGH } else { TOLERANCE };
        if (next - volatility).abs() <= tolerance * volatility || excess == 0.0 {
            // Where the value's own error is worth more than a part of the volatility, no volatility is found.
            let vague = ERROR_LEFT * estimate.error > VAGUE * slope * volatility;
            return Some(if vague { Err(Status::Undetermined) } else { Ok(next) });
        }
        if self.high - self.low <= TOLERANCE * self.low {
            return Some(Err(Status::Undetermined));
        }
        self.steps += 1;
        if self.steps == MOST_STEPS {
            return Some(Err(Status::NotConverged));
        }
        self.volatility = next;
        self.reshape();
        None
    }

    fn reshape(&mut self) {
        if !(self.volatility < NEAR * self.shape && self.volatility * NEAR > self.shape) {
            // Values on the old grid still make a secant: the volatilities are far apart, and the grids' values are not.
            self.shape = self.volatility;
        }
    }
}

/// The row on the spot less what the dividends are worth now.
fn escrowed(row: &Row, dividends: &[CashDividend]) -> Row {
    let before = |d: &&CashDividend| d.time_years < row.expiry_years;
    let worth = |d: &CashDividend| d.amount * (-row.risk_free_rate * d.time_years).exp();
    let paid: f64 = dividends.iter().filter(before).map(worth).sum();
    Row { spot: (row.spot - paid).max(0.05 * row.spot), ..*row }
}

/// A first volatility where the price has no European one: the one whose at-the-money time value is the price's own.
fn start(row: &Row, price: f64, certain: f64) -> f64 {
    let value = (price - certain).max(1e-4 * row.strike);
    let moneyness = (row.spot / row.strike).ln().abs();
    (2.5 * value / row.spot.min(row.strike)).max(0.25 * moneyness) / row.expiry_years.sqrt()
}

/// European ∂V/∂σ, not below a share of the greatest so that a step from the flat part stays finite.
fn vega(row: &Row, volatility: f64) -> f64 {
    let forward = row.spot * (-row.dividend_yield * row.expiry_years).exp();
    let strike = row.strike * (-row.risk_free_rate * row.expiry_years).exp();
    let root_years = row.expiry_years.sqrt();
    let scale = forward.min(strike) * root_years;
    let vega = scale * reduced_vega((forward / strike).ln().abs(), volatility * root_years);
    if vega > 1e-3 * scale { vega } else { 1e-3 * scale }
}
