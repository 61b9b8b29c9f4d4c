//! Several assets that move together: correlated geometric Brownian motions, exact whatever the step, and European prices of baskets, the
//! best and the worst of them.
//!
//! Formula   ln S_a rises by (r − q_a − σ_a²/2)h + σ_a√h Σ_b L_ab z_b with L Lᵀ the correlation (Cholesky)
//! Numbers   factor a of step k is word (k·n + a) of the path's Philox counter, or coordinate k·n + a of its Sobol point, the k-th rung of
//!           its bridge

mod correlation;
mod walk;

pub use correlation::cholesky;
pub(super) use walk::Walk;

use zomma_base::{OptionType, Status};

use super::engine::{average_pairs, estimate, run_tiles};
use super::model::check_volatility;
use super::moments::Moments;
use super::source::Stream;
use super::{Control, Estimate, Market, MonteCarloError, Plan};
use crate::math::Target;

/// Most assets.
pub const MOST_ASSETS: usize = 50;

/// Assets with one expiry and one rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Assets {
    spots: Vec<f64>,
    dividend_yields: Vec<f64>,
    volatilities: Vec<f64>,
    expiry_years: f64,
    risk_free_rate: f64,
    /// Lower triangle of Cholesky's factor, [assets][assets].
    factor: Vec<f64>,
}

impl Assets {
    /// From columns of spots, yields and volatilities, and a correlation matrix row by row.
    ///
    /// # Errors
    ///
    /// `Assets` where there are none or more than [`MOST_ASSETS`]; `AssetColumn` where a column has another length; `Field` with the status
    /// of the first bad field, asset by asset; `Correlation` and `NotPositiveDefinite` as [`cholesky`].
    pub fn new(
        spots: &[f64],
        dividend_yields: &[f64],
        volatilities: &[f64],
        correlation: &[f64],
        expiry_years: f64,
        risk_free_rate: f64,
    ) -> Result<Self, MonteCarloError> {
        let n = spots.len();
        if !(1..=MOST_ASSETS).contains(&n) {
            return Err(MonteCarloError::Assets { assets: n, most: MOST_ASSETS });
        }
        let columns = [
            ("dividend_yields", dividend_yields.len(), n),
            ("volatilities", volatilities.len(), n),
            ("correlation", correlation.len(), n * n),
        ];
        for (column, length, expected) in columns {
            if length != expected {
                return Err(MonteCarloError::AssetColumn { column, length, expected });
            }
        }
        for a in 0..n {
            Market { spot: spots[a], expiry_years, risk_free_rate, dividend_yield: dividend_yields[a] }.check()?;
            check_volatility(volatilities[a])?;
        }
        Ok(Self {
            spots: spots.to_vec(),
            dividend_yields: dividend_yields.to_vec(),
            volatilities: volatilities.to_vec(),
            expiry_years,
            risk_free_rate,
            factor: cholesky(correlation, n)?,
        })
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.spots.len()
    }

    /// Spots now.
    pub fn spots(&self) -> &[f64] {
        &self.spots
    }

    pub(super) fn rate_to_expiry(&self) -> f64 {
        self.risk_free_rate * self.expiry_years
    }
}

/// What is made of the assets' spots.
#[derive(Clone, Debug, PartialEq)]
pub enum Index {
    /// Σ w S.
    Basket(Vec<f64>),
    /// Π S^w.
    Geometric(Vec<f64>),
    /// The largest.
    BestOf,
    /// The smallest.
    WorstOf,
}

impl Index {
    /// The weights are one an asset and finite: else `AssetColumn`, or `Field(BadQuantity)`.
    pub(super) fn check(&self, assets: usize) -> Result<(), MonteCarloError> {
        let (Self::Basket(weights) | Self::Geometric(weights)) = self else { return Ok(()) };
        if weights.len() != assets {
            Err(MonteCarloError::AssetColumn { column: "weights", length: weights.len(), expected: assets })
        } else if !weights.iter().all(|weight| weight.is_finite()) {
            Err(Status::BadQuantity.into())
        } else {
            Ok(())
        }
    }

    /// Of one path's spots.
    pub fn of(&self, spots: &[f64]) -> f64 {
        match self {
            Self::Basket(weights) => weights.iter().zip(spots).map(|(weight, spot)| weight * spot).sum(),
            Self::Geometric(weights) => {
                weights.iter().zip(spots).map(|(weight, spot)| weight * spot.ln()).sum::<f64>().exp()
            }
            Self::BestOf => spots.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b)),
            Self::WorstOf => spots.iter().fold(f64::INFINITY, |a, b| a.min(*b)),
        }
    }
}

/// (ω(I − K))⁺ on an index of several assets.
#[derive(Clone, Debug, PartialEq)]
pub struct AssetsPayoff {
    /// Call or put.
    pub option_type: OptionType,
    /// Strike, in the currency of the index.
    pub strike: f64,
    /// What it is on.
    pub index: Index,
}

impl AssetsPayoff {
    /// `Field(BadStrike)` where the strike is not finite and above 0, and as the index's weights say.
    pub(super) fn check(&self, assets: usize) -> Result<(), MonteCarloError> {
        if !(self.strike.is_finite() && self.strike > 0.0) {
            return Err(Status::BadStrike.into());
        }
        self.index.check(assets)
    }

    /// Paid at exercise. An index that is no number pays none, and the estimate is refused.
    pub fn paid(&self, spots: &[f64]) -> f64 {
        let over = self.option_type.sign() * (self.index.of(spots) - self.strike);
        if over < 0.0 { 0.0 } else { over }
    }
}

/// The price of a European option on several assets. One step is exact: the plan's steps are not used; it has no control.
///
/// # Errors
///
/// As [`price`](super::price), and `NotSupported` for controls.
pub fn assets_price(assets: &Assets, payoff: &AssetsPayoff, plan: &Plan) -> Result<Estimate, MonteCarloError> {
    assets_price_on(Target::best(), assets, payoff, plan)
}

/// [`assets_price`] with the instructions of one target.
///
/// # Errors
///
/// As [`assets_price`].
pub fn assets_price_on(
    target: Target,
    assets: &Assets,
    payoff: &AssetsPayoff,
    plan: &Plan,
) -> Result<Estimate, MonteCarloError> {
    if plan.control != Control::None {
        return Err(MonteCarloError::NotSupported("several assets with a control"));
    }
    payoff.check(assets.count())?;
    let plan = Plan { steps: 1, ..*plan };
    let walk = Walk::new(target, assets, &plan)?;
    let discount = (-assets.rate_to_expiry()).exp();
    let (replications, points) = plan.replications();
    let tiles = run_tiles(&plan, |replication, first, count| {
        let spots = walk.tile(Stream::Main, replication, first, count);
        let mut one = vec![0.0; assets.count()];
        let mut column: Vec<f64> = (0..count)
            .map(|path| {
                one.iter_mut().zip(&spots).for_each(|(spot, column)| *spot = column[path]);
                discount * payoff.paid(&one)
            })
            .collect();
        average_pairs(&plan, &mut column);
        Ok(Moments::of(&column))
    })?;
    estimate(&tiles, replications, replications * points)
}
