//! How finely the boundary and the premium are computed: schemes and the tables made of them.
//!
//! A scheme is (l, m, n)-p as Andersen, Lake and Offengenden write it: n nodes of the boundary, m Newton steps, l points of each of
//! the boundary's integrals, p points of the premium's. A put with X = K (yield at or below the rate) and one with X = K r/q have
//! schemes of their own, since their boundaries are smooth in different variables:
//!
//! - X = K: H(τ) ~ σ²τ ln(1/τ) is interpolated in z = (τ/T)^¼, where the logarithm hardly shows;
//! - X < K: H(τ) ~ c²σ²τ, then a bend where the strike comes within reach, in z = (τ/T)^½.
//!
//! An integral over the time s = τ sin²θ since exercise has no root at either end in θ. The premium's is taken in y with θ = ½π y²,
//! whose nodes crowd towards s = 0, where an option near its boundary has all its premium.

use std::f64::consts::{FRAC_PI_2, PI};
use std::sync::LazyLock;

use super::quadrature::{Nodes, gauss_legendre, tanh_sinh};

/// The rule of the premium's integral. The boundary's integrals take Gauss–Legendre.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quadrature {
    /// Exact for polynomials up to degree 2p − 1.
    GaussLegendre,
    /// Double exponential, which no singularity at an end disturbs.
    TanhSinh,
}

/// The scheme (l, m, n)-p.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// l: points of each integral of the boundary's equation, 2 to 256.
    pub integral_points: usize,
    /// m: Newton steps from the QD+ guess, 1 to 16.
    pub newton_steps: usize,
    /// n: nodes of the boundary, 2 to 128.
    pub boundary_nodes: usize,
    /// p: points of the premium's integral, 2 to 1,024.
    pub premium_points: usize,
    /// The rule of the premium's integral.
    pub quadrature: Quadrature,
}

/// Schemes with their tables: make it once, use it for every row.
#[derive(Debug)]
pub struct Accuracy {
    /// Yield at or below the rate: X = K.
    pub(super) at_strike: Tables,
    /// Yield above the rate: X = K r/q.
    pub(super) below_strike: Tables,
}

const fn gauss(l: usize, m: usize, n: usize, p: usize) -> Scheme {
    let quadrature = Quadrature::GaussLegendre;
    Scheme { integral_points: l, newton_steps: m, boundary_nodes: n, premium_points: p, quadrature }
}

const QUICK: [Scheme; 2] = [gauss(8, 1, 9, 20), gauss(8, 1, 10, 20)];
const FAST: [Scheme; 2] = [gauss(14, 2, 11, 32), gauss(14, 2, 18, 36)];
const ACCURATE: [Scheme; 2] = [gauss(28, 4, 15, 56), gauss(36, 4, 40, 72)];
const HIGH_PRECISION: [Scheme; 2] =
    [Scheme { quadrature: Quadrature::TanhSinh, ..gauss(48, 5, 24, 161) }, gauss(128, 5, 90, 180)];

static QUICK_TABLES: LazyLock<Accuracy> = LazyLock::new(|| Accuracy::new(QUICK));
static FAST_TABLES: LazyLock<Accuracy> = LazyLock::new(|| Accuracy::new(FAST));
static ACCURATE_TABLES: LazyLock<Accuracy> = LazyLock::new(|| Accuracy::new(ACCURATE));
static HIGH_PRECISION_TABLES: LazyLock<Accuracy> = LazyLock::new(|| Accuracy::new(HIGH_PRECISION));

impl Accuracy {
    /// (8, 1, 9)-20 where the yield is at or below the rate, (8, 1, 10)-20 elsewhere: for screens and searches over many options.
    pub fn quick() -> &'static Self {
        &QUICK_TABLES
    }

    /// (14, 2, 11)-32 where the yield is at or below the rate, (14, 2, 18)-36 elsewhere.
    pub fn fast() -> &'static Self {
        &FAST_TABLES
    }

    /// (28, 4, 15)-56 and (36, 4, 40)-72.
    pub fn accurate() -> &'static Self {
        &ACCURATE_TABLES
    }

    /// (48, 5, 24)-161, the premium by tanh-sinh, and (128, 5, 90)-180, where Gauss–Legendre does better.
    pub fn high_precision() -> &'static Self {
        &HIGH_PRECISION_TABLES
    }

    /// Own schemes: where the put's yield is at or below the rate, and where it is above.
    ///
    /// # Panics
    /// Where a size is outside the range that [`Scheme`] names.
    pub fn new([at_strike, below_strike]: [Scheme; 2]) -> Self {
        Self { at_strike: Tables::new(at_strike, 2), below_strike: Tables::new(below_strike, 1) }
    }

    /// The schemes: yield at or below the rate, and above.
    pub fn schemes(&self) -> [Scheme; 2] {
        [self.at_strike.scheme, self.below_strike.scheme]
    }
}

