//! The SVI surface as one of the models: fitted under any settings, with what there is to say of each slice.

use super::{
    SliceQuotes, SliceSource, Slices, Surface, Svi,
    calibration::{
        Estimator, Evidence, Fit, FitError, ModelSettings, Note, Objective, Point, Reason, Residual, Settings,
        Stability, noise, stability,
    },
    fit::{Aim, fit_alone, fit_targets},
    slice::Bounds,
    ssvi::Ssvi,
    target::{FEWEST_QUOTES, Pull, Target, positive_years},
    wings::{self, Wings},
};

/// A slice that moves by more than this to be free of arbitrage is noted, in vol points.
const NOTED_VOL_POINTS: f64 = 0.1;
/// The shape that Tikhonov pulls to where there is no prior: an index's skew.
const TYPICAL: Ssvi = Ssvi { rho: -0.5, eta: 1.0, gamma: 0.45 };
/// Rounds in which misses that are not linear in total variance, and weights that depend on the fit, are laid anew.
const SECANT_ROUNDS: usize = 1;
const LIKELIHOOD_ROUNDS: usize = 4;

/// Fits SVI slices free of static arbitrage.
///
/// The default settings mean what they mean in an analysis: misses of total variance in half-spreads under a loss that saturates at 1.5 of
/// them, so that in effect the quotes outside bid-ask are counted, with the volatility at the money held within 0.3 vol points of the
/// market's. Any other settings are taken at their word: the sum of squares, or Student's likelihood, of the weighted misses in the
/// residual that is named. A miss in volatility or in price is laid as the secant of that quantity by total variance between the quote and
/// the fit, and laid anew once. Tikhonov's λ pulls the wing coordinates (a, b(1 − ρ), b(1 + ρ), m, ln σ) to the prior's slice of the nearest
/// expiry, its total variance in proportion to time, or without a prior to an SSVI slice of ρ = −0.5 at the slice's level; it goes with the
/// default loss too.
///
/// `prior` is where the fits of the slices alone start from; the joint fit starts from the SSVI backbone, whose path in stays free of
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
    let own: Vec<Target> = slices.iter().map(Target::new).collect();
    if own.iter().all(|target| target.len() == 0) {
        return Err(FitError::NoQuotes);
    }
    let calibration = &settings.calibration;
    let warm = prior.map_or_else(Vec::new, |prior| warm_starts(slices, prior));
    let pulled = |mut targets: Vec<Target>| {
        if calibration.tikhonov > 0.0 {
            for (i, target) in targets.iter_mut().enumerate() {
                let Some(level) = target.level() else { continue };
                let to = warm.get(i).copied().unwrap_or_else(|| wings::from_svi(&TYPICAL.slice(level)));
                target.pull = Some(Pull::new(calibration.tikhonov, to, level));
            }
        }
        targets
    };
    let (surface, alone) = if is_default(calibration) {
        fit_targets(slices, pulled(own), Aim::Inside, &warm)
    } else {
        fit_as_told(slices, calibration, pulled, &warm)
    };
    let expiry_years = surface.slices.iter().map(|slice| slice.expiry_years).collect();
    let smiles = surface.slices.iter().map(|slice| slice.svi).collect();
    let fitted = Slices { expiry_years, smiles, clock: settings.clock.clone() };
    Ok(Fit {
        notes: notes(slices, &surface, &alone),
        stability: slices
            .iter()
            .zip(&fitted.smiles)
            .map(|(quotes, svi)| stability_of(quotes, svi, calibration))
            .collect(),
        unconstrained: Some(surface.unconstrained),
        ..Fit::of(fitted)
    })
}

/// Whether the settings, but for Tikhonov's λ, are the default.
fn is_default(settings: &Settings) -> bool {
    *settings == Settings { tikhonov: settings.tikhonov, ..Settings::default() }
}

/// The prior's slice of the nearest expiry for each slice, its total variance in proportion to time. Empty where the prior is.
fn warm_starts(slices: &[SliceQuotes], prior: &Slices<Svi>) -> Vec<Wings> {
    let one = |quotes: &SliceQuotes| {
        let t = positive_years(quotes.expiry_years);
        let distance = |years: f64| (years / t).ln().abs();
        let nearest = (0..prior.smiles.len().min(prior.expiry_years.len()))
            .min_by(|&i, &j| distance(prior.expiry_years[i]).total_cmp(&distance(prior.expiry_years[j])))?;
        let (svi, share) = (prior.smiles[nearest], t / prior.expiry_years[nearest]);
        let x = wings::from_svi(&Svi { a: share * svi.a, b: share * svi.b, ..svi });
        x.iter().all(|v| v.is_finite()).then_some(x)
    };
    slices.iter().map(one).collect::<Option<Vec<Wings>>>().unwrap_or_default()
}

