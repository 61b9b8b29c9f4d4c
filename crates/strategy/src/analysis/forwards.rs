//! Finds the discount factor and forward of each expiry, and the spot that they imply (methods: docs/analysis.md).

use zomma_base::ExerciseStyle;
use zomma_market::chain::{Chain, Quotes};
use zomma_pricing::parity::{self, ParityFit, ParityPair};

use super::{
    AnalysisConfig, ForwardSource, RateSource,
    clean::bid_or_zero,
    deamericanize::{self, EarlyExercise},
    expiries::{Expiries, Expiry, NONE},
    rate_curve::{RateCurve, RatePoint, given_rate},
};

/// Below this many years parity cannot tell the discount factor.
const OWN_RATE_YEARS_MIN: f64 = 0.05;
/// Fewest pairs from which a rate is read.
const OWN_RATE_PAIRS_MIN: usize = 5;
/// A rate read from prices that are rounded alike has at least this error in −ln D.
const LOG_DISCOUNT_ERROR_MIN: f64 = 2e-4;
/// The same where an early-exercise premium had to be taken out.
const LOG_DISCOUNT_ERROR_MIN_AMERICAN: f64 = 1e-3;
/// A curve whose error is above this says nothing.
const CURVE_ERROR_MAX: f64 = 0.02;
/// Rounds of: take the early-exercise premium out, fit parity, find the spot.
const DEAMERICANIZE_ROUNDS: usize = 3;
/// Where the forwards carry back to a spot with a greater error than this, what the file says is better.
const PARITY_SPOT_ERROR_MAX: f64 = 0.003;
/// One standard deviation of a yield that nothing says.
const CARRY_PRIOR_ERROR: f64 = 0.03;
/// How far ln(forward) may stray from a straight line in a year: dividends come in lumps.
const CARRY_LUMP_PER_YEAR: f64 = 0.01;
/// A dividend that may lie between two expiries, as a share of spot: what comes after the first expiry says little about what lies
/// before it.
const DIVIDEND_LUMP: f64 = 0.003;
/// Pairs that make a forward good enough to carry back.
const GOOD_PAIRS_MIN: usize = 5;
/// So many forwards behind the nearest one can agree that it is off, by more standard deviations than this. (Options of the last minutes
/// are not always quoted in step.)
const CONSENSUS: usize = 4;
const CONSENSUS_DEVIATIONS: f64 = 4.0;
/// A gap that is greater, as a share of spot, is rather a dividend between the nearest expiry and the next.
const DIVIDEND_LEAST: f64 = 0.001;
/// Expiries this much later than the first say what carries the first back to spot.
const CARRY_YEARS: f64 = 0.25;

/// Forward and discount factor of one expiry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carry {
    /// Forward.
    pub forward: f64,
    /// One standard error of the forward, where parity gave one.
    pub forward_error: Option<f64>,
    /// Continuously compounded.
    pub rate: f64,
    /// Discount factor.
    pub discount_factor: f64,
    /// Where the forward came from.
    pub forward_source: ForwardSource,
    /// Where the discount factor came from.
    pub rate_source: RateSource,
    /// Pairs that parity used.
    pub pairs: usize,
}

/// What is known of a chain's forwards.
#[derive(Clone, Debug)]
pub(super) struct Forwards {
    /// Spot; NaN where neither parity nor the file says one.
    pub spot: f64,
    /// Whether the spot is parity's.
    pub is_parity_spot: bool,
    /// One entry a living expiry; `None` where no forward could be found.
    pub carries: Vec<Option<Carry>>,
}

/// A rate and where it came from.
#[derive(Clone, Copy, Debug)]
struct Rate {
    rate: f64,
    source: RateSource,
}

