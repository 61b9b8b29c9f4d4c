//! What moves the spot: the market that every model shares, and the models with their parameters, checked.
//!
//! Domain   |rT|, |qT| ≤ 600, T ≤ 1,000 years; variances, volatilities of variance and jump parameters as the constants here say:
//!          beyond them [`Status::Overflow`]

use zomma_base::Status;

use super::LocalVolatility;
use crate::fourier::Heston;

/// Largest expiry in years.
pub(super) const MOST_YEARS: f64 = 1000.0;
/// Largest |rate × expiry|.
const MOST_DISCOUNT: f64 = 600.0;
/// Largest variance and volatility of variance: ten times ten.
const MOST_VARIANCE: f64 = 100.0;
/// Largest volatility.
pub(super) const MOST_VOLATILITY: f64 = 10.0;
/// Largest speed of mean reversion.
const MOST_SPEED: f64 = 1e4;
/// Largest |mean| and deviation of a jump's logarithm.
const MOST_JUMP: f64 = 10.0;
/// Largest jumps a year.
const MOST_INTENSITY: f64 = 1e6;

/// Spot, expiry and carry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Market {
    /// Spot now, in currency.
    pub spot: f64,
    /// Years to expiry.
    pub expiry_years: f64,
    /// Rate, continuously compounded.
    pub risk_free_rate: f64,
    /// Yield, continuously compounded.
    pub dividend_yield: f64,
}

impl Market {
    /// The first field at fault: `BadSpot` (not from 1e-200 to 1e200), `Expired`, `BadExpiry`, `BadRate`, `BadYield`; `Overflow` beyond
    /// the domain.
    pub fn check(&self) -> Result<(), Status> {
        if !(1e-200..=1e200).contains(&self.spot) {
            Err(Status::BadSpot)
        } else if self.expiry_years <= 0.0 {
            Err(Status::Expired)
        } else if !self.expiry_years.is_finite() {
            Err(Status::BadExpiry)
        } else if !self.risk_free_rate.is_finite() {
            Err(Status::BadRate)
        } else if !self.dividend_yield.is_finite() {
            Err(Status::BadYield)
        } else if self.expiry_years > MOST_YEARS
            || (self.risk_free_rate * self.expiry_years).abs() > MOST_DISCOUNT
            || (self.dividend_yield * self.expiry_years).abs() > MOST_DISCOUNT
        {
            Err(Status::Overflow)
        } else {
            Ok(())
        }
    }

    /// e^(−rT).
    pub fn discount_factor(&self) -> f64 {
        (-self.risk_free_rate * self.expiry_years).exp()
    }

    /// S e^((r − q)T).
    pub fn forward(&self) -> f64 {
        self.spot * ((self.risk_free_rate - self.dividend_yield) * self.expiry_years).exp()
    }
}

/// Jumps of Merton: counted by Poisson, their logarithms normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jumps {
    /// Jumps a year.
    pub jump_intensity: f64,
    /// Mean of a jump's logarithm.
    pub jump_mean: f64,
    /// Deviation of a jump's logarithm.
    pub jump_std: f64,
}

impl Jumps {
    /// The first field at fault: `BadJumpIntensity`, `BadJumpMean`, `BadJumpStd`; `Overflow` beyond the domain.
    pub fn check(&self) -> Result<(), Status> {
        let not_negative = |x: f64| x.is_finite() && x >= 0.0;
        if !not_negative(self.jump_intensity) {
            Err(Status::BadJumpIntensity)
        } else if !self.jump_mean.is_finite() {
            Err(Status::BadJumpMean)
        } else if !not_negative(self.jump_std) {
            Err(Status::BadJumpStd)
        } else if self.jump_mean.abs().max(self.jump_std) > MOST_JUMP || self.jump_intensity > MOST_INTENSITY {
            Err(Status::Overflow)
        } else {
            Ok(())
        }
    }

    /// What jumps add to the spot's drift a year, which the drift takes away again: λ(E[e^J] − 1).
    pub fn compensator(&self) -> f64 {
        self.jump_intensity * (self.jump_mean + 0.5 * self.jump_std * self.jump_std).exp_m1()
    }
}

/// What moves the spot.
#[derive(Clone, Copy, Debug)]
pub enum Model<'a> {
    /// Geometric Brownian motion, exact whatever the step.
    BlackScholes {
        /// Per square root of a year.
        volatility: f64,
    },
    /// Geometric Brownian motion with jumps, exact whatever the step.
    Merton {
        /// Per square root of a year, without the jumps.
        volatility: f64,
        /// Its jumps.
        jumps: Jumps,
    },
    /// Stochastic variance by Andersen's quadratic-exponential scheme with martingale correction.
    Heston(Heston),
    /// Heston with Merton's jumps.
    Bates {
        /// Its variance.
        heston: Heston,
        /// Its jumps.
        jumps: Jumps,
    },
    /// A volatility that is a function of spot and time, by Euler's scheme on the logarithm.
    LocalVolatility(&'a LocalVolatility<'a>),
}

impl Model<'_> {
    /// The first parameter at fault.
    pub fn check(&self) -> Result<(), Status> {
        match self {
            Self::BlackScholes { volatility } => check_volatility(*volatility),
            Self::Merton { volatility, jumps } => check_volatility(*volatility).and_then(|()| jumps.check()),
            Self::Heston(heston) => check_heston(heston),
            Self::Bates { heston, jumps } => check_heston(heston).and_then(|()| jumps.check()),
            Self::LocalVolatility(_) => Ok(()),
        }
    }
}

/// The first parameter at fault; `Overflow` beyond the domain.
pub(super) fn check_heston(heston: &Heston) -> Result<(), Status> {
    heston.check()?;
    let inside = heston.v0.max(heston.theta_v).max(heston.sigma_v) <= MOST_VARIANCE && heston.kappa <= MOST_SPEED;
    if inside { Ok(()) } else { Err(Status::Overflow) }
}

pub(super) fn check_volatility(volatility: f64) -> Result<(), Status> {
    if !(volatility.is_finite() && volatility >= 0.0) {
        Err(Status::BadVolatility)
    } else if volatility > MOST_VOLATILITY {
        Err(Status::Overflow)
    } else {
        Ok(())
    }
}
