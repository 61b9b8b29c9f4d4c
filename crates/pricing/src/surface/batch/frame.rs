//! What is known of a slice before it is fitted: whether it can be, its scales, and the box that its parameters stay in.

use zomma_base::Status;

use super::columns::Quotes;
use crate::surface::svi::target::FEWEST_QUOTES;

/// The least total variance over all strikes, as a share of the one at the money: a hundredth of its volatility.
const LEAST_VARIANCE_SHARE: f64 = 1e-4;
/// Damping, per quote, that holds parameters which the quotes do not determine.
pub(super) const DAMPING_FLOOR: f64 = 1e-9;

/// The scales and bounds of a slice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    /// Total variance of the quote nearest to the money.
    pub level: f64,
    /// Its root.
    pub deviation: f64,
    /// ln of that.
    pub ln_deviation: f64,
    /// Lowest and highest quoted log-moneyness.
    pub range: [f64; 2],
    /// What a + σ√(pq), the least total variance, may not fall below.
    pub least_variance: f64,
    /// What a may not exceed.
    pub most_a: f64,
    /// Where m may be.
    pub m: [f64; 2],
    /// Where ln σ may be.
    pub ln_sigma: [f64; 2],
}

/// Numbers of a frame on a device.
pub(super) const FRAME: usize = 11;

impl Frame {
    /// The frame of a slice's quotes, or why they cannot be fitted.
    pub fn of(quotes: &Quotes<'_>) -> Result<Self, Status> {
        let n = quotes.k.len();
        if n == 0 {
            return Err(Status::NoQuote);
        }
        let (mut range, mut most, mut level) = ([f64::INFINITY, f64::NEG_INFINITY], 0.0_f64, (f64::INFINITY, 0.0));
        let mut ascending = true;
        for ((&k, &centre), &inverse_half) in quotes.k.iter().zip(quotes.centre).zip(quotes.inverse_half) {
            // Between these bounds no square or product below leaves the range of numbers.
            if !k.is_finite() || k.abs() >= 20.0 {
                return Err(Status::BadLogMoneyness);
            }
            if !((1e-20..1e6).contains(&centre) && (1e-9..1e24).contains(&inverse_half)) {
                return Err(Status::BadQuote);
            }
            if k.abs() < level.0 {
                level = (k.abs(), centre);
            }
            ascending &= k >= range[1];
            range = [range[0].min(k), range[1].max(k)];
            most = most.max(centre);
        }
        if strikes(quotes.k, ascending) < FEWEST_QUOTES {
            return Err(Status::TooFewQuotes);
        }
        let level = level.1;
        let deviation = level.sqrt();
        let (first, last) = (range[0].min(-deviation), range[1].max(deviation));
        let span = last - first;
        Ok(Self {
            level,
            deviation,
            ln_deviation: deviation.ln(),
            range,
            least_variance: LEAST_VARIANCE_SHARE * level,
            most_a: 20.0 * most,
            m: [first - span, last + span],
            ln_sigma: [(0.02 * deviation).ln(), (10.0 * span).ln()],
        })
    }

    /// As a device is given it.
    pub fn numbers(&self) -> [f64; FRAME] {
        let Self { level, deviation, ln_deviation, range, least_variance, most_a, m, ln_sigma } = *self;
        [
            level,
            deviation,
            ln_deviation,
            range[0],
            range[1],
            least_variance,
            most_a,
            m[0],
            m[1],
            ln_sigma[0],
            ln_sigma[1],
        ]
    }
}

/// How many different strikes there are.
fn strikes(k: &[f64], ascending: bool) -> usize {
    let different = |k: &[f64]| 1 + k.windows(2).filter(|pair| pair[1] > pair[0]).count();
    if ascending {
        return different(k);
    }
    let mut sorted = k.to_vec();
    sorted.sort_by(f64::total_cmp);
    different(&sorted)
}