/// Finds the forwards of every living expiry.
pub(super) fn find(chain: &Chain, expiries: &Expiries, config: &AnalysisConfig) -> Forwards {
    let pairs: Vec<Vec<ParityPair>> = expiries.alive.iter().map(|expiry| quoted_pairs(&chain.quotes, expiry)).collect();
    let mut search = Search { expiries, config, last: chain.underlying_last.filter(|last| is_price(*last)), pairs };

    let european = |expiry: &Expiry| expiry.style == ExerciseStyle::European;
    let free: Vec<Option<ParityFit>> = (0..expiries.alive.len())
        .map(|i| if european(&expiries.alive[i]) { search.free_fit(i) } else { None })
        .collect();
    let mut rates = search.rates(&free);
    let mut forwards = search.forwards(&rates, &free);
    if expiries.alive.iter().all(european) {
        return forwards;
    }
    let quoted = search.pairs.clone();
    for _ in 0..DEAMERICANIZE_ROUNDS {
        if !is_price(forwards.spot) {
            break;
        }
        for (index, expiry) in expiries.alive.iter().enumerate() {
            let Some(carry) = forwards.carries[index].filter(|_| !european(expiry)) else { continue };
            let terms = EarlyExercise::new(forwards.spot, &carry, expiry.years);
            search.pairs[index] = deamericanize::european_pairs(&quoted[index], &terms);
        }
        let free: Vec<Option<ParityFit>> = (0..expiries.alive.len()).map(|i| search.free_fit(i)).collect();
        rates = search.rates(&free);
        forwards = search.forwards(&rates, &free);
    }
    forwards
}

/// The strikes that are quoted on both sides by call and put.
fn quoted_pairs(quotes: &Quotes, expiry: &Expiry) -> Vec<ParityPair> {
    let is_two_sided = |row: usize| bid_or_zero(quotes, row) > 0.0;
    expiry
        .strikes
        .iter()
        .filter(|entry| entry.call != NONE && entry.put != NONE)
        .map(|entry| (entry.strike, entry.call as usize, entry.put as usize))
        .filter(|&(_, call, put)| is_two_sided(call) && is_two_sided(put))
        .map(|(strike, call, put)| ParityPair {
            strike,
            call_mid: 0.5 * (quotes.bid[call] + quotes.ask[call]),
            put_mid: 0.5 * (quotes.bid[put] + quotes.ask[put]),
            call_half_spread: 0.5 * (quotes.ask[call] - quotes.bid[call]),
            put_half_spread: 0.5 * (quotes.ask[put] - quotes.bid[put]),
        })
        .collect()
}

fn is_price(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

/// Everything that the steps share.
struct Search<'a> {
    expiries: &'a Expiries,
    config: &'a AnalysisConfig,
    last: Option<f64>,
    pairs: Vec<Vec<ParityPair>>,
}

