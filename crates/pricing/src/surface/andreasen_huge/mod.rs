//! Local volatility straight from quotes: one implicit step of Dupire's forward equation from each expiry to the next, its volatilities
//! chosen so that the step lands on the quotes (Andreasen and Huge, "Volatility interpolation", Risk, March 2011).
//!
//! A step's prices are free of butterfly arbitrage and above those that it started from whatever its volatilities are, so the surface is
//! free of static arbitrage by construction: at the nodes by the step, between them by the spline (see `grid`), and between expiries
//! because a shorter step with the same volatilities is such a step too.
//!
//! What it costs: one implicit step is not a diffusion but a jump of exponential waiting time, so that volatilities between two expiries
//! bulge a little at strikes near the money, and the local volatility of the steps is a device that repeats the quotes, not Dupire's
//! function (which [`VolatilitySurface::local_vol`] gives).

mod ceiling;
mod fit;
mod grid;
mod parameters;
mod step;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::reprice;

use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

pub use fit::fit;
pub use parameters::{AndreasenHugeParameters, AndreasenHugeStep, ParameterError};

use super::{
    from_price::{Implied, LogPrice, total_variance},
    smile::{Variance, VolatilitySurface},
};
use grid::{Grid, Jet};
use step::{Prices, Step};

/// A surface of one implicit step an expiry.
///
/// Between the first expiry and the last it is Andreasen and Huge's own interpolation in variance time. Before the first, total variance
/// falls to zero in proportion to variance time, and after the last every strike gains the variance that the money gains, as of
/// [`Slices`](super::Slices): a step from today's intrinsic values alone would give every strike far from the money a volatility that
/// grows without bound as expiry nears. Beyond the strikes that the grid covers (a third of the quoted range and more beyond the quotes)
/// the out-of-the-money price goes on as a power of the strike, with the value and the slope that it has at the grid's end: no probability is
/// negative there, and since a power is never steeper than at an expiry before, nor does total variance fall. A 1e-15th of the probability is as wide as the grid at every expiry, so that every strike on it has a price
/// and a volatility.
#[derive(Debug, Serialize, Deserialize)]
#[serde(try_from = "AndreasenHugeParameters", into = "AndreasenHugeParameters")]
pub struct AndreasenHuge {
    parameters: AndreasenHugeParameters,
    grid: Grid,
    /// One an expiry.
    rows: Vec<Arc<Row>>,
    /// The row that was last asked for between expiries.
    last: RwLock<Option<(u64, Arc<Row>)>>,
}

/// Prices at one time, and how they change with variance time.
#[derive(Debug)]
struct Row {
    prices: Prices,
    by_t: Vec<f64>,
    by_tt: Vec<f64>,
    /// Powers of the strike with which puts fall below the grid and calls above it: those at its ends, and no more than at the expiry before.
    powers: [f64; 2],
}

impl Row {
    fn new(grid: &Grid, step: &Step<'_>, before: &Prices, most: [f64; 2]) -> Self {
        let prices = step.advance(before);
        let [by_t, by_tt] = step.time_derivatives(&prices);
        let power = |side: usize| {
            let k = grid.range[side];
            let Jet { value, slope, .. } = grid.price(&grid.place(k), &prices.out_of_the_money, &prices.bends);
            (k.exp() * slope / value).abs().min(most[side])
        };
        let powers = [power(0), power(1)];
        Self { prices, by_t, by_tt, powers }
    }

    /// The price at `k`, beyond the end `inside` of the grid, where the price has the logarithm `log`.
    fn beyond(&self, k: f64, inside: f64, log: f64) -> LogPrice {
        let power = if k < 0.0 { self.powers[0] } else { -self.powers[1] };
        LogPrice { log: log + power * (k - inside), slope: power, density: power * power - power }
    }
}

impl Clone for AndreasenHuge {
    fn clone(&self) -> Self {
        Self {
            parameters: self.parameters.clone(),
            grid: self.grid.clone(),
            rows: self.rows.clone(),
            last: RwLock::new(None),
        }
    }
}

impl PartialEq for AndreasenHuge {
    fn eq(&self, other: &Self) -> bool {
        // Everything else follows from them.
        self.parameters == other.parameters
    }
}

impl From<AndreasenHuge> for AndreasenHugeParameters {
    fn from(surface: AndreasenHuge) -> Self {
        surface.parameters
    }
}

impl TryFrom<AndreasenHugeParameters> for AndreasenHuge {
    type Error = ParameterError;

    fn try_from(parameters: AndreasenHugeParameters) -> Result<Self, ParameterError> {
        parameters.check()?;
        let grid = parameters.grid();
        let mut prices = Prices::today(&grid);
        let mut before = None;
        let mut powers = [f64::INFINITY; 2];
        let mut rows = Vec::with_capacity(parameters.steps.len());
        for step in &parameters.steps {
            let tau = parameters.length(before, step);
            let half_squares = step.half_squares(&grid.log_nodes, before, tau);
            let row = Row::new(&grid, &Step::new(&grid, &half_squares, tau), &prices, powers);
            (prices, powers) = (row.prices.clone(), row.powers);
            rows.push(Arc::new(row));
            before = Some(step);
        }
        Ok(Self { parameters, grid, rows, last: RwLock::new(None) })
    }
}

