//! The smile of one expiry: a cubic spline of the price with power-law tails.

use serde::{Deserialize, Serialize};

use crate::surface::{from_price::LogPrice, smile::Smile};

/// Undiscounted option prices over the forward at one expiry, by moneyness x = strike/forward: a cubic spline with continuous second
/// derivative, which is the risk-neutral density of S_T/F, piecewise linear. Beyond the knots the put is proportional to x^p and the call
/// to x^−q, with value, slope and density of the spline at its ends (so every moment of order below q + 1 is finite and the wings keep Lee's
/// bound). Where the density is positive at the knots it is positive everywhere: there is no butterfly arbitrage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved")]
pub struct PriceSpline {
    /// Moneyness of the knots, ascending from below to above one.
    pub(super) knots: Vec<f64>,
    /// Density of S_T/F at the knots.
    pub(super) density: Vec<f64>,
    /// Out-of-the-money price at the knots: of the put below one, of the call from one on.
    pub(super) price: Vec<f64>,
    /// Its slope by moneyness.
    pub(super) slope: Vec<f64>,
    /// p of the put's tail, above one.
    pub(super) put_power: f64,
    /// q of the call's tail, above zero.
    pub(super) call_power: f64,
}

/// Steeper tails are steps.
const MOST_POWER: f64 = 1e6;

/// A spline as it was saved, before it is known to be one.
#[derive(Deserialize)]
struct Saved {
    knots: Vec<f64>,
    density: Vec<f64>,
    price: Vec<f64>,
    slope: Vec<f64>,
    put_power: f64,
    call_power: f64,
}

impl TryFrom<Saved> for PriceSpline {
    type Error = &'static str;

    fn try_from(saved: Saved) -> Result<Self, Self::Error> {
        let Saved { knots, density, price, slope, put_power, call_power } = saved;
        let n = knots.len();
        let ascending = knots.windows(2).all(|pair| pair[0] < pair[1]);
        if n < 2 || [density.len(), price.len(), slope.len()] != [n; 3] {
            return Err("a price spline has two knots at least, and a density, a price and a slope at each");
        }
        if !(ascending && knots[0] > 0.0 && knots[0] < 1.0 && knots[n - 1] > 1.0 && knots[n - 1] < f64::INFINITY) {
            return Err("the knots of a price spline rise from below one to above one");
        }
        if !(put_power > 1.0 && put_power < MOST_POWER && call_power > 0.0 && call_power < MOST_POWER) {
            return Err("the put's tail has a power above one, the call's one above zero, both below a million");
        }
        let spline = Self { knots, density, price, slope, put_power, call_power };
        if spline.is_sound() {
            Ok(spline)
        } else {
            Err("a price spline has positive densities and prices that fit together")
        }
    }
}

impl PriceSpline {
    /// The spline with the density at `knots`, its put at the first and its call at the last. All sums that follow are of positive terms, so
    /// that the smallest price keeps its precision.
    pub(super) fn new(knots: &[f64], density: &[f64], ends: [f64; 2], powers: [f64; 2]) -> Self {
        let n = knots.len();
        let [put_power, call_power] = powers;
        let (mut price, mut slope) = (vec![0.0; n], vec![0.0; n]);
        let split = knots.partition_point(|&knot| knot < 1.0);
        (price[0], slope[0]) = (ends[0], put_power * ends[0] / knots[0]);
        for i in 1..split {
            let h = knots[i] - knots[i - 1];
            price[i] = price[i - 1] + h * (slope[i - 1] + h * (2.0 * density[i - 1] + density[i]) / 6.0);
            slope[i] = slope[i - 1] + 0.5 * h * (density[i - 1] + density[i]);
        }
        (price[n - 1], slope[n - 1]) = (ends[1], -call_power * ends[1] / knots[n - 1]);
        for i in (split..n - 1).rev() {
            let h = knots[i + 1] - knots[i];
            price[i] = price[i + 1] + h * (-slope[i + 1] + h * (2.0 * density[i + 1] + density[i]) / 6.0);
            slope[i] = slope[i + 1] - 0.5 * h * (density[i + 1] + density[i]);
        }
        Self { knots: knots.to_vec(), density: density.to_vec(), price, slope, put_power, call_power }
    }

