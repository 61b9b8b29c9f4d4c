//! The smooth smile that a slice's density is held close to in shape: a local quadratic regression of its mids (Cleveland 1979), whatever
//! arbitrage that has.

use crate::{
    math::{Plain, normal_pdf},
    surface::{from_price::price, smile::durrleman_g},
};

use super::quotes::{self, Quote};

/// Durrleman's g of the reference is held above about this, smoothly.
const LEAST_G: f64 = 0.05;
/// Deviations between two nodes at most, and about a node to the furthest quote that counts.
const NODES_APART: f64 = 0.25;
const RADIUS: f64 = 1.8;
/// Strikes that a regression needs.
pub(super) const FEWEST_STRIKES: usize = 5;
/// Quotes about a node at least, where there are as many.
const FEWEST: usize = 7;
/// A quote's deviation is not known better than to this share.
const NOISE: f64 = 0.01;
/// No strike is further from the money than the inverse of this in deviations.
const FURTHEST: f64 = 0.1;

/// Steepest rise of total variance beyond the quotes: half of Lee's bound, so that deviations go on growing with the strike.
const STEEPEST: f64 = 1.0;

/// A smile that gives a positive density: deviation s = √w by log-moneyness at ascending nodes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reference {
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    k: f64,
    deviation: f64,
    slope: f64,
    g: f64,
}

impl Reference {
    /// One volatility.
    pub(super) fn flat(deviation: f64) -> Self {
        Self { nodes: vec![Node { k: 0.0, deviation, slope: 0.0, g: 1.0 }] }
    }

    /// The regression of `quotes`, ascending; none where they have fewer than five strikes.
    pub(super) fn of(quotes: &[Quote]) -> Option<Self> {
        if quotes::strikes(quotes) < FEWEST_STRIKES {
            return None;
        }
        let position = positions(quotes);
        let (first, last) = (position[0], position[position.len() - 1]);
        let steps = ((last - first) / NODES_APART).ceil().max(1.0) as usize;
        let mut nodes: Vec<Node> = Vec::with_capacity(steps + 1);
        let mut at = 0;
        for step in 0..=steps {
            let u = first + (last - first) * step as f64 / steps as f64;
            while at + 2 < position.len() && position[at + 1] < u {
                at += 1;
            }
            let share = ((u - position[at]) / (position[at + 1] - position[at])).clamp(0.0, 1.0);
            let k = quotes[at].k + share * (quotes[at + 1].k - quotes[at].k);
            if nodes.last().is_none_or(|before| k > before.k) {
                nodes.push(regress(quotes, &position, u, k));
            }
        }
        Some(Self { nodes })
    }

    /// The same shape in units of deviations at another deviation.
    pub(super) fn scaled(&self, by: f64) -> Self {
        let scale = |node: &Node| Node { k: by * node.k, deviation: by * node.deviation, ..*node };
        Self { nodes: self.nodes.iter().map(scale).collect() }
    }

    /// s, and g.
    fn at(&self, k: f64) -> [f64; 2] {
        let after = self.nodes.partition_point(|node| node.k <= k);
        let [deviation, g] = match (after.checked_sub(1).map(|i| &self.nodes[i]), self.nodes.get(after)) {
            (Some(low), Some(high)) => {
                let h = high.k - low.k;
                let t = (k - low.k) / h;
                let rise = high.deviation - low.deviation;
                let (a, b) = (low.slope * h - rise, rise - high.slope * h);
                let s = low.deviation + t * rise + t * (1.0 - t) * (a * (1.0 - t) + b * t);
                [s.max(0.5 * low.deviation.min(high.deviation)), low.g + t * (high.g - low.g)]
            }
            (Some(end), None) | (None, Some(end)) => {
                // A rising wing goes on rising in total variance, as Lee's formula has it; a falling one fades out over one deviation.
                let distance = (k - end.k).abs();
                let outward = end.slope * (k - end.k).signum();
                let fading = (-distance / end.deviation).exp();
                let s = if outward > 0.0 {
                    (end.deviation * end.deviation + (2.0 * outward * end.deviation).min(STEEPEST) * distance).sqrt()
                } else {
                    (end.deviation + outward * end.deviation * (1.0 - fading)).max(0.5 * end.deviation)
                };
                [s, 1.0 + (end.g - 1.0) * fading]
            }
            (None, None) => [f64::NAN; 2],
        };
        [deviation.max(FURTHEST * k.abs()), g]
    }

