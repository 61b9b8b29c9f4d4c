//! The fit of an extended SSVI surface to quotes.

use rayon::prelude::*;

use super::{
    arrow::Pull,
    essvi::{EssviParameters, EssviSurface},
    essvi_descent::{Level, Problem, Pulls, accumulate, pull},
    family::SsviLaw,
    joins::{MODERATE_SLOPE, Wings, has_room},
    market::Market,
    smile::{SsviSmile, total_variance},
    ssvi_fit::{descend, levels},
};
use crate::surface::{
    SliceQuotes,
    calibration::{
        Bounds, Estimator, Evidence, Fit, FitError, ModelSettings, Normal, Note, Objective, Reason, Row, Stability,
        minimise, moved, stability,
    },
    quality::{count, of_all},
    svi::target::Target,
};

/// The backbone's levels rise by this share at least, so that every join of it has room.
const LEAST_RISE: f64 = 1e-4;
/// A start leaves each condition this share of the backbone's room.
const ROOM: f64 = 0.05;
/// Steps of a slice's own fit.
const OWN_STEPS: usize = 40;
/// Pulls towards the backbone: of every slice, and of one whose quotes give it no shape.
const FAINT: f64 = 1e-6;
const FIRM: f64 = 1.0;
/// Scales of the logarithm of θ, of ρ, and of the logarithm of ψ, under Tikhonov's pull.
const SCALES: [f64; 3] = [0.1, 0.3, 0.5];

/// Fits extended SSVI to slices of ascending expiry: each slice alone first; from there in sequence, each as near its own fit as its joins
/// allow, between slices of an SSVI backbone that always fits in; then all together, every condition of [`EssviSurface`] kept.
/// [`Fit::unconstrained`] is of the slices alone, without any condition.
///
/// # Errors
/// [`FitError::NoQuotes`] where no quote can be used, [`FitError::NotConverged`] where there is no backbone, [`FitError::Ssvi`] where
/// the parameters found make no surface.
pub fn fit_essvi(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    prior: Option<&EssviSurface>,
) -> Result<Fit<EssviSurface>, FitError> {
    let market = Market::new(slices, &settings.calibration, &settings.clock)?;
    let found = descend(&market, SsviLaw::PowerLaw, settings, None)?;
    let phi = found.family.phi(found.state.shape);
    let mut before = 0.0;
    let mut backbone: Vec<SsviSmile> = levels(&market, &found.state)?
        .into_iter()
        .map(|theta| {
            let theta = theta.max(before * (1.0 + LEAST_RISE));
            before = theta;
            SsviSmile { theta, rho: found.state.shape[0], psi: phi.psi(theta) }
        })
        .collect();
    // All φ by one factor keeps every join.
    let steepest = backbone.iter().map(|smile| smile.wings().into_iter().fold(0.0, f64::max)).fold(0.0, f64::max);
    let factor = (MODERATE_SLOPE / steepest).min(1.0);
    backbone.iter_mut().for_each(|smile| smile.psi *= factor);
    let usual: Vec<SsviSmile> = match prior {
        Some(prior) => market.years.iter().map(|&years| prior.smile(years)).collect(),
        None => backbone.clone(),
    };
    let pulls: Vec<Pulls> = usual.iter().enumerate().map(|(i, usual)| pulls(&market, i, usual, settings)).collect();
    let estimator = settings.calibration.estimator;
    let n = market.years.len();
    let alone = |i: usize, start: Wings, level: Level| alone(&market, i, start, (&pulls[i], level), settings);
    let free: Vec<Wings> = (0..n).into_par_iter().map(|i| alone(i, wings(&backbone[i]), Level::default())).collect();
    let levels = levels_at_the_money(&market, slices, &free, settings);
    let own: Vec<Wings> = (0..n).into_par_iter().map(|i| alone(i, free[i], levels[i])).collect();
    let sound: Vec<Wings> = backbone.iter().map(wings).collect();
    let problem = Problem { objectives: &market.objectives, pulls: &pulls, levels: &levels, estimator };
    let mut starts = vec![in_sequence(&sound, &own)];
    if prior.is_some() {
        starts.push(in_sequence(&sound, &usual.iter().map(wings).collect::<Vec<_>>()));
    }
    let start = starts.into_iter().min_by(|x, y| problem.cost(x).total_cmp(&problem.cost(y))).unwrap_or(sound);
    let descent = problem.descend(start);
    let smiles: Vec<SsviSmile> =
        descent.slices.iter().map(|&[theta, left, right]| SsviSmile::from_wings(theta, [left, right])).collect();
    let mut notes = market.notes.clone();
    for ((objective, &years), (&own, &joined)) in
        market.objectives.iter().zip(&market.years).zip(own.iter().zip(&descent.slices))
    {
        let k = objective.points.iter().map(|point| point.k);
        let variance =
            |[theta, left, right]: Wings| move |k: f64| total_variance([theta, left + right, right - left], k);
        let reason = moved(k, objective.expiry_years, variance(own), variance(joined));
        notes.extend(reason.map(|reason| Note { expiry_years: Some(years), reason }));
    }
    if !descent.has_settled {
        notes.push(Note { expiry_years: None, reason: Reason::NotConverged { steps: descent.steps } });
    }
    let of = |((objective, smile), &years)| Stability {
        expiry_years: Some(years),
        ..determination(objective, smile, estimator, descent.square_scale)
    };
    let stability = market.objectives.iter().zip(&smiles).zip(&market.years).map(of).collect();
    let surface = EssviSurface::new(EssviParameters {
        expiry_years: market.years.clone(),
        slices: smiles,
        clock: settings.clock.clone(),
    })?;
    let counted = |(quotes, &[theta, left, right]): (&SliceQuotes, &Wings)| {
        count(quotes, |k| total_variance([theta, left + right, right - left], k))
    };
    let unconstrained = of_all(slices.iter().zip(&free).map(counted));
    Ok(Fit { surface, notes, stability, unconstrained: Some(unconstrained) })
}

