//! Features: what the network is shown, made inside the model of a row's inputs, and their derivatives.
//!
//! Formulae  k = ln m; s the deviation of ln S over the option's life: σ√T, under Heston the root of the expected total variance
//!           θT + (v₀ − θ)(1 − e^(−κT))/κ; x = k/s; standardised moneyness x/√(1 + (x/5)²), which deep wings do not stretch
//!           Of implied volatilities, with β = price, the out-of-the-money option over √(FK), and D = √(2πβ² + k²): D is the deviation
//!           at the money (β = s/√(2π) to first order) and grows as s does away from it, so that s/D is smooth, between 0 and 2, and
//!           a function of asinh(|k|/(√(2π)β)) and ln D. In the place of s stands D/√T, the scale of the volatility. The mirror
//!           symmetry β(k, s) = β(−k, s), which is put-call parity at one strike, is exact
//!           Of American options m is S/K and k its logarithm; those of rate and yield are in `carry`
//! Scaling   each feature less its mean, over its deviation, both over the training domain; kept with the network

use serde::{Deserialize, Serialize};

use super::TableColumns;
use super::carry;
use super::variance_moments::VarianceMoments;
use crate::config::PricingModel;

/// Most inputs of a pricing model.
pub const MOST_INPUTS: usize = 8;
/// Most features of a network.
pub const MOST_FEATURES: usize = 12;

/// Where the standardised moneyness bends.
pub(crate) const BEND: f64 = 5.0;

/// One thing that the network is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// ln(F/K)
    LogMoneyness,
    /// ln(F/K)/s, bent in the wings
    StandardisedMoneyness,
    /// s
    TotalVolatility,
    /// T
    ExpiryYears,
    /// √T
    SqrtExpiryYears,
    /// σ
    Volatility,
    /// Heston's v₀
    V0,
    /// Heston's κ
    Kappa,
    /// Heston's θ
    ThetaV,
    /// Heston's σ
    SigmaV,
    /// Heston's ρ
    RhoV,
    /// κT/(1 + κT)
    MeanReversion,
    /// v₀'s share of s²
    VarianceShare,
    /// asinh ν of Heston's integrated variance
    VarianceDeviation,
    /// λ/√(1 + ν²) of Heston's integrated variance
    VarianceSkewness,
    /// asinh(|k|/(√(2π)·price)), for implied volatilities
    MoneynessOverPrice,
    /// ln √(2π·price² + k²), for implied volatilities
    LogPriceScale,
    /// ln(S/K) + (r − q)T over s, bent in the wings, for American options
    StandardisedForward,
    /// rT, for American options
    TotalRate,
    /// qT, for American options
    TotalYield,
    /// r/(r + σ²), for American options
    RateShare,
    /// q/(q + σ²), for American options
    YieldShare,
    /// r, for American options
    RiskFreeRate,
    /// q, for American options
    DividendYield,
}

