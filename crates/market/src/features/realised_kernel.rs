//! The realised kernel: realised variance that noise does not bias.
//!
//! Source: Barndorff-Nielsen, Hansen, Lunde and Shephard, "Realized kernels in practice: trades and quotes", Econometrics Journal 12 (2009),
//! section 2 (eq. 1 with Parzen's weights: K = Σ_{h=−H..H} k(h/(H + 1))·γ_h, γ_h = Σ rⱼ·rⱼ₋|h|) and section 2.2 (the bandwidth: H* = 3.5134·ξ^⅘·n^⅗,
//! ξ² = ω²/√IQ). Window: the batch, or the last n returns. No unit. Never below 0. The jittering of the first and last price is left to who makes the returns.

use std::collections::VecDeque;

use super::{
    Depth, FeatureError,
    error::{bad, column, positive},
    returns::IntervalReturns,
    window::RollingTotal,
};

/// Parzen's c*.
const PARZEN: f64 = 3.5134;

/// Parzen's weight at 0 to 1.
fn parzen(x: f64) -> f64 {
    if x <= 0.5 { 1.0 - 6.0 * x * x * (1.0 - x) } else { 2.0 * (1.0 - x).powi(3) }
}

/// The realised kernel of a batch of returns with bandwidth H, fewer than the returns.
///
/// # Errors
///
/// [`FeatureError`] for no returns, one that is not finite, or a bandwidth outside that.
pub fn realised_kernel(returns: &[f64], bandwidth: usize) -> Result<f64, FeatureError> {
    column("returns", returns, 1)?;
    if bandwidth >= returns.len() {
        return Err(bad("bandwidth", bandwidth, "0 or more, less than the number of returns"));
    }
    let covariance = |lag: usize| returns.iter().zip(&returns[lag..]).map(|(before, now)| before * now).sum::<f64>();
    let weighted = |lag: usize| 2.0 * parzen(lag as f64 / (bandwidth + 1) as f64) * covariance(lag);
    // Parzen's weights make the sum that of a spectrum: what is below 0 is rounding.
    Ok((covariance(0) + (1..=bandwidth).map(weighted).sum::<f64>()).max(0.0))
}

/// The bandwidth that makes the kernel vary least: ω² is estimated from all `returns` (RV/2n over those that are not 0), √IQ by `variance`, a first
/// guess at the window's variance without noise, such as realised variance over 20 minutes each.
///
/// # Errors
///
/// [`FeatureError`] for no returns, one that is not finite, none that is not 0, or a guess not above 0.
pub fn kernel_bandwidth(returns: &[f64], variance: f64) -> Result<usize, FeatureError> {
    column("returns", returns, 1)?;
    positive("variance", variance)?;
    let moves = returns.iter().filter(|r| **r != 0.0).count();
    if moves == 0 {
        return Err(FeatureError::Degenerate { what: "bandwidth", problem: "no return is other than 0" });
    }
    let noise = returns.iter().map(|r| r * r).sum::<f64>() / (2.0 * moves as f64);
    let best = PARZEN * (noise / variance).powf(0.4) * (returns.len() as f64).powf(0.6);
    Ok((best.ceil() as usize).min(returns.len() - 1))
}

/// The realised kernel of the last returns of the mid over intervals of one length, streaming: a book costs what its return does, and the end of an
/// interval a product for each lag.
#[derive(Debug, Clone)]
pub struct RollingKernel {
    returns: IntervalReturns,
    sums: Covariances,
    latest: Option<f64>,
}

/// The sums of products of returns, by lag.
#[derive(Debug, Clone)]
struct Covariances {
    /// The last returns, the latest first; as many as the longest lag.
    last: VecDeque<f64>,
    by_lag: Vec<RollingTotal>,
}

