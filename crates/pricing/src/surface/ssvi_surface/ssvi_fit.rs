//! The fit of an SSVI surface to quotes.

use super::{
    arrow::{Problem, Pull, State, accumulate},
    family::{Family, Shape, SsviLaw},
    market::Market,
    quality::quality_of_slices,
    surface::{SsviParameters, SsviSurface},
};
use crate::surface::{
    SliceQuotes,
    calibration::{Estimator, Evidence, Fit, FitError, ModelSettings, Note, Reason, Row, Stability, stability},
};

/// Quotes a slice that the starts look at.
const QUOTES_PER_SLICE: usize = 12;
/// Steps from each start, and of the descent proper.
const FIRST_STEPS: usize = 8;
const STEPS: usize = 60;
const FIRST_TOLERANCE: f64 = 1e-3;
const TOLERANCE: f64 = 1e-8;
/// Every coordinate is pulled this faintly towards its typical value, so that quotes which say nothing of it leave it there.
const FAINT: f64 = 1e-6;
/// Scales of ρ, the logarithm of the level of φ, γ, and the logarithm of a level θ, under Tikhonov's pull.
const SHAPE_SCALES: [f64; 3] = [0.3, 0.5, 0.2];
const LEVEL_SCALE: f64 = 0.1;
/// A plain power holds up to this multiple of the greatest quoted level.
const CAP: f64 = 1.5;

/// Fits SSVI with the smile function of `law` to slices of ascending expiry: all levels and the shape at once, from several shapes and from
/// `prior`'s. Levels that would fall with expiry become one. [`Fit::unconstrained`] is the fit of the same law with neither.
///
/// # Errors
/// [`FitError::NoQuotes`] where no quote can be used, [`FitError::NotConverged`] where no start has a finite cost.
pub fn fit_ssvi(
    slices: &[SliceQuotes],
    law: SsviLaw,
    settings: &ModelSettings,
    prior: Option<&SsviSurface>,
) -> Result<Fit<SsviSurface>, FitError> {
    let market = Market::new(slices, &settings.calibration, &settings.clock)?;
    let found = descend(&market, law, settings, prior)?;
    let theta = levels(&market, &found.state);
    let shape = found.state.shape;
    let surface = SsviSurface::new(SsviParameters {
        rho: shape[0],
        phi: found.family.phi(shape),
        expiry_years: market.years.clone(),
        theta,
        clock: settings.clock.clone(),
    })
    .map_err(|_| FitError::NotConverged { starts: found.starts })?;
    let mut notes = market.notes.clone();
    if !found.state.has_settled {
        notes.push(Note { expiry_years: None, reason: Reason::NotConverged { steps: found.state.steps } });
    }
    let [low, high] = found.family.range();
    for (i, parameter) in ["rho", "eta", "gamma"].into_iter().enumerate() {
        if low[i] < high[i] && (shape[i] <= low[i] || shape[i] >= high[i]) {
            let value = if i == 1 { found.family.log_level(shape).0.exp() } else { shape[i] };
            let (parameter, value) = match law {
                SsviLaw::Heston if i == 1 => ("lambda", 0.25 / value),
                _ => (parameter, value),
            };
            notes.push(Note { expiry_years: None, reason: Reason::AtBound { parameter: parameter.into(), value } });
        }
    }
    let loose = Family { is_loose: true, ..found.family };
    let start = loose.shape(shape[0], &found.family.phi(shape)).unwrap_or_else(|| loose.typical());
    let starting = State { shape: start, ..State::new(&found.ungrouped, start) };
    let free = problem(&market, loose, settings, None).descend(starting, STEPS, TOLERANCE);
    let unconstrained = quality_of_slices(slices, |i| {
        let theta = free.theta(i)?;
        let psi = loose.psi(theta, free.shape)[0];
        Some([theta, psi, free.shape[0] * psi])
    });
    Ok(Fit {
        surface,
        notes,
        stability: vec![determination(&market, &found.family, settings, &found.state)],
        unconstrained: Some(unconstrained),
    })
}

/// What the descent came to.
pub(super) struct Found {
    pub(super) family: Family,
    pub(super) state: State,
    /// Levels before those that fall became one.
    ungrouped: Vec<Option<f64>>,
    starts: usize,
}

/// The best descent from all starts.
pub(super) fn descend(
    market: &Market,
    law: SsviLaw,
    settings: &ModelSettings,
    prior: Option<&SsviSurface>,
) -> Result<Found, FitError> {
    let first_levels: Vec<Option<f64>> = (0..market.years.len()).map(|i| market.level(i)).collect();
    let greatest = first_levels.iter().flatten().fold(1e-12_f64, |most, level| most.max(*level));
    let family = Family { law, cap: CAP * greatest, is_loose: false };
    let mut starts = family.starts().to_vec();
    let before = prior.and_then(|prior| {
        let parameters = prior.parameters();
        Some((family.shape(parameters.rho, &parameters.phi)?, prior))
    });
    starts.extend(before.map(|it| it.0));
    let thinned = market.thinned(QUOTES_PER_SLICE);
    let full = problem(market, family, settings, before);
    let few = Problem { objectives: &thinned, level_pulls: full.level_pulls.clone(), ..full };
    let best = starts
        .iter()
        .map(|&shape| few.descend(State::new(&first_levels, shape), FIRST_STEPS, FIRST_TOLERANCE))
        .filter(|state| state.cost.is_finite())
        .min_by(|x, y| x.cost.total_cmp(&y.cost))
        .ok_or(FitError::NotConverged { starts: starts.len() })?;
    let free = full.descend(best, STEPS, TOLERANCE);
    let ungrouped = (0..market.years.len()).map(|i| free.theta(i)).collect();
    let state = full.descend_rising(free, STEPS, TOLERANCE);
    if !state.cost.is_finite() {
        return Err(FitError::NotConverged { starts: starts.len() });
    }
    Ok(Found { family, state, ungrouped, starts: starts.len() })
}

