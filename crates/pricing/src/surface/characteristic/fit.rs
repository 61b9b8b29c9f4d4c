//! The best of several descents, looked at with few quotes an expiry and finished with all.

use rayon::prelude::*;

use crate::{
    fourier::{Bates, Heston, Kou, Merton, Model},
    surface::{
        SliceQuotes,
        calibration::{
            Estimator, Evidence, Fit, FitError, ModelSettings, Note, Reason, Stability, quote_notes, stability,
        },
        smile::VolatilitySurface,
        span::positive_years,
    },
};

use super::{
    descent::{Descent, Pull, descend},
    market::{Market, Scratch},
    parameters::{Characteristic, boxed},
    starts,
};

/// Quotes an expiry that the search looks at.
const QUOTES_PER_SLICE: usize = 24;
/// λ of the pull towards usual parameters where the quotes cannot tell all apart: a thousandth of a quote's unit.
const FAINT: f64 = 1e-6;

/// Fits Heston's model to all expiries at once. Where it has no value at the quotes from any start (minutes before expiry, say) it has the
/// levels at the money and next to no smile, and a note says so.
///
/// # Errors
/// [`FitError::NoQuotes`] where no quote is usable.
pub fn heston(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    prior: Option<&Heston>,
) -> Result<Fit<Heston>, FitError> {
    let prior = prior.map(|it| [it.v0, it.kappa, it.theta_v, it.sigma_v, it.rho_v]);
    or_plain(slices, settings, fit::<Heston, 5>(slices, settings, prior, |market, _| starts::heston(market)))
}

/// Fits Heston's model in one descent from `start`, for who knows better than the usual starts, or has no time for them all.
///
/// # Errors
/// As [`heston`], and [`FitError::NotConverged`] where the model has no value at the start.
pub fn heston_from(slices: &[SliceQuotes], settings: &ModelSettings, start: &Heston) -> Result<Fit<Heston>, FitError> {
    let start = [start.v0, start.kappa, start.theta_v, start.sigma_v, start.rho_v];
    fit::<Heston, 5>(slices, settings, None, |_, _| vec![start])
}

/// Fits Bates' model to all expiries at once: from Heston's optimum, with jumps of several kinds.
///
/// # Errors
/// As [`heston`].
pub fn bates(slices: &[SliceQuotes], settings: &ModelSettings, prior: Option<&Bates>) -> Result<Fit<Bates>, FitError> {
    let prior = prior.map(parameters_of_bates);
    let fitted = fit::<Bates, 8>(slices, settings, prior, |market, pull_weight| {
        let pull =
            Pull { weight: pull_weight, towards: <Heston as Characteristic<5>>::PARAMETERS.map(|it| it.typical) };
        let heston = search::<Heston, 5>(market, &pull, &starts::heston(market));
        heston.map_or_else(Vec::new, |it| starts::bates(&it.parameters))
    });
    or_plain(slices, settings, fitted)
}

/// Fits Merton's model to all expiries at once. Its skew dies away with expiry as no index's does: meant for few expiries.
///
/// # Errors
/// As [`heston`].
pub fn merton(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    prior: Option<&Merton>,
) -> Result<Fit<Merton>, FitError> {
    let prior = prior.map(|it| [it.volatility, it.jump_intensity, it.jump_mean, it.jump_std]);
    or_plain(slices, settings, fit::<Merton, 4>(slices, settings, prior, |market, _| starts::merton(market)))
}

/// Fits Kou's model to all expiries at once. As [`merton`].
///
/// # Errors
/// As [`heston`].
pub fn kou(slices: &[SliceQuotes], settings: &ModelSettings, prior: Option<&Kou>) -> Result<Fit<Kou>, FitError> {
    let prior =
        prior.map(|it| [it.volatility, it.jump_intensity, it.jump_up_probability, it.jump_up_rate, it.jump_down_rate]);
    or_plain(slices, settings, fit::<Kou, 5>(slices, settings, prior, |market, _| starts::kou(market)))
}

fn parameters_of_bates(bates: &Bates) -> [f64; 8] {
    Model::Bates(*bates).parameters()
}

/// The best of the descents from `starts` on a market, by least squares.
fn search<T: Characteristic<N>, const N: usize>(
    market: &Market,
    pull: &Pull<N>,
    starts: &[[f64; N]],
) -> Option<Descent<N>> {
    let parameters = boxed::<T, N>(market.largest_variance());
    let descents: Vec<Descent<N>> = starts
        .par_iter()
        .map(|start| descend::<T, N>(market, &parameters, Estimator::LeastSquares, pull, start))
        .collect();
    descents.into_iter().filter(|it| it.cost().is_finite()).min_by(|x, y| x.cost().total_cmp(&y.cost()))
}

