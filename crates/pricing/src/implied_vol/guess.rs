//! The rational guess in four branches (Jäckel 2015, sections 4.1 to 4.4), in units of min(F, K) rather than √(FK).
//!
//! The Black function has its inflection at s_c = √(2|x|), where d₁ = 0. The tangent there meets zero at s_l and the upper bound at
//! s_u; their prices p_l, p_c and p_u separate the branches. Between them the inverse is interpolated by Delbourgo–Gregory rational
//! cubics; outside, so are its images under two maps that make it nearly straight.

use super::mills::mills;
use super::scalar::{LOWEST_SCALE, Reduced, evaluate};

/// Which function of the price the iteration brings to zero: the one that is straightest where the price lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objective {
    /// 1/ln p, below p_l.
    InverseLog,
    /// p itself, from p_l to p_u.
    Price,
    /// ln(1 − p), above both p_u and one half.
    Log,
}

const SQRT_3: f64 = 1.732_050_807_568_877_2;
const SQRT_TAU: f64 = 2.506_628_274_631_000_7;

/// The nodes of one log-moneyness: total volatility, price and 1/vega at each.
pub(super) struct Branches {
    k: f64,
    low: Node,
    centre: Node,
    up: Node,
}

#[derive(Clone, Copy)]
struct Node {
    s: f64,
    price: f64,
    complement: f64,
    /// ds/dp.
    slope: f64,
}

impl Node {
    fn at(k: f64, s: f64, upper: bool) -> Self {
        let point = evaluate(k, s, upper);
        let slope = SQRT_TAU * (0.5 * point.d1 * point.d1).exp();
        let part = point.over_vega / slope;
        let (price, complement) = if upper { (1.0 - part, part) } else { (part, 1.0 - part) };
        Self { s, price, complement, slope }
    }
}

impl Branches {
    pub(super) fn new(k: f64) -> Self {
        let root = (2.0 * k).sqrt();
        let half_normal = 0.5 * SQRT_TAU; // R(0)
        let mills_at_root = mills(root);
        let centre_price = if k > 0.0 { evaluate(k, root, false).over_vega / SQRT_TAU } else { 0.0 };
        let centre = Node { s: root, price: centre_price, complement: 1.0 - centre_price, slope: SQRT_TAU };
        // The tangent's zero, root + R(root) − R(0), by series where it would cancel.
        let lowest = if root < 0.02 {
            root * root * (0.5 * half_normal - root * (1.0 / 3.0 - root * half_normal / 8.0))
        } else {
            root + mills_at_root - half_normal
        };
        let low = if k > 0.0 { Node::at(k, lowest, false) } else { centre };
        let up = Node::at(k, root + half_normal + mills_at_root, true);
        Self { k, low, centre, up }
    }

    pub(super) fn objective(&self, row: &Reduced) -> Objective {
        if row.ratio < self.low.price {
            Objective::InverseLog
        } else if row.ratio > 0.5 && row.ratio > self.up.price {
            Objective::Log
        } else {
            Objective::Price
        }
    }

    pub(super) fn guess(&self, row: &Reduced) -> f64 {
        let Self { low, centre, up, .. } = self;
        let p = row.ratio;
        if p < low.price {
            self.lowest(row)
        } else if p < centre.price {
            // The inverse has no curvature at the inflection.
            let cubic = Cubic::new((low.price, low.s, low.slope), (centre.price, centre.s, centre.slope));
            cubic.value(p - low.price, cubic.control_right(0.0))
        } else if p <= up.price {
            let cubic = Cubic::new((centre.price, centre.s, centre.slope), (up.price, up.s, up.slope));
            cubic.value(p - centre.price, cubic.control_left(0.0))
        } else {
            self.highest(row)
        }
    }

    /// Below p_l: interpolates f = c Φ(−|x|/(√3 s))³ with c = 2π|x|/(3√3)·exp(|x|/2), whose derivative at p = 0 is one.
    fn lowest(&self, row: &Reduced) -> f64 {
        let (k, node) = (self.k, &self.low);
        let log_scale = (LOWEST_SCALE * k).ln() + 0.5 * k;
        let z = k / (SQRT_3 * node.s);
        let ratio = mills(z);
        let log_normal = ratio.ln() - 0.5 * z * z - SQRT_TAU.ln();
        let value = (log_scale + 3.0 * log_normal).exp();
        let slope = std::f64::consts::TAU * z * z * (2.0 * log_normal + z * z + 0.125 * node.s * node.s).exp();
        let curvature = slope * ((2.0 * z / ratio - 2.0 - 2.0 * z * z) / node.s + 0.25 * node.s) * node.slope;
        let cubic = Cubic::new((0.0, 0.0, 1.0), (node.price, value, slope));
        let f = cubic.value(row.ratio, cubic.control_right(curvature));
        // f ~ p for the smallest p, where p may underflow and its logarithm does not.
        let log_f = if row.ratio > 1e-290 && f > 0.0 { f.ln() } else { row.log_ratio };
        k / (SQRT_3 * -inverse_normal_of_log((log_f - log_scale) / 3.0))
    }