/// What is minimised. The pulls are towards the prior where there is one.
fn problem<'a>(
    market: &'a Market,
    family: Family,
    settings: &ModelSettings,
    prior: Option<(Shape, &SsviSurface)>,
) -> Problem<'a> {
    let tikhonov = settings.calibration.tikhonov.max(0.0);
    let shape = prior.map_or_else(|| family.typical(), |it| it.0);
    let towards = [shape[0], family.log_level(shape).0, shape[2]];
    let pull = |i: usize| Pull { weight: tikhonov + FAINT, towards: towards[i], scale: SHAPE_SCALES[i] };
    let level_pulls = match prior {
        Some((_, prior)) if tikhonov > 0.0 => {
            let pull =
                |&years: &f64| Some(Pull { weight: tikhonov, towards: prior.theta(years).ln(), scale: LEVEL_SCALE });
            market.years.iter().map(pull).collect()
        }
        _ => vec![None; market.years.len()],
    };
    Problem {
        objectives: &market.objectives,
        family,
        estimator: settings.calibration.estimator,
        level_pulls,
        shape_pulls: [pull(0), pull(1), pull(2)],
    }
}

/// A level for every slice, never falling: those without quotes on the straight line of variance time between their neighbours'.
pub(super) fn levels(market: &Market, state: &State) -> Vec<f64> {
    let known: Vec<(f64, f64)> =
        (0..market.years.len()).filter_map(|i| Some((market.times[i], state.theta(i)?))).collect();
    let mut before = 0.0_f64;
    let level = |i: usize| {
        let time = market.times[i];
        let theta = state.theta(i).unwrap_or_else(|| {
            let after = known.partition_point(|it| it.0 < time);
            let (start, from) = after.checked_sub(1).map_or((0.0, 0.0), |i| known[i]);
            match known.get(after) {
                Some(&(end, to)) => from + (to - from) * (time - start) / (end - start),
                None => from * time / start,
            }
        });
        before = before.max(theta);
        before
    };
    (0..market.years.len()).map(level).collect()
}

/// How well the quotes determine the shape, the levels being free: the normal equations of the shape with the levels eliminated.
fn determination(market: &Market, family: &Family, settings: &ModelSettings, state: &State) -> Stability {
    // In the coordinates that have names: a unit of the level of φ rather than of its share, at the same ρ and γ.
    let (log_level, [by_rho, by_share, by_gamma]) = family.log_level(state.shape);
    let level = log_level.exp();
    let per_level = 1.0 / (level * by_share);
    let lambda = 0.25 / level;
    let natural = |[theta, rho, share, gamma]: [f64; 4]| {
        let by_level = share * per_level;
        let level_slope = match family.law {
            SsviLaw::Heston => -by_level * level / lambda,
            _ => by_level,
        };
        [theta, rho - share * by_rho / by_share, level_slope, gamma - share * by_gamma / by_share]
    };
    let rows: Vec<Vec<Row<4>>> = (0..market.years.len())
        .map(|i| {
            let objective = &market.objectives[i];
            let mut rows = Vec::with_capacity(objective.points.len());
            if let Some(group) = state.group[i] {
                let log_theta = state.log_theta[group];
                accumulate(objective, family, log_theta, state.shape, |miss, by| {
                    rows.push(Row { miss, by: natural(*by), tick: objective.tick(rows.len()) });
                });
            }
            rows
        })
        .collect();
    // What a level takes up of each of the shape's slopes.
    let mut own = vec![[0.0; 4]; state.log_theta.len()];
    for (rows, group) in rows.iter().zip(&state.group) {
        if let Some(sums) = group.map(|group| &mut own[group]) {
            for row in rows {
                for (sum, slope) in sums.iter_mut().zip(row.by) {
                    *sum += row.by[0] * slope;
                }
            }
        }
    }
    let projected = rows.iter().zip(&state.group).flat_map(|(rows, group)| {
        let sums = group.map_or([0.0; 4], |group| own[group]);
        rows.iter().map(move |&Row { miss, by, tick }| {
            let share = |i: usize| if sums[0] > 0.0 { by[i] - by[0] * sums[i] / sums[0] } else { by[i] };
            Row { miss, by: [share(1), share(2), share(3)], tick }
        })
    });
    let [rho, _, gamma] = state.shape;
    let estimator = settings.calibration.estimator;
    match family.law {
        SsviLaw::Heston => {
            let rows = projected.map(|Row { miss, by, tick }| Row { miss, by: [by[0], by[1]], tick });
            report(["rho", "lambda"], [rho, lambda], rows, estimator, state)
        }
        _ => report(["rho", "eta", "gamma"], [rho, level, gamma], projected, estimator, state),
    }
}

/// The stability of parameters beside which the levels were fitted.
fn report<const N: usize>(
    names: [&str; N],
    values: [f64; N],
    rows: impl Iterator<Item = Row<N>>,
    estimator: Estimator,
    state: &State,
) -> Stability {
    let evidence = Evidence::of(rows.collect(), estimator, state.noise);
    stability(names, &values, &Evidence { fitted: N + state.log_theta.len(), ..evidence })
}