impl FeatureKind {
    /// The name in a config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LogMoneyness => "log_moneyness",
            Self::StandardisedMoneyness => "standardised_moneyness",
            Self::TotalVolatility => "total_volatility",
            Self::ExpiryYears => "expiry_years",
            Self::SqrtExpiryYears => "sqrt_expiry_years",
            Self::Volatility => "volatility",
            Self::V0 => "v0",
            Self::Kappa => "kappa",
            Self::ThetaV => "theta_v",
            Self::SigmaV => "sigma_v",
            Self::RhoV => "rho_v",
            Self::MeanReversion => "mean_reversion",
            Self::VarianceShare => "variance_share",
            Self::VarianceDeviation => "variance_deviation",
            Self::VarianceSkewness => "variance_skewness",
            Self::MoneynessOverPrice => "moneyness_over_price",
            Self::LogPriceScale => "log_price_scale",
            Self::StandardisedForward => "standardised_forward",
            Self::TotalRate => "total_rate",
            Self::TotalYield => "total_yield",
            Self::RateShare => "rate_share",
            Self::YieldShare => "yield_share",
            Self::RiskFreeRate => "risk_free_rate",
            Self::DividendYield => "dividend_yield",
        }
    }

    /// The model's parameter that it is or is made of, where there is one: only models that have it can show it.
    pub fn input(self) -> Option<&'static str> {
        match self {
            Self::Volatility | Self::V0 | Self::Kappa | Self::ThetaV | Self::SigmaV | Self::RhoV => Some(self.as_str()),
            Self::RiskFreeRate | Self::DividendYield => Some(self.as_str()),
            carried if carried.is_carried() => Some("dividend_yield"),
            Self::MeanReversion | Self::VarianceShare | Self::VarianceDeviation | Self::VarianceSkewness => {
                Some("kappa")
            }
            Self::MoneynessOverPrice | Self::LogPriceScale => Some("price"),
            _ => None,
        }
    }

    /// Whether it is made of rate and yield.
    pub(crate) fn is_carried(self) -> bool {
        use FeatureKind::{RateShare, StandardisedForward, TotalRate, TotalYield, YieldShare};
        matches!(self, StandardisedForward | TotalRate | TotalYield | RateShare | YieldShare)
    }

    /// Whether it is made of the deviation s, which an implied-volatility network is not given.
    pub fn wants_volatility(self) -> bool {
        matches!(self, Self::StandardisedMoneyness | Self::TotalVolatility)
    }
}

/// The features of a network, with their scaling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// Whose inputs they are made of.
    pub model: PricingModel,
    /// What is shown, in order.
    pub kinds: Vec<FeatureKind>,
    /// What is taken off each.
    pub mean: Vec<f64>,
    /// What each is divided by; above 0.
    pub deviation: Vec<f64>,
    /// The columns of a table, in the place of all of the above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<TableColumns>,
}

/// A row's features and how they move with its inputs.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// The scaled features.
    pub values: [f64; MOST_FEATURES],
    /// ∂feature/∂input, by feature.
    pub jacobian: [[f64; MOST_INPUTS]; MOST_FEATURES],
    /// ∂²feature/∂m², by feature.
    pub curvature: [f64; MOST_FEATURES],
    /// s
    pub total_volatility: f64,
    /// ∂s/∂input; 0 for the moneyness but of implied volatilities.
    pub total_volatility_by: [f64; MOST_INPUTS],
    /// ∂²s/∂m²
    pub total_volatility_curvature: f64,
}

impl Features {
    /// Unscaled features.
    pub fn unscaled(model: PricingModel, kinds: Vec<FeatureKind>) -> Self {
        let count = kinds.len();
        Self { model, kinds, mean: vec![0.0; count], deviation: vec![1.0; count], table: None }
    }

    /// The columns of a table with their scales.
    pub fn of_table(columns: TableColumns) -> Self {
        Self { table: Some(columns), ..Self::unscaled(PricingModel::Table, Vec::new()) }
    }

    /// How many inputs a row has.
    #[inline]
    pub fn inputs(&self) -> usize {
        self.table.as_ref().map_or(self.model.input_names().len(), |table| table.inputs.len())
    }

    /// How many numbers the network is shown.
    #[inline]
    pub fn count(&self) -> usize {
        self.table.as_ref().map_or(self.kinds.len(), |table| table.inputs.len())
    }

    /// The names of the inputs, in their order.
    pub fn input_names(&self) -> Vec<&str> {
        match &self.table {
            Some(table) => table.inputs.iter().map(|column| column.name.as_str()).collect(),
            None => self.model.input_names().to_vec(),
        }
    }

    /// Fits the scaling to rows of inputs, one after the other.
    pub fn fit(mut self, rows: &[f64]) -> Self {
        let inputs = self.model.input_names().len();
        let count = (rows.len() / inputs).max(1) as f64;
        self.mean.fill(0.0);
        self.deviation.fill(1.0);
        let (mut sum, mut squares) = (vec![0.0; self.kinds.len()], vec![0.0; self.kinds.len()]);
        for row in rows.chunks_exact(inputs) {
            let shown = self.shown(row);
            for (i, value) in shown.values.iter().take(self.kinds.len()).enumerate() {
                sum[i] += value;
                squares[i] += value * value;
            }
        }
        for i in 0..self.kinds.len() {
            let mean = sum[i] / count;
            let variance = squares[i] / count - mean * mean;
            self.mean[i] = mean;
            // A feature that does not move is shown as 0.
            self.deviation[i] = if variance > 1e-24 { variance.sqrt() } else { 1.0 };
        }
        self
    }

