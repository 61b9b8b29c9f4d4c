//! Greeks under Black–Scholes with their standard errors: the derivative of the payoff along the path, or of the path's density.
//!
//! Formula   A the average over the dates (the spot at expiry where there is one date), f its payoff, h the step, z the normal numbers:
//!           pathwise e^(−rT) f′(A)·∂A; likelihood ratio e^(−rT) f(A)·score, with scores z₁/(Sσ√h) for delta, Σ((z² − 1)/σ − z√h) for
//!           vega, Σz√h/σ for rho (less T·f both), (z₁² − 1 − z₁σ√h)/(S²σ²h) for gamma; gamma beside pathwise Greeks is mixed, the
//!           likelihood ratio of the pathwise delta: e^(−rT) f′(A) A/S² (z₁/(σ√h) − 1); of each path: phi = −(rho + T V), since the forward
//!           knows r − q alone; theta = −(r rho + q phi + ½ σ vega)/T, since V is a function of rT, qT and σ√T; dual delta = (V − S delta)/K
//!           (a digital: −S delta/K), by homogeneity; a barrier's is −e^(−rT) f′ of the paths that are paid. A lookback's A is the spot
//!           at its extreme date, and while that is the spot now gamma has f′(A)/S more
//! Source    P. Glasserman, Monte Carlo Methods in Financial Engineering (2003), sections 7.2.1, 7.3.1 and 7.3.3

use zomma_base::Status;

use super::control::Control;
use super::engine::{average_pairs, estimate, run_tiles};
use super::lanes::{LANES, Lanes};
use super::model::check_volatility;
use super::moments::Moments;
use super::source::bridge::Bridge;
use super::source::{Numbers, Source, Stream, weigh};
use super::{Average, Estimate, Market, Monitoring, MonteCarloError, Payoff, Plan};
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

/// What the paths give: price to rho of [`GreekEstimates`] and dual delta, and
const OF_PATHS: usize = 6;
/// all quantities of a tile.
const QUANTITIES: usize = 8;

