//! The fast path: Lewis's integral by the trapezoidal rule, whose discretisation error is taken away in closed form.
//!
//! Formula   With x = ln(K/F), k = e^x and Λ of [`super::exponent`], the covered call m(x) = E\[min(e^X, k)\] is
//!           (√k/2π) ∫ e^(Λ(1/2 + iu) − iux)/(u² + 1/4) du (Lewis 2001). The rule with step Δ = 2π/P, infinitely long, gives
//!           Σ m(x + nP) e^(−nP/2) over all n (Poisson). Calls of high strikes and puts of low ones are worth nothing, so that
//!           m(x + nP) = 1 and m(x − nP) = e^(x − nP) for n ≥ 1, and m = √k·rule − (1 + k)/(e^(P/2) − 1).
//! Method    The period P from the moments ([`super::period`]): half of what a cosine series on the support of the density needs, and
//!           an error that is an option's value. Nodes in blocks through the lanes until the tail is under its bound; then every strike
//!           by Horner's rule in e^(−iΔx), also in lanes.
//! Accuracy  tolerance.rs: fourier

use super::complex::{Complex, complex};
use super::elementary::{Elementary, Lanes};
use super::exponent::Exponent;
use crate::math::{Kernel, MultiplyAdd};

/// Nodes of a block.
const BLOCK: usize = 32;
/// Strikes that go through Horner's rule together: three vectors of the widest target, which hides the latency of one.
const STRIKES: usize = 24;
/// The most nodes: about a millisecond.
pub(super) const MOST_NODES: usize = 32_768;

/// Which sums are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// The value alone.
    Price,
    /// Value, slope, density, expiry and the parameters.
    Gradient,
    /// The same and what mixed Greeks need.
    Greeks,
}

/// Places of the sums: weights e^Λ/a times what is said, a = u² + 1/4.
pub(super) mod place {
    /// 1
    pub const VALUE: usize = 0;
    /// −iu
    pub const SLOPE: usize = 1;
    /// a
    pub const DENSITY: usize = 2;
    /// ∂Λ/∂T
    pub const EXPIRY: usize = 3;
    /// ∂Λ/∂p, eight of them
    pub const PARAMETERS: usize = 4;
    /// −iu a
    pub const DENSITY_SLOPE: usize = 12;
    /// −iu ∂Λ/∂T
    pub const EXPIRY_SLOPE: usize = 13;
    /// a ∂Λ/∂T
    pub const EXPIRY_DENSITY: usize = 14;
    /// −iu ∂Λ/∂p of the first parameter
    pub const FIRST_SLOPE: usize = 15;
    /// a ∂Λ/∂p of the first parameter
    pub const FIRST_DENSITY: usize = 16;
    /// How many.
    pub const ALL: usize = 17;
}

/// The sums of one strike, by [`place`]; what a [`Depth`] does not make is 0.
pub(super) type Sums = [f64; place::ALL];

/// The coefficients of a slice, by [`place`].
#[derive(Default)]
pub(super) struct Table {
    re: [Vec<f64>; place::ALL],
    im: [Vec<f64>; place::ALL],
    step: f64,
}

impl Table {
    fn clear(&mut self) {
        self.re.iter_mut().chain(&mut self.im).for_each(Vec::clear);
    }
}

/// Fills a table until the rest of the sum is under `error` (of the sum, without √k).
pub(super) struct Nodes<'a, X, const P: usize> {
    pub exponent: X,
    pub period: f64,
    pub error: f64,
    pub depth: Depth,
    /// More nodes are not made.
    pub most: usize,
    pub table: &'a mut Table,
    /// Whether the bound was met.
    pub met: &'a mut bool,
}

impl<X: Exponent<P>, const P: usize> Nodes<'_, X, P> {
    /// Whether what lies beyond `u` may be left away. Against the value's weight the gradient's grow as u² at most, those of the mixed
    /// Greeks as u⁴.
    fn ends(&self, u: f64) -> bool {
        let size = self.exponent.envelope(0.5, u).exp();
        let rest = match self.depth {
            Depth::Price => size / u,
            Depth::Gradient => size * u * 1e-3,
            Depth::Greeks => size * u * u * u * 1e-3,
        };
        rest <= self.error * std::f64::consts::PI
    }
}

impl<X: Exponent<P>, const P: usize> Kernel for Nodes<'_, X, P> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let step = 2.0 * std::f64::consts::PI / self.period;
        self.table.clear();
        self.table.step = step;
        *self.met = false;
        if !self.ends(step * self.most as f64) {
            return;
        }
        for first in (0..self.most).step_by(BLOCK) {
            match self.depth {
                Depth::Price => values::<M, X, P>(&self.exponent, first, step, self.table),
                Depth::Gradient => gradients::<M, X, P, false>(&self.exponent, first, step, self.table),
                Depth::Greeks => gradients::<M, X, P, true>(&self.exponent, first, step, self.table),
            }
            if self.ends(step * (first + BLOCK) as f64) {
                *self.met = true;
                return;
            }
        }
    }
}