    /// s and its derivatives by the inputs.
    pub fn total_volatility(&self, row: &[f64]) -> (f64, [f64; MOST_INPUTS]) {
        let mut by = [0.0; MOST_INPUTS];
        let expiry = row[1];
        match self.model {
            PricingModel::BlackScholes | PricingModel::American => {
                let root = expiry.sqrt();
                by[1] = 0.5 * row[2] / root;
                by[2] = root;
                (row[2] * root, by)
            }
            PricingModel::Heston => {
                let [v0, kappa, theta] = [row[2], row[3], row[4]];
                let left = (-kappa * expiry).exp();
                let a = -(-kappa * expiry).exp_m1() / kappa;
                let s = (theta * expiry + (v0 - theta) * a).sqrt();
                let half = 0.5 / s;
                by[1] = half * (theta + (v0 - theta) * left);
                by[2] = half * a;
                by[3] = half * (v0 - theta) * (expiry * left - a) / kappa;
                by[4] = half * (expiry - a);
                (s, by)
            }
            PricingModel::BlackScholesImpliedVolatility => {
                let PriceScale { k, d, root_two_pi_price: p, .. } = PriceScale::of(row);
                let root = expiry.sqrt();
                let s = d / root;
                by[0] = k / (d * row[0] * root);
                by[1] = -0.5 * s / expiry;
                by[2] = p * p / (row[2] * d * root);
                (s, by)
            }
            PricingModel::Table => (1.0, by),
        }
    }

    /// ν, λ and v₀'s share, where a feature is made of them.
    fn moments(&self, row: &[f64], s: (f64, [f64; MOST_INPUTS])) -> Option<VarianceMoments> {
        self.wants_moments().then(|| VarianceMoments::new(row, s))
    }

    /// Whether a feature is made of Heston's variance moments.
    pub(crate) fn wants_moments(&self) -> bool {
        use FeatureKind::{VarianceDeviation, VarianceShare, VarianceSkewness};
        let wanted = |kind: &FeatureKind| matches!(kind, VarianceShare | VarianceDeviation | VarianceSkewness);
        self.model == PricingModel::Heston && self.kinds.iter().any(wanted)
    }

    /// A row's scaled features alone, and s.
    #[inline]
    pub fn show(&self, row: &[f64], shown: &mut [f32]) -> f64 {
        let (s, moments) = match self.model {
            PricingModel::BlackScholes | PricingModel::American => (row[2] * row[1].sqrt(), None),
            PricingModel::Heston => {
                let s = self.total_volatility(row);
                (s.0, self.moments(row, s))
            }
            PricingModel::BlackScholesImpliedVolatility => (PriceScale::of(row).d / row[1].sqrt(), None),
            PricingModel::Table => {
                let columns = self.table.iter().flat_map(|table| &table.inputs);
                columns.zip(row).zip(shown).for_each(|((column, x), shown)| *shown = column.show(*x) as f32);
                return 1.0;
            }
        };
        for ((kind, shown), (mean, deviation)) in
            self.kinds.iter().zip(shown).zip(self.mean.iter().zip(&self.deviation))
        {
            let value = match kind {
                FeatureKind::LogMoneyness => row[0].ln(),
                FeatureKind::StandardisedMoneyness => {
                    let x = row[0].ln() / s;
                    x / (1.0 + (x / BEND).powi(2)).sqrt()
                }
                FeatureKind::TotalVolatility => s,
                FeatureKind::ExpiryYears => row[1],
                FeatureKind::SqrtExpiryYears => row[1].sqrt(),
                FeatureKind::Volatility | FeatureKind::V0 => row[2],
                FeatureKind::Kappa | FeatureKind::ThetaV | FeatureKind::SigmaV | FeatureKind::RhoV => {
                    row[*kind as usize - FeatureKind::V0 as usize + 2]
                }
                FeatureKind::MeanReversion => mean_reversion(row).0,
                // Without moments there is no Heston: a checked config has none of the three then.
                FeatureKind::VarianceShare => moments.map_or(0.0, |moments| moments.share.0),
                FeatureKind::VarianceDeviation => moments.map_or(0.0, |moments| moments.deviation.0.asinh()),
                FeatureKind::VarianceSkewness => {
                    moments.map_or(0.0, |moments| moments.skewness.0 / moments.deviation.0.hypot(1.0))
                }
                FeatureKind::MoneynessOverPrice => PriceScale::of(row).moneyness_over_price(),
                FeatureKind::LogPriceScale => PriceScale::of(row).d.ln(),
                FeatureKind::RiskFreeRate => row[3],
                FeatureKind::DividendYield => row[4],
                carried => carry::value(*carried, row, s),
            };
            *shown = ((value - mean) / deviation) as f32;
        }
        s
    }

