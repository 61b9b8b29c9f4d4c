//! The real-world density: what the underlying did over horizons as long as an expiry's, brought to today's volatility.
//!
//! Method     filtered historical simulation. Daily log returns before the quote date (never on it or after) are divided by the
//!            volatility that an exponentially weighted average (λ = 0.94, RiskMetrics 1996) expected for their day. Blocks of up to
//!            21 of these residuals, drawn from the history as a circle, make paths as long as the horizon; their sums are standardised
//!            to mean 0 and variance 1, and scaled by a forecast of volatility that starts at the last average and returns to the
//!            history's own with a half-life of 21 sessions.
//! Drift      E[S_T] = F e^{πT}: the premium π over the forward is the history's mean annual return in excess of the rate, times
//!            τ²/(τ² + s²) with s its standard error and τ = 5 %: a year of a bull market says little about the next.
//! Units      returns are log returns; volatility and π are per year of 252 sessions
//! Domain     at least 60 returns, else there is no density
//! Seed       fixed; the same history and horizon give the same sample

use jiff::civil::Date;
use zomma_base::calendar;
use zomma_market::bars::DailyBars;

use crate::random::SplitMix64;

/// Fewest returns that make a density.
pub(super) const RETURNS_MIN: usize = 60;
/// Decay of the average of squared returns.
const LAMBDA: f64 = 0.94;
/// Sessions after which half of a shock to volatility is left.
const HALF_LIFE_SESSIONS: f64 = 21.0;
/// Sessions in a year.
const SESSIONS_PER_YEAR: f64 = 252.0;
/// Longest block.
const BLOCK_SESSIONS_MAX: usize = 21;
/// Start of the draws.
const SEED: u64 = 0x5a6f_6d6d_6121;
/// Paths in a sample.
const PATHS: usize = 4096;
/// One standard deviation of what is believed of a premium before any history is seen.
const PREMIUM_PRIOR_ERROR: f64 = 0.05;

/// Residuals and levels of a history up to a date.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// Running sums of the residuals over two rounds of the circle.
    sums: Vec<f64>,
    /// Variance a session that the average expects next.
    last_variance: f64,
    /// Variance a session of the whole history.
    mean_variance: f64,
    /// Mean annual simple return.
    mean_return: f64,
    /// Returns used.
    pub returns: usize,
    /// Date of the last bar used.
    pub last_date: Date,
}

/// What a sample is made for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Horizon {
    /// Date of the quotes.
    pub quote_date: Date,
    /// Local date of expiry.
    pub expiry_date: Date,
    /// ACT/365F years.
    pub years: f64,
    /// Forward.
    pub forward: f64,
    /// Continuously compounded rate.
    pub rate: f64,
}

impl History {
    /// Reads the bars before `date`. `None` where there are fewer than [`RETURNS_MIN`] returns.
    pub fn before(bars: &DailyBars, date: Date) -> Option<Self> {
        let end = bars.date.partition_point(|bar| *bar < date).min(bars.adjusted_close.len());
        let closes = &bars.adjusted_close[..end];
        let returns: Vec<f64> =
            closes.windows(2).map(|pair| (pair[1] / pair[0]).ln()).filter(|r| r.is_finite()).collect();
        if returns.len() < RETURNS_MIN {
            return None;
        }
        let count = returns.len() as f64;
        let mean = returns.iter().sum::<f64>() / count;
        let mean_variance = returns.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / (count - 1.0);
        if mean_variance.is_nan() || mean_variance <= 0.0 {
            return None;
        }
        let mut variance = mean_variance;
        let mut residuals = Vec::with_capacity(returns.len());
        for r in &returns {
            // A run of unchanged closes must not make the next move look infinite.
            residuals.push((r - mean) / variance.max(0.01 * mean_variance).sqrt());
            variance = LAMBDA * variance + (1.0 - LAMBDA) * (r - mean) * (r - mean);
        }
        let mut sums = Vec::with_capacity(2 * residuals.len() + 1);
        let mut sum = 0.0;
        sums.push(sum);
        for residual in residuals.iter().chain(&residuals) {
            sum += residual;
            sums.push(sum);
        }
        Some(Self {
            sums,
            last_variance: variance.max(0.01 * mean_variance),
            mean_variance,
            mean_return: SESSIONS_PER_YEAR * (mean + 0.5 * mean_variance),
            returns: returns.len(),
            last_date: bars.date[end - 1],
        })
    }

    /// Forecast volatility a year over the next `sessions`.
    pub fn volatility(&self, sessions: usize) -> f64 {
        let decay = 0.5f64.powf(1.0 / HALF_LIFE_SESSIONS);
        let sessions = sessions.max(1) as f64;
        let weight = (1.0 - decay.powf(sessions)) / (sessions * (1.0 - decay));
        let variance = self.mean_variance + weight * (self.last_variance - self.mean_variance);
        (SESSIONS_PER_YEAR * variance).sqrt()
    }

    /// Premium of the expected price over the forward, a year.
    pub fn premium(&self, rate: f64) -> f64 {
        let years = self.returns as f64 / SESSIONS_PER_YEAR;
        let error_squared = SESSIONS_PER_YEAR * self.mean_variance / years;
        let prior_squared = PREMIUM_PRIOR_ERROR * PREMIUM_PRIOR_ERROR;
        (self.mean_return - rate) * prior_squared / (prior_squared + error_squared)
    }

