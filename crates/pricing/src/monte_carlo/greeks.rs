//! Greeks under Black–Scholes with their standard errors: the derivative of the payoff along the path, or of the path's density.
//!
//! Formula   A the average over the dates (the spot at expiry where there is one date), f its payoff, h the step, z the normal numbers:
//!           pathwise e^(−rT) f′(A)·∂A; likelihood ratio e^(−rT) f(A)·score, with scores z₁/(Sσ√h) for delta, Σ((z² − 1)/σ − z√h) for
//!           vega, Σz√h/σ for rho (less T·f both), (z₁² − 1 − z₁σ√h)/(S²σ²h) for gamma; gamma beside pathwise Greeks is mixed, the
//!           likelihood ratio of the pathwise delta: e^(−rT) f′(A) A/S² (z₁/(σ√h) − 1); of each path: phi = −(rho + T V), since the forward
//!           knows r − q alone; theta = −(r rho + q phi + ½ σ vega)/T, since V is a function of rT, qT and σ√T; dual delta = (V − S delta)/K
//!           (a digital: −S delta/K), by homogeneity
//! Source    P. Glasserman, Monte Carlo Methods in Financial Engineering (2003), sections 7.2.1, 7.3.1 and 7.3.3

use zomma_base::Status;

use super::control::Control;
use super::engine::{average_pairs, estimate, run_tiles};
use super::lanes::{LANES, Lanes};
use super::model::check_volatility;
use super::moments::Moments;
use super::source::bridge::Bridge;
use super::source::{Numbers, Source, Stream};
use super::{Average, Estimate, Market, MonteCarloError, Payoff, Plan};
use crate::math::{Kernel, MultiplyAdd, Target, dispatch, exp};

/// How a Greek is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GreekMethod {
    /// Along the path: the least variance, for payoffs without a jump. Gamma is mixed.
    Pathwise,
    /// By the density of the path: for every payoff, digitals too.
    LikelihoodRatio,
}

/// Greeks, in raw units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GreekEstimates {
    /// Value.
    pub price: Estimate,
    /// ∂V/∂S.
    pub delta: Estimate,
    /// ∂²V/∂S².
    pub gamma: Estimate,
    /// ∂V/∂σ per 1.00.
    pub vega: Estimate,
    /// ∂V/∂r per 1.00.
    pub rho: Estimate,
    /// ∂V/∂q per 1.00.
    pub phi: Estimate,
    /// −∂V/∂T per year; dates stay equally spaced up to expiry.
    pub theta: Estimate,
    /// ∂V/∂K.
    pub dual_delta: Estimate,
}

/// What the paths give: price to rho of [`GreekEstimates`], and
const OF_PATHS: usize = 5;
/// all quantities of a tile.
const QUANTITIES: usize = 8;

/// Greeks of a European, digital or Asian payoff under Black–Scholes. A path has one step a date, whatever the plan's steps; the plan has
/// no control.
///
/// # Errors
///
/// As [`price`](super::price); `Field(BadVolatility)` where the volatility is 0; `NotSupported` for other payoffs, for a digital by the
/// pathwise method, and for controls.
pub fn greeks(
    market: &Market,
    volatility: f64,
    payoff: &Payoff,
    method: GreekMethod,
    plan: &Plan,
) -> Result<GreekEstimates, MonteCarloError> {
    greeks_on(Target::best(), market, volatility, payoff, method, plan)
}

