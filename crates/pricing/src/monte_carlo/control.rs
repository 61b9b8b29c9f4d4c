//! Control variates: a payoff of the same draws whose mean is known.
//!
//! Method   y − β(c − E c), where β = Cov(y, c)/Var(c) comes from a pilot of other paths (stream 1 of the seed), so that the mean is unbiased
//!          and the standard error is that of independent samples (Glasserman 2003, section 4.1.3)

use super::closed_form::Lognormal;
use super::model::check_volatility;
use super::{Average, Market, Model, MonteCarloError, Payoff};

/// Which control variate is used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Control {
    /// None.
    #[default]
    None,
    /// The discounted spot at expiry.
    Spot,
    /// The European option (digital for a digital) of the payoff's strike on a path of geometric Brownian motion that is driven by the
    /// spot's own Brownian motion.
    BlackScholes {
        /// Of the control's path.
        volatility: f64,
    },
    /// The geometric Asian option of the same terms: for an arithmetic one under Black–Scholes.
    GeometricAsian,
}

/// A control of one payoff, with its mean.
#[derive(Clone, Copy, Debug)]
pub(super) enum Controlled {
    No,
    Spot { mean: f64 },
    Option { mean: f64 },
    GeometricAsian { mean: f64 },
}

impl Controlled {
    pub(super) fn new(
        control: Control,
        market: &Market,
        model: &Model<'_>,
        payoff: &Payoff,
    ) -> Result<Self, MonteCarloError> {
        let discount = market.discount_factor();
        match control {
            Control::None => Ok(Self::No),
            Control::Spot => {
                Ok(Self::Spot { mean: market.spot * (-market.dividend_yield * market.expiry_years).exp() })
            }
            Control::BlackScholes { volatility } => {
                check_volatility(volatility)?;
                let Some(strike) = payoff.strike() else {
                    return Err(MonteCarloError::NotSupported("a Black-Scholes control for a payoff without strike"));
                };
                let end = Lognormal::spot(market, volatility);
                let mean = match payoff {
                    Payoff::Digital { option_type, .. } => end.digital(*option_type, strike),
                    _ => end.option(payoff.option_type(), strike),
                };
                Ok(Self::Option { mean: discount * mean })
            }
            Control::GeometricAsian => match (model, payoff) {
                (
                    Model::BlackScholes { volatility },
                    Payoff::Asian { option_type, strike, average: Average::Arithmetic, dates },
                ) => {
                    let average = Lognormal::geometric_average(market, *volatility, *dates);
                    Ok(Self::GeometricAsian { mean: discount * average.option(*option_type, *strike) })
                }
                _ => Err(MonteCarloError::NotSupported(
                    "a geometric Asian control for another payoff than an arithmetic Asian under Black-Scholes",
                )),
            },
        }
    }

    /// The control's mean; none where there is no control.
    pub(super) fn mean(self) -> Option<f64> {
        match self {
            Self::No => None,
            Self::Spot { mean } | Self::Option { mean } | Self::GeometricAsian { mean } => Some(mean),
        }
    }
}

/// Cov(y, c)/Var(c) of paired samples; 0 where the control does not move.
pub(super) fn coefficient(y: &[f64], c: &[f64]) -> f64 {
    let n = y.len() as f64;
    let (mean_y, mean_c) = (y.iter().sum::<f64>() / n, c.iter().sum::<f64>() / n);
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (y, c) in y.iter().zip(c) {
        covariance += (y - mean_y) * (c - mean_c);
        variance += (c - mean_c) * (c - mean_c);
    }
    let beta = covariance / variance;
    if beta.is_finite() { beta } else { 0.0 }
}