fn wings(smile: &SsviSmile) -> Wings {
    let [left, right] = smile.wings();
    [smile.theta, left, right]
}

/// What slice `i` is pulled towards, and how firmly.
fn pulls(market: &Market, i: usize, usual: &SsviSmile, settings: &ModelSettings) -> Pulls {
    let firmness = if market.has_shape(i) { FAINT } else { FIRM };
    let weight = settings.calibration.tikhonov.max(0.0) + firmness;
    let towards = [usual.theta.ln(), usual.rho, usual.psi.ln()];
    std::array::from_fn(|j| Pull { weight, towards: towards[j], scale: SCALES[j] })
}

/// What keeps each slice by the market at the money, where the settings are the default: three parameters that meet the wings would
/// leave it. A miss weighs as the quotes do that a slice `free` of it misses.
fn levels_at_the_money(
    market: &Market,
    slices: &[SliceQuotes],
    free: &[Wings],
    settings: &ModelSettings,
) -> Vec<Level> {
    let of = |(i, quotes): (usize, &SliceQuotes)| {
        if !settings.calibration.is_default() || !market.has_shape(i) {
            return Level::default();
        }
        let mut normal = Normal::new(settings.calibration.estimator, 1.0);
        accumulate(&market.objectives[i], free[i], |miss, by| normal.add(miss, by));
        let weight = (normal.squares / normal.count.max(1) as f64).max(1.0);
        Level { anchor: Target::new(quotes).anchor, weight: if weight.is_finite() { weight } else { 1.0 } }
    };
    slices.iter().enumerate().map(of).collect()
}

/// The best slice for slice `i`'s quotes alone, without conditions, its level kept.
fn alone(market: &Market, i: usize, start: Wings, (pulls, level): (&Pulls, Level), settings: &ModelSettings) -> Wings {
    if !market.has_shape(i) {
        return start;
    }
    const LEAST: f64 = 1e-14;
    let bounds = Bounds { low: [LEAST; 3], high: [1e3, 1e2, 1e2] };
    let objective = &market.objectives[i];
    let solution = minimise(start, &bounds, settings.calibration.estimator, OWN_STEPS, |x, normal| {
        accumulate(objective, *x, |miss, by| normal.add(miss, by));
        pull(normal, *x, pulls);
        level.hold(normal, *x);
        true
    });
    if solution.normal.cost.is_finite() { solution.parameters } else { start }
}

/// Slice after slice as near `wished` as its join to the one before allows, and as leaves the backbone's next slice a join.
fn in_sequence(sound: &[Wings], wished: &[Wings]) -> Vec<Wings> {
    const SHARES: [f64; 6] = [0.95, 0.8, 0.6, 0.4, 0.2, 0.1];
    let mut slices: Vec<Wings> = Vec::with_capacity(sound.len());
    for i in 0..sound.len() {
        let before = i.checked_sub(1).map(|before| [slices[before], sound[before]]);
        let near =
            |share: f64| -> Wings { std::array::from_fn(|j| sound[i][j] + share * (wished[i][j] - sound[i][j])) };
        let is_open = |slice: &Wings| {
            has_room(before, *slice, sound[i], ROOM)
                && sound.get(i + 1).is_none_or(|next| has_room(Some([*slice, sound[i]]), *next, *next, ROOM))
        };
        slices.push(SHARES.into_iter().map(near).find(is_open).unwrap_or(sound[i]));
    }
    slices
}

/// How well a slice's quotes determine its parameters.
fn determination(objective: &Objective, smile: &SsviSmile, estimator: Estimator, square_scale: f64) -> Stability {
    let mut rows = Vec::with_capacity(objective.points.len());
    accumulate(objective, wings(smile), |miss, &[by_theta, by_left, by_right]| {
        let by_rho = 0.5 * smile.psi * (by_right - by_left);
        let by_psi = 0.5 * ((1.0 - smile.rho) * by_left + (1.0 + smile.rho) * by_right);
        rows.push(Row { miss, by: [by_theta, by_rho, by_psi], tick: objective.tick(rows.len()) });
    });
    let evidence = Evidence::of(rows, estimator, square_scale);
    stability(["theta", "rho", "psi"], &[smile.theta, smile.rho, smile.psi], &evidence)
}
