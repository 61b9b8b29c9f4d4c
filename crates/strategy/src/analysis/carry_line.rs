//! From forwards to spot: ln F(T) = ln S + growth · T.
//!
//! The nearest good forward is carried back; what lies behind it says how fast, weighs with its errors, and may be off by a dividend.

/// One standard deviation of a growth that nothing says: yields lie within some per cent of what is assumed.
const GROWTH_PRIOR_ERROR: f64 = 0.03;
/// The same where the yield is given.
const GROWTH_GIVEN_ERROR: f64 = 0.005;
/// How far ln(forward) may stray from a straight line in a year: dividends come in lumps.
const LUMP_PER_YEAR: f64 = 0.01;
/// A dividend that may lie between two expiries, as a share of spot: what comes after the first expiry says little about what lies
/// before it.
const DIVIDEND_LUMP: f64 = 0.003;
/// Pairs that make a forward good enough to carry back.
const GOOD_PAIRS_MIN: usize = 5;
/// Expiries this much later than the first say what carries the first back to spot.
const NEAR_YEARS: f64 = 0.25;

/// The logarithm of one forward.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogForward {
    /// Years to expiry.
    pub years: f64,
    /// ln F.
    pub log_forward: f64,
    /// One standard error.
    pub error: f64,
    /// Pairs that it was read from.
    pub pairs: usize,
}

impl LogForward {
    /// Variance about the straight line that dividends, come what may, leave.
    fn variance(&self) -> f64 {
        self.error * self.error + (LUMP_PER_YEAR * self.years).powi(2) + 1e-12
    }
}

/// What is believed of the growth before any forward is seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct GrowthPrior {
    growth: f64,
    weight: f64,
}

impl GrowthPrior {
    /// Rate less yield; the yield is zero, give or take some per cent, where it is not given.
    pub fn new(rate: f64, given_yield: Option<f64>) -> Self {
        let error = if given_yield.is_some() { GROWTH_GIVEN_ERROR } else { GROWTH_PRIOR_ERROR };
        Self { growth: rate - given_yield.unwrap_or(0.0), weight: error.powi(-2) }
    }

    /// The growth that carries a known spot to its forwards.
    pub fn growth_from(&self, spot: f64, points: &[LogForward]) -> f64 {
        let (mut wtt, mut wty) = (self.weight, self.weight * self.growth);
        for point in points {
            let weight = 1.0 / point.variance();
            wtt += weight * point.years * point.years;
            wty += weight * point.years * (point.log_forward - spot.ln());
        }
        wty / wtt
    }
}

/// Spot as forwards have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct CarriedSpot {
    /// Spot.
    pub spot: f64,
    /// One standard error of ln(spot).
    pub error: f64,
    /// Years to the first forward that it was carried from.
    pub first_years: f64,
}

/// Carries the forwards, in order of expiry, back to a spot. `None` where there are none.
pub(super) fn carry_back(mut points: Vec<LogForward>, prior: &GrowthPrior) -> Option<CarriedSpot> {
    // The last minutes of an expiry can leave it a pair or two: the next one tells more.
    if let Some(good) = points.iter().position(|point| point.pairs >= GOOD_PAIRS_MIN) {
        points.drain(..good);
    }
    let LogForward { years: first, log_forward: origin, .. } = *points.first()?;
    points.retain(|point| point.years <= first + NEAR_YEARS);
    // Counted from one forward, so that logarithms of large prices lose no digits.
    for point in &mut points {
        point.log_forward -= origin;
    }
    for point in &mut points[1..] {
        point.error = point.error.hypot(DIVIDEND_LUMP);
    }
    Line::fit(&points, prior)?.spot(origin, first)
}

/// ln F(T) = level + growth·T at T = 0.
struct Line {
    level: f64,
    /// One standard error of the level.
    error: f64,
}

impl Line {
    /// Robust weighted least squares with a prior on the growth.
    fn fit(points: &[LogForward], prior: &GrowthPrior) -> Option<Self> {
        let mut robust = vec![1.0; points.len()];
        let mut line = None;
        for _ in 0..5 {
            let (mut w, mut wt, mut wtt) = (0.0, 0.0, prior.weight);
            let (mut wy, mut wty) = (0.0, prior.weight * prior.growth);
            for (point, robust) in points.iter().zip(&robust) {
                let weight = robust / point.variance();
                w += weight;
                wt += weight * point.years;
                wtt += weight * point.years * point.years;
                wy += weight * point.log_forward;
                wty += weight * point.years * point.log_forward;
            }
            let determinant = w * wtt - wt * wt;
            if determinant.is_nan() || determinant <= 0.0 {
                return None;
            }
            let growth = (w * wty - wt * wy) / determinant;
            let level = (wy - growth * wt) / w;
            for (point, robust) in points.iter().zip(&mut robust) {
                let residual = point.log_forward - level - growth * point.years;
                *robust = 1.0 / (1.0 + residual * residual / (9.0 * point.variance()));
            }
            line = Some(Self { level, error: (wtt / determinant).sqrt() });
        }
        line
    }

    /// Spot, of logarithms that were counted from `origin`, the first forward's.
    fn spot(&self, origin: f64, first_years: f64) -> Option<CarriedSpot> {
        let spot = (self.level + origin).exp();
        (spot.is_finite() && spot > 0.0).then_some(CarriedSpot { spot, error: self.error, first_years })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwards(spot: f64, growth: f64, jump_after: f64, jump: f64) -> Vec<LogForward> {
        [0.003, 0.02, 0.04, 0.06, 0.08, 0.15, 0.4]
            .iter()
            .map(|&years: &f64| {
                let dividend = if years > jump_after { jump } else { 0.0 };
                LogForward { years, log_forward: f64::ln(spot) + growth * years - dividend, error: 1e-5, pairs: 50 }
            })
            .collect()
    }

    fn spot(points: Vec<LogForward>) -> f64 {
        carry_back(points, &GrowthPrior::new(0.02, None)).unwrap().spot
    }

    #[test]
    fn smooth_forwards_come_back_to_their_spot() {
        assert!((spot(forwards(100.0, 0.015, 9.0, 0.0)) - 100.0).abs() < 0.003);
    }

    #[test]
    fn a_dividend_behind_the_first_expiry_does_not_move_the_spot() {
        for jump_after in [0.01, 0.03, 0.05, 0.1] {
            let spot = spot(forwards(100.0, 0.02, jump_after, 0.005));
            assert!((spot - 100.0).abs() < 0.03, "{jump_after}: {spot}");
        }
    }

    #[test]
    fn a_first_forward_of_one_pair_is_passed_over() {
        let mut points = forwards(100.0, 0.02, 9.0, 0.0);
        points[0].log_forward += 0.01;
        points[0].pairs = 1;
        assert!((spot(points) - 100.0).abs() < 0.05);
    }

    #[test]
    fn a_given_yield_weighs_more() {
        let lone = vec![LogForward { years: 1.0, log_forward: f64::ln(100.0), error: 1e-5, pairs: 9 }];
        let given = carry_back(lone.clone(), &GrowthPrior::new(0.05, Some(0.02))).unwrap();
        assert!((given.spot - 100.0 * (-0.03f64).exp()).abs() < 1e-9);
        assert!(given.error < carry_back(lone, &GrowthPrior::new(0.05, None)).unwrap().error);
        assert!(carry_back(Vec::new(), &GrowthPrior::new(0.05, None)).is_none());
    }
}
