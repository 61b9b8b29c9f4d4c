//! The discount factor and forward of an expiry from put-call parity.
//!
//! C − P = D(F − K) is a line in K. Each pair has an error scale, its two half-spreads together; the line starts from a median of
//! slopes, which no third of the pairs can pull away, and is refined by weighted least squares under Tukey's biweight, so that a stale
//! pair loses its vote rather than bending the line.

use zomma_base::Status;

/// One strike quoted on both sides. Prices are of European (or de-Americanised) options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParityPair {
    /// Strike, currency per share.
    pub strike: f64,
    /// Call mid.
    pub call_mid: f64,
    /// Put mid.
    pub put_mid: f64,
    /// Half the call's bid-ask spread.
    pub call_half_spread: f64,
    /// Half the put's bid-ask spread.
    pub put_half_spread: f64,
}

/// What parity says of one expiry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParityFit {
    /// Forward price.
    pub forward: f64,
    /// Discount factor to expiry.
    pub discount_factor: f64,
    /// One standard error of the forward.
    pub forward_error: f64,
    /// One standard error of −ln(discount factor).
    pub log_discount_error: f64,
    /// Pairs used.
    pub pairs: usize,
    /// Share of pairs whose residual is inside the combined half-spreads.
    pub inside_share: f64,
}

/// A usable pair: strike, call minus put, and the error scale of that difference.
#[derive(Clone, Copy)]
struct Point {
    strike: f64,
    difference: f64,
    scale: f64,
}

/// Where Tukey's biweight gives a residual no vote, in robust standard deviations: 95 % efficient on normal errors.
const BIWEIGHT_WIDTH: f64 = 4.685;
/// Median absolute deviation to standard deviation.
const MAD_TO_SIGMA: f64 = 1.4826;
/// Quotes are no better than this share of their half-spread, however well a few of them agree.
const LEAST_SCATTER: f64 = 0.1;
/// Standard deviation of a uniform error over the spread, in half-spreads: the scatter where too few pairs show one.
const UNIFORM_SCATTER: f64 = 0.577_350_269_189_625_8;
const ROUNDS: usize = 30;

/// Fits `C − P = D (F − K)` robustly, weighted by spread. With `discount_factor` given, finds the forward alone.
///
/// A pair with a number that is not finite, a strike not above zero or a negative half-spread is left out. Errors: `NoForward` where
/// fewer than two usable pairs of distinct strikes (one pair, with the discount factor given) are there, or the line gives no
/// positive forward and discount factor; `BadRate` where the given discount factor is not a positive number.
pub fn fit(pairs: &[ParityPair], discount_factor: Option<f64>) -> Result<ParityFit, Status> {
    if discount_factor.is_some_and(|d| !(d.is_finite() && d > 0.0)) {
        return Err(Status::BadRate);
    }
    let points = usable(pairs);
    let line = match discount_factor {
        Some(discount) => fit_forward(&points, discount),
        None => fit_line(&points),
    }?;
    if !(line.forward.is_finite()
        && line.forward > 0.0
        && line.discount_factor.is_finite()
        && line.discount_factor > 0.0)
    {
        return Err(Status::NoForward);
    }
    let inside =
        points.iter().filter(|p| (p.difference - line.discount_factor * (line.forward - p.strike)).abs() <= p.scale);
    Ok(ParityFit { inside_share: inside.count() as f64 / points.len() as f64, ..line })
}

/// The points that count, by ascending strike. A locked quote (no spread) would have infinite weight: the scale is at least a
/// quarter of the median.
fn usable(pairs: &[ParityPair]) -> Vec<Point> {
    let mut points: Vec<Point> = pairs
        .iter()
        .map(|p| Point {
            strike: p.strike,
            difference: p.call_mid - p.put_mid,
            scale: if p.call_half_spread >= 0.0 && p.put_half_spread >= 0.0 {
                p.call_half_spread + p.put_half_spread
            } else {
                f64::NAN
            },
        })
        .filter(|p| p.strike.is_finite() && p.strike > 0.0 && p.difference.is_finite() && p.scale.is_finite())
        .collect();
    points.sort_by(|a, b| a.strike.total_cmp(&b.strike));
    let mut scales: Vec<f64> = points.iter().map(|p| p.scale).collect();
    let floor = 0.25 * median(&mut scales);
    for p in &mut points {
        p.scale = p.scale.max(floor).max(1e-9 * p.strike);
    }
    points
}

/// The middle value, zero of nothing.
fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    let n = values.len();
    0.5 * (values[(n - 1) / 2] + values[n / 2])
}

/// Robust standard deviation of residuals in units of their scales.
fn scatter(residuals: &[f64]) -> f64 {
    let mut absolute: Vec<f64> = residuals.iter().map(|r| r.abs()).collect();
    (MAD_TO_SIGMA * median(&mut absolute)).max(LEAST_SCATTER)
}

/// Tukey's biweight.
fn vote(residual: f64, sigma: f64) -> f64 {
    let u = residual / (BIWEIGHT_WIDTH * sigma);
    if u.abs() < 1.0 { (1.0 - u * u) * (1.0 - u * u) } else { 0.0 }
}