impl Search<'_> {
    fn years(&self, index: usize) -> f64 {
        self.expiries.alive[index].years
    }

    /// Discount factor and forward together, where there are pairs enough and they make sense.
    fn free_fit(&self, index: usize) -> Option<ParityFit> {
        if self.pairs[index].len() < OWN_RATE_PAIRS_MIN {
            return None;
        }
        let fit = parity::fit(&self.pairs[index], None).ok()?;
        (is_price(fit.forward) && is_price(fit.discount_factor)).then_some(fit)
    }

    fn own_rate(&self, index: usize, fit: &ParityFit) -> RatePoint {
        let years = self.years(index);
        let least = match self.expiries.alive[index].style {
            ExerciseStyle::European => LOG_DISCOUNT_ERROR_MIN,
            ExerciseStyle::American => LOG_DISCOUNT_ERROR_MIN_AMERICAN,
        };
        RatePoint {
            years,
            rate: -fit.discount_factor.ln() / years,
            error: fit.log_discount_error.max(0.0).hypot(least) / years,
        }
    }

    /// The rate of every expiry.
    fn rates(&self, free: &[Option<ParityFit>]) -> Vec<Rate> {
        let own: Vec<Option<RatePoint>> =
            free.iter().enumerate().map(|(index, fit)| fit.as_ref().map(|fit| self.own_rate(index, fit))).collect();
        let curve = RateCurve::fit(&own.iter().flatten().copied().collect::<Vec<_>>());
        (0..own.len())
            .map(|index| {
                let years = self.years(index);
                let is_american = self.expiries.alive[index].style == ExerciseStyle::American;
                let given =
                    given_rate(&self.config.rate_curve, years).map(|rate| Rate { rate, source: RateSource::Given });
                let curve_error = curve.as_ref().map_or(f64::INFINITY, |curve| curve.error(years));
                let from_own = own[index]
                    .filter(|own| !is_american && years >= OWN_RATE_YEARS_MIN && own.error <= curve_error)
                    .map(|own| Rate { rate: own.rate, source: RateSource::Parity });
                let from_curve = curve
                    .as_ref()
                    .filter(|_| curve_error <= CURVE_ERROR_MAX)
                    .map(|curve| Rate { rate: curve.rate(years), source: RateSource::ParityCurve });
                let choice = if is_american { given.or(from_curve) } else { from_own.or(from_curve).or(given) };
                choice.unwrap_or(Rate { rate: 0.0, source: RateSource::AssumedZero })
            })
            .collect()
    }

    /// The forward of every expiry, from its own pairs where it has any, else from spot and carry.
    fn forwards(&self, rates: &[Rate], free: &[Option<ParityFit>]) -> Forwards {
        let mut carries: Vec<Option<Carry>> = rates
            .iter()
            .enumerate()
            .map(|(index, rate)| {
                let discount_factor = (-rate.rate * self.years(index)).exp();
                let fit = match (rate.source, free[index]) {
                    (RateSource::Parity, Some(fit)) => fit,
                    _ => parity::fit(&self.pairs[index], Some(discount_factor)).ok()?,
                };
                let source = match self.expiries.alive[index].style {
                    ExerciseStyle::European => ForwardSource::Parity,
                    ExerciseStyle::American => ForwardSource::ParityDeAmericanized,
                };
                is_price(fit.forward).then(|| Carry {
                    forward: fit.forward,
                    forward_error: Some(self.forward_error(index, &fit)),
                    rate: rate.rate,
                    discount_factor,
                    forward_source: source,
                    rate_source: rate.source,
                    pairs: fit.pairs,
                })
            })
            .collect();
        let line =
            self.carry_line(rates, &carries).filter(|line| self.last.is_none() || line.error <= PARITY_SPOT_ERROR_MAX);
        let is_parity_spot = line.is_some();
        let spot = line.map(|line| line.spot).or(self.last).unwrap_or(f64::NAN);
        if is_price(spot) {
            let growth = self.carry_growth(spot, rates, &carries);
            for (index, carry) in carries.iter_mut().enumerate().filter(|(_, carry)| carry.is_none()) {
                let years = self.years(index);
                *carry = Some(Carry {
                    forward: spot * (growth * years).exp(),
                    forward_error: None,
                    rate: rates[index].rate,
                    discount_factor: (-rates[index].rate * years).exp(),
                    forward_source: ForwardSource::SpotAndCarry,
                    rate_source: rates[index].source,
                    pairs: 0,
                })
                .filter(|carry| is_price(carry.forward));
            }
        }
        Forwards { spot, is_parity_spot, carries }
    }

    /// A standard error of the forward that is never below what the spreads of its pairs allow.
    fn forward_error(&self, index: usize, fit: &ParityFit) -> f64 {
        let tightest = self.pairs[index]
            .iter()
            .map(|pair| pair.call_half_spread + pair.put_half_spread)
            .fold(f64::INFINITY, f64::min);
        let least = 0.1 * tightest / (fit.pairs.max(1) as f64).sqrt();
        if fit.forward_error.is_finite() { fit.forward_error.max(least) } else { tightest.max(least) }
    }

    /// What the yield is where nothing says it.
    fn prior_growth(&self, rates: &[Rate]) -> f64 {
        rates.first().map_or(0.0, |rate| rate.rate) - self.config.dividend_yield.unwrap_or(0.0)
    }

    /// Spot: the nearest forward carried back along ln F(T) = ln S + growth·T, unless the forwards behind it agree that it is off.
    fn carry_line(&self, rates: &[Rate], carries: &[Option<Carry>]) -> Option<CarryLine> {
        let mut points = self.log_forwards(carries);
        // The last minutes of an expiry can leave it a pair or two: the next one tells more.
        if let Some(good) = points.iter().position(|point| point.pairs >= GOOD_PAIRS_MIN) {
            points.drain(..good);
        }
        let first = points.first()?.years;
        let growth_prior = self.prior_growth(rates);
        let mut near: Vec<LogForward> = points.into_iter().filter(|point| point.years <= first + CARRY_YEARS).collect();
        // Centred on one forward, so that logarithms of large prices lose no digits.
        let origin = near.first()?.log_forward;
        for point in &mut near {
            point.log_forward -= origin;
        }
        if let Some(behind) = near.get(1..=CONSENSUS)
            && let Some(line) = CarryLine::fit(behind, growth_prior)
        {
            let expected = line.level + line.growth * first;
            let allowed = CONSENSUS_DEVIATIONS * near[0].error.hypot(line.error).hypot(line.scatter);
            let gap = (near[0].log_forward - expected).abs();
            if gap > allowed && gap < DIVIDEND_LEAST {
                return Some(line.from_origin(origin)).filter(|line| is_price(line.spot));
            }
        }
        for point in &mut near[1..] {
            point.error = point.error.hypot(DIVIDEND_LUMP);
        }
        CarryLine::fit(&near, growth_prior).map(|line| line.from_origin(origin)).filter(|line| is_price(line.spot))
    }

    /// One growth rate of the forward for the expiries without pairs.
    fn carry_growth(&self, spot: f64, rates: &[Rate], carries: &[Option<Carry>]) -> f64 {
        let prior_weight = CARRY_PRIOR_ERROR.powi(-2);
        let (mut wtt, mut wty) = (prior_weight, prior_weight * self.prior_growth(rates));
        for point in self.log_forwards(carries) {
            let weight = 1.0 / point.variance();
            wtt += weight * point.years * point.years;
            wty += weight * point.years * (point.log_forward - spot.ln());
        }
        wty / wtt
    }

    fn log_forwards(&self, carries: &[Option<Carry>]) -> Vec<LogForward> {
        carries
            .iter()
            .enumerate()
            .filter_map(|(index, carry)| {
                let carry = carry.as_ref()?;
                let error = carry.forward_error? / carry.forward;
                Some(LogForward {
                    years: self.years(index),
                    log_forward: carry.forward.ln(),
                    error,
                    pairs: carry.pairs,
                })
            })
            .collect()
    }
}