    /// A row's features. The row has the model's inputs in their order, within their limits.
    ///
    /// # Panics
    /// Of a table, whose columns have no derivatives: see [`Self::show`].
    #[inline]
    pub fn shown(&self, row: &[f64]) -> Shown {
        assert!(self.table.is_none(), "columns of a table have no derivatives");
        let inputs = self.model.input_names().len();
        let (s, s_by) = self.total_volatility(row);
        let (m, expiry) = (row[0], row[1]);
        let k = m.ln();
        let moments = self.moments(row, (s, s_by));
        let mut shown = Shown {
            values: [0.0; MOST_FEATURES],
            jacobian: [[0.0; MOST_INPUTS]; MOST_FEATURES],
            curvature: [0.0; MOST_FEATURES],
            total_volatility: s,
            total_volatility_by: s_by,
            total_volatility_curvature: match self.model {
                PricingModel::BlackScholesImpliedVolatility => PriceScale::of(row).curvature(m) / expiry.sqrt(),
                PricingModel::BlackScholes | PricingModel::Heston | PricingModel::American | PricingModel::Table => 0.0,
            },
        };
        for (i, kind) in self.kinds.iter().enumerate() {
            let by = &mut shown.jacobian[i];
            let value = match kind {
                FeatureKind::LogMoneyness => {
                    by[0] = 1.0 / m;
                    shown.curvature[i] = -1.0 / (m * m);
                    k
                }
                FeatureKind::StandardisedMoneyness => {
                    let x = k / s;
                    let bent = 1.0 + (x / BEND).powi(2);
                    let slope = 1.0 / (bent * bent.sqrt());
                    let (by_k, by_s) = (slope / s, -slope * x / s);
                    for j in 1..inputs {
                        by[j] = by_s * s_by[j];
                    }
                    by[0] = by_k / m;
                    let second = -3.0 * x / (BEND * BEND) * slope / bent;
                    shown.curvature[i] = (second / (s * s) - by_k) / (m * m);
                    x / bent.sqrt()
                }
                FeatureKind::TotalVolatility => {
                    *by = s_by;
                    s
                }
                FeatureKind::ExpiryYears => {
                    by[1] = 1.0;
                    expiry
                }
                FeatureKind::SqrtExpiryYears => {
                    let root = expiry.sqrt();
                    by[1] = 0.5 / root;
                    root
                }
                FeatureKind::Volatility | FeatureKind::V0 => {
                    by[2] = 1.0;
                    row[2]
                }
                FeatureKind::Kappa | FeatureKind::ThetaV | FeatureKind::SigmaV | FeatureKind::RhoV => {
                    let at = *kind as usize - FeatureKind::V0 as usize + 2;
                    by[at] = 1.0;
                    row[at]
                }
                FeatureKind::MeanReversion => {
                    let (value, slope) = mean_reversion(row);
                    (by[1], by[3]) = (slope * row[3], slope * expiry);
                    value
                }
                FeatureKind::VarianceShare => moments.map_or(0.0, |moments| {
                    *by = moments.share.1;
                    moments.share.0
                }),
                FeatureKind::VarianceDeviation => {
                    moments.map_or(0.0, |VarianceMoments { deviation: (nu, nu_by), .. }| {
                        let slope = 1.0 / nu.hypot(1.0);
                        *by = nu_by.map(|by| slope * by);
                        nu.asinh()
                    })
                }
                FeatureKind::VarianceSkewness => moments.map_or(0.0, |moments| {
                    let ((nu, nu_by), (lambda, lambda_by)) = (moments.deviation, moments.skewness);
                    let slope = 1.0 / nu.hypot(1.0);
                    let value = lambda * slope;
                    *by = std::array::from_fn(|j| slope * (lambda_by[j] - value * slope * nu * nu_by[j]));
                    value
                }),
                FeatureKind::MoneynessOverPrice => {
                    let scale = PriceScale::of(row);
                    let PriceScale { k, d, .. } = scale;
                    let side = if k < 0.0 { -1.0 } else { 1.0 };
                    by[0] = side / (d * m);
                    by[2] = -k.abs() / (row[2] * d);
                    shown.curvature[i] = -side / (d * m * m) * (k / (d * d) + 1.0);
                    scale.moneyness_over_price()
                }
                FeatureKind::LogPriceScale => {
                    let PriceScale { k, d, root_two_pi_price: p } = PriceScale::of(row);
                    let slope = k / (d * d);
                    by[0] = slope / m;
                    by[2] = p * p / (row[2] * d * d);
                    shown.curvature[i] = (1.0 / (d * d) - 2.0 * slope * slope - slope) / (m * m);
                    d.ln()
                }
                FeatureKind::RiskFreeRate => {
                    by[3] = 1.0;
                    row[3]
                }
                FeatureKind::DividendYield => {
                    by[4] = 1.0;
                    row[4]
                }
                kind => {
                    let carried = carry::carried(*kind, row, (s, &s_by));
                    *by = carried.by;
                    shown.curvature[i] = carried.curvature;
                    carried.value
                }
            };
            let scale = 1.0 / self.deviation[i];
            shown.values[i] = (value - self.mean[i]) * scale;
            by.iter_mut().take(inputs).for_each(|by| *by *= scale);
            shown.curvature[i] *= scale;
        }
        shown
    }
}