/// [`greeks`] with the instructions of one target.
///
/// # Errors
///
/// As [`greeks`].
pub fn greeks_on(
    target: Target,
    market: &Market,
    volatility: f64,
    payoff: &Payoff,
    method: GreekMethod,
    plan: &Plan,
) -> Result<GreekEstimates, MonteCarloError> {
    let dates = match *payoff {
        Payoff::European { .. } => 1,
        Payoff::Digital { .. } if method == GreekMethod::LikelihoodRatio => 1,
        Payoff::Digital { .. } => return Err(MonteCarloError::NotSupported("pathwise Greeks of a digital")),
        Payoff::Asian { dates, .. } => dates,
        Payoff::Barrier { .. } | Payoff::Lookback { .. } => {
            return Err(MonteCarloError::NotSupported("Greeks of a barrier or a lookback"));
        }
    };
    let plan = Plan { steps: dates, ..*plan };
    if plan.control != Control::None {
        return Err(MonteCarloError::NotSupported("Greeks with a control"));
    }
    plan.check()?;
    market.check()?;
    check_volatility(volatility)?;
    payoff.check(market)?;
    let step_years = market.expiry_years / dates as f64;
    let deviation = volatility * step_years.sqrt();
    // A score divides by the deviation's square.
    if !(deviation * deviation).is_normal() {
        return Err(Status::BadVolatility.into());
    }
    let bridge = plan.is_quasi().then(|| Bridge::new(dates));
    let (replications, points) = plan.replications();
    let parts: Vec<[Moments; QUANTITIES]> = run_tiles(&plan, |replication, first, count| {
        let mut columns: [Vec<f64>; OF_PATHS] = std::array::from_fn(|_| vec![0.0; count]);
        let source = Source::new(&plan, Stream::Main, replication, 1, bridge.as_ref());
        dispatch(target, Tile { market, volatility, payoff, method, dates, source, first, columns: &mut columns });
        Ok(with_the_others(columns, market, volatility, payoff).map(|mut column| {
            average_pairs(&plan, &mut column);
            Moments::of(&column)
        }))
    })?;
    let of = |quantity: usize| {
        let tiles: Vec<Moments> = parts.iter().map(|part| part[quantity]).collect();
        estimate(&tiles, replications, replications * points)
    };
    Ok(GreekEstimates {
        price: of(0)?,
        delta: of(1)?,
        gamma: of(2)?,
        vega: of(3)?,
        rho: of(4)?,
        phi: of(5)?,
        theta: of(6)?,
        dual_delta: of(7)?,
    })
}

/// Adds, path by path, what follows from the first five: phi, theta and dual delta.
fn with_the_others(
    columns: [Vec<f64>; OF_PATHS],
    market: &Market,
    volatility: f64,
    payoff: &Payoff,
) -> [Vec<f64>; QUANTITIES] {
    let Market { spot, expiry_years: years, risk_free_rate, dividend_yield } = *market;
    let strike = payoff.strike().unwrap_or(spot);
    let degree = if matches!(payoff, Payoff::Digital { .. }) { 0.0 } else { 1.0 };
    let [price, delta, gamma, vega, rho] = columns;
    let (mut phi, mut theta, mut dual_delta) = (price.clone(), price.clone(), price.clone());
    for k in 0..price.len() {
        phi[k] = -(rho[k] + years * price[k]);
        let scaled = risk_free_rate * rho[k] + dividend_yield * phi[k] + 0.5 * volatility * vega[k];
        theta[k] = -scaled / years;
        dual_delta[k] = (degree * price[k] - spot * delta[k]) / strike;
    }
    [price, delta, gamma, vega, rho, phi, theta, dual_delta]
}

struct Tile<'a, 'o> {
    market: &'a Market,
    volatility: f64,
    payoff: &'a Payoff,
    method: GreekMethod,
    dates: usize,
    source: Source<'a>,
    first: usize,
    columns: &'o mut [Vec<f64>; OF_PATHS],
}

/// What is kept of the paths of a block.
struct Kept {
    /// The average, and its derivatives by volatility and rate.
    average: Lanes,
    by_volatility: Lanes,
    by_rate: Lanes,
    /// The first step's number, and the scores of volatility and rate.
    first: Lanes,
    volatility_score: Lanes,
    rate_score: Lanes,
}

impl Kernel for Tile<'_, '_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(mut self) {
        let count = self.columns[0].len();
        for start in (0..count).step_by(LANES) {
            let path = (self.first + start) as u64;
            self.source.begin::<M>(path);
            let kept = self.walk::<M>(path);
            self.pay(&kept, start, count.min(start + LANES));
        }
    }
}

