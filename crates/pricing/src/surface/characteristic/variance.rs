//! Total variance of a model's prices, and its derivatives through the implicit function theorem.
//!
//! Method   With v the model's out-of-the-money value on a forward of one, [`from_price`](crate::surface::from_price) of ln v; v along the line through its saddle ([`time_value`]). Where that does not converge (a variance that may all but vanish under
//!          a great volatility of variance), jumps that hardly come before expiry by how many come ([`rare_jumps`]), else the slice's
//!          method, to 1e-10 of a forward, its derivatives by t beyond the first by central differences of the analytic first.

use super::rare_jumps;
use crate::{
    fourier::{
        Bates, Heston, Kou, Merton, Model, Sensitivities, Slice, TimeValue, gradient_slice, ln_time_value, price_slice,
        time_value,
    },
    surface::{
        from_price::{self, Implied, LogPrice},
        smile::{Variance, VolatilitySurface},
    },
};
use zomma_base::{OptionType, Status};

/// What a value of the slice's method must be at least for its volatility to mean something.
const LEAST_VALUE: f64 = 1e-9;
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
    let value = time_value(model, t, k).ok();
    let value = value.or_else(|| rare_jumps::time_value(model, t, k)).or_else(|| of_slice(model, t, k));
    value.and_then(|value| of_value(k, &value)).unwrap_or(Variance::NONE)
}

fn total_variance(model: &Model, k: f64, t: f64) -> f64 {
    let ln_value = ln_time_value(model, t, k).ok();
    let ln_value = ln_value.or_else(|| rare_jumps::time_value(model, t, k).map(|value| value.ln_value));
    let ln_value = ln_value.or_else(|| {
        let (mut value, mut status) = ([f64::NAN], [Status::NotConverged]);
        price_slice(model, &forward_of_one(t), &[side(k)], &[k.exp()], &mut value, &mut status);
        (value[0] >= LEAST_VALUE).then(|| value[0].ln())
    });
    ln_value.map_or(f64::NAN, |ln_value| from_price::total_variance(k, ln_value))
}

/// The side that is out of the money.
pub(super) fn side(k: f64) -> OptionType {
    if k < 0.0 { OptionType::Put } else { OptionType::Call }
}

fn forward_of_one(expiry_years: f64) -> Slice {
    Slice { spot: 1.0, expiry_years, risk_free_rate: 0.0, dividend_yield: 0.0 }
}

fn of_value(k: f64, value: &TimeValue) -> Option<Variance> {
    let price = LogPrice { log: value.ln_value, slope: value.by_k, density: value.by_kk - value.by_k };
    let found = Implied::of(k, &price)?.variance([value.by_t, value.by_kt, value.by_tt]);
    let all = [found.total, found.by_k, found.by_kk, found.by_t, found.by_kt, found.by_tt];
    all.iter().all(|x| x.is_finite()).then_some(found)
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
