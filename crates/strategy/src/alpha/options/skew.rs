//! How volatility differs between strikes of one expiry.
//!
//! Delta        the forward's, undiscounted: N(d₁) for a call, N(d₁) − 1 for a put, d₁ = −k/√w + √w/2. A 25-delta put is at N(d₁) = 0.75.
//! Risk reversal σ(25-delta call) − σ(25-delta put): below zero where puts are dear.
//! Butterfly    ½(σ(25-delta call) + σ(25-delta put)) − σ(at the money), at the money being K = F.
//! 90/110       σ(K = 0.9 F) − σ(K = 1.1 F)
//! Slope        ∂σ/∂k at K = F
//! Source       the market's conventions as in Wystup (2017), FX Options and Structured Products, 2nd ed., section 1.5, without premium adjustment.

use zomma_pricing::math::{Plain, normal_cdf};

use super::smile::Smile;

/// Skew of one smile. What is beyond the quotes is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Skew {
    /// Volatility at K = F.
    pub atm: Option<f64>,
    /// Volatility of the 25-delta call.
    pub call_25: Option<f64>,
    /// Volatility of the 25-delta put.
    pub put_25: Option<f64>,
    /// Volatility at K = 0.9 F.
    pub moneyness_90: Option<f64>,
    /// Volatility at K = 1.1 F.
    pub moneyness_110: Option<f64>,
    /// ∂(σ²T)/∂k at K = F.
    pub variance_slope: Option<f64>,
}

impl Skew {
    /// σ(25-delta call) − σ(25-delta put).
    pub fn risk_reversal_25(&self) -> Option<f64> {
        Some(self.call_25? - self.put_25?)
    }

    /// ½(σ(25-delta call) + σ(25-delta put)) − σ(at the money).
    pub fn butterfly_25(&self) -> Option<f64> {
        Some(0.5 * (self.call_25? + self.put_25?) - self.atm?)
    }

    /// σ(0.9 F) − σ(1.1 F).
    pub fn skew_90_110(&self) -> Option<f64> {
        Some(self.moneyness_90? - self.moneyness_110?)
    }

    /// ∂σ/∂k at K = F, of a smile of so many years.
    pub fn slope(&self, years: f64) -> Option<f64> {
        Some(self.variance_slope? / (2.0 * self.atm? * years))
    }
}

/// The skew of a smile.
pub fn skew(smile: &Smile) -> Skew {
    let at_delta = |call_delta| delta_log_moneyness(smile, call_delta).and_then(|k| smile.volatility(k));
    Skew {
        atm: smile.volatility(0.0),
        call_25: at_delta(0.25),
        put_25: at_delta(0.75),
        moneyness_90: smile.volatility(0.9_f64.ln()),
        moneyness_110: smile.volatility(1.1_f64.ln()),
        variance_slope: smile.variance_slope(),
    }
}

/// Log-moneyness at which a call has this undiscounted forward delta; `None` where that is beyond the quotes.
///
/// On a smile without arbitrage delta falls as the strike rises (but for far wings), so the quoted range is halved until nothing is left of it.
pub fn delta_log_moneyness(smile: &Smile, call_delta: f64) -> Option<f64> {
    let delta = |k: f64| {
        let deviation = smile.total_variance(k)?.sqrt();
        Some(normal_cdf::<Plain>(-k / deviation + 0.5 * deviation))
    };
    let [mut low, mut high] = smile.quoted();
    let (at_low, at_high) = (delta(low)?, delta(high)?);
    if !(at_high <= call_delta && call_delta <= at_low) {
        return None;
    }
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if delta(middle)? > call_delta { low = middle } else { high = middle }
    }
    Some(0.5 * (low + high))
}

#[cfg(test)]
mod tests {
    use zomma_base::OptionType;
    use zomma_pricing::{
        black::{Model, Row, scalar},
        surface::Svi,
    };

    use super::*;

    fn svi() -> Svi {
        Svi { a: 0.002, b: 0.04, rho: -0.6, m: 0.01, sigma: 0.08 }
    }

    #[test]
    fn a_strike_of_25_delta_has_that_delta_by_the_pricing_formulae() {
        let smile = Smile::from_svi(0.25, svi(), [-0.6, 0.5]).unwrap();
        for (call_delta, option_type, expected) in [(0.25, OptionType::Call, 0.25), (0.75, OptionType::Put, -0.25)] {
            let k = delta_log_moneyness(&smile, call_delta).unwrap();
            let row = Row {
                option_type,
                spot: 100.0,
                strike: 100.0 * k.exp(),
                expiry_years: 0.25,
                risk_free_rate: 0.0,
                dividend_yield: 0.0,
                volatility: smile.volatility(k).unwrap(),
            };
            let delta = scalar::greeks(&row, Model::Bsm).unwrap()[1];
            assert!((delta - expected).abs() < 1e-10, "{delta}");
        }
    }

    #[test]
    fn the_slope_is_the_derivative_of_the_slice() {
        let smile = Smile::from_svi(0.25, svi(), [-0.6, 0.5]).unwrap();
        let found = skew(&smile);
        // By hand: w'(0) = b (ρ + (0 − m)/√(m² + σ²)); σ' = w'/(2 σ T).
        let derivative = 0.04 * (-0.6 - 0.01 / (0.01_f64 * 0.01 + 0.08 * 0.08).sqrt());
        let volatility = (svi().total_variance(0.0) / 0.25).sqrt();
        assert!((found.slope(0.25).unwrap() - derivative / (2.0 * volatility * 0.25)).abs() < 1e-3);
        assert!(found.risk_reversal_25().unwrap() < 0.0 && found.butterfly_25().unwrap() > 0.0);
        assert!(found.skew_90_110().unwrap() > 0.0);
    }

    #[test]
    fn columns_give_what_the_slice_gives_and_nothing_beyond_the_quotes() {
        let (k, volatility): (Vec<f64>, Vec<f64>) = (-60..=50)
            .map(|step| {
                let k = f64::from(step) * 0.01;
                (k, (svi().total_variance(k) / 0.25).sqrt())
            })
            .unzip();
        let exact = skew(&Smile::from_svi(0.25, svi(), [-0.6, 0.5]).unwrap());
        let found = skew(&Smile::from_columns(0.25, &k, &volatility).unwrap());
        for (found, exact) in [
            (found.risk_reversal_25(), exact.risk_reversal_25()),
            (found.butterfly_25(), exact.butterfly_25()),
            (found.skew_90_110(), exact.skew_90_110()),
        ] {
            assert!((found.unwrap() - exact.unwrap()).abs() < 2e-4, "{found:?} {exact:?}");
        }
        let narrow = skew(&Smile::from_columns(0.25, &k[55..62], &volatility[55..62]).unwrap());
        assert!(narrow.atm.is_some() && narrow.risk_reversal_25().is_none() && narrow.skew_90_110().is_none());
        assert!(Smile::from_columns(0.25, &[0.0, f64::NAN], &[0.2, 0.2]).is_none());
        assert!(Smile::from_columns(0.0, &k, &volatility).is_none());
    }

    #[test]
    fn a_flat_smile_has_no_skew() {
        let flat = Smile::from_columns(1.0, &[-1.0, 1.0], &[0.2, 0.2]).unwrap();
        let found = skew(&flat);
        for value in [found.risk_reversal_25(), found.butterfly_25(), found.skew_90_110(), found.slope(1.0)] {
            assert!(value.unwrap().abs() < 1e-12);
        }
    }
}