fn fit<T: Characteristic<N>, const N: usize>(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    prior: Option<[f64; N]>,
    starts: impl Fn(&Market, f64) -> Vec<[f64; N]>,
) -> Result<Fit<T>, FitError> {
    let market = Market::new(slices, &settings.calibration);
    if market.quotes() == 0 {
        return Err(FitError::NoQuotes);
    }
    let mut notes = quote_notes(slices);
    let short = too_few::<T, N>(&market, if prior.is_some() { "the prior's" } else { "usual" });
    let is_short = short.is_some();
    notes.extend(short);
    let faint = if is_short || market.expiries() < T::EXPIRIES { FAINT } else { 0.0 };
    let parameters = boxed::<T, N>(market.largest_variance());
    let pull = Pull {
        weight: settings.calibration.tikhonov.max(faint),
        towards: prior.unwrap_or_else(|| parameters.map(|it| it.typical)),
    };
    let few = market.thinned(QUOTES_PER_SLICE);
    let mut from = starts(&few, pull.weight);
    if let Some(prior) = prior {
        // Yesterday's optimum, and the usual start in case the market has moved away from it.
        from.truncate(1);
        from.insert(0, prior);
    }
    let found = search::<T, N>(&few, &pull, &from).ok_or(FitError::NotConverged { starts: from.len() })?;
    let estimator = settings.calibration.estimator;
    let is_finished = few.quotes() == market.quotes() && !estimator.is_likelihood();
    let best =
        if is_finished { found } else { descend::<T, N>(&market, &parameters, estimator, &pull, &found.parameters) };
    if !best.cost().is_finite() {
        return Err(FitError::NotConverged { starts: from.len() });
    }
    if !best.solution.converged {
        notes.push(Note { expiry_years: None, reason: Reason::NotConverged { steps: best.solution.steps } });
    }
    if best.missing.quotes > 0 {
        let why = format!("{} of {} quotes have no price under the model", best.missing.quotes, best.missing.of);
        notes.push(Note { expiry_years: None, reason: Reason::Failed { why } });
    }
    for (parameter, &value) in parameters.iter().zip(&best.parameters) {
        let near = |end: f64| (value - end).abs() <= 1e-9 * end.abs().max(1e-3);
        if near(parameter.low) || near(parameter.high) {
            notes
                .push(Note { expiry_years: None, reason: Reason::AtBound { parameter: parameter.name.into(), value } });
        }
    }
    let stability = vec![determination::<T, N>(&market, &best, estimator, &pull)];
    Ok(Fit { notes, stability, ..Fit::of(T::from_parameters(&best.parameters)) })
}

/// `fitted`, or where no descent came to anything the model's plainest surface, with a note.
fn or_plain<T: Characteristic<N> + VolatilitySurface, const N: usize>(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    fitted: Result<Fit<T>, FitError>,
) -> Result<Fit<T>, FitError> {
    let Err(FitError::NotConverged { .. }) = fitted else { return fitted };
    let market = Market::new(slices, &settings.calibration);
    let box_ = boxed::<T, N>(market.largest_variance());
    let plain = T::plain(market.levels());
    let model = T::from_parameters(&std::array::from_fn(|i| plain[i].clamp(box_[i].low, box_[i].high)));
    let mut notes = quote_notes(slices);
    notes.extend(too_few::<T, N>(&market, "usual"));
    notes.push(Note { expiry_years: None, reason: Reason::Failed { why: plainly(slices, &model) } });
    Ok(Fit { notes, ..Fit::of(model) })
}

/// That a plain surface stands in, and which: by its own volatilities at the money of the first expiry and the last that are quoted.
fn plainly(slices: &[SliceQuotes], model: &dyn VolatilitySurface) -> String {
    let quoted = || slices.iter().filter(|slice| (0..slice.len()).any(|i| slice.is_usable(i)));
    let at = |slice: Option<&SliceQuotes>| {
        slice.map_or(f64::NAN, |slice| 100.0 * model.implied_vol(0.0, positive_years(slice.expiry_years)))
    };
    let (first, last) = (at(quoted().next()), at(quoted().next_back()));
    let level = if !(first.is_finite() && last.is_finite()) {
        "its plainest form".into()
    } else if (last - first).abs() < 5e-3 {
        format!("one volatility of {first:.2} %")
    } else {
        format!("volatilities of {first:.2} % at the first expiry and {last:.2} % at the last")
    };
    format!("the model has no value at most quotes from any start; {level} with next to no smile instead")
}

/// That the quotes are too few to tell the parameters apart, where they are; `whose` stand in then.
fn too_few<T: Characteristic<N>, const N: usize>(market: &Market, whose: &str) -> Option<Note> {
    let quotes = market.distinct_strikes();
    let instead = format!("{whose} parameters where the quotes do not tell");
    (quotes < N).then_some(Note { expiry_years: None, reason: Reason::TooFewQuotes { quotes, needed: N, instead } })
}

/// How well the quotes, and what else pulls at them, determine the parameters.
fn determination<T: Characteristic<N>, const N: usize>(
    market: &Market,
    found: &Descent<N>,
    estimator: Estimator,
    pull: &Pull<N>,
) -> Stability {
    let model = T::from_parameters(&found.parameters);
    let mut rows = Vec::with_capacity(market.quotes());
    market.evaluate(&model, true, &mut Scratch::default(), |slice, i, w, by: [f64; N]| rows.push(slice.row(i, w, &by)));
    let mut evidence = Evidence::of(rows, estimator, found.solution.noise_scale.powi(2));
    for (i, parameter) in T::PARAMETERS.iter().enumerate() {
        evidence.pulls[i][i] = pull.weight / (parameter.scale * parameter.scale);
    }
    stability(T::PARAMETERS.map(|it| it.name), &found.parameters, &evidence)
}