impl Tile<'_, '_> {
    #[inline(always)]
    fn walk<M: MultiplyAdd>(&self, path: u64) -> Kept {
        let Market { spot, expiry_years, risk_free_rate, dividend_yield } = *self.market;
        let volatility = self.volatility;
        let n = self.dates as f64;
        let step_years = expiry_years / n;
        let root = step_years.sqrt();
        let (deviation, per_volatility) = (volatility * root, 1.0 / volatility);
        let drift = (risk_free_rate - dividend_yield - 0.5 * volatility * volatility) * step_years;
        let geometric = matches!(self.payoff, Payoff::Asian { average: Average::Geometric, .. });
        let zero = [0.0; LANES];
        let mut kept = Kept {
            average: zero,
            by_volatility: zero,
            by_rate: zero,
            first: zero,
            volatility_score: zero,
            rate_score: zero,
        };
        let mut numbers = Numbers::new();
        let (mut x, mut brownian) = (zero, zero);
        for step in 0..self.dates {
            self.source.step::<M>(path, step, &mut numbers);
            let z = &numbers.z[0];
            if step == 0 {
                kept.first = *z;
            }
            let years = (step + 1) as f64 * step_years;
            for i in 0..LANES {
                x[i] += M::multiply_add(deviation, z[i], drift);
                brownian[i] = M::multiply_add(root, z[i], brownian[i]);
                kept.volatility_score[i] += M::multiply_add(z[i], z[i], -1.0) * per_volatility - z[i] * root;
                kept.rate_score[i] += z[i] * root * per_volatility;
                // What the average is of: spots, or logarithms.
                let (term, weight) = if geometric { (x[i], 1.0) } else { (1.0, spot * exp::<M>(x[i])) };
                kept.average[i] += term * weight;
                kept.by_volatility[i] += weight * M::multiply_add(-volatility, years, brownian[i]);
                kept.by_rate[i] += weight * years;
            }
        }
        for i in 0..LANES {
            let scale = if geometric { spot * exp::<M>(kept.average[i] / n) } else { 1.0 };
            kept.average[i] = if geometric { scale } else { kept.average[i] / n };
            kept.by_volatility[i] *= scale / n;
            kept.by_rate[i] *= scale / n;
        }
        kept
    }

    #[inline(always)]
    fn pay(&mut self, kept: &Kept, start: usize, end: usize) {
        let spot = self.market.spot;
        let discount = self.market.discount_factor();
        let years = self.market.expiry_years;
        let deviation = self.volatility * (years / self.dates as f64).sqrt();
        let sign = self.payoff.option_type().sign();
        let strike = self.payoff.strike().unwrap_or(0.0);
        let digital = matches!(self.payoff, Payoff::Digital { .. });
        let likelihood = self.method == GreekMethod::LikelihoodRatio;
        let [price, delta, gamma, vega, rho] = &mut *self.columns;
        for i in 0..end - start {
            let average = kept.average[i];
            let paying = if sign * (average - strike) > 0.0 { discount } else { 0.0 };
            let value = if digital { paying } else { paying * sign * (average - strike) };
            let slope = sign * paying;
            let score = kept.first[i] / deviation;
            let k = start + i;
            price[k] = value;
            if likelihood {
                delta[k] = value * score / spot;
                gamma[k] =
                    value * ((kept.first[i] * kept.first[i] - 1.0) / (deviation * deviation) - score) / (spot * spot);
                vega[k] = value * kept.volatility_score[i];
                rho[k] = value * (kept.rate_score[i] - years);
            } else {
                delta[k] = slope * average / spot;
                gamma[k] = slope * average * (score - 1.0) / (spot * spot);
                vega[k] = slope * kept.by_volatility[i];
                rho[k] = slope * kept.by_rate[i] - years * value;
            }
        }
    }
}
