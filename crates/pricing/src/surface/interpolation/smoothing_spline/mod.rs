//! Fengler's arbitrage-free smoothing of option prices.
//!
//! M. Fengler, "Arbitrage-free smoothing of the implied volatility surface", Quantitative Finance 9 (2009): at each expiry the natural cubic
//! smoothing spline of prices in strike, in Green and Silverman's value and second derivative form, that is convex, has slopes and ends
//! within their bounds, and is nowhere worth more than the next expiry at the same forward moneyness; from the last expiry to the first. A
//! strictly convex quadratic programme each. Three things are not as published: prices are of puts over the forward, which differ from its
//! calls by a straight line; the knots are the quotes' own strikes instead of a presmoothed grid, so that calendar arbitrage is excluded at
//! each knot of the earlier expiry and not between them or beyond its quotes; and the slopes at the ends are bounded more tightly, so that
//! the straight wings of total variance beyond have no butterfly arbitrage either. The wings of two expiries may cross.

mod quadratic;
mod slice;
mod smile;

pub use smile::{PriceSpline, SmoothedSmile};

use rayon::prelude::*;

use super::{cubic_spline, knots::Knots, monotone_spline, piecewise_cubic::PiecewiseCubic, remarks::remarks};
use crate::surface::{
    SliceQuotes, Slices, Smile,
    calibration::{Fit, FitError, ModelSettings, Note, Reason},
    neighbours::filled,
    span::positive_years,
};

/// Fewest strikes that a spline of prices is fitted to.
const FEWEST: usize = 5;
/// Knots of a slice that is filled from its neighbours.
const FILLED_KNOTS: u32 = 41;

/// Smooths the mids of each slice, a miss of ln σ counted in the unit of the settings (by default half-spreads); at each expiry as smooth as
/// leaves a root mean square miss of a quarter without the constraints. Tikhonov's λ stiffens it: the weight of the curvature is 1 + λ times that.
/// The estimator is least squares, whatever the settings say. A prior has no part.
///
/// # Errors
/// Where no quote is usable.
pub fn fit(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    _prior: Option<&Slices<SmoothedSmile>>,
) -> Result<Fit<Slices<SmoothedSmile>>, FitError> {
    let expiry_years: Vec<f64> = slices.iter().map(|quotes| positive_years(quotes.expiry_years)).collect();
    let knots: Vec<Knots> = slices.par_iter().map(|quotes| Knots::new(quotes, &settings.calibration)).collect();
    if knots.iter().all(|knots| knots.len() == 0) {
        return Err(FitError::NoQuotes);
    }
    let mut notes = remarks(slices, &expiry_years, &knots, FEWEST, "a spline of total variance");
    let stiffness = 1.0 + settings.calibration.tikhonov.max(0.0);
    let mut smiles: Vec<Option<SmoothedSmile>> = vec![None; slices.len()];
    for i in (0..slices.len()).rev().filter(|&i| knots[i].len() > 0) {
        let later = smiles[i + 1..].iter().flatten().next().map(|later| later as &dyn Smile);
        let (smile, why) = smoothed(&knots[i], later, stiffness);
        let reason = why.map(|why| Reason::Failed { why: why.into() });
        notes.extend(reason.map(|reason| Note { expiry_years: Some(expiry_years[i]), reason }));
        smiles[i] = Some(smile);
    }
    let times: Vec<f64> = expiry_years.iter().map(|&years| settings.clock.at(years)[0]).collect();
    let between = |low: &SmoothedSmile, high: &SmoothedSmile, share: f64| mixed([(low, 1.0 - share), (high, share)]);
    let scaled = |smile: &SmoothedSmile, by: f64| mixed([(smile, by), (smile, 0.0)]);
    let smiles = filled(&smiles, &times, between, scaled).ok_or(FitError::NoQuotes)?;
    Ok(Fit { notes, ..Fit::of(Slices { expiry_years, smiles, clock: settings.clock.clone() }) })
}

/// The spline under all constraints; where there is none, without the next expiry's; else one of total variance.
fn smoothed(knots: &Knots, later: Option<&dyn Smile>, stiffness: f64) -> (SmoothedSmile, Option<&'static str>) {
    let variance = || {
        let spline = cubic_spline::join(knots);
        SmoothedSmile::Variance(if spline.is_positive() { spline } else { monotone_spline::join(knots) })
    };
    if knots.len() < FEWEST {
        return (variance(), None);
    }
    if let Some(spline) = slice::fit(knots, later, stiffness).filter(PriceSpline::has_values) {
        return (SmoothedSmile::Price(spline), None);
    }
    let alone = later.and_then(|_| slice::fit(knots, None, stiffness)).filter(PriceSpline::has_values);
    match alone {
        Some(spline) => (
            SmoothedSmile::Price(spline),
            Some("no convex prices below the next expiry's; smoothed without regard to it"),
        ),
        None => (variance(), Some("no convex prices near the quotes; a spline of total variance instead")),
    }
}

/// A sum of two smiles at knots that reach four deviations about the money.
fn mixed(parts: [(&SmoothedSmile, f64); 2]) -> SmoothedSmile {
    let sum = |k: f64, part: usize| parts.iter().map(|(smile, share)| share * smile.derivatives(k)[part]).sum::<f64>();
    let reach = 4.0 * sum(0.0, 0).sqrt();
    let log_moneyness: Vec<f64> =
        (0..FILLED_KNOTS).map(|i| reach * (2.0 * f64::from(i) / f64::from(FILLED_KNOTS - 1) - 1.0)).collect();
    SmoothedSmile::Variance(PiecewiseCubic {
        total_variance: log_moneyness.iter().map(|&k| sum(k, 0)).collect(),
        slope: log_moneyness.iter().map(|&k| sum(k, 1)).collect(),
        log_moneyness,
    })
}
