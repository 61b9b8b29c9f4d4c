//! A volatility that depends on spot and time, as a function or as a grid.
//!
//! Grid     bilinear in time and the logarithm of the spot, flat beyond its edges
//! Domain   a volatility is finite, not below 0, at most 10 per square root of a year: a path that meets another makes the estimate fail
//!          with `BadVolatility`

use super::MonteCarloError;
use super::model::MOST_VOLATILITY;
use crate::surface::LocalVolatilityGrid;
use zomma_base::Status;

/// A volatility per square root of a year as a function of spot and time in years.
pub type VolatilityFunction<'a> = dyn Fn(f64, f64) -> f64 + Sync + 'a;

/// σ(S, t).
pub enum LocalVolatility<'a> {
    /// By a function of spot and years from now; called once a step and path, at the step's start.
    Function(&'a VolatilityFunction<'a>),
    /// By a grid.
    Grid(VolatilityGrid),
}

impl std::fmt::Debug for LocalVolatility<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Function(_) => f.write_str("Function(..)"),
            Self::Grid(grid) => f.debug_tuple("Grid").field(grid).finish(),
        }
    }
}

/// Volatilities at times and spots.
#[derive(Clone, Debug, PartialEq)]
pub struct VolatilityGrid {
    years: Vec<f64>,
    log_spots: Vec<f64>,
    /// [years][spots].
    volatilities: Vec<f64>,
}

impl VolatilityGrid {
    /// From years from now and spots, both rising, and a row of volatilities a time.
    ///
    /// # Errors
    ///
    /// `Field(BadExpiry)` or `Field(BadSpot)` where years (from 0) or spots (above 0) are none, not finite or do not rise;
    /// `Field(BadVolatility)` where a volatility is not finite, below 0 or above 10; `AssetColumn` where their number is another.
    pub fn new(years: &[f64], spots: &[f64], volatilities: &[f64]) -> Result<Self, MonteCarloError> {
        let rise =
            |xs: &[f64]| !xs.is_empty() && xs.iter().all(|x| x.is_finite()) && xs.windows(2).all(|w| w[0] < w[1]);
        if !rise(years) || years[0] < 0.0 {
            return Err(Status::BadExpiry.into());
        }
        if !rise(spots) || spots[0] <= 0.0 {
            return Err(Status::BadSpot.into());
        }
        let expected = years.len().saturating_mul(spots.len());
        if volatilities.len() != expected {
            return Err(MonteCarloError::AssetColumn { column: "volatilities", length: volatilities.len(), expected });
        }
        if !volatilities.iter().all(|v| (0.0..=MOST_VOLATILITY).contains(v)) {
            return Err(Status::BadVolatility.into());
        }
        let log_spots = spots.iter().map(|spot| spot.ln()).collect();
        Ok(Self { years: years.to_vec(), log_spots, volatilities: volatilities.to_vec() })
    }

    /// Dupire's volatilities of a surface, at `spots`, where the forward to the years t is `forward(t)`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); `Field(BadVolatility)` where a forward is not above 0 and finite.
    pub fn of_surface(
        local: &LocalVolatilityGrid,
        spots: &[f64],
        forward: impl Fn(f64) -> f64,
    ) -> Result<Self, MonteCarloError> {
        Self::new(local.expiry_years(), spots, &local.on_spots(spots, forward))
    }

    /// The row of volatilities at a time.
    pub(super) fn row(&self, years: f64) -> Vec<f64> {
        let (left, weight) = place(&self.years, years);
        let n = self.log_spots.len();
        let right = (left + 1).min(self.years.len() - 1);
        let (a, b) = (&self.volatilities[left * n..][..n], &self.volatilities[right * n..][..n]);
        a.iter().zip(b).map(|(a, b)| a + weight * (b - a)).collect()
    }

    /// What a row says at the logarithm of a spot.
    #[inline(always)]
    pub(super) fn at(&self, row: &[f64], log_spot: f64) -> f64 {
        let (left, weight) = place(&self.log_spots, log_spot);
        let right = (left + 1).min(row.len() - 1);
        row[left] + weight * (row[right] - row[left])
    }

    /// The volatility at a spot and a time in years.
    pub fn volatility(&self, spot: f64, years: f64) -> f64 {
        self.at(&self.row(years), spot.ln())
    }
}

/// The node at or before x, and how far x is to the next: 0 at or beyond the edges.
#[inline(always)]
fn place(nodes: &[f64], x: f64) -> (usize, f64) {
    let left = nodes.partition_point(|node| *node <= x).saturating_sub(1);
    match nodes.get(left + 1) {
        Some(right) => (left, ((x - nodes[left]) / (right - nodes[left])).max(0.0)),
        None => (left, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{Clock, Slices, Svi};

    #[test]
    fn a_flat_surface_has_one_volatility_at_every_spot() {
        let flat = Slices { expiry_years: vec![0.5], smiles: vec![Svi::flat(0.02)], clock: Clock::default() };
        let local = LocalVolatilityGrid::new(&flat, &[-0.5, 0.0, 0.5], &[0.1, 1.0], [0.0, 5.0]).expect("sound");
        let grid =
            VolatilityGrid::of_surface(&local, &[50.0, 100.0, 170.0], |t| 100.0 * (0.05 * t).exp()).expect("sound");
        for (spot, years) in [(20.0, 0.0), (80.0, 0.3), (100.0, 0.7), (400.0, 2.0)] {
            assert!((grid.volatility(spot, years) - 0.2).abs() < 1e-12);
        }
        let none = VolatilityGrid::of_surface(&local, &[50.0, 100.0], |_| f64::NAN);
        assert_eq!(none, Err(MonteCarloError::from(Status::BadVolatility)));
    }
}
