//! Raw SVI (Gatheral 2004): total variance and its derivatives.

use serde::{Deserialize, Serialize};

use crate::{
    math::{Kernel, MultiplyAdd, Target, dispatch},
    surface::smile::Smile,
};

/// w(k) = a + b (ρ(k − m) + √((k − m)² + σ²)), total variance by log-moneyness.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SviForm")]
pub struct Svi {
    /// Level.
    pub a: f64,
    /// Slope of the wings together.
    pub b: f64,
    /// Tilt.
    pub rho: f64,
    /// Shift.
    pub m: f64,
    /// Rounding of the vertex.
    pub sigma: f64,
}

/// A slice as it is read.
#[derive(Deserialize)]
struct SviForm {
    a: f64,
    b: f64,
    rho: f64,
    m: f64,
    sigma: f64,
}

impl TryFrom<SviForm> for Svi {
    type Error = String;

    fn try_from(SviForm { a, b, rho, m, sigma }: SviForm) -> Result<Self, Self::Error> {
        let fields = [
            ("a", a, a.abs() < 1e6, "within a million of 0"),
            ("b", b, (0.0..1e6).contains(&b), "0 to a million"),
            ("rho", rho, rho.abs() <= 1.0, "-1 to 1"),
            ("m", m, m.is_finite(), "a finite number"),
            ("sigma", sigma, sigma >= 0.0 && sigma.is_finite(), "0 and above, finite"),
        ];
        match fields.into_iter().find(|field| !field.2) {
            Some((name, value, _, allowed)) => Err(format!("{name} = {value:?}; allowed: {allowed}")),
            None => Ok(Self { a, b, rho, m, sigma }),
        }
    }
}

impl Svi {
    /// One total variance for all strikes.
    pub fn flat(total_variance: f64) -> Self {
        Self { a: total_variance, b: 0.0, rho: 0.0, m: 0.0, sigma: 1.0 }
    }

    /// Total variance at log-moneyness `k`.
    #[inline(always)]
    pub fn total_variance(&self, k: f64) -> f64 {
        let x = k - self.m;
        self.a + self.b * (self.rho * x + (x * x + self.sigma * self.sigma).sqrt())
    }

    /// Limits of −w′ at k → −∞ and of w′ at k → +∞: b(1 − ρ) and b(1 + ρ). Lee's moment formula bounds each by 2.
    pub fn wing_slopes(&self) -> [f64; 2] {
        [self.b * (1.0 - self.rho), self.b * (1.0 + self.rho)]
    }

    /// The least total variance over all strikes, a + bσ√(1 − ρ²).
    pub fn least_total_variance(&self) -> f64 {
        self.a + self.b * self.sigma * (1.0 - self.rho * self.rho).max(0.0).sqrt()
    }
}

impl Smile for Svi {
    #[inline]
    fn derivatives(&self, k: f64) -> [f64; 3] {
        let x = k - self.m;
        let root = (x * x + self.sigma * self.sigma).sqrt();
        let (slope, bend) =
            if root > 0.0 { (x / root, self.sigma * self.sigma / (root * root * root)) } else { (0.0, 0.0) };
        [self.a + self.b * (self.rho * x + root), self.b * (self.rho + slope), self.b * bend]
    }

    #[inline]
    fn total_variance(&self, k: f64) -> f64 {
        Self::total_variance(self, k)
    }

    fn total_variances_of(smiles: &[Self], which: &[u32], k: &[f64], out: &mut [f64]) {
        let Some(&first) = which.first() else { return };
        if which.iter().all(|it| *it == first) {
            dispatch(Target::best(), OfOne { svi: smiles[first as usize], k, out });
        } else {
            dispatch(Target::best(), OfMany { smiles, which, k, out });
        }
    }
}

/// w of one smile.
struct OfOne<'a> {
    svi: Svi,
    k: &'a [f64],
    out: &'a mut [f64],
}

impl Kernel for OfOne<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        for (out, k) in self.out.iter_mut().zip(self.k) {
            *out = self.svi.total_variance(*k);
        }
    }
}

/// w of a smile that each point names.
struct OfMany<'a> {
    smiles: &'a [Svi],
    which: &'a [u32],
    k: &'a [f64],
    out: &'a mut [f64],
}

impl Kernel for OfMany<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        // The parameters are gathered to columns first, so that the roots are taken side by side.
        const LANES: usize = 8;
        let Self { smiles, which, k, out } = self;
        for ((out, k), which) in out.chunks_mut(LANES).zip(k.chunks(LANES)).zip(which.chunks(LANES)) {
            let [mut a, mut b, mut rho, mut m, mut sigma, mut at] = [[0.0; LANES]; 6];
            for (i, (which, k)) in which.iter().zip(k).enumerate() {
                let svi = &smiles[*which as usize];
                (a[i], b[i], rho[i], m[i], sigma[i], at[i]) = (svi.a, svi.b, svi.rho, svi.m, svi.sigma, *k);
            }
            let mut w = [0.0; LANES];
            for i in 0..LANES {
                let svi = Svi { a: a[i], b: b[i], rho: rho[i], m: m[i], sigma: sigma[i] };
                w[i] = svi.total_variance(at[i]);
            }
            out.copy_from_slice(&w[..out.len()]);
        }
    }
}
