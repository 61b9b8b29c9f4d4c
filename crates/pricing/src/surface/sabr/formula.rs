//! Hagan's formulae for forwards and strikes in money.

use serde::{Deserialize, Serialize};

use super::curve::Curve;

/// The SABR model dF = σ F^β dW, dσ = ν σ dZ, dW dZ = ρ dt, σ₀ = α (Hagan, Kumar, Lesniewski and Woodward 2002, "Managing smile risk").
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sabr {
    /// Initial volatility, per square root of a year, in units of F^(1−β); above zero.
    pub alpha: f64,
    /// Exponent of the forward, 0 (normal) to 1 (lognormal).
    pub beta: f64,
    /// Correlation of the forward and its volatility, −1 < ρ < 1.
    pub rho: f64,
    /// Volatility of volatility, per square root of a year; zero or above.
    pub nu: f64,
}

impl Sabr {
    /// The curve of a forward and an expiry; none outside the domain.
    fn curve(&self, forward: f64, expiry_years: f64) -> Option<Curve> {
        let root = expiry_years.sqrt();
        let level = self.alpha * forward.powf(self.beta - 1.0) * root;
        let vol_of_vol = self.nu * root;
        let is_valid = forward > 0.0
            && root > 0.0
            && level > 0.0
            && level.is_finite()
            && (0.0..f64::INFINITY).contains(&vol_of_vol)
            && self.rho.abs() < 1.0
            && (0.0..=1.0).contains(&self.beta);
        is_valid.then(|| Curve::new([level, self.rho, vol_of_vol, self.beta]))
    }

    /// Black volatility of a strike, per square root of a year: Hagan et al. (2002), equation 2.17a, with its exact limit at the money. Under
    /// a `shift` the model is that of F + shift, and the volatility that of the displaced Black formula on forward and strike plus shift.
    ///
    /// An expansion in ν²t: good where that is small; far below the forward the density that it implies turns negative. NaN unless forward
    /// and strike plus shift and the expiry in years are above zero and the parameters in their ranges.
    pub fn lognormal_volatility(&self, forward: f64, strike: f64, expiry_years: f64, shift: f64) -> f64 {
        let (forward, strike) = (forward + shift, strike + shift);
        match self.curve(forward, expiry_years) {
            Some(curve) if strike > 0.0 => curve.lognormal((strike / forward).ln()).0[0] / expiry_years.sqrt(),
            _ => f64::NAN,
        }
    }

