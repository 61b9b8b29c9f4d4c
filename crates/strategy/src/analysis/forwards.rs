//! Finds the discount factor and forward of each expiry, and the spot that they imply (methods: docs/analysis.md).

use zomma_base::ExerciseStyle;
use zomma_market::chain::{Chain, Quotes};
use zomma_pricing::parity::{self, ParityFit, ParityPair};

use super::{
    AnalysisConfig, ForwardSource, RateSource,
    carry_line::{self, CarriedSpot, GrowthPrior, LogForward},
    cash_dividends::CashDividends,
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
pub(super) const PARITY_SPOT_ERROR_MAX: f64 = 0.003;

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
    /// The same where it is parity's; `None` where it is the file's.
    pub parity_spot: Option<CarriedSpot>,
    /// One entry a living expiry; `None` where no forward could be found.
    pub carries: Vec<Option<Carry>>,
    /// The cash dividends to come, where they were given.
    pub cash: Option<CashDividends>,
}

/// A rate and where it came from.
#[derive(Clone, Copy, Debug)]
struct Rate {
    rate: f64,
    source: RateSource,
}

/// Finds the forwards of every living expiry, with the cash dividends to come where they are given.
pub(super) fn find(
    chain: &Chain,
    expiries: &Expiries,
    config: &AnalysisConfig,
    cash: Option<CashDividends>,
) -> Forwards {
    let pairs: Vec<Vec<ParityPair>> = expiries.alive.iter().map(|expiry| quoted_pairs(&chain.quotes, expiry)).collect();
    let mut search =
        Search { expiries, config, last: chain.underlying_last.filter(|last| is_price(*last)), pairs, cash };

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
            let terms = EarlyExercise::new(forwards.spot, &carry, expiry.years, forwards.cash.as_ref());
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
    cash: Option<CashDividends>,
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
        let prior = self.growth_prior(rates);
        let carried = carry_line::carry_back(self.log_forwards(&carries, rates), &prior)
            .filter(|carried| self.last.is_none() || carried.error <= PARITY_SPOT_ERROR_MAX);
        let spot = carried.map(|carried| carried.spot).or(self.last).unwrap_or(f64::NAN);
        if is_price(spot) {
            let growth = prior.growth_from(spot, &self.log_forwards(&carries, rates));
            for (index, carry) in carries.iter_mut().enumerate().filter(|(_, carry)| carry.is_none()) {
                let years = self.years(index);
                *carry = Some(Carry {
                    forward: self
                        .cash
                        .as_ref()
                        .map_or_else(|| spot * (growth * years).exp(), |cash| cash.forward(spot, years, growth)),
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
        Forwards { spot, parity_spot: carried, carries, cash: self.cash.clone() }
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

    /// What is believed of the growth of the forward where nothing says it.
    fn growth_prior(&self, rates: &[Rate]) -> GrowthPrior {
        let first = rates.first();
        // Beside cash dividends little of a yield is left; that says nothing of the growth where the rate is not known.
        let is_known = first.is_some_and(|rate| rate.source != RateSource::AssumedZero);
        let is_cash = self.cash.as_ref().is_some_and(|cash| !cash.all().is_empty());
        let given_yield = self.config.dividend_yield.or((is_known && is_cash).then_some(0.0));
        GrowthPrior::new(first.map_or(0.0, |rate| rate.rate), given_yield)
    }

    /// The logarithms of the forwards, what cash dividends have grown to added: so they lie on a line from the spot.
    fn log_forwards(&self, carries: &[Option<Carry>], rates: &[Rate]) -> Vec<LogForward> {
        carries
            .iter()
            .enumerate()
            .filter_map(|(index, carry)| {
                let carry = carry.as_ref()?;
                let years = self.years(index);
                let paid = self.cash.as_ref().map_or(0.0, |cash| cash.future_value(years, rates[index].rate));
                let forward = carry.forward + paid;
                let error = carry.forward_error? / forward;
                Some(LogForward { years, log_forward: forward.ln(), error, pairs: carry.pairs })
            })
            .collect()
    }
}

impl Carry {
    /// Continuous yield q of F = S e^{(r−q)T}.
    pub fn dividend_yield(&self, spot: f64, years: f64) -> f64 {
        self.rate - (self.forward / spot).ln() / years
    }
}
