//! What a surface of implicit steps is made of, and all that a file of it holds.

use serde::{Deserialize, Serialize};

use super::grid::Grid;
use crate::{
    implied_vol::{reduced_price, reduced_vega},
    surface::clock::Clock,
};

/// The lognormal step's volatility is constant from so many deviations from the money on, which leaves the step an exponential tail.
const REACH: f64 = 3.0;
/// A step's total variance at the money, as a base for its local variances, rises at least by this share.
const LEAST_RISE: f64 = 1e-4;

/// One implicit step: from the expiry before, or from today, to `expiry_years`.
///
/// Its local variance is exp(`log_ratios`), piecewise linear in log-moneyness and constant beyond the outer knots, times the local variance
/// by which one implicit step takes lognormal prices of the total variance before exactly to those of `total_variance`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AndreasenHugeStep {
    /// Years to expiry.
    pub expiry_years: f64,
    /// Total variance of the lognormal base.
    pub total_variance: f64,
    /// Log-moneyness of the parameters, ascending.
    pub log_moneyness: Vec<f64>,
    /// The parameters: ln of local variance over the base's.
    pub log_ratios: Vec<f64>,
}

/// All parameters of an [`AndreasenHuge`](super::AndreasenHuge) surface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AndreasenHugeParameters {
    /// Lowest and highest log-moneyness of the grid.
    pub log_moneyness_range: [f64; 2],
    /// Deviation at the money that the grid must resolve.
    pub finest_deviation: f64,
    /// Variance time, in which steps have their length.
    #[serde(default, skip_serializing_if = "Clock::is_calendar")]
    pub clock: Clock,
    /// Steps by ascending expiry.
    pub steps: Vec<AndreasenHugeStep>,
}

/// Parameters that no surface has.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// The grid is empty or not finite.
    #[error("the grid's range {range:?} or its finest deviation {finest_deviation} is none")]
    Grid {
        /// Its range.
        range: [f64; 2],
        /// Its finest deviation.
        finest_deviation: f64,
    },
    /// Expiries do not rise.
    #[error("expiry_years {expiry_years} is not after the step before")]
    Expiry {
        /// The expiry.
        expiry_years: f64,
    },
    /// A step's own numbers.
    #[error(
        "the step to expiry_years {expiry_years} needs a positive total_variance and as many finite log_ratios as ascending log_moneyness"
    )]
    Step {
        /// The expiry.
        expiry_years: f64,
    },
}

impl AndreasenHugeParameters {
    pub(super) fn check(&self) -> Result<(), ParameterError> {
        let [low, high] = self.log_moneyness_range;
        let is_finite = low.is_finite() && high.is_finite() && low.abs().max(high.abs()) <= 100.0;
        if !(is_finite && low < 0.0 && high > 0.0 && (1e-7..=10.0).contains(&self.finest_deviation)) {
            let range = self.log_moneyness_range;
            return Err(ParameterError::Grid { range, finest_deviation: self.finest_deviation });
        }
        let mut before = 0.0;
        for step in &self.steps {
            let expiry_years = step.expiry_years;
            if !(expiry_years > before && expiry_years.is_finite()) {
                return Err(ParameterError::Expiry { expiry_years });
            }
            let (knots, ratios) = (&step.log_moneyness, &step.log_ratios);
            let are_sound = !knots.is_empty()
                && knots.len() == ratios.len()
                && knots.iter().all(|k| k.is_finite())
                && knots.windows(2).all(|pair| pair[0] < pair[1])
                && ratios.iter().all(|ratio| ratio.abs() <= 50.0)
                && step.total_variance > 0.0
                && step.total_variance <= 1e6;
            if !are_sound {
                return Err(ParameterError::Step { expiry_years });
            }
            before = expiry_years;
        }
        Ok(())
    }

    pub(super) fn grid(&self) -> Grid {
        Grid::new(self.log_moneyness_range[0], self.log_moneyness_range[1], self.finest_deviation)
    }

    /// Variance time from the step `before` to the end of `step`.
    pub(super) fn length(&self, before: Option<&AndreasenHugeStep>, step: &AndreasenHugeStep) -> f64 {
        self.clock.at(step.expiry_years)[0] - before.map_or(0.0, |before| self.clock.at(before.expiry_years)[0])
    }
}

impl AndreasenHugeStep {
    /// ½σ² at each log-moneyness `y` of a step of variance time `tau` after the step `before`.
    pub(super) fn half_squares(&self, y: &[f64], before: Option<&Self>, tau: f64) -> Vec<f64> {
        let base =
            lognormal_half_squares(y, before.map_or(0.0, |before| before.total_variance), self.total_variance, tau);
        base.into_iter().zip(y).map(|(base, y)| base * self.log_ratio(*y).exp()).collect()
    }

    pub(super) fn log_ratio(&self, y: f64) -> f64 {
        place(&self.log_moneyness, y).into_iter().map(|(knot, weight)| weight * self.log_ratios[knot]).sum()
    }
}

/// The two knots next to `y` and their weights; the outer knot alone beyond it.
pub(super) fn place(knots: &[f64], y: f64) -> [(usize, f64); 2] {
    let after = knots.partition_point(|knot| *knot <= y);
    if after == 0 || after == knots.len() {
        let outer = after.saturating_sub(1);
        return [(outer, 1.0), (outer, 0.0)];
    }
    let share = (y - knots[after - 1]) / (knots[after] - knots[after - 1]);
    [(after - 1, 1.0 - share), (after, share)]
}

/// ½σ² of the implicit step that takes Black's prices at total variance `before` to those at `after`: their difference over
/// τ x² ∂²c/∂x² = τ n(d₁)/√w.
pub(super) fn lognormal_half_squares(y: &[f64], before: f64, after: f64, tau: f64) -> Vec<f64> {
    let after = after.max(before * (1.0 + LEAST_RISE));
    let (old, new) = (before.sqrt(), after.sqrt());
    let at = |y: &f64| {
        let k = y.abs().min(REACH * new);
        let rise = reduced_price(k, new) - reduced_price(k, old);
        // Rounding alone makes it less.
        let rise = rise.max(0.5 * LEAST_RISE * after * reduced_vega(k, new) / (2.0 * new));
        rise * new / (tau * reduced_vega(k, new))
    };
    y.iter().map(at).collect()
}