    /// Bachelier volatility of a strike, in money per square root of a year: Hagan et al. (2002), equation A.59, with its exact limit at
    /// the money. A `shift` is added to forward and strike. With β = 0 both may have any sign; else as [`Self::lognormal_volatility`].
    pub fn normal_volatility(&self, forward: f64, strike: f64, expiry_years: f64, shift: f64) -> f64 {
        if self.beta == 0.0 {
            // Only the distance from the forward counts: any forward will do.
            let distance = strike - forward;
            let level = 1.0 + distance.abs();
            return match self.curve(level, expiry_years) {
                Some(curve) => level * curve.normal((distance / level).ln_1p()).0[0] / expiry_years.sqrt(),
                None => f64::NAN,
            };
        }
        let (forward, strike) = (forward + shift, strike + shift);
        match self.curve(forward, expiry_years) {
            Some(curve) if strike > 0.0 => forward * curve.normal((strike / forward).ln()).0[0] / expiry_years.sqrt(),
            _ => f64::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (α, β, ρ, ν, forward, strike, expiry_years), lognormal and normal volatility, by golden/sabr.py.
    #[rustfmt::skip]
    const GOLDEN: [([f64; 7], f64, f64); 9] = [
        ([0.3, 1.0, -0.7, 0.9, 4200.0, 3600.0, 0.25], 0.3475043156015416, 1351.505683026962),
        ([0.3, 1.0, -0.7, 0.9, 4200.0, 4200.0, 0.25], 0.2977978125, 1249.5695625),
        ([0.3, 1.0, -0.7, 0.9, 4200.0, 4201.0, 0.25], 0.2977233786240026, 1249.405950669317),
        ([0.05, 0.5, -0.3, 0.4, 0.03, 0.01, 2.0], 0.4891883110190006, 0.008917922493948762),
        ([0.05, 0.5, -0.3, 0.4, 0.03, 0.0300001, 2.0], 0.293334633383492, 0.008739913106971194),
        ([0.05, 0.5, 0.6, 0.4, 0.03, 0.08, 10.0], 0.4005834170651753, 0.02033051464524412),
        ([0.35, 0.25, -0.1, 1.0, 1.0, 0.5, 1.0], 0.63658223684374, 0.4584450925357171),
        ([0.008, 0.0, 0.2, 0.35, 0.02, 0.05, 5.0], 0.3317651304577753, 0.01083024729384049),
        ([2.5, 0.6, -0.95, 3.0, 150.0, 220.0, 0.02], 0.2424277577618291, 44.49913927215662),
    ];

    #[test]
    fn volatilities_are_those_of_sixty_digits() {
        for ([alpha, beta, rho, nu, forward, strike, t], lognormal, normal) in GOLDEN {
            let sabr = Sabr { alpha, beta, rho, nu };
            let (ours, theirs) = (sabr.lognormal_volatility(forward, strike, t, 0.0), lognormal);
            assert!((ours / theirs - 1.0).abs() < 1e-13, "{ours} {theirs}");
            let (ours, theirs) = (sabr.normal_volatility(forward, strike, t, 0.0), normal);
            assert!((ours / theirs - 1.0).abs() < 1e-13, "{ours} {theirs}");
        }
    }

    #[test]
    fn at_beta_one_without_vol_of_vol_every_strike_has_alpha() {
        let sabr = Sabr { alpha: 0.23, beta: 1.0, rho: -0.4, nu: 0.0 };
        for strike in [10.0, 90.0, 100.0, 101.0, 300.0] {
            assert!((sabr.lognormal_volatility(100.0, strike, 2.0, 0.0) - 0.23).abs() < 1e-15);
        }
    }

    #[test]
    fn at_beta_zero_without_vol_of_vol_every_strike_has_alpha_whatever_its_sign() {
        let sabr = Sabr { alpha: 0.011, beta: 0.0, rho: 0.4, nu: 0.0 };
        for (forward, strike) in [(0.01, 0.02), (0.01, -0.02), (-0.003, 0.001), (-0.003, -0.003)] {
            assert!((sabr.normal_volatility(forward, strike, 2.0, 0.0) - 0.011).abs() < 1e-15);
        }
    }

    #[test]
    fn a_shift_moves_forward_and_strike() {
        let sabr = Sabr { alpha: 0.05, beta: 0.5, rho: -0.2, nu: 0.3 };
        let shifted = sabr.lognormal_volatility(-0.005, 0.002, 3.0, 0.03);
        assert!((shifted - sabr.lognormal_volatility(0.025, 0.032, 3.0, 0.0)).abs() < 1e-14 && shifted > 0.0);
        let shifted = sabr.normal_volatility(-0.005, 0.002, 3.0, 0.03);
        assert!((shifted - sabr.normal_volatility(0.025, 0.032, 3.0, 0.0)).abs() < 1e-14 && shifted > 0.0);
    }

    #[test]
    fn lognormal_and_normal_volatility_are_one_smile_where_variance_is_small() {
        // σ_N = σ_B (F − K)/ln(F/K) (1 − σ_B² t/24 + …): Hagan et al. (2002), equation A.64, to its first order.
        let sabr = Sabr { alpha: 0.2, beta: 0.5, rho: -0.4, nu: 0.5 };
        let t = 1e-3;
        for strike in [0.97_f64, 0.99, 1.01, 1.02] {
            let black = sabr.lognormal_volatility(1.0, strike, t, 0.0);
            let converted = black * (1.0 - strike) / (1.0 / strike).ln() * (1.0 - black * black * t / 24.0);
            let normal = sabr.normal_volatility(1.0, strike, t, 0.0);
            assert!((converted / normal - 1.0).abs() < 1e-6, "{converted} {normal}");
        }
    }

    #[test]
    fn outside_the_domain_there_is_no_value() {
        let sabr = Sabr { alpha: 0.2, beta: 0.5, rho: -0.4, nu: 0.5 };
        let bad = [
            sabr.lognormal_volatility(-1.0, 1.0, 1.0, 0.0),
            sabr.lognormal_volatility(1.0, -1.0, 1.0, 0.0),
            sabr.lognormal_volatility(1.0, 1.0, 0.0, 0.0),
            sabr.normal_volatility(1.0, 0.0, 1.0, 0.0),
            Sabr { rho: 1.0, ..sabr }.lognormal_volatility(1.0, 1.0, 1.0, 0.0),
            Sabr { alpha: 0.0, ..sabr }.lognormal_volatility(1.0, 1.0, 1.0, 0.0),
            Sabr { beta: 1.1, ..sabr }.normal_volatility(1.0, 1.0, 1.0, 0.0),
            Sabr { nu: f64::NAN, ..sabr }.normal_volatility(1.0, 1.0, 1.0, 0.0),
        ];
        assert!(bad.iter().all(|value| value.is_nan()), "{bad:?}");
    }
}
