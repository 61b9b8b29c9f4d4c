//! Total variance and its derivatives from a price and its derivatives, by the implicit function theorem on Black's formula.

use zomma_base::OptionType;

use super::grid::Jet;
use crate::{
    implied_vol::{implied_volatility_row, reduced_price},
    math::{Plain, normal_cdf, normal_pdf},
    surface::smile::Variance,
};

/// w at which Black's out-of-the-money value over the forward is `price`; NaN where there is none.
pub(super) fn total_variance(k: f64, price: f64) -> f64 {
    let side = if k < 0.0 { OptionType::Put } else { OptionType::Call };
    implied_volatility_row(side, 1.0, k.exp(), 1.0, 1.0, price).map_or(f64::NAN, |deviation| deviation * deviation)
}

/// ∂(price over forward)/∂w = n(d₁)/(2√w).
pub(super) fn by_variance(k: f64, w: f64) -> f64 {
    let deviation = w.sqrt();
    normal_pdf::<Plain>(-k / deviation + 0.5 * deviation) / (2.0 * deviation)
}

/// w with its derivatives by k at `k` of the out-of-the-money price `price`, given by the moneyness x = exp(k).
pub(super) fn smile(k: f64, price: &Jet) -> [f64; 3] {
    let w = total_variance(k, price.value);
    let (x, deviation) = (k.exp(), w.sqrt());
    let d1 = -k / deviation + 0.5 * deviation;
    let d2 = d1 - deviation;
    let vega = normal_pdf::<Plain>(d1) / (2.0 * deviation);
    // ∂/∂k of Black's price at constant w is x N(−d₂) of a put and −x N(d₂) of a call.
    let by_k = if k < 0.0 { x * normal_cdf::<Plain>(-d2) } else { -x * normal_cdf::<Plain>(d2) };
    let slope = (x * price.slope - by_k) / vega;
    // x² ∂²c/∂x² = g n(d₁)/√w: Durrleman's g is known before the curvature.
    let g = x * x * price.bend / (2.0 * vega);
    let lead = 1.0 - 0.5 * k * slope / w;
    let bend = 2.0 * (g - lead * lead + 0.25 * slope * slope * (1.0 / w + 0.25));
    [w, slope, bend]
}

/// The same with the derivatives by time, of prices that change by `by_t` and whose change changes by `by_tt`.
pub(super) fn variance(k: f64, smile: [f64; 3], by_t: &Jet, by_tt: &Jet) -> Variance {
    let [w, slope, bend] = smile;
    let x = k.exp();
    let deviation = w.sqrt();
    let vega = by_variance(k, w);
    // ∂ ln vega/∂k and ∂ ln vega/∂w.
    let log_by_k = (-k / deviation + 0.5 * deviation) / deviation;
    let log_by_w = 0.5 * k * k / (w * w) - 0.125 - 0.5 / w;
    let w_t = by_t.value / vega;
    Variance {
        total: w,
        by_k: slope,
        by_kk: bend,
        by_t: w_t,
        by_kt: x * by_t.slope / vega - (log_by_k + log_by_w * slope) * w_t,
        by_tt: by_tt.value / vega - log_by_w * w_t * w_t,
    }
}

/// Black's out-of-the-money price over the forward.
pub(super) fn price(k: f64, w: f64) -> f64 {
    k.exp().min(1.0) * reduced_price(k.abs(), w.sqrt())
}