/// ln F(T) = level + growth·T.
struct CarryLine {
    level: f64,
    growth: f64,
    /// One standard error of the level.
    error: f64,
    /// How far single forwards lie off the line.
    scatter: f64,
    spot: f64,
}

impl CarryLine {
    /// Robust weighted least squares with a prior on the growth.
    fn fit(points: &[LogForward], growth_prior: f64) -> Option<Self> {
        let prior_weight = CARRY_PRIOR_ERROR.powi(-2);
        let mut robust = vec![1.0; points.len()];
        let mut line = None;
        for _ in 0..5 {
            let (mut w, mut wt, mut wtt, mut wy, mut wty) = (0.0, 0.0, prior_weight, 0.0, prior_weight * growth_prior);
            for (point, robust) in points.iter().zip(&robust) {
                let weight = robust / point.variance();
                w += weight;
                wt += weight * point.years;
                wtt += weight * point.years * point.years;
                wy += weight * point.log_forward;
                wty += weight * point.years * point.log_forward;
            }
            let determinant = w * wtt - wt * wt;
            if !(determinant > 0.0) {
                return None;
            }
            let growth = (w * wty - wt * wy) / determinant;
            let level = (wy - growth * wt) / w;
            let mut residuals: Vec<f64> = Vec::with_capacity(points.len());
            for (point, robust) in points.iter().zip(&mut robust) {
                let residual = point.log_forward - level - growth * point.years;
                residuals.push(residual.abs());
                *robust = 1.0 / (1.0 + residual * residual / (9.0 * point.variance()));
            }
            residuals.sort_by(f64::total_cmp);
            // Median absolute deviation as a standard deviation.
            let scatter = 1.4826 * residuals[residuals.len() / 2];
            line = Some(Self { level, growth, error: (wtt / determinant).sqrt(), scatter, spot: level.exp() });
        }
        line
    }

    /// The line of logarithms that were counted from `origin`.
    fn from_origin(self, origin: f64) -> Self {
        Self { level: self.level + origin, spot: (self.level + origin).exp(), ..self }
    }
}

struct LogForward {
    years: f64,
    log_forward: f64,
    error: f64,
    pairs: usize,
}

impl LogForward {
    fn variance(&self) -> f64 {
        self.error * self.error + (CARRY_LUMP_PER_YEAR * self.years).powi(2) + 1e-12
    }
}

impl Carry {
    /// Continuous yield q of F = S e^{(r−q)T}.
    pub fn dividend_yield(&self, spot: f64, years: f64) -> f64 {
        self.rate - (self.forward / spot).ln() / years
    }
}
