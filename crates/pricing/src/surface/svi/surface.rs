//! The SVI surface as one of the models: fitted under any settings, with what there is to say of each slice.

use super::{
    Ssvi, Svi,
    fit::{Aim, Found, by_default, fit_inside, fit_squares, least_squares},
    slice::Bounds,
    target::{FEWEST_QUOTES, Pull, Target},
    wings::{self, Wings},
};
use crate::surface::{
    Clock, SliceQuotes, SliceSource, Slices,
    calibration::{
        Evidence, Fit, FitError, ModelSettings, Note, Objective, Reason, Residual, Settings, Stability, Weights, moved,
        noise, quote_notes, stability,
    },
    span::positive_years,
};

/// The shape that Tikhonov pulls to where there is no prior: an index's skew.
const TYPICAL: Ssvi = Ssvi { rho: -0.5, eta: 1.0, gamma: 0.45 };
/// Least total variance at the money.
const LEAST_LEVEL: f64 = 1e-14;
/// Rounds in which misses that are not linear in total variance, and weights that depend on the fit, are laid anew.
const SECANT_ROUNDS: usize = 1;
const LIKELIHOOD_ROUNDS: usize = 4;

/// Fits SVI slices free of static arbitrage.
///
/// The default settings mean what they mean in an analysis: misses of total variance in half-spreads under a loss that saturates at 1.5 of
/// them, so that in effect the quotes outside bid-ask are counted, with the volatility at the money drawn to within 0.3 vol points of the
/// market's, and another attempt where one ends half a point off. Any other settings, [`Estimator::LeastSquares`](crate::surface::calibration::Estimator::LeastSquares) among them, are taken at their word: the sum of squares, or Student's
/// likelihood, of the weighted misses in the residual that is named. A miss in volatility or in price is laid as the secant of that quantity by total variance between the quote and
/// the fit, and laid anew once. Tikhonov's λ pulls the wing coordinates (a, b(1 − ρ), b(1 + ρ), m, ln σ) to the prior's slice of the nearest
/// expiry, its total variance in proportion to time, or without a prior to an SSVI slice of ρ = −0.5 at the slice's level; it goes with the
/// default loss too. An expiry of fewer than five strikes, which tell no shape of five parameters, has that of the prior where λ is above 0, and else
/// that of the SSVI backbone, at its own level and bent to meet its quotes; the backbone of fewer than five quotes in all is what meets them.
///
/// `prior` is where the fits of the slices alone start from too; the joint fit starts from the SSVI backbone, whose path in stays free of
/// arbitrage. Each slice has its stability, in raw parameters and under the settings' misses: standard errors,
/// the condition number, and the largest change when one mid moves by a tick (where the forward is known).
///
/// # Errors
/// Where no quote of any slice has a volatility.
pub fn fit(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    prior: Option<&Slices<Svi>>,
) -> Result<Fit<Slices<Svi>>, FitError> {
    fit_from(slices, settings, prior, &[])
}

/// As [`fit`], the fits of the slices alone from `starts`, one a slice (where a device has fitted the same quotes, say); where there is
/// none, from the prior. What Tikhonov's λ pulls to is the prior all the same.
///
/// # Errors
/// Where no quote of any slice has a volatility.
pub fn fit_from(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    prior: Option<&Slices<Svi>>,
    starts: &[Option<Svi>],
) -> Result<Fit<Slices<Svi>>, FitError> {
    let own: Vec<Target> = slices.iter().map(Target::new).collect();
    if own.iter().all(|target| target.len() == 0) {
        return Err(FitError::NoQuotes);
    }
    let calibration = &settings.calibration;
    let priors: Vec<Option<Wings>> = slices.iter().map(|quotes| prior.and_then(|it| nearest(quotes, it))).collect();
    let start = |(i, prior): (usize, &Option<Wings>)| {
        let start = starts.get(i).copied().flatten().map(|svi| wings::from_svi(&svi));
        start.filter(|x| x.iter().all(|v| v.is_finite())).or(*prior)
    };
    let from: Vec<Option<Wings>> = priors.iter().enumerate().map(start).collect();
    let pulled = |mut targets: Vec<Target>| {
        if calibration.tikhonov > 0.0 {
            for (target, prior) in targets.iter_mut().zip(&priors) {
                // A slice without quotes has the prior's shape too.
                let of_prior = || prior.map(|x| wings::to_svi(&x).total_variance(0.0));
                let Some(level) = target.level().or_else(of_prior) else { continue };
                let to = prior.unwrap_or_else(|| wings::from_svi(&TYPICAL.slice(level)));
                target.pull = Some(Pull::new(calibration.tikhonov, to, level, prior.is_some()));
            }
        }
        targets
    };
    let found = if calibration.is_default() {
        by_default(slices, &settings.clock, pulled(own), &from)
    } else {
        fit_as_told(slices, settings, pulled, &from)
    };
    let expiry_years = found.slices.iter().map(|slice| slice.expiry_years).collect();
    let smiles = found.slices.iter().map(|slice| slice.svi).collect();
    let fitted = Slices { expiry_years, smiles, clock: settings.clock.clone() };
    Ok(Fit {
        notes: notes(slices, &found, &found.alone, |i| calibration.tikhonov > 0.0 && priors[i].is_some()),
        stability: slices
            .iter()
            .zip(&fitted.smiles)
            .map(|(quotes, svi)| stability_of(quotes, svi, calibration))
            .collect(),
        unconstrained: Some(found.unconstrained(slices)),
        ..Fit::of(fitted)
    })
}