/// What a row of implied volatility is measured in.
struct PriceScale {
    /// ln m
    k: f64,
    /// D
    d: f64,
    /// √(2π)β
    root_two_pi_price: f64,
}

impl PriceScale {
    #[inline]
    fn of(row: &[f64]) -> Self {
        let (k, p) = (row[0].ln(), (2.0 * std::f64::consts::PI).sqrt() * row[2]);
        Self { k, d: (p * p + k * k).sqrt(), root_two_pi_price: p }
    }

    /// asinh(|k|/(√(2π)β)), which is ln((|k| + D)/(√(2π)β)).
    #[inline]
    fn moneyness_over_price(&self) -> f64 {
        (self.k.abs() / self.root_two_pi_price).asinh()
    }

    /// ∂²D/∂m²
    fn curvature(&self, m: f64) -> f64 {
        let Self { k, d, .. } = *self;
        (1.0 - k * k / (d * d) - k) / (d * m * m)
    }
}

/// κT/(1 + κT) of a row of Heston's, and its derivative by κT.
#[inline]
fn mean_reversion(row: &[f64]) -> (f64, f64) {
    let inverse = 1.0 / (1.0 + row[1] * row[3]);
    (row[1] * row[3] * inverse, inverse * inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central differences of every feature by every input, and twice by the moneyness.
    #[test]
    fn derivatives_are_those_of_the_features() {
        let implied = PricingModel::BlackScholesImpliedVolatility;
        let rows: [(PricingModel, &[f64]); 9] = [
            (PricingModel::American, &[1.2, 0.8, 0.25, 0.05, 0.02]),
            (PricingModel::American, &[0.7, 2.5, 0.6, 0.01, 0.08]),
            (implied, &[1.3, 0.7, 0.06]),
            (implied, &[0.9, 0.1, 0.002]),
            (implied, &[1.001, 2.0, 0.2]),
            (PricingModel::BlackScholes, &[1.1, 0.7, 0.3]),
            (PricingModel::BlackScholes, &[0.6, 0.05, 0.15]),
            (PricingModel::Heston, &[0.9, 1.3, 0.04, 1.5, 0.06, 0.5, -0.6]),
            (PricingModel::Heston, &[1.4, 0.1, 0.3, 4.0, 0.01, 0.9, 0.2]),
        ];
        let all = |model: PricingModel| {
            let mut kinds = model.default_features().to_vec();
            kinds.extend([FeatureKind::LogMoneyness, FeatureKind::ExpiryYears]);
            if model.is_american() {
                kinds.extend([FeatureKind::RiskFreeRate, FeatureKind::DividendYield, FeatureKind::Volatility]);
            }
            if model == PricingModel::Heston {
                kinds.extend([FeatureKind::V0, FeatureKind::Kappa, FeatureKind::ThetaV]);
            }
            Features::unscaled(model, kinds)
        };
        for (model, row) in rows {
            let mut features = all(model);
            features.deviation.fill(0.7);
            let at = features.shown(row);
            for j in 0..row.len() {
                let step = 1e-5 * row[j].abs();
                let moved = |by: f64| {
                    let mut row = row.to_vec();
                    row[j] += by;
                    features.shown(&row)
                };
                let (above, below) = (moved(step), moved(-step));
                let mut alone = vec![0.0; features.kinds.len()];
                assert_eq!(features.show(row, &mut alone), at.total_volatility);
                let shown: Vec<f32> = at.values[..alone.len()].iter().map(|x| *x as f32).collect();
                assert!(
                    alone.iter().zip(&shown).all(|(a, b)| (a - b).abs() <= 1e-6 * (1.0 + b.abs())),
                    "{alone:?} {shown:?}"
                );
                if j == 0 {
                    let slope = (above.total_volatility - below.total_volatility) / (2.0 * step);
                    assert!((slope - at.total_volatility_by[0]).abs() < 1e-7 * (1.0 + slope.abs()), "{model:?}");
                    let curvature = (above.total_volatility_by[0] - below.total_volatility_by[0]) / (2.0 * step);
                    let error = (curvature - at.total_volatility_curvature).abs();
                    assert!(error < 1e-6 * (1.0 + curvature.abs()), "{model:?} {error:e}");
                }
                for i in 0..features.kinds.len() {
                    let slope = (above.values[i] - below.values[i]) / (2.0 * step);
                    let error = (slope - at.jacobian[i][j]).abs();
                    assert!(error < 1e-7 * (1.0 + slope.abs()), "{:?} by input {j}: {error:e}", features.kinds[i]);
                    if j == 0 {
                        let curvature = (above.jacobian[i][0] - below.jacobian[i][0]) / (2.0 * step);
                        let error = (curvature - at.curvature[i]).abs();
                        assert!(error < 1e-6 * (1.0 + curvature.abs()), "{:?}: {error:e}", features.kinds[i]);
                    }
                }
            }
        }
    }

    #[test]
    fn scaling_has_mean_0_and_deviation_1_and_a_constant_is_shown_as_0() {
        let kinds = vec![FeatureKind::LogMoneyness, FeatureKind::ExpiryYears];
        let rows = [1.1, 2.0, 0.3, 0.9, 2.0, 0.2, 1.4, 2.0, 0.5];
        let features = Features::unscaled(PricingModel::BlackScholes, kinds).fit(&rows);
        let shown: Vec<_> = rows.chunks(3).map(|row| features.shown(row).values).collect();
        let mean = shown.iter().map(|values| values[0]).sum::<f64>() / 3.0;
        let squares = shown.iter().map(|values| values[0].powi(2)).sum::<f64>() / 3.0;
        assert!(mean.abs() < 1e-12 && (squares - 1.0).abs() < 1e-12);
        assert!(shown.iter().all(|values| values[1] == 0.0));
    }
}