impl AndreasenHuge {
    /// What the surface is made of.
    pub fn parameters(&self) -> &AndreasenHugeParameters {
        &self.parameters
    }

    /// The row at `expiry_years`, which lies after step `after` − 1 and before the end of step `after`.
    fn row(&self, after: usize, expiry_years: f64) -> Arc<Row> {
        let steps = &self.parameters.steps;
        let step = &steps[after];
        if step.expiry_years == expiry_years {
            return self.rows[after].clone();
        }
        let bits = expiry_years.to_bits();
        if let Some((known, row)) = &*self.last.read().unwrap_or_else(PoisonError::into_inner)
            && *known == bits
        {
            return row.clone();
        }
        let before = &steps[after - 1];
        let half_squares =
            step.half_squares(&self.grid.log_nodes, Some(before), self.parameters.length(Some(before), step));
        let clock = &self.parameters.clock;
        let tau = clock.at(expiry_years)[0] - clock.at(before.expiry_years)[0];
        let last = &self.rows[after - 1];
        let row = Arc::new(Row::new(&self.grid, &Step::new(&self.grid, &half_squares, tau), &last.prices, last.powers));
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = Some((bits, row.clone()));
        row
    }

    /// The surface in variance time at a row.
    fn at(&self, row: &Row, k: f64) -> Variance {
        let inside = k.clamp(self.grid.range[0], self.grid.range[1]);
        let place = self.grid.place(inside);
        let Jet { value, slope, bend } = self.grid.price(&place, &row.prices.out_of_the_money, &row.prices.bends);
        let x = inside.exp();
        let [by_t, by_tt] = [&row.by_t, &row.by_tt].map(|column| self.grid.at(&place, column));
        let [price_t, slope_t, price_tt] = [by_t.value, x * by_t.slope, by_tt.value].map(|by| by / value);
        if inside == k {
            let Some(implied) = Implied::of(k, &LogPrice::by_moneyness(x, [value, slope, bend])) else {
                return Variance::NONE;
            };
            return implied.variance([price_t, slope_t, price_tt]);
        }
        let price = row.beyond(k, inside, value.ln());
        let Some(implied) = Implied::of(k, &price) else { return Variance::NONE };
        // How the power moves with time; one that is that of an expiry before stands still.
        let power = price.slope;
        let is_own = (x * slope / value).abs() <= power.abs();
        let power_t = if is_own { slope_t - power * price_t } else { 0.0 };
        let power_tt = if is_own { x * by_tt.slope / value - 2.0 * power_t * price_t - power * price_tt } else { 0.0 };
        let away = k - inside;
        let beyond_t = price_t + power_t * away;
        let beyond_tt = price_tt - price_t * price_t + power_tt * away + beyond_t * beyond_t;
        implied.variance([beyond_t, power_t + power * beyond_t, beyond_tt])
    }
}

impl VolatilitySurface for AndreasenHuge {
    fn variance(&self, k: f64, expiry_years: f64) -> Variance {
        let steps = &self.parameters.steps;
        if !(expiry_years > 0.0 && expiry_years.is_finite() && k.is_finite()) || steps.is_empty() {
            return Variance::NONE;
        }
        let after = steps.partition_point(|step| step.expiry_years < expiry_years);
        let clock = &self.parameters.clock;
        let [time, speed] = clock.at(expiry_years);
        if after == steps.len() {
            let last = &self.rows[after - 1];
            let last_time = clock.at(steps[after - 1].expiry_years)[0];
            let (at, money) = (self.at(last, k), self.at(last, 0.0));
            let rate = money.total / last_time;
            let total = at.total + rate * (time - last_time);
            return Variance { total, by_t: rate * speed, by_kt: 0.0, by_tt: 0.0, ..at };
        }
        if after == 0 {
            // At the first expiry too: the slope in time of the one implicit step from today is not that of the surface before it.
            let first_time = clock.at(steps[0].expiry_years)[0];
            let at = self.at(&self.rows[0], k);
            let (share, rate) = (time / first_time, speed / first_time);
            return Variance {
                total: share * at.total,
                by_k: share * at.by_k,
                by_kk: share * at.by_kk,
                by_t: rate * at.total,
                by_kt: rate * at.by_k,
                by_tt: 0.0,
            };
        }
        let at = self.at(&self.row(after, expiry_years), k);
        Variance { by_t: speed * at.by_t, by_kt: speed * at.by_kt, by_tt: speed * speed * at.by_tt, ..at }
    }

    fn total_variance(&self, k: f64, expiry_years: f64) -> f64 {
        let steps = &self.parameters.steps;
        let after = steps.partition_point(|step| step.expiry_years < expiry_years);
        if after == 0 || after == steps.len() || !k.is_finite() {
            return self.variance(k, expiry_years).total;
        }
        let row = self.row(after, expiry_years);
        let inside = k.clamp(self.grid.range[0], self.grid.range[1]);
        let price = self.grid.price(&self.grid.place(inside), &row.prices.out_of_the_money, &row.prices.bends);
        total_variance(k, row.beyond(k, inside, price.value.ln()).log)
    }
}
