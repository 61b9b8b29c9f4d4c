//! Realised variance, and how much of it was jumps.
//!
//! Sources: Barndorff-Nielsen and Shephard, "Power and bipower variation with stochastic volatility and jumps", Journal of Financial Econometrics
//! 2 (2004), eq. 6 (bipower variation), and "Econometrics of testing for jumps in financial economics using bipower variation", same journal 4
//! (2006), eq. 12 to 14 (the adjusted ratio test); Zhang, Mykland and Aït-Sahalia, "A tale of two time scales", Journal of the American
//! Statistical Association 100 (2005), eq. 55, 58 and 64. Over n returns r (differences of logarithms; variances per window, no unit):
//!
//! - realised variance RV = Σ rᵢ²; bipower variation BV = (π/2)·Σ |rᵢ₋₁|·|rᵢ|, which jumps leave alone,
//! - jump statistic z = (1 − BV/RV)/√(ϑ/n·max(1, QV/BV²)), ϑ = π²/4 + π − 5, QV = n·(π²/4)·Σ |rᵢ₋₃ rᵢ₋₂ rᵢ₋₁ rᵢ|: standard normal where there is none.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2, PI};

use super::{
    Depth, FeatureError,
    error::{bad, column},
    returns::IntervalReturns,
    window::RollingTotal,
};

/// π²/4 + π − 5.
const THETA: f64 = PI * PI / 4.0 + PI - 5.0;

/// Realised measures of one window of returns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Realised {
    /// RV.
    pub variance: f64,
    /// BV.
    pub bipower: f64,
    /// z; `None` where nothing moved, or no two returns in a row did.
    pub jump: Option<f64>,
}

impl Realised {
    /// The share of the variance that jumps made up: max(0, 1 − BV/RV); `None` where nothing moved.
    pub fn jump_share(&self) -> Option<f64> {
        (self.variance > 0.0).then(|| (1.0 - self.bipower / self.variance).max(0.0))
    }

    /// How likely a statistic as high is without a jump: 1 − N(z).
    pub fn jump_probability_value(&self) -> Option<f64> {
        self.jump.map(|z| 0.5 * libm::erfc(z * FRAC_1_SQRT_2))
    }

    fn of_sums(squares: f64, pairs: f64, fours: f64, returns: usize) -> Self {
        // Rolling sums may leave a rounding error below 0.
        let (variance, bipower) = (squares.max(0.0), FRAC_PI_2 * pairs.max(0.0));
        let rows = returns as f64;
        let fourth = rows * FRAC_PI_2 * FRAC_PI_2 * fours.max(0.0);
        let jump = (variance > 0.0 && bipower > 0.0).then(|| {
            let spread = THETA / rows * (fourth / (bipower * bipower)).max(1.0);
            (1.0 - bipower / variance) / spread.sqrt()
        });
        Self { variance, bipower, jump: jump.filter(|z| z.is_finite()) }
    }

    /// Of a batch of at least 4 returns.
    ///
    /// # Errors
    ///
    /// [`FeatureError`] for fewer, or a return that is not finite.
    pub fn of(returns: &[f64]) -> Result<Self, FeatureError> {
        column("returns", returns, 4)?;
        let product =
            |span: usize| returns.windows(span).map(|of| of.iter().map(|r| r.abs()).product::<f64>()).sum::<f64>();
        Ok(Self::of_sums(returns.iter().map(|r| r * r).sum(), product(2), product(4), returns.len()))
    }
}

/// The realised measures of the mid's last returns, streaming.
#[derive(Debug, Clone)]
pub struct RollingRealised {
    returns: IntervalReturns,
    sums: RollingSums,
    latest: Option<Realised>,
}

#[derive(Debug, Clone)]
struct RollingSums {
    window: usize,
    squares: RollingTotal,
    pairs: RollingTotal,
    fours: RollingTotal,
    last: [f64; 3],
    seen: usize,
}

impl RollingSums {
    fn push(&mut self, value: f64) -> Option<Realised> {
        let size = value.abs();
        self.seen = self.seen.saturating_add(1);
        self.squares.push(size * size);
        if self.seen >= 2 {
            self.pairs.push(self.last[0] * size);
        }
        if self.seen >= 4 {
            self.fours.push(self.last[0] * self.last[1] * self.last[2] * size);
        }
        self.last = [size, self.last[0], self.last[1]];
        Some(Realised::of_sums(self.squares.sum()?, self.pairs.sum()?, self.fours.sum()?, self.window))
    }
}

