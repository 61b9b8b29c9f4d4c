//! Total variance of a model's prices, and its derivatives through the implicit function theorem.
//!
//! Formula  With v(k, t) the model's out-of-the-money value on a forward of one and b(k, w) Black's, v(k, t) = b(k, w(k, t)):
//!          w_t = v_t/b_w, w_k = (v_k − b_k)/b_w, and once more for the second derivatives. b_w = n(d₁)/(2√w), b_kk = b_k + 2 b_w,
//!          b_kw/b_w = 1/2 − k/w, b_ww/b_w = k²/2w² − 1/2w − 1/8; b_k/b_w is Mills' ratio at ∓d₂ times ∓2√w. All over v, so that nothing is lost far
//!          from the money.
//! Method   v along the line through its saddle ([`time_value`]). Where that does not converge (a variance that may all but vanish under
//!          a great volatility of variance, jumps over minutes), the slice's method, to 1e-10 of a forward, its derivatives by t beyond
//!          the first by central differences of the analytic first.

use crate::{
    fourier::{
        Bates, Heston, Kou, Merton, Model, Sensitivities, Slice, TimeValue, gradient_slice, ln_time_value, price_slice,
        time_value,
    },
    implied_vol::total_volatility_of_log,
    math::{Plain, mills, normal_pdf},
    surface::smile::{Variance, VolatilitySurface},
};
use zomma_base::{OptionType, Status};

/// What a value of the slice's method must be at least for its volatility to mean something.
const LEAST_VALUE: f64 = 1e-9;
/// ln √(8π).
const LN_SQRT_8_PI: f64 = 1.612_085_713_764_618;
/// Share of the expiry by which differences step.
const STEP: f64 = 1e-3;

impl VolatilitySurface for Heston {
    fn variance(&self, k: f64, expiry_years: f64) -> Variance {
        variance(&Model::Heston(*self), k, expiry_years)
    }

    fn total_variance(&self, k: f64, expiry_years: f64) -> f64 {
        total_variance(&Model::Heston(*self), k, expiry_years)
    }
}

impl VolatilitySurface for Bates {
    fn variance(&self, k: f64, expiry_years: f64) -> Variance {
        variance(&Model::Bates(*self), k, expiry_years)
    }

    fn total_variance(&self, k: f64, expiry_years: f64) -> f64 {
        total_variance(&Model::Bates(*self), k, expiry_years)
    }
}

impl VolatilitySurface for Merton {
    fn variance(&self, k: f64, expiry_years: f64) -> Variance {
        variance(&Model::Merton(*self), k, expiry_years)
    }

    fn total_variance(&self, k: f64, expiry_years: f64) -> f64 {
        total_variance(&Model::Merton(*self), k, expiry_years)
    }
}

impl VolatilitySurface for Kou {
    fn variance(&self, k: f64, expiry_years: f64) -> Variance {
        variance(&Model::Kou(*self), k, expiry_years)
    }

    fn total_variance(&self, k: f64, expiry_years: f64) -> f64 {
        total_variance(&Model::Kou(*self), k, expiry_years)
    }
}

fn variance(model: &Model, k: f64, t: f64) -> Variance {
    let value = time_value(model, t, k).ok().or_else(|| of_slice(model, t, k));
    value.and_then(|value| of_value(k, &value)).unwrap_or(Variance::NONE)
}

fn total_variance(model: &Model, k: f64, t: f64) -> f64 {
    let ln_value = ln_time_value(model, t, k).ok().or_else(|| {
        let (mut value, mut status) = ([f64::NAN], [Status::NotConverged]);
        price_slice(model, &forward_of_one(t), &[side(k)], &[k.exp()], &mut value, &mut status);
        (value[0] >= LEAST_VALUE).then(|| value[0].ln())
    });
    ln_value.and_then(|ln_value| deviation(k, ln_value)).map_or(f64::NAN, |deviation| deviation * deviation)
}

/// The side that is out of the money.
pub(super) fn side(k: f64) -> OptionType {
    if k < 0.0 { OptionType::Put } else { OptionType::Call }
}

fn forward_of_one(expiry_years: f64) -> Slice {
    Slice { spot: 1.0, expiry_years, risk_free_rate: 0.0, dividend_yield: 0.0 }
}

/// √w at which Black's out-of-the-money value on a forward of one is e^`ln_value`.
fn deviation(k: f64, ln_value: f64) -> Option<f64> {
    total_volatility_of_log(k, ln_value - k.min(0.0)).ok()
}

/// ∂b/∂w of Black's value, as a logarithm.
pub(super) fn ln_by_w(k: f64, deviation: f64) -> f64 {
    let d1 = 0.5 * deviation - k / deviation;
    -0.5 * d1 * d1 - LN_SQRT_8_PI - deviation.ln()
}

fn of_value(k: f64, value: &TimeValue) -> Option<Variance> {
    let s = deviation(k, value.ln_value)?;
    let w = s * s;
    // v/b_w
    let value_over = (value.ln_value - ln_by_w(k, s)).exp();
    let far = k.abs() / s + if k < 0.0 { -0.5 * s } else { 0.5 * s };
    let black_by_k = if k < 0.0 { 2.0 * s * mills_ratio(far) } else { -2.0 * s * mills_ratio(far) };
    let black_by_kk = black_by_k + 2.0;
    let black_by_kw = 0.5 - k / w;
    let black_by_ww = 0.5 * (k * k / w - 1.0) / w - 0.125;
    let by_t = value.by_t * value_over;
    let by_k = value.by_k * value_over - black_by_k;
    let found = Variance {
        total: w,
        by_k,
        by_kk: value.by_kk * value_over - black_by_kk - (2.0 * black_by_kw + black_by_ww * by_k) * by_k,
        by_t,
        by_kt: value.by_kt * value_over - (black_by_kw + black_by_ww * by_k) * by_t,
        by_tt: value.by_tt * value_over - black_by_ww * by_t * by_t,
    };
    let all = [found.total, found.by_k, found.by_kk, found.by_t, found.by_kt, found.by_tt];
    all.iter().all(|x| x.is_finite()).then_some(found)
}

/// (1 − N(x))/n(x) at any x.
fn mills_ratio(x: f64) -> f64 {
    if x >= 0.0 { mills::<Plain>(x) } else { 1.0 / normal_pdf::<Plain>(x) - mills::<Plain>(-x) }
}

/// The value by the slice's method.
fn of_slice(model: &Model, t: f64, k: f64) -> Option<TimeValue> {
    let strike = k.exp();
    let at = |t: f64| {
        let (mut found, mut status) = ([Sensitivities::NAN], [Status::NotConverged]);
        gradient_slice(model, &forward_of_one(t), &[side(k)], &[strike], &mut found, &mut status);
        (status[0] == Status::Ok).then_some(found[0])
    };
    let here = at(t)?;
    if here.price < LEAST_VALUE {
        return None;
    }
    let (before, after) = (at(t * (1.0 - STEP))?, at(t * (1.0 + STEP))?);
    let by_t = |f: fn(&Sensitivities) -> f64| (f(&after) - f(&before)) / (2.0 * STEP * t);
    let by_k = strike * here.dual_delta;
    Some(TimeValue {
        ln_value: here.price.ln(),
        by_k: by_k / here.price,
        by_kk: (by_k + strike * strike * here.dual_gamma) / here.price,
        by_t: -here.theta / here.price,
        by_kt: strike * by_t(|it| it.dual_delta) / here.price,
        by_tt: by_t(|it| -it.theta) / here.price,
    })
}