/// Standard deviation of the residuals that vote, in units of their scales, with `parameters` fitted.
fn residual_scatter(residuals: &[f64], votes: &[f64], parameters: usize) -> f64 {
    let used = votes.iter().filter(|&&v| v > 0.0).count();
    if used < parameters + 3 {
        return UNIFORM_SCATTER;
    }
    let sum: f64 = residuals.iter().zip(votes).map(|(r, v)| v * r * r).sum();
    let total: f64 = votes.iter().sum();
    (sum / total * used as f64 / (used - parameters) as f64).sqrt().max(LEAST_SCATTER)
}

/// Forward and discount factor.
fn fit_line(points: &[Point]) -> Result<ParityFit, Status> {
    let n = points.len();
    if n < 2 || points[0].strike == points[n - 1].strike {
        return Err(Status::NoForward);
    }
    let half = n / 2;
    let mut slopes: Vec<f64> = points
        .iter()
        .zip(&points[n - half..])
        .filter(|(a, b)| b.strike > a.strike)
        .map(|(a, b)| (a.difference - b.difference) / (b.strike - a.strike))
        .collect();
    let mut discount = median(&mut slopes);
    let centre = points.iter().map(|p| p.strike).sum::<f64>() / n as f64;
    let mut offsets: Vec<f64> = points.iter().map(|p| p.difference + discount * (p.strike - centre)).collect();
    let mut level = median(&mut offsets);
    let mut votes = vec![1.0; n];
    let mut residuals = vec![0.0; n];
    let mut moments = Moments::default();
    for _ in 0..ROUNDS {
        for (r, p) in residuals.iter_mut().zip(points) {
            *r = (p.difference - level + discount * (p.strike - centre)) / p.scale;
        }
        let sigma = scatter(&residuals);
        for (v, &r) in votes.iter_mut().zip(&residuals) {
            *v = vote(r, sigma);
        }
        moments = Moments::default();
        for (p, v) in points.iter().zip(&votes) {
            moments.add(p.strike - centre, p.difference, v / (p.scale * p.scale));
        }
        let Some((new_level, slope)) = moments.line() else { return Err(Status::NoForward) };
        let moved = (new_level - level).abs() + (slope + discount).abs() * centre;
        (level, discount) = (new_level, -slope);
        if moved <= 1e-13 * centre {
            break;
        }
    }
    for (r, p) in residuals.iter_mut().zip(points) {
        *r = (p.difference - level + discount * (p.strike - centre)) / p.scale;
    }
    let sigma = residual_scatter(&residuals, &votes, 2);
    let forward = centre + level / discount;
    let from_mean = forward - centre - moments.mean();
    let slope_variance = 1.0 / moments.spread();
    Ok(ParityFit {
        forward,
        discount_factor: discount,
        forward_error: sigma * (1.0 / moments.weight + from_mean * from_mean * slope_variance).sqrt() / discount.abs(),
        log_discount_error: sigma * slope_variance.sqrt() / discount.abs(),
        pairs: votes.iter().filter(|&&v| v > 0.0).count(),
        inside_share: 0.0,
    })
}

/// Forward alone: a robust mean of K + (C − P)/D.
fn fit_forward(points: &[Point], discount: f64) -> Result<ParityFit, Status> {
    if points.is_empty() {
        return Err(Status::NoForward);
    }
    let forwards: Vec<f64> = points.iter().map(|p| p.strike + p.difference / discount).collect();
    let mut forward = weighted_median(&forwards, points);
    let mut votes = vec![1.0; points.len()];
    let mut residuals = vec![0.0; points.len()];
    let mut weight = 0.0;
    for _ in 0..ROUNDS {
        for ((r, p), f) in residuals.iter_mut().zip(points).zip(&forwards) {
            *r = discount * (f - forward) / p.scale;
        }
        let sigma = scatter(&residuals);
        for (v, &r) in votes.iter_mut().zip(&residuals) {
            *v = vote(r, sigma);
        }
        let (mut sum, before) = (0.0, forward);
        weight = 0.0;
        for ((p, f), v) in points.iter().zip(&forwards).zip(&votes) {
            let w = v / (p.scale * p.scale);
            weight += w;
            sum += w * (f - before);
        }
        if weight <= 0.0 {
            return Err(Status::NoForward);
        }
        forward += sum / weight;
        if (forward - before).abs() <= 1e-14 * forward.abs() {
            break;
        }
    }
    let sigma = residual_scatter(&residuals, &votes, 1);
    Ok(ParityFit {
        forward,
        discount_factor: discount,
        forward_error: sigma / weight.sqrt() / discount,
        log_discount_error: 0.0,
        pairs: votes.iter().filter(|&&v| v > 0.0).count(),
        inside_share: 0.0,
    })
}