/// The fit under settings other than the default.
fn fit_as_told(
    slices: &[SliceQuotes],
    settings: &Settings,
    pulled: impl Fn(Vec<Target>) -> Vec<Target>,
    warm: &[Wings],
) -> (Surface, Vec<Option<Wings>>) {
    let objectives: Vec<Objective> = slices.iter().map(|quotes| Objective::new(quotes, settings)).collect();
    let first = objectives.iter().map(|objective| laid(objective, None, None)).collect();
    let mut found = fit_targets(slices, pulled(first), Aim::LeastSquares, warm);
    let is_likelihood = settings.estimator == Estimator::MaximumLikelihood;
    let mut scales = vec![1.0; slices.len()];
    for _ in 0..rounds_after_first(settings) {
        let targets = objectives.iter().zip(&found.0.slices).zip(&mut scales).map(|((objective, slice), scale)| {
            if is_likelihood {
                *scale = noise_scale(objective, &slice.svi, *scale);
            }
            laid(objective, Some(&slice.svi), is_likelihood.then_some(*scale))
        });
        found = fit_targets(slices, pulled(targets.collect()), Aim::LeastSquares, warm);
    }
    found
}

/// Rounds in which the misses are laid anew after the first: none where they are linear in total variance and their weights fixed.
fn rounds_after_first(settings: &Settings) -> usize {
    match (settings.estimator, settings.residual) {
        (Estimator::MaximumLikelihood, _) => LIKELIHOOD_ROUNDS,
        (Estimator::LeastSquares, Residual::TotalVariance) => 0,
        (Estimator::LeastSquares, _) => SECANT_ROUNDS,
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
    let objective = Objective::new(quotes, settings);
    let row = |(i, point): (usize, &Point)| {
        let (w, by) = gradient(svi, point.k);
        objective.row(i, w, &by)
    };
    let rows = objective.points.iter().enumerate().map(row).collect();
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
fn notes(slices: &[SliceQuotes], surface: &Surface, alone: &[Option<Wings>]) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut before: Option<&SliceQuotes> = None;
    for ((quotes, slice), alone) in slices.iter().zip(&surface.slices).zip(alone) {
        let mut say = |reason| notes.push(Note { expiry_years: Some(slice.expiry_years), reason });
        let target = Target::new(quotes);
        if slice.source != SliceSource::Svi {
            let instead = if slice.source == SliceSource::Flat { "one volatility" } else { "the backbone's shape" };
            if target.has_shape() {
                say(Reason::Failed { why: format!("no SVI slice between its neighbours; {instead} instead") });
            } else {
                let quotes = target.strikes();
                say(Reason::TooFewQuotes { quotes, needed: FEWEST_QUOTES, instead: instead.into() });
            }
        }
        if let (Some(&low), Some(&high)) = (target.k.first(), target.k.last())
            && (low > 0.0 || high < 0.0)
        {
            say(Reason::OneSided { low, high });
        }
        let crossed = (0..quotes.len()).filter(|&i| quotes.bid_volatility[i] > quotes.ask_volatility[i]).count();
        if crossed > 0 {
            say(Reason::CrossedQuotes { quotes: crossed });
        }
        if target.has_shape() && is_flat(quotes) {
            say(Reason::Flat);
        }
        if let Some((log_moneyness, fall)) = before.and_then(|before| deepest_fall(before, quotes)) {
            say(Reason::CalendarInverted { log_moneyness, fall });
        }
        if let Some(alone) = alone {
            let change_vol_points = change(&target, &wings::to_svi(alone), &slice.svi);
            if change_vol_points > NOTED_VOL_POINTS {
                say(Reason::Constrained { change_vol_points });
            }
            if slice.source == SliceSource::Svi {
                for (parameter, value) in Bounds::new(&target).ends(&wings::from_svi(&slice.svi)) {
                    say(Reason::AtBound { parameter: parameter.into(), value });
                }
            }
        }
        if target.len() > 0 {
            before = Some(quotes);
        }
    }
    notes
}

/// Whether all mid volatilities are one, to a part in ten thousand.
fn is_flat(quotes: &SliceQuotes) -> bool {
    let vols = quotes.mid_volatility.iter().filter(|vol| **vol > 0.0 && vol.is_finite());
    let (low, high) = vols.fold((f64::INFINITY, 0.0_f64), |(low, high), vol| (low.min(*vol), high.max(*vol)));
    high - low <= 1e-4 * high
}

/// Where the ask of a quote lies furthest below the bid of the expiry before in total variance (linear between its strikes), and by how
/// much: no surface without calendar arbitrage meets both.
fn deepest_fall(before: &SliceQuotes, quotes: &SliceQuotes) -> Option<(f64, f64)> {
    let (t_before, t) = (positive_years(before.expiry_years), positive_years(quotes.expiry_years));
    let mut bids: Vec<(f64, f64)> = (0..before.len())
        .map(|i| (before.log_moneyness[i], before.bid_volatility[i]))
        .filter(|(k, bid)| k.is_finite() && *bid > 0.0 && *bid < 10.0)
        .map(|(k, bid)| (k, bid * bid * t_before))
        .collect();
    bids.sort_by(|x, y| x.0.total_cmp(&y.0));
    let mut deepest: Option<(f64, f64)> = None;
    for i in 0..quotes.len() {
        let (k, ask) = (quotes.log_moneyness[i], quotes.ask_volatility[i]);
        let after = bids.partition_point(|bid| bid.0 < k);
        let (Some(&high), Some(low)) = (bids.get(after), after.checked_sub(1).map(|i| bids[i])) else { continue };
        let share = (k - low.0) / (high.0 - low.0);
        let fall = low.1 + share * (high.1 - low.1) - ask * ask * t;
        if fall > deepest.map_or(0.0, |it| it.1) {
            deepest = Some((k, fall));
        }
    }
    deepest
}

/// Root mean square difference of two slices' volatilities at the quotes, in vol points.
fn change(target: &Target, from: &Svi, to: &Svi) -> f64 {
    let vol = |svi: &Svi, k: f64| (svi.total_variance(k).max(0.0) / target.expiry_years).sqrt();
    let squares: f64 = target.k.iter().map(|&k| (vol(from, k) - vol(to, k)).powi(2)).sum();
    100.0 * (squares / target.len().max(1) as f64).sqrt()
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
            target.pull = Some(Pull::new(calibration.tikhonov, to, level));
        }
    };
    let (x, target, aim) = if is_default(calibration) {
        let mut target = own;
        pull(&mut target);
        (fit_alone(&target, Aim::Inside, warm.as_ref()), target, Aim::Inside)
    } else {
        let objective = Objective::new(quotes, calibration);
        let (mut fitted, mut scale): (Option<Svi>, f64) = (None, 1.0);
        let is_likelihood = calibration.estimator == Estimator::MaximumLikelihood;
        let (mut x, mut last) = (warm.unwrap_or_default(), own);
        for round in 0..=rounds_after_first(calibration) {
            if let (true, Some(svi)) = (is_likelihood, &fitted) {
                scale = noise_scale(&objective, svi, scale);
            }
            let mut target = laid(&objective, fitted.as_ref(), (is_likelihood && round > 0).then_some(scale));
            pull(&mut target);
            let from = if round > 0 { Some(&x) } else { warm.as_ref() };
            x = fit_alone(&target, Aim::LeastSquares, from);
            (fitted, last) = (Some(wings::to_svi(&x)), target);
        }
        (x, last, Aim::LeastSquares)
    };
    let svi = wings::to_svi(&x);
    if !settings.is_butterfly_free || svi.is_butterfly_free() {
        return Ok(svi);
    }
    Ok(constrained(quotes, svi, target, aim))
}

/// The slice of the surface of one expiry, moved towards its SSVI backbone until no strike has butterfly arbitrage: a surface holds its
/// slices over the quoted strikes only.
fn constrained(quotes: &SliceQuotes, own: Svi, target: Target, aim: Aim) -> Svi {
    let surface = fit_targets(std::slice::from_ref(quotes), vec![target], aim, &[]).0;
    let (Some(slice), Some(ssvi)) = (surface.slices.first(), surface.ssvi) else { return own };
    if slice.svi.is_butterfly_free() {
        return slice.svi;
    }
    let level = slice.svi.total_variance(0.0).max(1e-14);
    let (from, to) = (wings::from_svi(&slice.svi), wings::from_svi(&ssvi.slice(level)));
    let blend = |share: f64| wings::to_svi(&std::array::from_fn(|i| from[i] + share * (to[i] - from[i])));
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..30 {
        let middle = 0.5 * (low + high);
        if blend(middle).is_butterfly_free() { high = middle } else { low = middle }
    }
    blend(high)
}
