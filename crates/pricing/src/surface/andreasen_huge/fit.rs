//! Fitting the local variances of one step after another to the quotes at its end.

use super::{
    AndreasenHuge,
    ceiling::{Limit, ceilings, limits},
    grid::{Grid, Place},
    parameters::{AndreasenHugeParameters, AndreasenHugeStep, lognormal_half_squares, place},
    step::{Prices, Step},
};
use crate::surface::{
    SliceQuotes,
    calibration::{
        Bounds, Evidence, Fit, FitError, ModelSettings, Normal, Note, Objective, Reason, Row, Stability,
        minimise_within, quote_notes, stability,
    },
    from_price::{self, ln_by_variance, total_variance},
    smile::{VolatilitySurface, durrleman_g},
    span::log_moneyness_range,
};

/// Most parameters of one step.
const MOST: usize = 24;
/// Strikes a parameter.
const STRIKES_A_PARAMETER: f64 = 1.5;
/// Up to so many strikes each has its own parameter.
const FEW: usize = 6;
/// ln of local variance over the base's is within ± this.
const BOUND: f64 = 12.0;
/// A step that gains less than this share of the cost is the last.
const LEAST_GAIN: f64 = 1e-5;
/// Most steps of a descent.
const MOST_STEPS: usize = 25;
/// Weight of the squared second difference of neighbouring parameters.
const ROUGHNESS: f64 = 0.05;
/// Weight of a squared excess over what later slices ask for, in their half-spreads.
const CEILING: f64 = 4.0;
/// Weight of a parameter's own square: what determines those that no quote does.
const RIDGE: f64 = 1e-6;
/// A typical change of ln local variance from a day to the next, as Tikhonov's scale.
const SCALE: f64 = 0.5;
/// The grid goes so far beyond the quotes, as a share of their span, and so many deviations from the money.
const BEYOND: f64 = 0.35;
const DEVIATIONS: f64 = 5.0;

/// Fits one implicit step to the quotes of each expiry, the earliest first.
///
/// A step has a parameter for each of up to six strikes, else for every one and a half, 24 at most, at quantiles of the quoted strikes. So
/// a single quote gives one volatility, up to the grid's own error; a slice without a usable quote has no step of its own, and the surface
/// at its expiry is interpolated. Beside its own quotes a step is held below the upper half of the spreads of later expiries: what it takes
/// they cannot give back. Where quotes want total variance to fall from an expiry to the next, the later slice stays above the earlier.
/// With a prior, its knots are added where today has no quotes, and what is smoothed is the change from it.
/// The stability of a step holds the steps before it and the level that its ratios are of.
///
/// # Errors
/// [`FitError::NoQuotes`] where no slice has a usable quote, [`FitError::AndreasenHuge`] where the parameters found make no surface.
pub fn fit(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    prior: Option<&AndreasenHuge>,
) -> Result<Fit<AndreasenHuge>, FitError> {
    let mut notes = quote_notes(slices);
    let mut targets: Vec<Objective> = Vec::new();
    for quotes in slices {
        let objective = Objective::new(quotes, &settings.calibration);
        let expiry_years = objective.expiry_years;
        notes.extend(few(&objective).map(|reason| Note { expiry_years: Some(expiry_years), reason }));
        if targets.last().is_some_and(|before| before.expiry_years >= expiry_years) {
            let why = "its expiry is not after the one before".to_owned();
            notes.push(Note { expiry_years: Some(expiry_years), reason: Reason::Failed { why } });
        } else if !objective.points.is_empty() {
            targets.push(objective);
        }
    }
    let levels: Vec<f64> = targets.iter().map(at_the_money).collect();
    let Some(finest) = levels.iter().copied().reduce(f64::min) else { return Err(FitError::NoQuotes) };
    let mut parameters = AndreasenHugeParameters {
        log_moneyness_range: range(slices, &levels),
        finest_deviation: finest.sqrt().clamp(1e-7, 10.0),
        clock: settings.clock.clone(),
        steps: Vec::with_capacity(targets.len()),
    };
    let grid = parameters.grid();
    let mut prices = Prices::today(&grid);
    let mut stabilities = Vec::with_capacity(targets.len());
    let ceilings = ceilings(&targets);
    for ((objective, level), ceilings) in targets.iter().zip(levels).zip(&ceilings) {
        let before = parameters.steps.last();
        let mut step = AndreasenHugeStep {
            expiry_years: objective.expiry_years,
            total_variance: level,
            log_moneyness: knots(objective, grid.range, prior),
            log_ratios: Vec::new(),
        };
        let tau = parameters.length(before, &step);
        let base_before = before.map_or(0.0, |before| before.total_variance);
        // The first step starts from a kink, so that its ratios are not like those of the others.
        let last = before.filter(|_| parameters.steps.len() > 1);
        let slice = SliceFit {
            grid: &grid,
            objective,
            before: &prices,
            base_before,
            last,
            limits: limits(ceilings, &grid),
            tau,
            settings,
            prior,
        };
        let found = match step.log_moneyness.len() {
            1 => slice.run::<1>(&mut step, &mut notes),
            2..=4 => slice.run::<4>(&mut step, &mut notes),
            5..=8 => slice.run::<8>(&mut step, &mut notes),
            9..=16 => slice.run::<16>(&mut step, &mut notes),
            _ => slice.run::<MOST>(&mut step, &mut notes),
        };
        stabilities.push(found);
        let half_squares = step.half_squares(&grid.log_nodes, before, tau);
        prices = Step::new(&grid, &half_squares, tau).advance(&prices);
        parameters.steps.push(step);
    }
    let surface = AndreasenHuge::try_from(parameters)?;
    Ok(Fit { notes, stability: stabilities, ..Fit::of(surface) })
}