impl Covariances {
    fn push(&mut self, value: f64) -> Option<f64> {
        for (lag, sum) in self.by_lag.iter_mut().enumerate() {
            let before = if lag == 0 { Some(&value) } else { self.last.get(lag - 1) };
            before.into_iter().for_each(|before| _ = sum.push(before * value));
        }
        let longest = self.by_lag.len() - 1;
        self.last.truncate(longest.saturating_sub(1));
        if longest > 0 {
            self.last.push_front(value);
        }
        let mut kernel = 0.0;
        for (lag, sum) in self.by_lag.iter().enumerate() {
            let weight = if lag == 0 { 1.0 } else { 2.0 * parzen(lag as f64 / (longest + 1) as f64) };
            kernel += weight * sum.sum()?;
        }
        Some(kernel.max(0.0))
    }
}

impl RollingKernel {
    /// Over the last `returns` (2 to 1,000,000) returns of the mid over intervals of `interval_ns`, with a bandwidth of 0 to 1,000 that is less than
    /// the number of returns.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside those.
    pub fn new(interval_ns: u64, returns: usize, bandwidth: usize) -> Result<Self, FeatureError> {
        if !(2..=1_000_000).contains(&returns) {
            return Err(bad("returns", returns, "2 to 1,000,000"));
        }
        if bandwidth >= returns || bandwidth > 1_000 {
            return Err(bad("bandwidth", bandwidth, "0 to 1,000, less than the number of returns"));
        }
        let by_lag = (0..=bandwidth).map(|lag| RollingTotal::new(returns - lag)).collect::<Result<_, _>>()?;
        let sums = Covariances { last: VecDeque::with_capacity(bandwidth + 1), by_lag };
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
    pub fn value(&self) -> Option<f64> {
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parzens_weights() {
        assert_eq!([0.0, 0.5, 1.0].map(parzen), [1.0, 0.25, 0.0]);
    }

    #[test]
    fn kernel_by_hand() {
        // γ₀ = 1 + 4 + 9 = 14, γ₁ = −2 − 6 = −8, γ₂ = 3; H = 1: 14 + 2·¼·(−8) = 10. H = 2: weights at 1/3 and 2/3 are 5/9 and 2/27.
        let returns = [1.0, -2.0, 3.0];
        assert_eq!(realised_kernel(&returns, 0), Ok(14.0));
        assert_eq!(realised_kernel(&returns, 1), Ok(10.0));
        let by_hand = 14.0 - 16.0 * 5.0 / 9.0 + 6.0 * 2.0 / 27.0;
        assert!((realised_kernel(&returns, 2).unwrap() - by_hand).abs() < 1e-12);
    }

    #[test]
    fn the_rolling_kernel_refuses_what_it_cannot_hold() {
        let told = |returns, bandwidth| RollingKernel::new(1, returns, bandwidth).unwrap_err().to_string();
        assert_eq!(told(1, 0), "returns 1; allowed: 2 to 1,000,000");
        assert_eq!(told(5, 5), "bandwidth 5; allowed: 0 to 1,000, less than the number of returns");
        assert_eq!(told(5_000, 1_001), "bandwidth 1001; allowed: 0 to 1,000, less than the number of returns");
    }

    #[test]
    fn bandwidth_by_hand() {
        // n = 4, ω² = 4/8 = 0.5; guess 2: 3.5134·0.25^0.4·4^0.6 = 3.5134·0.57435·2.29740 = 4.636: no more than n − 1.
        assert_eq!(kernel_bandwidth(&[1.0, -1.0, 1.0, -1.0], 2.0), Ok(3));
        // Guess 2,000: 3.5134·0.00025^0.4·2.29740 = 0.2925, and the next whole number.
        assert_eq!(kernel_bandwidth(&[1.0, -1.0, 1.0, -1.0], 2_000.0), Ok(1));
    }

    #[test]
    fn what_cannot_be_is_told() {
        assert_eq!(
            realised_kernel(&[1.0], 1).unwrap_err().to_string(),
            "bandwidth 1; allowed: 0 or more, less than the number of returns"
        );
        assert_eq!(kernel_bandwidth(&[0.0], 1.0).unwrap_err().to_string(), "bandwidth: no return is other than 0");
        assert_eq!(
            kernel_bandwidth(&[1.0], 0.0).unwrap_err().to_string(),
            "variance 0; allowed: a finite number above 0"
        );
    }
}