/// The prior's slice of the nearest expiry, its total variance in proportion to time; none where that is not finite.
fn nearest(quotes: &SliceQuotes, prior: &Slices<Svi>) -> Option<Wings> {
    let t = positive_years(quotes.expiry_years);
    let distance = |years: f64| (years / t).ln().abs();
    let nearest = (0..prior.smiles.len().min(prior.expiry_years.len()))
        .min_by(|&i, &j| distance(prior.expiry_years[i]).total_cmp(&distance(prior.expiry_years[j])))?;
    let (svi, share) = (prior.smiles[nearest], t / prior.expiry_years[nearest]);
    let x = wings::from_svi(&Svi { a: share * svi.a, b: share * svi.b, ..svi });
    x.iter().all(|v| v.is_finite()).then_some(x)
}

/// The fit under settings other than the default.
fn fit_as_told(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    pulled: impl Fn(Vec<Target>) -> Vec<Target>,
    starts: &[Option<Wings>],
) -> Found {
    let ModelSettings { calibration: settings, clock, .. } = settings;
    let objectives: Vec<Objective> = slices.iter().map(|quotes| objective(quotes, settings)).collect();
    let first = objectives.iter().map(|objective| laid(objective, None, None)).collect();
    let is_likelihood = settings.estimator.is_likelihood();
    let mut scales = vec![1.0; slices.len()];
    least_squares(slices, clock, pulled(first), starts, rounds_after_first(settings), |fitted| {
        let targets = objectives.iter().zip(fitted).zip(&mut scales).map(|((objective, svi), scale)| {
            if is_likelihood {
                *scale = noise_scale(objective, svi, *scale);
            }
            laid(objective, Some(svi), is_likelihood.then_some(*scale))
        });
        pulled(targets.collect())
    })
}

/// Rounds in which the misses are laid anew after the first: none where they are linear in total variance and their weights fixed.
fn rounds_after_first(settings: &Settings) -> usize {
    match settings.residual {
        _ if settings.estimator.is_likelihood() => LIKELIHOOD_ROUNDS,
        Residual::TotalVariance => 0,
        _ => SECANT_ROUNDS,
    }
}

/// An objective as intervals of total variance: each miss by its secant between the quote and `fitted` (its slope at the quote where there
/// is none, or they are next to each other), weighted by Student's likelihood of noise of `scale` where that is given.
fn laid(objective: &Objective, fitted: Option<&Svi>, scale: Option<f64>) -> Target {
    let mut target = Target { expiry_years: objective.expiry_years, ..Target::default() };
    for (i, point) in objective.points.iter().enumerate() {
        let centre = point.total_variance[1];
        let mut slope = objective.miss(i, centre)[1];
        if let Some(svi) = fitted {
            let w = svi.total_variance(point.k);
            let (away, miss) = (w - centre, objective.miss(i, w)[0]);
            if away.abs() > 1e-6 * centre && (miss / away).is_finite() {
                slope = miss / away;
            }
            if let Some(scale) = scale {
                slope *= noise::weight(miss * miss, scale * scale).sqrt();
            }
        }
        target.k.push(point.k);
        target.centre.push(centre);
        target.inverse_half.push(if slope.is_finite() { slope } else { 0.0 });
    }
    target
}