/// A slice with fewer strikes than give it a smile.
fn few(objective: &Objective) -> Option<Reason> {
    let quotes = objective.strikes();
    let (needed, instead) = match quotes {
        0 => (1, "the neighbours' interpolation".into()),
        1 => (2, "one volatility".into()),
        2..5 => (5, format!("{quotes} local variances")),
        _ => return None,
    };
    Some(Reason::TooFewQuotes { quotes, needed, instead })
}

/// Total variance of the mids at the money, between the quotes on both sides of it, or of the quote nearest to it.
fn at_the_money(objective: &Objective) -> f64 {
    let points = &objective.points;
    let after = points.partition_point(|point| point.k < 0.0);
    let level = match (after.checked_sub(1).map(|i| &points[i]), points.get(after)) {
        (Some(low), Some(high)) => {
            let share = if high.k > low.k { -low.k / (high.k - low.k) } else { 0.5 };
            low.total_variance[1] + share * (high.total_variance[1] - low.total_variance[1])
        }
        (Some(only), None) | (None, Some(only)) => only.total_variance[1],
        (None, None) => f64::NAN,
    };
    level.max(1e-13)
}

/// What the grid must cover.
fn range(slices: &[SliceQuotes], levels: &[f64]) -> [f64; 2] {
    let widest = levels.iter().copied().fold(0.0, f64::max);
    let reach = DEVIATIONS * widest.sqrt() + 0.5 * widest;
    let (mut low, mut high) = (-reach, reach);
    for [least, most] in slices.iter().filter_map(log_moneyness_range) {
        let span = BEYOND * (most - least);
        (low, high) = (low.min(least - span), high.max(most + span));
    }
    [low.max(-60.0), high.min(60.0)]
}

/// Quantiles of the distinct strikes; between and beyond them yesterday's knots, which keep its shape where today has no quotes.
fn knots(objective: &Objective, [low, high]: [f64; 2], prior: Option<&AndreasenHuge>) -> Vec<f64> {
    let mut strikes: Vec<f64> = objective.points.iter().map(|point| point.k).collect();
    strikes.dedup();
    let least = strikes.len().clamp(1, FEW);
    let wanted = ((strikes.len() as f64 / STRIKES_A_PARAMETER).ceil() as usize).clamp(least, MOST);
    let last = (strikes.len() - 1) as f64;
    let mut knots: Vec<f64> = if wanted == 1 {
        vec![strikes[strikes.len() / 2]]
    } else {
        (0..wanted).map(|i| strikes[(last * i as f64 / (wanted - 1) as f64).round() as usize]).collect()
    };
    knots.dedup();
    let steps = prior.map_or(&[][..], |prior| &prior.parameters().steps);
    let after = steps.partition_point(|step| step.expiry_years < objective.expiry_years);
    if let Some(step) = steps.get(after).or(steps.last()) {
        let old = &step.log_moneyness;
        let gap = (old[old.len() - 1] - old[0]) / MOST as f64;
        for k in old.iter().filter(|k| (low..=high).contains(*k)) {
            if knots.len() < MOST && knots.iter().all(|knot| (knot - k).abs() > gap) {
                knots.push(*k);
            }
        }
        knots.sort_by(f64::total_cmp);
    }
    knots
}