    /// Above p_u: interpolates f = Φ(−s/2) in the complement.
    fn highest(&self, row: &Reduced) -> f64 {
        let (k, node) = (self.k, &self.up);
        let half = 0.5 * node.s;
        let log_normal = mills(half).ln() - 0.5 * half * half - SQRT_TAU.ln();
        let value = log_normal.exp();
        let h = k / node.s;
        // In the complement 1 − p, so that both slopes are positive.
        let slope = 0.5 * (0.5 * (h * h - k)).exp();
        let curvature = slope * (h * h / node.s) * node.slope;
        let slope_at_zero = 0.5 * (-0.5 * k).exp();
        let cubic = Cubic::new((0.0, 0.0, slope_at_zero), (node.complement, value, slope));
        let f = cubic.value(row.complement, cubic.control_right(curvature));
        let f = if f > 0.0 { f } else { slope_at_zero * row.complement };
        -2.0 * inverse_normal_of_log(f.ln())
    }
}

/// A Delbourgo–Gregory rational cubic through two points with given slopes; the control parameter r is free above −1.
struct Cubic {
    width: f64,
    left: f64,
    right: f64,
    left_slope: f64,
    right_slope: f64,
}

impl Cubic {
    fn new(left: (f64, f64, f64), right: (f64, f64, f64)) -> Self {
        Self { width: right.0 - left.0, left: left.1, right: right.1, left_slope: left.2, right_slope: right.2 }
    }

    fn chord(&self) -> f64 {
        (self.right - self.left) / self.width
    }

    /// The r that gives second derivative `curvature` at the left end, held to where the curve keeps its shape.
    fn control_left(&self, curvature: f64) -> f64 {
        self.bounded(
            (0.5 * self.width * curvature + (self.right_slope - self.left_slope)) / (self.chord() - self.left_slope),
        )
    }

    /// The r that gives second derivative `curvature` at the right end.
    fn control_right(&self, curvature: f64) -> f64 {
        self.bounded(
            (0.5 * self.width * curvature + (self.right_slope - self.left_slope)) / (self.right_slope - self.chord()),
        )
    }

    /// Monotone where r ≥ (d_l + d_r)/Δ; convex or concave where r ≥ |d_r − d_l| / min(|d_r − Δ|, |Δ − d_l|).
    fn bounded(&self, r: f64) -> f64 {
        let chord = self.chord();
        let monotone = (self.left_slope + self.right_slope) / chord;
        let (a, b) = (self.right_slope - chord, chord - self.left_slope);
        let convex = (self.right_slope - self.left_slope).abs() / a.abs().min(b.abs());
        let least = if a * b > 0.0 { monotone.max(convex) } else { monotone };
        // Where the data are all but a straight line r is without bound, and the curve is the line.
        if r.is_finite() { r.max(least).min(1e12) } else { 1e12 }
    }

    /// The curve at `offset` from the left end.
    fn value(&self, offset: f64, r: f64) -> f64 {
        let t = offset / self.width;
        if !t.is_finite() {
            return self.left;
        }
        let u = 1.0 - t;
        let numerator = self.right * t * t * t
            + (r * self.right - self.width * self.right_slope) * t * t * u
            + (r * self.left + self.width * self.left_slope) * t * u * u
            + self.left * u * u * u;
        numerator / (1.0 + (r - 3.0) * t * u)
    }
}

/// Φ⁻¹(eˡ) for l below ln ½, to about 1e-9: Hastings' rational start, then one step of Halley's on ln Φ.
fn inverse_normal_of_log(l: f64) -> f64 {
    let t = (-2.0 * l).sqrt();
    let start =
        (2.515_517 + t * (0.802_853 + t * 0.010_328)) / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)));
    let a = (t - start).max(0.0);
    let ratio = mills(a);
    // g(a) = ln Φ(−a) − l, g' = −1/R, g'' = g'·(g' − a)·… kept to first order: the guess needs no more
    let g = ratio.ln() - 0.5 * a * a - SQRT_TAU.ln() - l;
    let nu = g * ratio;
    -(a + nu / (1.0 + 0.5 * nu * (1.0 / ratio - a)))
}