/// The scale of Student's noise given the misses of a fit, by the EM algorithm from `scale`.
fn noise_scale(objective: &Objective, svi: &Svi, scale: f64) -> f64 {
    let squares: Vec<f64> = (0..objective.points.len())
        .map(|i| objective.miss(i, svi.total_variance(objective.points[i].k))[0].powi(2))
        .filter(|square| square.is_finite())
        .collect();
    noise::square_scale_of(&squares, scale * scale).sqrt()
}

/// How well the quotes determine the raw parameters of `svi` under the settings' misses.
fn stability_of(quotes: &SliceQuotes, svi: &Svi, settings: &Settings) -> Stability {
    let objective = objective(quotes, settings);
    let rows = objective.rows(objective.points.iter().map(|point| gradient(svi, point.k)));
    let scale = noise_scale(&objective, svi, 1.0);
    let evidence = Evidence::of(rows, settings.estimator, scale * scale);
    let values = [svi.a, svi.b, svi.rho, svi.m, svi.sigma];
    Stability {
        expiry_years: Some(objective.expiry_years),
        ..stability(["a", "b", "rho", "m", "sigma"], &values, &evidence)
    }
}

/// w(k) and its gradient by a, b, ρ, m, σ.
fn gradient(svi: &Svi, k: f64) -> (f64, [f64; 5]) {
    let x = k - svi.m;
    let root = x.hypot(svi.sigma).max(1e-300);
    let shape = svi.rho * x + root;
    let by = [1.0, shape, svi.b * x, -svi.b * (svi.rho + x / root), svi.b * svi.sigma / root];
    (svi.a + svi.b * shape, by)
}

/// What there is to say of each slice.
fn notes(
    slices: &[SliceQuotes],
    surface: &Found,
    alone: &[Option<Wings>],
    has_prior: impl Fn(usize) -> bool,
) -> Vec<Note> {
    let mut notes = quote_notes(slices);
    let shaped_by: usize = slices.iter().map(|quotes| Target::new(quotes).len()).sum();
    for (i, ((quotes, slice), alone)) in slices.iter().zip(&surface.slices).zip(alone).enumerate() {
        let mut say = |reason| notes.push(Note { expiry_years: Some(slice.expiry_years), reason });
        let target = Target::new(quotes);
        if slice.source != SliceSource::Svi {
            let quotes = target.strikes();
            let instead = match slice.source {
                SliceSource::Flat => "one volatility",
                _ if target.has_shape() => "the backbone's shape",
                _ if has_prior(i) && quotes > 1 => "the prior's shape, bent to them,",
                _ if has_prior(i) => "the prior's shape",
                // The backbone has its shape from these alone.
                _ if shaped_by < FEWEST_QUOTES && quotes > 1 => "the SSVI shape that meets them",
                _ if quotes > 1 => "the backbone's shape, bent to them,",
                _ => "the backbone's shape",
            };
            if target.has_shape() {
                say(Reason::Failed { why: format!("no SVI slice between its neighbours; {instead} instead") });
            } else {
                say(Reason::TooFewQuotes { quotes, needed: FEWEST_QUOTES, instead: instead.into() });
            }
        }
        if let Some(alone) = alone {
            let own = wings::to_svi(alone);
            let k = target.k.iter().copied();
            let reason = moved(k, target.expiry_years, |k| own.total_variance(k), |k| slice.svi.total_variance(k));
            reason.into_iter().for_each(&mut say);
            if slice.source == SliceSource::Svi {
                for (parameter, value) in Bounds::new(&target).ends(&wings::from_svi(&slice.svi)) {
                    say(Reason::AtBound { parameter: parameter.into(), value });
                }
            }
        }
    }
    notes
}

/// How one slice is fitted by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SliceSettings {
    /// What is minimised; the default as in [`fit`].
    pub calibration: Settings,
    /// Whether the slice must be free of butterfly arbitrage, over all strikes ([`Svi::butterfly`]).
    pub is_butterfly_free: bool,
}