    /// A sample of prices at a horizon, ascending and of equal weight.
    pub fn prices(&self, horizon: &Horizon) -> Vec<f64> {
        let sessions = calendar::sessions_between(horizon.quote_date, horizon.expiry_date).count().max(1);
        let shapes = self.shapes(sessions);
        let deviation = self.volatility(sessions) * horizon.years.sqrt();
        let mut prices: Vec<f64> = shapes.iter().map(|shape| (deviation * shape).exp()).collect();
        let mean = prices.iter().sum::<f64>() / prices.len() as f64;
        let level = horizon.forward * (self.premium(horizon.rate) * horizon.years).exp() / mean;
        for price in &mut prices {
            *price *= level;
        }
        prices.sort_by(f64::total_cmp);
        prices
    }

    /// Sums of residuals over paths of `sessions`, with mean 0 and variance 1.
    fn shapes(&self, sessions: usize) -> Vec<f64> {
        let residuals = (self.sums.len() - 1) / 2;
        let block_max = BLOCK_SESSIONS_MAX.min(residuals);
        let mut random = SplitMix64::new(SEED ^ sessions as u64);
        let mut shapes: Vec<f64> = (0..PATHS)
            .map(|_| {
                let (mut left, mut shape) = (sessions, 0.0);
                while left > 0 {
                    let block = left.min(block_max);
                    let start = random.below(residuals);
                    shape += self.sums[start + block] - self.sums[start];
                    left -= block;
                }
                shape
            })
            .collect();
        let mean = shapes.iter().sum::<f64>() / PATHS as f64;
        let variance = shapes.iter().map(|shape| (shape - mean) * (shape - mean)).sum::<f64>() / PATHS as f64;
        let scale = if variance > 0.0 { 1.0 / variance.sqrt() } else { 0.0 };
        for shape in &mut shapes {
            *shape = (*shape - mean) * scale;
        }
        shapes
    }
}

#[cfg(test)]
mod tests {
    use jiff::{ToSpan, civil::date};

    use super::*;

    /// Sessions of a random walk that ends the day before `end`.
    fn bars(count: usize, end: Date, volatility: f64, growth: f64) -> DailyBars {
        let mut random = SplitMix64::new(1);
        let mut bars = DailyBars::default();
        let mut close = 100.0;
        for day in 0..count {
            let back = (count - day) as i64;
            bars.date.push(end.checked_sub(back.days()).unwrap());
            bars.adjusted_close.push(close);
            close *= (growth / 252.0 + volatility / 252f64.sqrt() * random.bell()).exp();
        }
        bars.close = bars.adjusted_close.clone();
        bars
    }

    const TODAY: Date = date(2025, 6, 13);

    fn horizon(days: i64) -> Horizon {
        Horizon {
            quote_date: TODAY,
            expiry_date: TODAY.checked_add(days.days()).unwrap(),
            years: days as f64 / 365.0,
            forward: 200.0,
            rate: 0.04,
        }
    }

    #[test]
    fn the_sample_has_the_forecast_volatility_and_the_premium() {
        let history = History::before(&bars(2000, TODAY, 0.2, 0.1), TODAY).unwrap();
        for days in [1, 7, 30, 180] {
            let horizon = horizon(days);
            let prices = history.prices(&horizon);
            assert!(prices.windows(2).all(|pair| pair[0] <= pair[1]), "ascending");
            let count = prices.len() as f64;
            let mean = prices.iter().sum::<f64>() / count;
            let expected = 200.0 * (history.premium(0.04) * horizon.years).exp();
            assert!((mean / expected - 1.0).abs() < 1e-12);
            let logs: Vec<f64> = prices.iter().map(|price| price.ln()).collect();
            let log_mean = logs.iter().sum::<f64>() / count;
            let deviation = (logs.iter().map(|x| (x - log_mean).powi(2)).sum::<f64>() / count).sqrt();
            let sessions = calendar::sessions_between(TODAY, horizon.expiry_date).count().max(1);
            let forecast = history.volatility(sessions) * horizon.years.sqrt();
            assert!((deviation / forecast - 1.0).abs() < 1e-9, "{days}: {deviation} {forecast}");
        }
        assert_eq!(history.prices(&horizon(30)), history.prices(&horizon(30)));
    }

    #[test]
    fn the_forecast_goes_from_the_last_average_to_the_mean() {
        let mut calm = bars(1500, TODAY, 0.1, 0.0);
        // A storm at the end.
        let end = calm.adjusted_close.len();
        for (step, close) in calm.adjusted_close[end - 10..].iter_mut().enumerate() {
            *close *= if step % 2 == 0 { 0.96 } else { 1.04 };
        }
        let history = History::before(&calm, TODAY).unwrap();
        let forecasts = [1, 10, 60, 250].map(|sessions| history.volatility(sessions));
        assert!(forecasts.windows(2).all(|pair| pair[0] > pair[1]), "{forecasts:?}");
        assert!(forecasts[0] > 2.0 * forecasts[3], "{forecasts:?}");
    }

    #[test]
    fn a_short_history_says_little_of_the_premium() {
        let premium = |count| {
            let history = History::before(&bars(count, TODAY, 0.15, 0.30), TODAY).unwrap();
            (history.premium(0.0), history.mean_return)
        };
        let ((short, short_mean), (long, long_mean)) = (premium(130), premium(6000));
        assert!(short.abs() < 0.12 * short_mean.abs(), "{short} of {short_mean}");
        assert!(long > 0.6 * long_mean, "{long} of {long_mean}");
    }

    #[test]
    fn too_few_returns_or_still_prices_are_no_history() {
        assert!(History::before(&bars(RETURNS_MIN, TODAY, 0.2, 0.0), TODAY).is_none());
        assert!(History::before(&bars(RETURNS_MIN + 1, TODAY, 0.2, 0.0), TODAY).is_some());
        assert!(History::before(&bars(200, TODAY, 0.0, 0.0), TODAY).is_none());
        assert!(History::before(&DailyBars::default(), TODAY).is_none());
        assert!(History::before(&bars(200, TODAY, 0.2, 0.0), date(1990, 1, 1)).is_none());
    }
}