    /// Whether all is finite and positive, and put and call agree where they meet.
    pub(super) fn is_sound(&self) -> bool {
        let positive = |values: &[f64]| values.iter().all(|value| *value > 0.0 && value.is_finite());
        let split = self.knots.partition_point(|&knot| knot < 1.0);
        let (low, high) = (self.knots[split - 1], self.knots[split]);
        let h = high - low;
        let bend = h * (2.0 * self.density[split - 1] + self.density[split]) / 6.0;
        let put = self.price[split - 1] + h * (self.slope[split - 1] + bend);
        let call = put + 1.0 - high;
        positive(&self.density)
            && positive(&self.price)
            && self.slope.iter().all(|slope| slope.is_finite())
            && (call - self.price[split]).abs() <= 1e-6 * self.price[split]
    }

    /// The moneyness of the knots.
    pub fn knots(&self) -> &[f64] {
        &self.knots
    }

    /// The density of S_T/F at the knots.
    pub fn density_at_knots(&self) -> &[f64] {
        &self.density
    }

    /// The out-of-the-money price over the forward at moneyness `x` above zero (the put's below one, else the call's), its slope, and the
    /// density of S_T/F.
    pub fn out_of_the_money(&self, x: f64) -> [f64; 3] {
        let n = self.knots.len();
        let (first, last) = (self.knots[0], self.knots[n - 1]);
        if x < first {
            let price = self.price[0] * (x / first).powf(self.put_power);
            return [price, self.put_power * price / x, self.put_power * (self.put_power - 1.0) * price / (x * x)];
        }
        if x > last {
            let price = self.price[n - 1] * (x / last).powf(-self.call_power);
            return [price, -self.call_power * price / x, self.call_power * (self.call_power + 1.0) * price / (x * x)];
        }
        let i = self.knots.partition_point(|&knot| knot <= x).clamp(1, n - 1) - 1;
        let (low, high) = (self.density[i], self.density[i + 1]);
        let inverse = 1.0 / (self.knots[i + 1] - self.knots[i]);
        if x < 1.0 {
            let d = x - self.knots[i];
            let part = d * inverse;
            let density = low + (high - low) * part;
            let price = self.price[i] + d * (self.slope[i] + 0.5 * d * (low + (high - low) * part / 3.0));
            [price, self.slope[i] + 0.5 * d * (low + density), density]
        } else {
            let d = self.knots[i + 1] - x;
            let part = d * inverse;
            let density = high + (low - high) * part;
            let price = self.price[i + 1] + d * (-self.slope[i + 1] + 0.5 * d * (high + (low - high) * part / 3.0));
            [price, self.slope[i + 1] - 0.5 * d * (high + density), density]
        }
    }

    /// The out-of-the-money price at log-moneyness `k` in logarithms.
    pub(super) fn logarithmic(&self, k: f64) -> LogPrice {
        let n = self.knots.len();
        let (first, last) = (self.knots[0].ln(), self.knots[n - 1].ln());
        if k < first {
            let p = self.put_power;
            return LogPrice { log: self.price[0].ln() + p * (k - first), slope: p, density: p * (p - 1.0) };
        }
        if k > last {
            let q = self.call_power;
            return LogPrice { log: self.price[n - 1].ln() - q * (k - last), slope: -q, density: q * (q + 1.0) };
        }
        let x = k.exp();
        LogPrice::by_moneyness(x, self.out_of_the_money(x))
    }
}

impl Smile for PriceSpline {
    fn derivatives(&self, k: f64) -> [f64; 3] {
        if k.is_finite() { self.logarithmic(k).smile(k) } else { [f64::NAN; 3] }
    }

    fn total_variance(&self, k: f64) -> f64 {
        if k.is_finite() { self.logarithmic(k).total_variance(k) } else { f64::NAN }
    }
}