    /// √w(k).
    pub(super) fn deviation(&self, k: f64) -> f64 {
        self.at(k)[0]
    }

    /// −d₂: how many deviations the strike lies above the middle.
    pub(super) fn deviations(&self, k: f64) -> f64 {
        let deviation = self.deviation(k);
        k / deviation + 0.5 * deviation
    }

    /// The out-of-the-money price over the forward.
    pub(super) fn price(&self, k: f64) -> f64 {
        price(k, self.deviation(k))
    }

    /// The density of S_T/F.
    pub(super) fn density(&self, k: f64) -> f64 {
        let [deviation, g] = self.at(k);
        let g = 0.5 * (g + (g * g + 4.0 * LEAST_G * LEAST_G).sqrt());
        g * normal_pdf::<Plain>(k / deviation + 0.5 * deviation) / deviation * (-k).exp()
    }
}

/// Where each quote lies in deviations by its own mid, made to rise with the strike.
fn positions(quotes: &[Quote]) -> Vec<f64> {
    let mut position: Vec<f64> = quotes.iter().map(|quote| quote.k / quote.deviation + 0.5 * quote.deviation).collect();
    let middle = quotes.partition_point(|quote| quote.k < 0.0).min(quotes.len() - 1);
    for i in middle + 1..position.len() {
        position[i] = position[i].max(position[i - 1] + 1e-6);
    }
    for i in (0..middle).rev() {
        position[i] = position[i].min(position[i + 1] - 1e-6);
    }
    position
}

/// The weighted quadratic through the deviations of the quotes about `u`.
fn regress(quotes: &[Quote], position: &[f64], u: f64, k: f64) -> Node {
    let mut radius = RADIUS;
    let (mut from, mut to);
    loop {
        from = position.partition_point(|&p| p <= u - radius);
        to = position.partition_point(|&p| p < u + radius);
        if to - from >= FEWEST || (from == 0 && to == position.len()) {
            break;
        }
        radius *= 1.4;
    }
    let scale = quotes[(from + to) / 2 - usize::from((from + to) / 2 == quotes.len())].deviation;
    let mut moments = [0.0; 5];
    let mut right = [0.0; 3];
    for (quote, p) in quotes[from..to].iter().zip(&position[from..to]) {
        let distance = ((p - u) / radius).abs();
        let kernel = 1.0 - distance * distance * distance;
        let noise = quote.noise.hypot(NOISE * quote.deviation);
        let mut weight = kernel * kernel * kernel / (noise * noise);
        let z = (quote.k - k) / scale;
        for (power, moment) in moments.iter_mut().enumerate() {
            *moment += weight;
            if power < 3 {
                right[power] += weight * quote.deviation;
            }
            weight *= z;
        }
    }
    let [a, b, c] = quadratic(moments, right);
    let least = quotes[from..to].iter().map(|quote| quote.deviation).fold(f64::INFINITY, f64::min);
    let most = quotes[from..to].iter().map(|quote| quote.deviation).fold(0.0, f64::max);
    let deviation = a.clamp(0.8 * least, 1.2 * most);
    // Deviations from the money must grow with the strike: dlns/dlnk below one.
    let most_slope = 0.9 * deviation / k.abs().max(1e-300);
    let slope = if k > 0.0 { (b / scale).min(most_slope) } else { (b / scale).max(-most_slope) };
    let bend = 2.0 * c / (scale * scale);
    let w = deviation * deviation;
    let g = durrleman_g(k, [w, 2.0 * deviation * slope, 2.0 * (slope * slope + deviation * bend)]);
    Node { k, deviation, slope, g: g.clamp(-1.0, 20.0) }
}