impl RollingRealised {
    /// Over the last `returns` (4 or more) returns of the mid over intervals of `interval_ns`.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside those.
    pub fn new(interval_ns: u64, returns: usize) -> Result<Self, FeatureError> {
        if !(4..=1_000_000).contains(&returns) {
            return Err(bad("returns", returns, "4 to 1,000,000"));
        }
        let sums = RollingSums {
            window: returns,
            squares: RollingTotal::new(returns)?,
            pairs: RollingTotal::new(returns - 1)?,
            fours: RollingTotal::new(returns - 3)?,
            last: [0.0; 3],
            seen: 0,
        };
        Ok(Self { returns: IntervalReturns::new(interval_ns, returns)?, sums, latest: None })
    }

    /// Takes the next book.
    #[inline]
    pub fn on_depth(&mut self, depth: &Depth<'_>) {
        let (sums, latest) = (&mut self.sums, &mut self.latest);
        self.returns.on_depth(depth, |value| *latest = sums.push(value));
    }

    /// Ends the intervals that are over by a time.
    pub fn advance(&mut self, time_ns: u64) {
        let (sums, latest) = (&mut self.sums, &mut self.latest);
        self.returns.advance(time_ns, |value| *latest = sums.push(value));
    }

    /// Forgets the last book, across which nothing is a difference: what led from it to the next is not known.
    pub fn on_break(&mut self) {
        self.returns.on_break();
    }

    /// Of the last returns; `None` before there are as many as the window has.
    #[inline]
    pub fn value(&self) -> Option<Realised> {
        self.latest
    }
}

/// Two-scale realised variance of a batch of returns: the mean over K subgrids of every K-th price, less what noise adds to it, with the correction
/// for few returns (eq. 64). `subgrids` is K, 2 or more and less than the number of returns.
///
/// # Errors
///
/// [`FeatureError`] for a K outside that, or a return that is not finite.
pub fn two_scale_variance(returns: &[f64], subgrids: usize) -> Result<f64, FeatureError> {
    column("returns", returns, 3)?;
    if !(2..returns.len()).contains(&subgrids) {
        return Err(bad("subgrids", subgrids, "2 or more, fewer than the returns"));
    }
    let mut over_k: f64 = returns[..subgrids].iter().sum();
    let mut slow = over_k * over_k;
    for (out, new) in returns.iter().zip(&returns[subgrids..]) {
        over_k += new - out;
        slow += over_k * over_k;
    }
    let rows = returns.len() as f64;
    let a_grid = (rows - subgrids as f64 + 1.0) / subgrids as f64;
    let fast: f64 = returns.iter().map(|r| r * r).sum();
    Ok((slow / subgrids as f64 - a_grid / rows * fast) / (1.0 - a_grid / rows))
}

/// The K that makes [`two_scale_variance`] vary least (eq. 58 with η² = 4/3·∫σ⁴): (12·ω⁴/IQ)^⅓·n^⅔, ω² = RV/2n the variance of the noise, IQ the
/// integrated quarticity taken as the square of `variance`, a first guess at the window's variance without noise.
///
/// The rule holds for noise that is independent from price to price. That of quotes is not: on AMZN's LOBSTER day it gives 2, which takes away far
/// too much (0.6e-4 where returns over minutes give 2.1e-4); there, one more than [`kernel_bandwidth`](super::realised_kernel::kernel_bandwidth) is right.
///
/// # Errors
///
/// [`FeatureError`] for fewer than 3 returns, one that is not finite, or a guess that is not above 0.
pub fn two_scale_subgrids(returns: &[f64], variance: f64) -> Result<usize, FeatureError> {
    column("returns", returns, 3)?;
    super::error::positive("variance", variance)?;
    let rows = returns.len() as f64;
    let noise = returns.iter().map(|r| r * r).sum::<f64>() / (2.0 * rows);
    let best = (12.0 * (noise / variance).powi(2)).cbrt() * rows.powf(2.0 / 3.0);
    Ok((best.round().max(2.0) as usize).min(returns.len() - 1))
}

#[cfg(test)]
#[path = "realised_tests.rs"]
mod tests;
