//! Forwards at any expiry, from those of the slices.

use serde::{Deserialize, Serialize};

use super::expiry_table::ExpiryTable;

/// Forwards by expiry: between two of them, and from the spot to the first, ln F is linear in time (constant carry); past the last the
/// carry of the last stretch goes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ForwardsForm")]
pub struct Forwards {
    /// Price now; none where nobody said it: before the first expiry the forward is then the first one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot: Option<f64>,
    /// (expiry_years, forward) by ascending expiry.
    pub points: Vec<[f64; 2]>,
}

/// Forwards as they are read.
#[derive(Deserialize)]
struct ForwardsForm {
    #[serde(default)]
    spot: Option<f64>,
    points: Vec<[f64; 2]>,
}

impl TryFrom<ForwardsForm> for Forwards {
    type Error = &'static str;

    fn try_from(ForwardsForm { spot, points }: ForwardsForm) -> Result<Self, Self::Error> {
        let is_positive = |number: f64| number > 0.0 && number.is_finite();
        let ascending = points.windows(2).all(|pair| pair[0][0] < pair[1][0]);
        if ascending && points.iter().flatten().copied().chain(spot).all(is_positive) {
            Ok(Self { spot, points })
        } else {
            Err("forwards: prices and years must be above 0, and years must ascend")
        }
    }
}

impl Forwards {
    /// The forward to `expiry_years`; NaN without a forward, and at or before now.
    pub fn at(&self, expiry_years: f64) -> f64 {
        if !(expiry_years > 0.0 && expiry_years.is_finite()) {
            return f64::NAN;
        }
        let after = self.points.partition_point(|point| point[0] < expiry_years);
        let now = self.spot.map(|spot| [0.0, spot]);
        let before = |i: usize| i.checked_sub(1).map_or(now, |i| self.points.get(i).copied());
        match (before(after), self.points.get(after)) {
            (Some(low), Some(&high)) => along(low, high, expiry_years),
            (None, Some(first)) => first[1],
            (Some(last), None) => match before(after.saturating_sub(1)) {
                Some(earlier) if !self.points.is_empty() && earlier[0] < last[0] => along(earlier, last, expiry_years),
                _ => last[1],
            },
            (None, None) => f64::NAN,
        }
    }
}

/// [`Forwards`] made ready for many expiries.
#[derive(Clone, Debug)]
pub(in crate::surface) struct ForwardCurve {
    years: ExpiryTable,
    /// (forward at the start, ln of its growth a year, start in years) of each stretch that ends at one of `years`, and of the one past the last.
    stretches: Vec<[f64; 3]>,
}

impl ForwardCurve {
    /// The curve of `forwards`.
    pub(in crate::surface) fn new(forwards: &Forwards) -> Self {
        let years: Vec<f64> = forwards.points.iter().map(|point| point[0]).collect();
        let mut knots: Vec<[f64; 2]> = forwards.spot.map(|spot| [0.0, spot]).into_iter().collect();
        knots.extend(&forwards.points);
        let growth = |pair: &[[f64; 2]]| (pair[1][1] / pair[0][1]).ln() / (pair[1][0] - pair[0][0]);
        let mut stretches: Vec<[f64; 3]> =
            knots.windows(2).map(|pair| [pair[0][1], growth(pair), pair[0][0]]).collect();
        let first = knots.first().map_or(f64::NAN, |knot| knot[1]);
        if forwards.spot.is_none() && !years.is_empty() {
            stretches.insert(0, [first, 0.0, 0.0]);
        }
        let last = knots.last().map_or([0.0, f64::NAN], |knot| *knot);
        let rate = if knots.len() > 1 { stretches.last().map_or(0.0, |stretch| stretch[1]) } else { 0.0 };
        stretches.push([last[1], rate, last[0]]);
        Self { years: ExpiryTable::new(&years), stretches }
    }

    /// A forward F₀ and a g with ln F(`expiry_years`) = ln F₀ + g: what the logarithm of a strike over the forward is made of without an
    /// exponential. Wants an expiry above zero.
    #[inline]
    pub(in crate::surface) fn parts(&self, expiry_years: f64) -> [f64; 2] {
        let [forward, rate, start] = self.stretch(expiry_years);
        [forward, rate * (expiry_years - start)]
    }

    /// The forward at the start of the stretch that `expiry_years` lies in, the growth of its logarithm a year, and the start in years.
    #[inline]
    pub(in crate::surface) fn stretch(&self, expiry_years: f64) -> [f64; 3] {
        self.stretches[self.years.count_before(expiry_years)]
    }

    /// Where its stretches end.
    pub(in crate::surface) fn years(&self) -> &[f64] {
        self.years.years()
    }
}

/// The line through two points of ln F.
fn along([t_low, low]: [f64; 2], [t_high, high]: [f64; 2], t: f64) -> f64 {
    low * ((high / low).ln() * (t - t_low) / (t_high - t_low)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carry_is_constant_from_point_to_point() {
        let at = |t: f64| 100.0 * (0.03 * t).exp();
        let forwards = Forwards { spot: Some(100.0), points: vec![[0.5, at(0.5)], [1.0, at(1.0)]] };
        for t in [0.1, 0.5, 0.7, 1.0, 3.0] {
            assert!((forwards.at(t) - at(t)).abs() < 1e-10, "{t}");
        }
        assert!(forwards.at(0.0).is_nan() && forwards.at(f64::NAN).is_nan());
    }

    #[test]
    fn the_curve_is_the_forwards() {
        let points = vec![[0.1, 101.0], [0.5, 103.0], [0.6, 99.0], [2.0, 120.0]];
        for points in [points.clone(), points[..1].to_vec(), points[..2].to_vec(), vec![]] {
            for spot in [None, Some(100.0)] {
                let forwards = Forwards { spot, points: points.clone() };
                let curve = ForwardCurve::new(&forwards);
                for t in [1e-6, 0.05, 0.1, 0.3, 0.5, 0.55, 0.6, 1.0, 2.0, 2.1, 30.0] {
                    let ([forward, growth], exact) = (curve.parts(t), forwards.at(t));
                    let ours = forward * growth.exp();
                    let agrees = (ours / exact - 1.0).abs() < 1e-13 || ours.is_nan() && exact.is_nan();
                    assert!(agrees, "{ours} {exact} at {t} of {forwards:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_known_is_the_nearest() {
        let forwards = Forwards { spot: None, points: vec![[0.5, 101.0]] };
        assert_eq!((forwards.at(0.1), forwards.at(0.5), forwards.at(2.0)), (101.0, 101.0, 101.0));
        assert!(Forwards::default().at(1.0).is_nan());
        let of_spot = Forwards { spot: Some(50.0), points: vec![] };
        assert_eq!(of_spot.at(1.0), 50.0);
    }
}