/// The value that has half the weight (one over the scale) on either side.
fn weighted_median(values: &[f64], points: &[Point]) -> f64 {
    let mut order: Vec<(f64, f64)> = values.iter().zip(points).map(|(&v, p)| (v, 1.0 / p.scale)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = 0.5 * order.iter().map(|o| o.1).sum::<f64>();
    let mut below = 0.0;
    for (value, weight) in &order {
        below += weight;
        if below >= half {
            return *value;
        }
    }
    order.last().map_or(f64::NAN, |o| o.0)
}

/// Weighted sums of a line fit.
#[derive(Clone, Copy, Default)]
struct Moments {
    weight: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

impl Moments {
    fn add(&mut self, x: f64, y: f64, weight: f64) {
        self.weight += weight;
        self.x += weight * x;
        self.y += weight * y;
        self.xx += weight * x * x;
        self.xy += weight * x * y;
    }

    /// Weighted mean of x.
    fn mean(&self) -> f64 {
        self.x / self.weight
    }

    /// Weighted sum of squares of x about its mean.
    fn spread(&self) -> f64 {
        self.xx - self.x * self.mean()
    }

    /// Level at x = 0 and slope; none where x does not vary.
    fn line(&self) -> Option<(f64, f64)> {
        let spread = self.spread();
        if !(self.weight > 0.0 && spread > 1e-12 * self.xx) {
            return None;
        }
        let slope = (self.xy - self.x * self.y / self.weight) / spread;
        Some(((self.y - slope * self.x) / self.weight, slope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(forward: f64, discount: f64, noise: impl Fn(usize) -> f64) -> Vec<ParityPair> {
        (0..40)
            .map(|i| {
                let strike = 80.0 + i as f64;
                let time_value = 4.0 * (-((strike - forward) / 12.0).powi(2)).exp();
                let parity = discount * (forward - strike);
                let half = 0.05 + 0.01 * (strike - forward).abs();
                ParityPair {
                    strike,
                    call_mid: time_value + parity.max(0.0) + noise(i),
                    put_mid: time_value + (-parity).max(0.0),
                    call_half_spread: half,
                    put_half_spread: half,
                }
            })
            .collect()
    }

    #[test]
    fn exact_quotes_give_back_the_line() {
        let fit = fit(&pairs(101.3, 0.97, |_| 0.0), None).unwrap();
        assert!((fit.forward - 101.3).abs() < 1e-10 && (fit.discount_factor - 0.97).abs() < 1e-11, "{fit:?}");
        assert_eq!((fit.pairs, fit.inside_share), (40, 1.0));
    }

    #[test]
    fn errors_cover_rounding_to_the_tick() {
        let rounded = |i: usize| if i.is_multiple_of(3) { 0.02 } else { -0.01 };
        for given in [None, Some(0.97)] {
            let fit = fit(&pairs(101.3, 0.97, rounded), given).unwrap();
            assert!((fit.forward - 101.3).abs() < 3.0 * fit.forward_error, "{fit:?}");
            assert!(fit.forward_error < 0.02, "{fit:?}");
            if given.is_none() {
                assert!((fit.discount_factor / 0.97).ln().abs() < 3.0 * fit.log_discount_error, "{fit:?}");
            }
        }
    }

    #[test]
    fn stale_pairs_lose_their_vote() {
        let stale = |i: usize| if i.is_multiple_of(5) { 3.0 + i as f64 * 0.1 } else { 0.0 };
        for given in [None, Some(0.97)] {
            let fit = fit(&pairs(101.3, 0.97, stale), given).unwrap();
            assert!((fit.forward - 101.3).abs() < 1e-6 && (fit.discount_factor - 0.97).abs() < 1e-7, "{fit:?}");
            assert_eq!(fit.pairs, 32);
            assert!((fit.inside_share - 0.8).abs() < 1e-12);
        }
    }

    #[test]
    fn too_little_or_unusable() {
        let all = pairs(101.3, 0.97, |_| 0.0);
        assert_eq!(fit(&[], None), Err(Status::NoForward));
        assert_eq!(fit(&all[..1], None), Err(Status::NoForward));
        assert_eq!(fit(&[all[3], all[3]], None), Err(Status::NoForward));
        assert_eq!(fit(&[], Some(0.97)), Err(Status::NoForward));
        assert_eq!(fit(&all, Some(0.0)), Err(Status::BadRate));
        let one = fit(&all[20..21], Some(0.97)).unwrap();
        assert!((one.forward - 101.3).abs() < 1e-10);
        let two = fit(&[all[3], all[30]], None).unwrap();
        assert!((two.forward - 101.3).abs() < 1e-9 && two.forward_error > 0.0, "{two:?}");
        let mut bad = all.clone();
        bad[0].strike = -80.0;
        bad[1].call_mid = f64::NAN;
        bad[2].put_half_spread = -1.0;
        assert_eq!(fit(&bad, None).unwrap().pairs, 37);
        // rising C − P in K has no discount factor
        let rising: Vec<_> =
            all.iter().map(|p| ParityPair { call_mid: p.put_mid, put_mid: p.call_mid, ..*p }).collect();
        assert_eq!(fit(&rising, None), Err(Status::NoForward));
    }
}
