//! A smile of Hagan's lognormal expansion.

use serde::{Deserialize, Serialize};

use super::{curve::Curve, family::Family, formula::Sabr, jet::Jet, lanes, misses::QuoteColumns};
use crate::surface::{calibration::Normal, check::lowest, smile::Smile};

/// One expiry's smile under Hagan's lognormal expansion ([`Sabr::lognormal_volatility`]) for a forward of 1: α is in units of F^(1−β), so
/// that at β = 1 it is a volatility whatever the forward.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "SabrParameters", into = "SabrParameters")]
pub struct SabrSmile {
    parameters: SabrParameters,
    curve: Curve,
}

/// What a SABR smile of any kind is saved as.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SabrForm")]
pub struct SabrParameters {
    /// Years to expiry.
    pub expiry_years: f64,
    /// The model, for a forward of 1.
    #[serde(flatten)]
    pub sabr: Sabr,
}

/// Parameters as they are read.
#[derive(Deserialize)]
struct SabrForm {
    expiry_years: f64,
    #[serde(flatten)]
    sabr: Sabr,
}

impl TryFrom<SabrForm> for SabrParameters {
    type Error = String;

    fn try_from(SabrForm { expiry_years, sabr }: SabrForm) -> Result<Self, Self::Error> {
        Self::checked(expiry_years, sabr)
    }
}

impl SabrParameters {
    /// Parameters in their ranges.
    pub(super) fn checked(expiry_years: f64, sabr: Sabr) -> Result<Self, String> {
        let Sabr { alpha, beta, rho, nu, .. } = sabr;
        let is_positive = |number: f64| number > 0.0 && number.is_finite();
        let fields = [
            ("expiry_years", expiry_years, is_positive(expiry_years), "above 0"),
            ("alpha", alpha, is_positive(alpha), "above 0"),
            ("beta", beta, (0.0..=1.0).contains(&beta), "0 to 1"),
            ("rho", rho, rho.abs() <= 1.0, "-1 to 1"),
            ("nu", nu, nu >= 0.0 && nu.is_finite(), "0 and above, finite"),
        ];
        match fields.into_iter().find(|field| !field.2) {
            Some((name, value, _, allowed)) => Err(format!("{name} = {value:?}; allowed: {allowed}")),
            None => Ok(Self { expiry_years, sabr }),
        }
    }

    /// α√t, ρ, ν√t and β.
    pub(super) fn without_time(&self) -> [f64; 4] {
        let root = self.expiry_years.sqrt();
        [self.sabr.alpha * root, self.sabr.rho, self.sabr.nu * root, self.sabr.beta]
    }

    pub(super) fn with_time([level, rho, vol_of_vol, beta]: [f64; 4], expiry_years: f64) -> Self {
        let root = expiry_years.sqrt();
        Self { expiry_years, sabr: Sabr { alpha: level / root, beta, rho, nu: vol_of_vol / root } }
    }
}

impl SabrSmile {
    /// The smile of parameters.
    pub fn new(parameters: SabrParameters) -> Self {
        Self { parameters, curve: Curve::new(parameters.without_time()) }
    }

    /// Where between two log-moneynesses the density of ln(S_T/F) that the expansion implies is least, and how large it is there: below zero
    /// the smile has butterfly arbitrage. Looked for on a dense grid and at the local minima between its points.
    pub fn least_density(&self, [low, high]: [f64; 2]) -> LeastDensity {
        const POINTS: usize = 801;
        let grid: Vec<f64> = (0..POINTS).map(|i| low + (high - low) * i as f64 / (POINTS - 1) as f64).collect();
        let mut least = LeastDensity { log_moneyness: low, density: f64::INFINITY };
        lowest(
            &grid,
            |k| self.density(k),
            |log_moneyness, density| {
                if density < least.density {
                    least = LeastDensity { log_moneyness, density };
                }
            },
        );
        least
    }
}

/// The least density of a smile over a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeastDensity {
    /// ln(strike/forward) where it is.
    pub log_moneyness: f64,
    /// The density of ln(S_T/F) there.
    pub density: f64,
}

impl From<SabrParameters> for SabrSmile {
    fn from(parameters: SabrParameters) -> Self {
        Self::new(parameters)
    }
}

impl From<SabrSmile> for SabrParameters {
    fn from(smile: SabrSmile) -> Self {
        smile.parameters
    }
}

impl Smile for SabrSmile {
    fn derivatives(&self, k: f64) -> [f64; 3] {
        square(self.curve.lognormal(k))
    }