/// The factor of node 0 is a half.
#[inline(always)]
fn first_half(first: usize, block: &mut [f64; BLOCK]) {
    if first == 0 {
        block[0] *= 0.5;
    }
}

#[inline(always)]
fn values<M: MultiplyAdd, X: Exponent<P>, const P: usize>(exponent: &X, first: usize, step: f64, table: &mut Table) {
    let (mut re, mut im) = ([0.0; BLOCK], [0.0; BLOCK]);
    for i in 0..BLOCK {
        let u = step * (first + i) as f64;
        let weight = exponent.value::<Lanes<M>>(complex(0.5, u)).exp::<Lanes<M>>().scale(1.0 / (u * u + 0.25));
        re[i] = weight.re;
        im[i] = weight.im;
    }
    first_half(first, &mut re);
    first_half(first, &mut im);
    table.re[place::VALUE].extend_from_slice(&re);
    table.im[place::VALUE].extend_from_slice(&im);
}

#[inline(always)]
fn gradients<M: MultiplyAdd, X: Exponent<P>, const P: usize, const MIXED: bool>(
    exponent: &X,
    first: usize,
    step: f64,
    table: &mut Table,
) {
    let (mut re, mut im) = ([[0.0; BLOCK]; place::ALL], [[0.0; BLOCK]; place::ALL]);
    for i in 0..BLOCK {
        let u = step * (first + i) as f64;
        let a = u * u + 0.25;
        let gradient = exponent.gradient::<Lanes<M>>(complex(0.5, u));
        let weight = gradient.value.exp::<Lanes<M>>().scale(1.0 / a);
        let mut set = |place: usize, x: Complex| {
            re[place][i] = x.re;
            im[place][i] = x.im;
        };
        let slope = weight.times_i().scale(-u);
        set(place::VALUE, weight);
        set(place::SLOPE, slope);
        set(place::DENSITY, weight.scale(a));
        set(place::EXPIRY, weight * gradient.expiry);
        for p in 0..P {
            set(place::PARAMETERS + p, weight * gradient.parameters[p]);
        }
        if MIXED {
            set(place::DENSITY_SLOPE, slope.scale(a));
            set(place::EXPIRY_SLOPE, slope * gradient.expiry);
            set(place::EXPIRY_DENSITY, (weight * gradient.expiry).scale(a));
            set(place::FIRST_SLOPE, slope * gradient.parameters[0]);
            set(place::FIRST_DENSITY, (weight * gradient.parameters[0]).scale(a));
        }
    }
    let depth = if MIXED { Depth::Greeks } else { Depth::Gradient };
    for place in made(depth, P) {
        first_half(first, &mut re[place]);
        first_half(first, &mut im[place]);
        table.re[place].extend_from_slice(&re[place]);
        table.im[place].extend_from_slice(&im[place]);
    }
}

/// The places that a depth fills for a model of so many parameters.
pub(super) fn made(depth: Depth, parameters: usize) -> impl Iterator<Item = usize> {
    let least = if depth == Depth::Price { 1 } else { place::PARAMETERS + parameters };
    let mixed = if depth == Depth::Greeks { place::DENSITY_SLOPE..place::ALL } else { 0..0 };
    (0..least).chain(mixed)
}

/// Sums a table at log-strikes x: the rule without the factor √k.
pub(super) struct AtStrikes<'a> {
    pub table: &'a Table,
    pub x: &'a [f64],
    pub depth: Depth,
    pub parameters: usize,
    pub sums: &'a mut [Option<Sums>],
}

impl Kernel for AtStrikes<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let step = self.table.step;
        for (xs, sums) in self.x.chunks(STRIKES).zip(self.sums.chunks_mut(STRIKES)) {
            let mut angle = [0.0; STRIKES];
            for (angle, x) in angle.iter_mut().zip(xs) {
                *angle = -step * x;
            }
            let (mut re, mut im) = ([0.0; STRIKES], [0.0; STRIKES]);
            for i in 0..STRIKES {
                (im[i], re[i]) = Lanes::<M>::sin_cos(angle[i]);
            }
            for place in made(self.depth, self.parameters) {
                let sum = horner::<M>(&self.table.re[place], &self.table.im[place], &re, &im);
                for (sums, sum) in sums.iter_mut().zip(sum) {
                    sums.get_or_insert([0.0; place::ALL])[place] = sum * step * std::f64::consts::FRAC_1_PI;
                }
            }
        }
    }
}

/// Re Σ c_k z^k.
#[inline(always)]
fn horner<M: MultiplyAdd>(re: &[f64], im: &[f64], z_re: &[f64; STRIKES], z_im: &[f64; STRIKES]) -> [f64; STRIKES] {
    let (mut sum_re, mut sum_im) = ([0.0; STRIKES], [0.0; STRIKES]);
    for (c_re, c_im) in re.iter().zip(im).rev() {
        for i in 0..STRIKES {
            let (r, j) = (sum_re[i], sum_im[i]);
            sum_re[i] = M::multiply_add(r, z_re[i], M::multiply_add(-j, z_im[i], *c_re));
            sum_im[i] = M::multiply_add(r, z_im[i], M::multiply_add(j, z_re[i], *c_im));
        }
    }
    sum_re
}