/// One step's descent.
struct SliceFit<'a> {
    grid: &'a Grid,
    objective: &'a Objective,
    before: &'a Prices,
    base_before: f64,
    /// The step before, where its ratios are a start.
    last: Option<&'a AndreasenHugeStep>,
    /// Where later slices must find room.
    limits: Vec<Limit>,
    tau: f64,
    settings: &'a ModelSettings,
    prior: Option<&'a AndreasenHuge>,
}

impl SliceFit<'_> {
    /// Fills in `step`'s parameters; `N` are at least as many.
    fn run<const N: usize>(&self, step: &mut AndreasenHugeStep, notes: &mut Vec<Note>) -> Stability {
        let grid = self.grid;
        let count = step.log_moneyness.len();
        let base = lognormal_half_squares(&grid.log_nodes, self.base_before, step.total_variance, self.tau);
        let knots = &step.log_moneyness;
        let weights: Vec<[(usize, f64); 2]> = grid.log_nodes.iter().map(|y| place(knots, *y)).collect();
        let places: Vec<Place> = self.objective.points.iter().map(|point| grid.place(point.k)).collect();
        let target = self.typical::<N>(step);
        let mut start = target;
        if let (Some(last), None) = (self.last, self.prior) {
            for (start, k) in start.iter_mut().zip(knots) {
                *start = last.log_ratio(*k);
            }
        }
        let tikhonov = self.settings.calibration.tikhonov / (SCALE * SCALE);
        let bounds = Bounds { low: [-BOUND; N], high: [BOUND; N] };
        let estimator = self.settings.calibration.estimator;
        let mut sensitivities = vec![[0.0; N]; grid.len()];
        // Quotes go to `rows`, where these are given, so that `normal` has what else pulls.
        let mut accumulate = |x: &[f64; N], normal: &mut Normal<N>, mut rows: Option<&mut Vec<Row<N>>>| {
            let half_squares: Vec<f64> = base
                .iter()
                .zip(&weights)
                .map(|(base, weights)| base * weights.iter().map(|(m, weight)| weight * x[*m]).sum::<f64>().exp())
                .collect();
            let matrix = Step::new(grid, &half_squares, self.tau);
            let u = matrix.time_values(self.before);
            // ∂u/∂x_m solves the same system with the m-th share of the time value itself on the right.
            for ((row, weights), u) in sensitivities.iter_mut().zip(&weights).zip(&u) {
                *row = [0.0; N];
                for (m, weight) in weights {
                    row[*m] += weight * u[0];
                }
            }
            matrix.solve(&mut sensitivities);
            let prices: Vec<f64> = self.before.out_of_the_money.iter().zip(&u).map(|(o, u)| o + u[0]).collect();
            let slopes = |place: &Place, factor: f64| {
                let mut by = [0.0; N];
                for (offset, weight) in place.cubic.iter().enumerate() {
                    for (by, sensitivity) in by.iter_mut().zip(&sensitivities[place.first + offset]) {
                        *by += factor * weight * sensitivity;
                    }
                }
                by
            };
            for (i, (place, point)) in places.iter().zip(&self.objective.points).enumerate() {
                let price = grid.price(place, &prices, &self.before.bends).value;
                let w = total_variance(point.k, price.ln());
                let by_variance = (-ln_by_variance(point.k, w.sqrt())).exp();
                let row = self.objective.row(i, w, &slopes(place, by_variance));
                if !(row.miss.is_finite() && row.by.iter().all(|by| by.is_finite())) {
                    return false;
                }
                match &mut rows {
                    Some(rows) => rows.push(row),
                    None => normal.add(row.miss, &row.by),
                }
            }
            for Limit { ceiling, place, price: most } in &self.limits {
                let price = grid.price(place, &prices, &self.before.bends).value;
                if price > *most {
                    let w = total_variance(ceiling.k, price.ln());
                    let by = slopes(place, ceiling.inverse_half * (-ln_by_variance(ceiling.k, w.sqrt())).exp());
                    normal.pull(CEILING, ceiling.inverse_half * (w - ceiling.total_variance), &by);
                }
            }
            for m in 0..count {
                pull(normal, RIDGE + tikhonov, x[m] - target[m], [(m, 1.0)]);
            }
            for m in 1..count.max(1) - 1 {
                let off = |m: usize| x[m] - target[m];
                let second = 2.0 * off(m) - off(m - 1) - off(m + 1);
                pull(normal, ROUGHNESS, second, [(m - 1, -1.0), (m, 2.0), (m + 1, -1.0)]);
            }
            for (m, unused) in x.iter().enumerate().skip(count) {
                pull(normal, 1.0, *unused, [(m, 1.0)]);
            }
            true
        };
        let solution =
            minimise_within(LEAST_GAIN, start, &bounds, estimator, MOST_STEPS, |x, normal| accumulate(x, normal, None));
        let square_scale = solution.noise_scale.powi(2);
        let (mut rows, mut pulls) = (Vec::with_capacity(places.len()), Normal::new(estimator, square_scale));
        accumulate(&solution.parameters, &mut pulls, Some(&mut rows));
        let evidence = Evidence { pulls: pulls.hessian, fitted: count, ..Evidence::of(rows, estimator, square_scale) };
        let expiry_years = Some(step.expiry_years);
        if !solution.converged {
            notes.push(Note { expiry_years, reason: Reason::NotConverged { steps: solution.steps } });
        }
        let found: Vec<f64> = solution.parameters[..count].to_vec();
        if let Some(at) = found.iter().position(|ratio| ratio.abs() >= BOUND) {
            let parameter = format!("log_ratio at {:.4}", step.log_moneyness[at]);
            notes.push(Note { expiry_years, reason: Reason::AtBound { parameter, value: found[at] } });
        }
        step.log_ratios = found;
        let names = step.log_moneyness.iter().map(|k| format!("log_ratio_{k:.4}"));
        Stability { expiry_years, ..stability(names, &step.log_ratios, &evidence) }
    }

    /// Where the descent starts and Tikhonov pulls to: zero, or what would take the step to yesterday's surface.
    fn typical<const N: usize>(&self, step: &AndreasenHugeStep) -> [f64; N] {
        let mut ratios = [0.0; N];
        let Some(prior) = self.prior else { return ratios };
        let base = lognormal_half_squares(&step.log_moneyness, self.base_before, step.total_variance, self.tau);
        for (i, &k) in step.log_moneyness.iter().enumerate() {
            let smile = prior.variance(k, step.expiry_years).smile();
            let deviation = smile[0].sqrt();
            let vega = ln_by_variance(k, deviation).exp();
            let rise = from_price::price(k, deviation)
                - self.grid.price(&self.grid.place(k), &self.before.out_of_the_money, &self.before.bends).value;
            let ratio = rise / (self.tau * 2.0 * vega * durrleman_g(k, smile) * base[i]);
            if ratio > 0.0 && ratio.is_finite() {
                ratios[i] = ratio.ln().clamp(-0.5 * BOUND, 0.5 * BOUND);
            }
        }
        ratios
    }
}

/// Adds weight·miss² of a miss that few parameters move: their numbers, ascending, and its slopes by them.
fn pull<const N: usize, const M: usize>(normal: &mut Normal<N>, weight: f64, miss: f64, by: [(usize, f64); M]) {
    normal.cost += weight * miss * miss;
    for (n, (i, slope)) in by.into_iter().enumerate() {
        normal.gradient[i] += weight * slope * miss;
        for (j, other) in &by[..=n] {
            normal.hessian[i][*j] += weight * slope * other;
        }
    }
}