/// What every row of a scheme shares. Times are shares of the expiry.
#[derive(Debug)]
pub(super) struct Tables {
    pub scheme: Scheme,
    /// A last step whose greatest change of ln(B/X), as a share of σ√T or of the greatest ln(B/X), is below this settled: what is left
    /// is its square, most of it near expiry, where it hardly counts.
    pub settled: f64,
    /// √τ of the nodes 1 to n, ascending to 1; the node 0 at τ = 0 has H = 0.
    pub root: Vec<f64>,
    /// The boundary's integrals, and those of the first of several Newton steps: see [`FIRST_POINTS`].
    pub integral: Integral,
    pub first_integral: Integral,
    /// The points of the premium's integral.
    pub premium: Points,
    /// Weights of H at the nodes in H at a point: by point, node.
    pub premium_weight: Vec<f64>,
}

/// Points of the boundary's integrals in the first of several Newton steps. It starts from a guess that is off by 0.3 % and leaves the square of that,
/// so that an integral good to 1e-4 does: with 7 points prices differ in the third digit of their error from those with all.
const FIRST_POINTS: usize = 7;

/// The integrals of the boundary's equation by one rule.
#[derive(Debug)]
pub(super) struct Integral {
    pub points: Points,
    /// Weights of H at the nodes in H at a point: by node of the outer time, point, node.
    pub weight: Vec<f64>,
}

impl Integral {
    /// `z` and `root` of the nodes as in [`Tables::new`]; `inverse` leads from √τ to z.
    fn new(points: usize, z: &[f64], root: &[f64], inverse: f64) -> Self {
        let points = Points::new(&gauss_legendre(points), 1);
        let mut weight = Vec::with_capacity(root.len() * root.len() * points.cos.len());
        for outer in root {
            for cos in &points.cos {
                interpolate(z, (outer * cos).powf(inverse), &mut weight);
            }
        }
        Self { points, weight }
    }
}

/// Points s = τ sin²θ of an integral over [0, τ].
#[derive(Debug)]
pub(super) struct Points {
    pub sin: Vec<f64>,
    pub cos: Vec<f64>,
    /// ds/τ.
    pub weight: Vec<f64>,
}

impl Points {
    /// θ = ½π y^power over the rule's y.
    fn new(rule: &Nodes, power: i32) -> Self {
        let mut points = Self { sin: Vec::new(), cos: Vec::new(), weight: Vec::new() };
        for (y, share) in rule.x.iter().zip(&rule.weight) {
            let theta = FRAC_PI_2 * y.powi(power);
            let (sin, cos) = theta.sin_cos();
            points.sin.push(sin);
            points.cos.push(cos.max(0.0));
            points.weight.push(2.0 * sin * cos.max(0.0) * share * FRAC_PI_2 * f64::from(power) * y.powi(power - 1));
        }
        points
    }
}

impl Tables {
    /// Nodes at √τ = z^power, z the Chebyshev points of the second kind on [0, 1].
    fn new(scheme: Scheme, power: i32) -> Self {
        let Scheme { integral_points, newton_steps, boundary_nodes, premium_points, quadrature } = scheme;
        assert!((2..=256).contains(&integral_points), "integral_points");
        assert!((1..=16).contains(&newton_steps), "newton_steps");
        assert!((2..=128).contains(&boundary_nodes), "boundary_nodes");
        assert!((2..=1024).contains(&premium_points), "premium_points");
        let n = boundary_nodes;
        // 1 − cos in a form that keeps its relative accuracy near 0.
        let z: Vec<f64> = (0..=n).map(|j| (0.5 * PI * j as f64 / n as f64).sin().powi(2)).collect();
        let root: Vec<f64> = z[1..].iter().map(|z| z.powi(power)).collect();
        let premium = match quadrature {
            Quadrature::GaussLegendre => Points::new(&gauss_legendre(premium_points), 2),
            Quadrature::TanhSinh => Points::new(&tanh_sinh(premium_points), 2),
        };
        let inverse = 1.0 / f64::from(power);
        let integral = Integral::new(integral_points, &z, &root, inverse);
        let first_integral = Integral::new(integral_points.min(FIRST_POINTS), &z, &root, inverse);
        let mut premium_weight = Vec::with_capacity(n * premium_points);
        for cos in &premium.cos {
            interpolate(&z, cos.powf(inverse), &mut premium_weight);
        }
        let settled = match newton_steps {
            // One step leaves the square of the guess's error anyway: only what has gone astray takes more.
            1 => 0.1,
            2..=3 => 4e-3,
            4 => 1e-3,
            _ => 1e-6,
        };
        Self { scheme, settled, root, integral, first_integral, premium, premium_weight }
    }

    /// The boundary's integrals at this Newton step, counted from 0.
    pub fn integral_of(&self, step: usize) -> &Integral {
        if step == 0 && self.scheme.newton_steps > 1 { &self.first_integral } else { &self.integral }
    }
}

/// Appends the weights of the nodes 1 to n in the polynomial's value at `at`, by the barycentric formula of the second kind.
fn interpolate(z: &[f64], at: f64, weights: &mut Vec<f64>) {
    let n = z.len() - 1;
    if let Some(node) = z.iter().position(|z| *z == at) {
        weights.extend((1..=n).map(|j| f64::from(u8::from(j == node))));
        return;
    }
    let share = |j: usize| {
        let sign = if j.is_multiple_of(2) { 1.0 } else { -1.0 };
        sign * if j == 0 || j == n { 0.5 } else { 1.0 } / (at - z[j])
    };
    let sum: f64 = (0..=n).map(share).sum();
    weights.extend((1..=n).map(|j| share(j) / sum));
}