/// Fits one slice by itself, from `warm` (yesterday's slice) where that meets the quotes roughly, else from a grid. With
/// `is_butterfly_free`, a slice that has arbitrage is fitted anew under the constraint.
///
/// # Errors
/// Where fewer than five strikes have a usable quote.
pub fn fit_slice(quotes: &SliceQuotes, settings: &SliceSettings, warm: Option<&Svi>) -> Result<Svi, FitError> {
    let warm = warm.map(wings::from_svi).filter(|x| x.iter().all(|v| v.is_finite()));
    let calibration = &settings.calibration;
    let own = Target::new(quotes);
    if !own.has_shape() {
        return Err(FitError::TooFewQuotes { quotes: own.strikes(), needed: FEWEST_QUOTES });
    }
    let pull = |target: &mut Target| {
        if let Some(level) = target.level().filter(|_| calibration.tikhonov > 0.0) {
            let to = warm.unwrap_or_else(|| wings::from_svi(&TYPICAL.slice(level)));
            target.pull = Some(Pull::new(calibration.tikhonov, to, level, warm.is_some()));
        }
    };
    let (x, target, aim) = if calibration.is_default() {
        let mut target = own;
        pull(&mut target);
        if quotes.has_sides() {
            (fit_inside(&mut target, warm.as_ref()), target, Aim::Inside)
        } else {
            (fit_squares(&target, warm.as_ref()), target, Aim::LeastSquares)
        }
    } else {
        let objective = objective(quotes, calibration);
        let (mut fitted, mut scale): (Option<Svi>, f64) = (None, 1.0);
        let is_likelihood = calibration.estimator.is_likelihood();
        let (mut x, mut last) = (warm.unwrap_or_default(), own);
        for round in 0..=rounds_after_first(calibration) {
            if let (true, Some(svi)) = (is_likelihood, &fitted) {
                scale = noise_scale(&objective, svi, scale);
            }
            let mut target = laid(&objective, fitted.as_ref(), (is_likelihood && round > 0).then_some(scale));
            pull(&mut target);
            let from = if round > 0 { Some(&x) } else { warm.as_ref() };
            x = fit_squares(&target, from);
            (fitted, last) = (Some(wings::to_svi(&x)), target);
        }
        (x, last, Aim::LeastSquares)
    };
    let svi = wings::to_svi(&x);
    if !settings.is_butterfly_free || svi.is_butterfly_free() {
        return Ok(svi);
    }
    Ok(constrained(quotes, target, aim))
}

/// The slice of the surface of one expiry, moved towards its SSVI backbone until no strike has butterfly arbitrage: a surface holds its
/// slices over the quoted strikes only.
fn constrained(quotes: &SliceQuotes, target: Target, aim: Aim) -> Svi {
    let (slices, targets) = (std::slice::from_ref(quotes), vec![target]);
    let found = match aim {
        Aim::Inside => by_default(slices, &Clock::default(), targets, &[]),
        Aim::LeastSquares => least_squares(slices, &Clock::default(), targets, &[], 0, |_| Vec::new()),
    };
    let own = found.slices.first().map_or_else(|| Svi::flat(LEAST_LEVEL), |slice| slice.svi);
    let shape = found.ssvi.map(|ssvi| ssvi.slice(own.total_variance(0.0).max(LEAST_LEVEL)));
    nearest_free(&own, shape)
}

/// `own` where no strike has butterfly arbitrage, else the first slice on the way to `shape` (its backbone's, say) that has none. Where
/// the shape has some itself, or there is none, one volatility does in its place: that of `own` at the money.
pub(super) fn nearest_free(own: &Svi, shape: Option<Svi>) -> Svi {
    if own.is_butterfly_free() {
        return *own;
    }
    let level = Some(own.total_variance(0.0)).filter(|w| w.is_finite()).unwrap_or(LEAST_LEVEL).max(LEAST_LEVEL);
    let to = shape.filter(Svi::is_butterfly_free).unwrap_or_else(|| Svi::flat(level));
    let (from, end) = (wings::from_svi(own), wings::from_svi(&to));
    // The coordinates' way is no straight one for w: the money stays where it is.
    let blend = |share: f64| {
        let svi = wings::to_svi(&std::array::from_fn(|i| from[i] + share * (end[i] - from[i])));
        Svi { a: svi.a + level - svi.total_variance(0.0), ..svi }
    };
    let (mut low, mut high, mut free) = (0.0, 1.0, to);
    for _ in 0..30 {
        let middle = 0.5 * (low + high);
        let slice = blend(middle);
        if slice.is_butterfly_free() { (high, free) = (middle, slice) } else { low = middle }
    }
    free
}
/// What a slice's misses cost. Mids alone have no spread to be counted in: all quotes count alike, the far ones too, which a slice of five parameters
/// free of arbitrage meets only where they weigh.
fn objective(quotes: &SliceQuotes, settings: &Settings) -> Objective {
    let weights = match settings.weights {
        Weights::BidAsk if !quotes.has_sides() => Weights::Uniform,
        weights => weights,
    };
    Objective::new(quotes, &Settings { weights, ..*settings })
}
