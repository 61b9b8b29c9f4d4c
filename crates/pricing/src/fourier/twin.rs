//! The twin's verbs: one option in plain f64 by the contour integral, the specification of the fast path.

use super::complex::{Complex, complex};
use super::contour;
use super::elementary::Std;
use super::exponent::Exponent;
use super::heston::HestonExponent;
use super::jumps::{BatesExponent, KouExponent, MertonExponent};
use super::model::Model;
use super::quantities::{Covered, Sensitivities, Slice};
use super::series::{Sums, place};
use super::variance_gamma::VarianceGammaExponent;
use zomma_base::{OptionType, Status};

/// Real and imaginary part of the characteristic function E\[e^(iuX)\] of X = ln(S_T/F).
///
/// Errors: the model's first bad field; `BadExpiry` where the expiry is not finite, `Expired` where it is not above 0; `Overflow` where the
/// result is not a number.
pub fn characteristic_function(model: &Model, expiry_years: f64, u: f64) -> Result<[f64; 2], Status> {
    model.check()?;
    Slice { spot: 1.0, expiry_years, risk_free_rate: 0.0, dividend_yield: 0.0 }.check()?;
    let (s, expiry) = (complex(0.0, u), expiry_years);
    let exponent = match *model {
        Model::Heston(model) => HestonExponent { model, expiry }.value::<Std>(s),
        Model::Bates(model) => BatesExponent::new(&model, expiry).value::<Std>(s),
        Model::Merton(model) => MertonExponent::new(&model, expiry).value::<Std>(s),
        Model::Kou(model) => KouExponent { model, expiry }.value::<Std>(s),
        Model::VarianceGamma(model) => VarianceGammaExponent { model, expiry }.value::<Std>(s),
    };
    let Complex { re, im } = exponent.exp::<Std>();
    if re.is_finite() && im.is_finite() { Ok([re, im]) } else { Err(Status::Overflow) }
}

/// Value of one option, to 1e-12 of the spot.
///
/// Errors: the model's first bad field, the slice's, `BadStrike`; `NotConverged`; `Overflow`.
pub fn price(model: &Model, slice: &Slice, option_type: OptionType, strike: f64) -> Result<f64, Status> {
    covered(model, slice, strike, false)?.finite_price(option_type)
}

/// Price, derivatives by the market and gradient of one option.
///
/// Errors: as [`price`]; `NotConverged` also where a derivative is infinite, as the density of variance gamma may be.
pub fn sensitivities(
    model: &Model,
    slice: &Slice,
    option_type: OptionType,
    strike: f64,
) -> Result<Sensitivities, Status> {
    covered(model, slice, strike, true)?.sensitivities(option_type).finite()
}

/// Every quantity that is made, in the order of [`crate::black::Greek::ALL`], NaN elsewhere. Errors: as [`sensitivities`].
pub fn greeks(model: &Model, slice: &Slice, option_type: OptionType, strike: f64) -> Result<[f64; 19], Status> {
    covered(model, slice, strike, true)?.finite_greeks(option_type, model)
}

fn covered<'a>(model: &Model, slice: &'a Slice, strike: f64, derivatives: bool) -> Result<Covered<'a>, Status> {
    model.check()?;
    slice.check()?;
    if !(strike > 0.0 && strike.is_finite()) {
        return Err(Status::BadStrike);
    }
    let expiry = slice.expiry_years;
    let x = slice.log_strike(strike);
    let sums = match *model {
        Model::Heston(model) => sums(&HestonExponent { model, expiry }, x, derivatives),
        Model::Bates(model) => sums(&BatesExponent::new(&model, expiry), x, derivatives),
        Model::Merton(model) => sums(&MertonExponent::new(&model, expiry), x, derivatives),
        Model::Kou(model) => sums(&KouExponent { model, expiry }, x, derivatives),
        Model::VarianceGamma(model) => sums(&VarianceGammaExponent { model, expiry }, x, derivatives),
    };
    let root = (0.5 * x).exp();
    let sums = sums.ok_or(Status::NotConverged)?.map(|sum| root * sum);
    Ok(Covered { slice, strike, x, sums, alias: 0.0 })
}

/// The sums of one strike without √k, of which those beyond the value are 0 unless derivatives are asked for.
pub(super) fn sums<X: Exponent<P>, const P: usize>(exponent: &X, x: f64, derivatives: bool) -> Option<Sums> {
    if derivatives {
        return exponent.has_gradient().then(|| contour::sums(exponent, x)).flatten();
    }
    let mut sums = [0.0; place::ALL];
    sums[place::VALUE] = contour::value(exponent, x)?;
    Some(sums)
}
