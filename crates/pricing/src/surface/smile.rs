//! What every smile and every surface answers, whatever model it came from.

use super::many;
use crate::math::{Plain, normal_cdf, normal_pdf};

/// Total variance w = σ²t by log-moneyness k = ln(strike/forward), at one expiry.
pub trait Smile: Send + Sync {
    /// w(k), w′(k) and w″(k), analytic.
    fn derivatives(&self, k: f64) -> [f64; 3];

    /// w(k).
    fn total_variance(&self, k: f64) -> f64 {
        self.derivatives(k)[0]
    }

    /// w of `smiles[which[i]]` at `k[i]`, for every i of `out`; the columns are of one length.
    ///
    /// # Panics
    /// Where `which` names a smile that there is not.
    fn total_variances_of(smiles: &[Self], which: &[u32], k: &[f64], out: &mut [f64])
    where
        Self: Sized,
    {
        for ((out, which), k) in out.iter_mut().zip(which).zip(k) {
            *out = smiles[*which as usize].total_variance(*k);
        }
    }

    /// Durrleman's g(k), see [`durrleman_g`].
    fn durrleman_g(&self, k: f64) -> f64 {
        durrleman_g(k, self.derivatives(k))
    }

    /// Risk-neutral density of ln(S_T/F) at `k`; zero where w ≤ 0.
    fn density(&self, k: f64) -> f64 {
        density(k, self.derivatives(k))
    }

    /// Risk-neutral probability that ln(S_T/F) ends below `k`.
    fn probability_below(&self, k: f64) -> f64 {
        probability_below(k, self.derivatives(k))
    }
}

impl<S: Smile + ?Sized> Smile for &S {
    fn derivatives(&self, k: f64) -> [f64; 3] {
        (**self).derivatives(k)
    }

    fn total_variance(&self, k: f64) -> f64 {
        (**self).total_variance(k)
    }
}

/// Total variance w(k, t) at one point with its partial derivatives by log-moneyness k and by expiry t in years, at constant k.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Variance {
    /// w = σ²t.
    pub total: f64,
    /// ∂w/∂k.
    pub by_k: f64,
    /// ∂²w/∂k².
    pub by_kk: f64,
    /// ∂w/∂t.
    pub by_t: f64,
    /// ∂²w/∂k∂t.
    pub by_kt: f64,
    /// ∂²w/∂t².
    pub by_tt: f64,
}

impl Variance {
    /// No value: every part NaN.
    pub const NONE: Self =
        Self { total: f64::NAN, by_k: f64::NAN, by_kk: f64::NAN, by_t: f64::NAN, by_kt: f64::NAN, by_tt: f64::NAN };

    /// w, ∂w/∂k, ∂²w/∂k²: the smile at this expiry.
    pub fn smile(&self) -> [f64; 3] {
        [self.total, self.by_k, self.by_kk]
    }

    /// Dupire's local volatility √(∂w/∂t / g) at `k`, where this is the variance (Gatheral 2006, equation 1.10); NaN where either is negative
    /// or g is zero: there the surface has arbitrage.
    pub fn local_vol(&self, k: f64) -> f64 {
        let square = self.by_t / durrleman_g(k, self.smile());
        if self.by_t >= 0.0 && square.is_finite() { square.sqrt() } else { f64::NAN }
    }
}

/// A volatility surface: w(k, t) for t > 0, with all that follows from it.
pub trait VolatilitySurface: Send + Sync {
    /// w and its derivatives at `k` and `expiry_years`, analytic. [`Variance::NONE`] where the surface has no value: t ≤ 0, or k or t not
    /// finite.
    fn variance(&self, k: f64, expiry_years: f64) -> Variance;

    /// w alone.
    fn total_variance(&self, k: f64, expiry_years: f64) -> f64 {
        self.variance(k, expiry_years).total
    }

    /// Black volatility √(w/t), per square root of a year.
    fn implied_vol(&self, k: f64, expiry_years: f64) -> f64 {
        (self.total_variance(k, expiry_years) / expiry_years).sqrt()
    }

    /// [`Self::variance`] at each `k[i]` and `expiry_years[i]`, to `out[i]`; the columns are of one length.
    fn variances(&self, k: &[f64], expiry_years: &[f64], out: &mut [Variance]) {
        for ((out, k), t) in out.iter_mut().zip(k).zip(expiry_years) {
            *out = self.variance(*k, *t);
        }
    }

    /// [`Self::total_variance`] at each `k[i]` and `expiry_years[i]`, to `out[i]`; the columns are of one length. Slices of SVI and SABR and the
    /// surfaces of SSVI take many points side by side, with the vectors of the machine.
    fn total_variances(&self, k: &[f64], expiry_years: &[f64], out: &mut [f64]) {
        for ((out, k), t) in out.iter_mut().zip(k).zip(expiry_years) {
            *out = self.total_variance(*k, *t);
        }
    }

    /// [`Self::implied_vol`] at each `k[i]` and `expiry_years[i]`, to `out[i]`, as [`Self::total_variances`].
    fn implied_vols(&self, k: &[f64], expiry_years: &[f64], out: &mut [f64]) {
        self.total_variances(k, expiry_years, out);
        many::to_volatilities(expiry_years, out);
    }

    /// Risk-neutral density of ln(S_t/F_t) at `k`.
    fn density(&self, k: f64, expiry_years: f64) -> f64 {
        density(k, self.variance(k, expiry_years).smile())
    }

    /// Dupire's local volatility at the level k = ln(S/F_t), see [`Variance::local_vol`].
    fn local_vol(&self, k: f64, expiry_years: f64) -> f64 {
        self.variance(k, expiry_years).local_vol(k)
    }
}

/// Durrleman's g(k) = (1 − k w′/2w)² − w′²/4 (1/w + 1/4) + w″/2 of `[w, w′, w″]`. The density is its product with a positive factor, so
/// a smile is free of butterfly arbitrage where g ≥ 0 and w is bounded by its wings (Gatheral and Jacquier 2014, lemma 2.2). −∞ where
/// w ≤ 0.
#[inline]
pub fn durrleman_g(k: f64, [w, slope, bend]: [f64; 3]) -> f64 {
    if w <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let lead = 1.0 - 0.5 * k * slope / w;
    lead * lead - 0.25 * slope * slope * (1.0 / w + 0.25) + 0.5 * bend
}

/// Risk-neutral density of ln(S_T/F) at `k` of `[w, w′, w″]`: g(k)/√(2πw) exp(−d₂²/2). Zero where w ≤ 0.
pub fn density(k: f64, smile: [f64; 3]) -> f64 {
    let w = smile[0];
    if w <= 0.0 {
        return 0.0;
    }
    let deviation = w.sqrt();
    let d2 = -k / deviation - 0.5 * deviation;
    durrleman_g(k, smile) * normal_pdf::<Plain>(d2) / deviation
}

/// Risk-neutral probability that ln(S_T/F) ends below `k` of `[w, w′, w″]`: ∂P/∂K of the undiscounted put, N(−d₂) + n(d₂) w′/(2√w).
pub fn probability_below(k: f64, [w, slope, _]: [f64; 3]) -> f64 {
    if w <= 0.0 {
        return if k > 0.0 { 1.0 } else { 0.0 };
    }
    let deviation = w.sqrt();
    let d2 = -k / deviation - 0.5 * deviation;
    (normal_cdf::<Plain>(-d2) + normal_pdf::<Plain>(d2) * slope / (2.0 * deviation)).clamp(0.0, 1.0)
}