    fn total_variance(&self, k: f64) -> f64 {
        let deviation = self.curve.lognormal_deviation(k);
        deviation * deviation
    }

    fn total_variances_of(smiles: &[Self], which: &[u32], k: &[f64], out: &mut [f64]) {
        let mut from = 0;
        for run in which.chunk_by(|one, other| one == other) {
            let range = from..from + run.len();
            from = range.end;
            lanes::lognormal_total_variances(&smiles[run[0] as usize].curve, &k[range.clone()], &mut out[range]);
        }
    }
}

/// The total variance of a total deviation; NaN where that is not above zero.
pub(super) fn square(deviation: Jet) -> [f64; 3] {
    if deviation.0[0] > 0.0 { (deviation * deviation).0 } else { [f64::NAN; 3] }
}

impl Family for SabrSmile {
    fn of(parameters: SabrParameters, _shift: f64) -> Self {
        Self::new(parameters)
    }

    fn parameters(&self) -> SabrParameters {
        self.parameters
    }

    fn evaluate<const N: usize>(
        x: [f64; 4],
        _shift: f64,
        k: impl Iterator<Item = f64>,
        out: &mut Vec<(f64, [f64; N])>,
    ) -> bool {
        out.clear();
        lanes::lognormal(&Curve::new(x), k, out);
        out.iter().all(|(deviation, _)| *deviation > 0.0 && *deviation < f64::INFINITY)
    }

    fn add_misses<const N: usize>(x: [f64; 4], quotes: &QuoteColumns, normal: &mut Normal<N>) -> Option<bool> {
        Some(quotes.add(&Curve::new(x), normal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smile(alpha: f64, beta: f64, rho: f64, nu: f64, expiry_years: f64) -> SabrSmile {
        SabrSmile::new(SabrParameters { expiry_years, sabr: Sabr { alpha, beta, rho, nu } })
    }

    #[test]
    fn the_published_negative_density_is_found_below_the_forward() {
        // Hagan et al. (2014), figure 1: α = 0.35, β = 0.25, ρ = −0.1, ν = 1, t = 1 turns negative at strikes far below the forward.
        let smile = smile(0.35, 0.25, -0.1, 1.0, 1.0);
        let least = smile.least_density([-4.0, 1.0]);
        assert!(least.density < -1e-3 && least.log_moneyness < -1.0, "{least:?}");
        // By second differences of Black's put price over the strike.
        let put = |strike: f64| {
            let k = strike.ln();
            let theta = smile.total_variance(k).sqrt();
            let d2 = -k / theta - 0.5 * theta;
            use crate::math::{Plain, normal_cdf};
            strike * normal_cdf::<Plain>(-d2) - normal_cdf::<Plain>(-d2 - theta)
        };
        let strike = least.log_moneyness.exp();
        let h = 1e-3 * strike;
        let density = strike * (put(strike + h) - 2.0 * put(strike) + put(strike - h)) / (h * h);
        assert!((density / least.density - 1.0).abs() < 1e-3, "{density} {least:?}");
    }

    #[test]
    fn a_smile_without_arbitrage_has_no_negative_density() {
        let least = smile(0.2, 1.0, -0.6, 0.8, 0.5).least_density([-0.6, 0.4]);
        assert!(least.density > 0.0, "{least:?}");
    }

    #[test]
    fn derivatives_agree_with_differences() {
        for smile in [smile(0.2, 1.0, -0.7, 1.5, 0.5), smile(0.25, 0.4, -0.2, 0.6, 2.0)] {
            for k in [-0.6, -0.1, 0.0, 0.02, 0.4] {
                let h = 1e-5;
                let [up, at, down] = [k + h, k, k - h].map(|k| smile.derivatives(k));
                assert!((at[0] / smile.total_variance(k) - 1.0).abs() < 1e-13);
                for i in 0..2 {
                    let numeric = (up[i] - down[i]) / (2.0 * h);
                    assert!((at[i + 1] - numeric).abs() < 1e-6 * (1.0 + numeric.abs()), "{at:?} {numeric} at {k}");
                }
            }
        }
    }

    #[test]
    fn what_is_saved_is_the_parameters() {
        let smile = smile(0.2, 1.0, -0.7, 1.5, 0.5);
        let json = serde_json::to_string(&smile).expect("numbers");
        assert_eq!(json, r#"{"expiry_years":0.5,"alpha":0.2,"beta":1.0,"rho":-0.7,"nu":1.5}"#);
        assert_eq!(serde_json::from_str::<SabrSmile>(&json).expect("what was written"), smile);
    }
}