/// Coefficients of the quadratic of these moments, its bend held a little.
fn quadratic([m0, m1, m2, m3, m4]: [f64; 5], [r0, r1, r2]: [f64; 3]) -> [f64; 3] {
    let m4 = m4 + 1e-3 * m0 + 1e-300;
    let m2_held = m2 + 1e-9 * m0;
    // Eliminate the level, then the slope.
    let (f1, f2) = (m1 / m0, m2 / m0);
    let (a11, a12, a22) = (m2_held - f1 * m1, m3 - f1 * m2, m4 - f2 * m2);
    let (b1, b2) = (r1 - f1 * r0, r2 - f2 * r0);
    let f = a12 / a11;
    let c = (b2 - f * b1) / (a22 - f * a12);
    let b = (b1 - a12 * c) / a11;
    let a = (r0 - m1 * b - m2 * c) / m0;
    if a.is_finite() && b.is_finite() && c.is_finite() { [a, b, c] } else { [r0 / m0, 0.0, 0.0] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{SliceQuotes, Smile, Svi, calibration::Settings};

    fn quotes_of(svi: &Svi, k: impl Iterator<Item = f64>) -> Vec<Quote> {
        let log_moneyness: Vec<f64> = k.collect();
        let mid: Vec<f64> = log_moneyness.iter().map(|&k| svi.total_variance(k).sqrt()).collect();
        let slice = SliceQuotes {
            expiry_years: 1.0,
            forward: 1.0,
            bid_volatility: mid.iter().map(|vol| 0.99 * vol).collect(),
            ask_volatility: mid.iter().map(|vol| 1.01 * vol).collect(),
            mid_volatility: mid,
            log_moneyness,
            open_interest: Vec::new(),
        };
        quotes::usable(&slice, &Settings::default())
    }

    #[test]
    fn a_smooth_smile_is_followed_and_carried_on() {
        // A vertex as wide as the window of 1.8 deviations; a narrower one is rounded, as a reference should be.
        let svi = Svi { a: 0.0, b: 0.12, rho: -0.6, m: 0.05, sigma: 0.4 };
        let quotes = quotes_of(&svi, (-60..=40).map(|i| 0.01 * f64::from(i)));
        let reference = Reference::of(&quotes).expect("strikes enough");
        for i in -55..=35 {
            let k = 0.01 * f64::from(i);
            let (ours, theirs) = (reference.deviation(k), svi.total_variance(k).sqrt());
            assert!((ours / theirs - 1.0).abs() < NOISE, "{k}: {ours} {theirs}");
            let (ours, theirs) = (reference.density(k), svi.density(k) * (-k).exp());
            assert!((ours - theirs).abs() < 0.05 * svi.density(0.0), "{k}: {ours} {theirs}");
        }
        // Strikes go on lying further out, and the density stays above zero.
        let mut before = f64::NEG_INFINITY;
        for i in -300..=300 {
            let k = 0.01 * f64::from(i);
            assert!(reference.deviations(k) > before && reference.density(k) > 0.0, "{k}");
            before = reference.deviations(k);
        }
        // The left wing rises on as SVI's does.
        let rise = reference.deviation(-1.2).powi(2) - reference.deviation(-0.8).powi(2);
        assert!((rise / 0.4 - svi.wing_slopes()[0]).abs() < 0.05, "{rise}");
        // Twice the deviation is the same shape at twice the log-moneyness.
        let scaled = reference.scaled(2.0);
        assert!((scaled.deviation(-0.4) - 2.0 * reference.deviation(-0.2)).abs() < 1e-12);
    }

    #[test]
    fn fewer_than_five_strikes_have_no_reference_of_their_own() {
        let svi = Svi::flat(0.04);
        let four = quotes_of(&svi, (0..12).map(|i| 0.1 * f64::from(i % 4)));
        assert_eq!((four.len(), Reference::of(&four)), (12, None));
        assert!(Reference::of(&quotes_of(&svi, (0..5).map(|i| 0.1 * f64::from(i)))).is_some());
        assert_eq!(Reference::of(&[]), None);
    }
}
