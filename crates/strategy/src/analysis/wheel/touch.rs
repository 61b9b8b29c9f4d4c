//! Probability that the price touches a level before expiry.
//!
//! Formula    with b = ln(K/S), ν = μ − σ²/2, s = σ√T: for K below the spot N((b − νT)/s) + e^{2νb/σ²} N((b + νT)/s), for K above it
//!            the same with the signs of b and ν turned
//! Source     Harrison, Brownian Motion and Stochastic Flow Systems (1985), §1.8
//! Assumes    one lognormal diffusion at the surface's volatility of the strike and at the drift of the forward, watched all the time

use zomma_pricing::math::{Plain, normal_cdf};

/// A lognormal diffusion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Diffusion {
    /// Price now.
    pub spot: f64,
    /// Per square root of a year.
    pub volatility: f64,
    /// Growth rate of the forward.
    pub drift: f64,
    /// Years.
    pub years: f64,
}

impl Diffusion {
    /// P(the path meets `level` by the end).
    pub fn probability_of_touch(&self, level: f64) -> f64 {
        let deviation = self.volatility * self.years.sqrt();
        let log_drift = self.drift - 0.5 * self.volatility * self.volatility;
        // Turned so that the level lies below.
        let side = if level <= self.spot { 1.0 } else { -1.0 };
        let distance = side * (level / self.spot).ln();
        let shift = side * log_drift * self.years;
        if distance >= 0.0 {
            return 1.0;
        }
        if deviation.is_nan() || deviation <= 0.0 {
            return if shift <= distance { 1.0 } else { 0.0 };
        }
        let direct = normal_cdf::<Plain>((distance - shift) / deviation);
        let exponent = 2.0 * shift * distance / (deviation * deviation);
        let reflected = normal_cdf::<Plain>((distance + shift) / deviation);
        // A large exponent meets a vanishing tail; their product is a probability.
        let reflected = if reflected > 0.0 { (exponent + reflected.ln()).exp() } else { 0.0 };
        (direct + reflected).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diffusion(drift: f64) -> Diffusion {
        Diffusion { spot: 100.0, volatility: 0.2, drift, years: 0.25 }
    }

    #[test]
    fn without_log_drift_the_reflection_principle_doubles_the_tail() {
        let walk = diffusion(0.02);
        for level in [70.0, 90.0, 99.0, 101.0, 120.0] {
            let tail = normal_cdf::<Plain>(-(level / 100.0f64).ln().abs() / 0.1);
            assert!((walk.probability_of_touch(level) - 2.0 * tail).abs() < 1e-14, "{level}");
        }
    }

    #[test]
    fn drift_towards_a_level_makes_a_touch_likelier() {
        for level in [80.0, 90.0] {
            let [down, up] = [-0.3, 0.3].map(|drift| diffusion(drift).probability_of_touch(level));
            assert!(down > up);
        }
        assert_eq!(diffusion(0.0).probability_of_touch(100.0), 1.0);
    }

    #[test]
    fn a_touch_is_at_least_as_likely_as_ending_beyond() {
        for drift in [-2.0, -0.1, 0.0, 0.1, 2.0] {
            for level in [20.0, 60.0, 95.0] {
                let walk = diffusion(drift);
                let z = ((level / 100.0f64).ln() - (drift - 0.02) * 0.25) / 0.1;
                assert!(walk.probability_of_touch(level) >= normal_cdf::<Plain>(z));
            }
        }
    }

    #[test]
    fn without_volatility_only_the_drift_touches() {
        let still = Diffusion { volatility: 0.0, ..diffusion(-0.2) };
        assert_eq!(still.probability_of_touch(96.0), 1.0);
        assert_eq!(still.probability_of_touch(90.0), 0.0);
    }
}