/// Greeks under Black–Scholes of a European, digital or Asian payoff, of a barrier that is looked at on dates (by the likelihood ratio) and
/// of a lookback of fixed strike (along the path). A path has one step a date, whatever the plan's steps; the plan has no control.
///
/// # Errors
///
/// As [`price`](super::price); `Field(BadVolatility)` where the volatility is 0; `NotSupported` for other payoffs and methods, and for
/// controls.
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
        Payoff::Barrier { monitoring: Monitoring::Continuous, .. } => {
            return Err(MonteCarloError::NotSupported("Greeks of a barrier that is looked at all the time"));
        }
        Payoff::Barrier { monitoring: Monitoring::Dates(dates), .. } if method == GreekMethod::LikelihoodRatio => dates,
        Payoff::Barrier { .. } => return Err(MonteCarloError::NotSupported("pathwise Greeks of a barrier")),
        Payoff::Lookback { strike: None, .. } => {
            return Err(MonteCarloError::NotSupported("Greeks of a lookback of floating strike"));
        }
        // The payoff knows the spot now, which the density of the path does not.
        Payoff::Lookback { dates, .. } if method == GreekMethod::Pathwise => dates,
        Payoff::Lookback { .. } => return Err(MonteCarloError::NotSupported("likelihood-ratio Greeks of a lookback")),
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
        let source = Source::new(&plan, Stream::Main, replication, 1, bridge.as_ref()).weighted(points);
        dispatch(target, Tile { market, volatility, payoff, method, dates, source, first, columns: &mut columns });
        Ok(with_the_others(columns, market, volatility).map(|mut column| {
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

/// Adds, path by path, what follows from the others: phi and theta.
fn with_the_others(columns: [Vec<f64>; OF_PATHS], market: &Market, volatility: f64) -> [Vec<f64>; QUANTITIES] {
    let Market { expiry_years: years, risk_free_rate, dividend_yield, .. } = *market;
    let [price, delta, gamma, vega, rho, dual_delta] = columns;
    let (mut phi, mut theta) = (price.clone(), price.clone());
    for k in 0..price.len() {
        phi[k] = -(rho[k] + years * price[k]);
        let scaled = risk_free_rate * rho[k] + dividend_yield * phi[k] + 0.5 * volatility * vega[k];
        theta[k] = -scaled / years;
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
    /// The average (or the spot that counts), and its derivatives by volatility and rate.
    average: Lanes,
    by_volatility: Lanes,
    by_rate: Lanes,
    /// The first step's number, and the scores of volatility and rate.
    first: Lanes,
    volatility_score: Lanes,
    rate_score: Lanes,
    /// 1 until the barrier is touched.
    untouched: Lanes,
}

impl Kernel for Tile<'_, '_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(mut self) {
        let count = self.columns[0].len();
        for start in (0..count).step_by(LANES) {
            let path = (self.first + start) as u64;
            self.source.begin::<M>(path);
            let kept = self.walk::<M>(path);
            let end = count.min(start + LANES);
            self.pay(&kept, start, end);
            if let Some(weights) = self.source.weights() {
                self.columns.iter_mut().for_each(|column| weigh(&mut column[start..end], weights));
            }
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
        let averages = !matches!(self.payoff, Payoff::Barrier { .. } | Payoff::Lookback { .. });
        let zero = [0.0; LANES];
        let mut kept = Kept {
            average: zero,
            by_volatility: zero,
            by_rate: zero,
            first: zero,
            volatility_score: zero,
            rate_score: zero,
            untouched: [1.0; LANES],
        };
        if matches!(self.payoff, Payoff::Lookback { .. }) {
            kept.average = [spot; LANES];
        }
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
            }
            if !averages {
                self.look::<M>(step, years, &x, &brownian, &mut kept);
                continue;
            }
            for i in 0..LANES {
                // What the average is of: spots, or logarithms.
                let (term, weight) = if geometric { (x[i], 1.0) } else { (1.0, spot * exp::<M>(x[i])) };
                kept.average[i] += term * weight;
                kept.by_volatility[i] += weight * M::multiply_add(-volatility, years, brownian[i]);
                kept.by_rate[i] += weight * years;
            }
        }
        if !averages {
            return kept;
        }
        for i in 0..LANES {
            let scale = if geometric { spot * exp::<M>(kept.average[i] / n) } else { 1.0 };
            kept.average[i] = if geometric { scale } else { kept.average[i] / n };
            kept.by_volatility[i] *= scale / n;
            kept.by_rate[i] *= scale / n;
        }
        kept
    }

    /// What a barrier or a lookback sees after a step.
    #[inline(always)]
    fn look<M: MultiplyAdd>(&self, step: usize, years: f64, x: &Lanes, brownian: &Lanes, kept: &mut Kept) {
        let spot = self.market.spot;
        let mut counts = [step + 1 == self.dates; LANES];
        let mut spots = [0.0; LANES];
        for (end, x) in spots.iter_mut().zip(x) {
            *end = spot * exp::<M>(*x);
        }
        match *self.payoff {
            Payoff::Barrier { barrier, kind, .. } => {
                let (level, side) = ((barrier / spot).ln(), if kind.is_up() { 1.0 } else { -1.0 });
                for (untouched, x) in kept.untouched.iter_mut().zip(x) {
                    *untouched *= if side * (level - x) > 0.0 { 1.0 } else { 0.0 };
                }
            }
            _ => {
                let sign = self.payoff.option_type().sign();
                for i in 0..LANES {
                    counts[i] = sign * (spots[i] - kept.average[i]) > 0.0;
                }
            }
        }
        for i in 0..LANES {
            if counts[i] {
                kept.average[i] = spots[i];
                kept.by_volatility[i] = spots[i] * M::multiply_add(-self.volatility, years, brownian[i]);
                kept.by_rate[i] = spots[i] * years;
            }
        }
    }

    #[inline(always)]
    fn pay(&mut self, kept: &Kept, start: usize, end: usize) {
        let spot = self.market.spot;
        let discount = self.market.discount_factor();
        let years = self.market.expiry_years;
        let deviation = self.volatility * (years / self.dates as f64).sqrt();
        let sign = self.payoff.option_type().sign();
        let strike = self.payoff.strike().unwrap_or(spot);
        let lookback = matches!(self.payoff, Payoff::Lookback { .. });
        let rebate = match *self.payoff {
            Payoff::Barrier { kind, rebate, .. } => Some((kind.is_out(), discount * rebate)),
            _ => None,
        };
        let digital = matches!(self.payoff, Payoff::Digital { .. });
        let likelihood = self.method == GreekMethod::LikelihoodRatio;
        let [price, delta, gamma, vega, rho, dual_delta] = &mut *self.columns;
        for i in 0..end - start {
            let average = kept.average[i];
            let paying = if sign * (average - strike) > 0.0 { discount } else { 0.0 };
            let mut value = if digital { paying } else { paying * sign * (average - strike) };
            let slope = sign * paying;
            let mut alive = 1.0;
            if let Some((out, rebate)) = rebate {
                alive = if out { kept.untouched[i] } else { 1.0 - kept.untouched[i] };
                value = alive * value + (1.0 - alive) * rebate;
            }
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
                // While the extreme is the spot now, it moves with it.
                let now = if lookback && kept.by_rate[i] == 0.0 { slope / spot } else { 0.0 };
                gamma[k] = slope * average * (score - 1.0) / (spot * spot) + now;
                vega[k] = slope * kept.by_volatility[i];
                rho[k] = slope * kept.by_rate[i] - years * value;
            }
            dual_delta[k] = if rebate.is_some() {
                -alive * slope
            } else {
                (if digital { 0.0 } else { value } - spot * delta[k]) / strike
            };
        }
    }
}
