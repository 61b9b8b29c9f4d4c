//! What is paid at expiry, as a function of the spot's path.
//!
//! Dates are equally spaced, the last one at expiry, and divide the steps of the plan. All amounts are in currency.

use zomma_base::{OptionType, Status};

use super::{Market, MonteCarloError};

/// How an average is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// Sum over count.
    Arithmetic,
    /// Root of the product.
    Geometric,
}

/// What a barrier does, and from which side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarrierKind {
    /// Dead once the spot is at or above it.
    UpAndOut,
    /// Alive once the spot is at or above it.
    UpAndIn,
    /// Dead once the spot is at or below it.
    DownAndOut,
    /// Alive once the spot is at or below it.
    DownAndIn,
}

impl BarrierKind {
    /// Whether the barrier is above the spot.
    pub fn is_up(self) -> bool {
        matches!(self, Self::UpAndOut | Self::UpAndIn)
    }

    /// Whether touching kills.
    pub fn is_out(self) -> bool {
        matches!(self, Self::UpAndOut | Self::DownAndOut)
    }
}

/// When a barrier is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Monitoring {
    /// On so many dates.
    Dates(usize),
    /// All the time: the chance that the path touched between two steps is that of a Brownian bridge, which is exact under
    /// Black–Scholes, whatever the step, and otherwise as good as the volatility is constant over a step.
    Continuous,
}

/// What is paid at expiry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Payoff {
    /// (ω(S − K))⁺.
    European {
        /// Call or put.
        option_type: OptionType,
        /// Strike.
        strike: f64,
    },
    /// One unit of currency where the spot ends beyond the strike.
    Digital {
        /// Call: above; put: below.
        option_type: OptionType,
        /// Strike.
        strike: f64,
    },
    /// (ω(A − K))⁺ on an average over the dates; the spot now does not count.
    Asian {
        /// Call or put.
        option_type: OptionType,
        /// Strike.
        strike: f64,
        /// How the average is taken.
        average: Average,
        /// Dates.
        dates: usize,
    },
    /// (ω(S − K))⁺ if the barrier lets it, else the rebate, both at expiry.
    Barrier {
        /// Call or put.
        option_type: OptionType,
        /// Strike.
        strike: f64,
        /// Level.
        barrier: f64,
        /// What it does.
        kind: BarrierKind,
        /// Paid at expiry where the option is dead.
        rebate: f64,
        /// When it is looked at.
        monitoring: Monitoring,
    },
    /// On the largest (fixed call, floating put) or smallest spot of now and the dates. Fixed: (max − K)⁺ or (K − min)⁺; floating:
    /// S − min or max − S.
    Lookback {
        /// Call or put.
        option_type: OptionType,
        /// Strike; none is floating.
        strike: Option<f64>,
        /// Dates.
        dates: usize,
    },
}

impl Payoff {
    /// Call or put.
    pub fn option_type(&self) -> OptionType {
        match *self {
            Self::European { option_type, .. }
            | Self::Digital { option_type, .. }
            | Self::Asian { option_type, .. }
            | Self::Barrier { option_type, .. }
            | Self::Lookback { option_type, .. } => option_type,
        }
    }

    /// The strike, where there is one.
    pub fn strike(&self) -> Option<f64> {
        match *self {
            Self::European { strike, .. }
            | Self::Digital { strike, .. }
            | Self::Asian { strike, .. }
            | Self::Barrier { strike, .. } => Some(strike),
            Self::Lookback { strike, .. } => strike,
        }
    }

    /// Steps between two looks, given the steps of the plan.
    pub(super) fn every(&self, steps: usize) -> Result<usize, MonteCarloError> {
        let dates = match *self {
            Self::European { .. } | Self::Digital { .. } => 1,
            Self::Asian { dates, .. } | Self::Lookback { dates, .. } => dates,
            Self::Barrier { monitoring: Monitoring::Dates(dates), .. } => dates,
            Self::Barrier { monitoring: Monitoring::Continuous, .. } => steps,
        };
        if dates == 0 || !steps.is_multiple_of(dates) {
            return Err(MonteCarloError::Dates { dates, steps });
        }
        Ok(steps / dates)
    }

    /// The first field at fault: `BadStrike`, `BadBarrier`, `BadRebate`, `BarrierHit`.
    pub fn check(&self, market: &Market) -> Result<(), Status> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if self.strike().is_some_and(|strike| !positive(strike)) {
            return Err(Status::BadStrike);
        }
        if let Self::Barrier { barrier, kind, rebate, .. } = *self {
            if !(1e-250..=1e250).contains(&barrier) {
                return Err(Status::BadBarrier);
            }
            if !(rebate.is_finite() && rebate >= 0.0) {
                return Err(Status::BadRebate);
            }
            if if kind.is_up() { market.spot >= barrier } else { market.spot <= barrier } {
                return Err(Status::BarrierHit);
            }
        }
        Ok(())
    }
}
