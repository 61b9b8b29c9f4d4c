//! Early exercise on dates by least squares: what holding is worth is regressed on the state of some paths, and the rule that follows from
//! it is tried on others.
//!
//! Method   backwards over the dates, among regression paths in the money, the discounted later payment is regressed on [`Basis`]; exercise
//!          where paying now is at least the fit. The rule is then followed on independent paths, so that the price is biased low alone:
//!          no rule beats the best one
//! Source   F. A. Longstaff and E. S. Schwartz, "Valuing American options by simulation: a simple least-squares approach", Rev. Financ.
//!          Stud. 14 (2001); two passes after P. Glasserman (2003), section 8.6.1
//! Numbers  the regression takes stream 1 of the seed (pseudo-random, whatever the plan), the price stream 0

mod basis;
mod regression;
mod rule;

use zomma_base::{OptionType, Status};

use super::assets::Walk;
use super::engine::Engine;
use super::lanes::TILE;
use super::{Assets, AssetsPayoff, Control, Estimate, Market, Model, MonteCarloError, Plan};
use crate::math::Target;
use basis::Features;
use rule::{Paths, Problem};

/// Most functions of one variable's basis beside the constant.
const MOST_DEGREE: usize = 8;

/// Most numbers of the regression's paths, dates × states × paths: 2 GiB.
const MOST_KEPT: usize = 1 << 28;

/// Functions of the index's moneyness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// 1, y, y², … with y = I/K − 1.
    Monomials,
    /// 1 and e^(−X/2) L_k(X), k from 0, with X = I/K: Longstaff and Schwartz's.
    Laguerre,
}

/// When an option may be exercised, and how the rule is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exercise {
    /// Equally spaced dates, the last one at expiry; now is not among them.
    pub dates: usize,
    /// Paths of the regression.
    pub regression_paths: usize,
    /// Functions of the index.
    pub basis: Basis,
    /// How many of them beside the constant: 1 to 8.
    pub degree: usize,
}

impl Exercise {
    /// Monomials to the fourth power on so many dates.
    pub fn new(dates: usize, regression_paths: usize) -> Self {
        Self { dates, regression_paths, basis: Basis::Monomials, degree: 4 }
    }

    /// Counts, for states of so many numbers.
    fn check(&self, plan: &Plan, states: usize) -> Result<(), MonteCarloError> {
        plan.check()?;
        if self.dates == 0 || !plan.steps.is_multiple_of(self.dates) {
            return Err(MonteCarloError::Dates { dates: self.dates, steps: plan.steps });
        }
        if !(1..=MOST_DEGREE).contains(&self.degree) {
            return Err(MonteCarloError::NotSupported("a basis of another degree than 1 to 8"));
        }
        if plan.control != Control::None {
            return Err(MonteCarloError::NotSupported("early exercise with a control"));
        }
        // The regression's paths are counted as those of a plan are, and kept.
        Plan { paths: self.regression_paths, sampling: super::Sampling::Antithetic, ..*plan }.check()?;
        let most = MOST_KEPT / (self.dates * states);
        if self.regression_paths.max(TILE) > most {
            return Err(MonteCarloError::TooManyPaths { paths: self.regression_paths, most });
        }
        Ok(())
    }
}

/// The price of an option with early exercise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BermudanEstimate {
    /// What it is worth not exercised now: biased low by what the rule misses.
    pub held: Estimate,
    /// What exercise pays now.
    pub exercise_value: f64,
}

impl BermudanEstimate {
    /// The better of both.
    pub fn price(&self) -> f64 {
        self.held.price.max(self.exercise_value)
    }
}

/// The price of a call or put on one asset under any model that may be exercised on dates. The regression's variables are moneyness and,
/// where it is stochastic, variance.
///
/// # Errors
///
/// As [`price`](super::price); `Dates`; `NotSupported` for a degree beyond 1 to 8, and for controls.
pub fn bermudan(
    market: &Market,
    model: &Model<'_>,
    (option_type, strike): (OptionType, f64),
    exercise: &Exercise,
    plan: &Plan,
) -> Result<BermudanEstimate, MonteCarloError> {
    exercise.check(plan, 2)?;
    if !(strike.is_finite() && strike > 0.0) {
        return Err(Status::BadStrike.into());
    }
    let engine = Engine::new(Target::best(), market, model, plan)?;
    let stochastic = engine.has_stochastic_variance();
    let paid = move |state: &[f64]| (option_type.sign() * (state[0] - strike)).max(0.0);
    let problem = Problem {
        paths: Paths::Engine(&engine),
        features: Features::one(exercise, strike, stochastic),
        paid: &paid,
        discount: discount(market.risk_free_rate * market.expiry_years, exercise.dates),
        dates: exercise.dates,
        states: 1 + usize::from(stochastic),
        plan,
    };
    problem.estimate(exercise.regression_paths, paid(&[market.spot]))
}

/// The price of an option on several assets that may be exercised on dates. The plan's steps are the dates. The regression's variables are
/// the moneyness of the index, and that of each asset (in their order of size for the best and the worst) with squares and products of
/// neighbours.
///
/// # Errors
///
/// As [`assets_price`](super::assets_price) and [`bermudan`].
pub fn assets_bermudan(
    assets: &Assets,
    payoff: &AssetsPayoff,
    exercise: &Exercise,
    plan: &Plan,
) -> Result<BermudanEstimate, MonteCarloError> {
    let plan = &Plan { steps: exercise.dates, ..*plan };
    exercise.check(plan, assets.count())?;
    payoff.check(assets.count())?;
    let walk = Walk::new(Target::best(), assets, plan)?;
    let paid = |spots: &[f64]| payoff.paid(spots);
    let problem = Problem {
        paths: Paths::Walk(&walk),
        features: Features::many(exercise, payoff, assets),
        paid: &paid,
        discount: discount(assets.rate_to_expiry(), exercise.dates),
        dates: exercise.dates,
        states: assets.count(),
        plan,
    };
    problem.estimate(exercise.regression_paths, paid(assets.spots()))
}

/// The discount factor from one date to the one before.
fn discount(rate_to_expiry: f64, dates: usize) -> f64 {
    (-rate_to_expiry / dates as f64).exp()
}
