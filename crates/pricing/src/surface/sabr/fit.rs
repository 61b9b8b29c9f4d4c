//! A surface of SABR slices: each fitted to its own quotes, then moved where it falls below the one before.

use rayon::prelude::*;

use super::{
    Held, calendar,
    curve::{BETA, LEVEL, RHO, VOL_OF_VOL},
    family::Family,
    remarks,
    slice::{Conditions, Floor, HIGH, LOW, Pull, TYPICAL, all, guess, solve},
    smile::SabrParameters,
};
use crate::surface::{
    SliceQuotes, Slices,
    calibration::{
        Estimator, Evidence, Fit, FitError, ModelSettings, Note, Objective, Reason, Row, Stability, noise, quote_notes,
        stability,
    },
    neighbours::nearest,
    quality_of,
    span::positive_years,
};

/// What a slice whose quotes do not fix its shape is pulled towards its neighbour's by.
const WEAK_PULL: f64 = 0.1;
/// What a slice of too few strikes for all parameters is pulled to a known shape by: its quotes come first.
const FAINT_PULL: f64 = 1e-3;
/// Total variances that differ by no more than this share are one.
const ONE_VOLATILITY: f64 = 1e-4;
/// Root mean square of what deviations miss of themselves beyond which a smile that was not fitted to its quotes is none of theirs.
const NEAR: f64 = 0.1;
/// Strikes that a shape of its own asks for beyond the parameters: a curve through as many quotes as it has parameters may go anywhere else.
const SPARE_STRIKES: usize = 2;
/// Mean squared miss, in units that count as one, below which a model meets its quotes.
const EXACT: f64 = 1e-12;

/// One slice on its way.
pub(super) struct Work<'a> {
    pub(super) quotes: &'a SliceQuotes,
    pub(super) objective: Objective,
    pub(super) expiry_years: f64,
    /// (α√t, ρ, ν√t, β), once it has them.
    pub(super) x: Option<[f64; 4]>,
    /// Where the descent started.
    start: [f64; 4],
    pull: Option<Pull>,
    /// As a share of the forward.
    shift: f64,
    /// Whether its own quotes gave the shape.
    is_own: bool,
    /// Whether the descent came to its end.
    is_settled: bool,
}

impl Work<'_> {
    /// What the slice is fitted under, from where it now is.
    pub(super) fn conditions<'a, S: Family>(&self, settings: &'a ModelSettings, floor: Floor<'a>) -> Conditions<'a> {
        Conditions {
            settings: &settings.calibration,
            start: self.x.unwrap_or(self.start),
            pull: self.pull,
            floor,
            most_steps: S::MOST_STEPS,
            is_shape_held: !self.is_own,
            shift: self.shift,
        }
    }

    pub(super) fn smile<S: Family>(&self) -> S {
        S::of(self.parameters(), self.shift)
    }

    pub(super) fn parameters(&self) -> SabrParameters {
        SabrParameters::with_time(self.x.unwrap_or(self.start), self.expiry_years)
    }
}

/// Fits N parameters a slice: (α, ρ, ν) at what is held, and for N = 4 β itself, from the held one on.
pub(super) fn surface<S: Family, const N: usize>(
    slices: &[SliceQuotes],
    held: Held,
    settings: &ModelSettings,
    prior: Option<&Slices<S>>,
) -> Result<Fit<Slices<S>>, FitError> {
    let mut notes = Vec::new();
    let mut works: Vec<Work<'_>> =
        slices.par_iter().map(|quotes| begin::<S, N>(quotes, held, settings, prior)).collect();
    // The order of the quotes is not trusted with what has to ascend.
    works.sort_by(|x, y| x.expiry_years.total_cmp(&y.expiry_years));
    works.dedup_by(|later, earlier| {
        let is_twice = later.expiry_years <= earlier.expiry_years;
        if is_twice {
            let why = "another slice has the same expiry".into();
            notes.push(Note { expiry_years: Some(later.expiry_years), reason: Reason::Failed { why } });
        }
        is_twice
    });
    if works.iter().all(|work| work.objective.points.is_empty()) {
        return Err(FitError::NoQuotes);
    }
    works.par_iter_mut().filter(|work| work.has_own_shape::<N>()).for_each(|work| {
        work.is_own = true;
        work.start = S::start::<N>(&work.objective, &work.conditions::<S>(settings, Floor::default()));
        let found = solve::<S, N>(&work.objective, &work.conditions::<S>(settings, Floor::default()));
        work.x = found.normal.cost.is_finite().then(|| all(&found.parameters, work.start));
        // Quotes that the model meets exactly leave nothing to gain a share of.
        work.is_settled = found.converged || found.normal.squares < EXACT * found.normal.count as f64;
    });
    notes.extend(quote_notes(works.iter().map(|work| work.quotes)));
    for work in &works {
        if !work.is_settled {
            notes.push(work.note(Reason::NotConverged { steps: S::MOST_STEPS }));
        }
    }
    let failed: Vec<bool> = works.iter().map(|work| work.is_own && work.x.is_none()).collect();
    borrow_shapes::<S, N>(&mut works, held.beta, settings, &mut notes);
    if let Some((work, _)) = works.iter().zip(failed).find(|(work, failed)| !work.is_at_quotes::<S, N>(*failed)) {
        return Err(FitError::NoSmile { expiry_years: work.expiry_years });
    }
    let of = |works: &[Work<'_>]| Slices {
        expiry_years: works.iter().map(|work| work.expiry_years).collect(),
        smiles: works.par_iter().map(Work::smile::<S>).collect(),
        clock: settings.clock.clone(),
    };
    let free = of(&works);
    let surface = if calendar::enforce::<S, N>(&mut works, settings, &mut notes) { of(&works) } else { free.clone() };
    for work in &works {
        remarks::of_bounds::<N>(work, &mut notes);
    }
    let stability = works.par_iter().map(|work| stability_of::<S, N>(work, settings.calibration.estimator)).collect();
    let unconstrained = Some(quality_of(&free, slices).1);
    Ok(Fit { surface, notes, stability, unconstrained })
}

impl Work<'_> {
    /// Whether there are strikes enough for N parameters.
    fn has_own_shape<const N: usize>(&self) -> bool {
        self.objective.strikes() >= N + SPARE_STRIKES
    }

    /// Whether the model has a value at all quotes, and where its own fit `failed` one near them.
    fn is_at_quotes<S: Family, const N: usize>(&self, failed: bool) -> bool {
        let points = &self.objective.points;
        let mut values: Vec<(f64, [f64; N])> = Vec::new();
        let k = points.iter().map(|point| point.k);
        if points.is_empty() {
            return true;
        }
        if !S::evaluate(self.x.unwrap_or(self.start), self.shift, k, &mut values) {
            return false;
        }
        let shares = points.iter().zip(&values).map(|(point, value)| value.0 / point.total_variance[1].sqrt() - 1.0);
        !failed || shares.map(|share| share * share).sum::<f64>() < NEAR * NEAR * points.len() as f64
    }

    /// Whether all quotes are on one side of the money.
    fn is_one_sided(&self) -> bool {
        let points = &self.objective.points;
        points.first().is_some_and(|first| first.k > 0.0) || points.last().is_some_and(|last| last.k < 0.0)
    }

    pub(super) fn note(&self, reason: Reason) -> Note {
        Note { expiry_years: Some(self.expiry_years), reason }
    }
}

/// A slice before its fit.
fn begin<'a, S: Family, const N: usize>(
    quotes: &'a SliceQuotes,
    Held { beta, shift }: Held,
    settings: &ModelSettings,
    prior: Option<&Slices<S>>,
) -> Work<'a> {
    let objective = Objective::new(quotes, &settings.calibration);
    let expiry_years = positive_years(quotes.expiry_years);
    let guessed = guess(&objective, beta);
    let yesterday = prior.and_then(|prior| of_prior(prior, expiry_years)).map(|x: [f64; 4]| {
        let mut x: [f64; 4] = std::array::from_fn(|i| x[i].clamp(LOW[i], HIGH[i]));
        if N < 4 {
            x[BETA] = beta;
        }
        x
    });
    let start = yesterday.unwrap_or(guessed);
    let weight = settings.calibration.tikhonov.max(0.0);
    let mut towards = yesterday.unwrap_or(TYPICAL);
    if N < 4 {
        towards[BETA] = f64::NAN;
    }
    let mut pull = (weight > 0.0).then_some(Pull { weight, towards });
    let mut work =
        Work { quotes, objective, expiry_years, x: None, start, pull, shift, is_own: false, is_settled: true };
    if work.is_one_sided() {
        pull = Some(Pull { weight: weight.max(WEAK_PULL), towards });
        work.pull = pull;
    }
    work
}

/// α√t, ρ, ν√t, β of the slice of the nearest expiry, at this expiry.
fn of_prior<S: Family>(surface: &Slices<S>, expiry_years: f64) -> Option<[f64; 4]> {
    let parameters = surface.smiles.iter().map(Family::parameters);
    let (_, parameters) = nearest(parameters.map(|it| (it.expiry_years, it)), expiry_years)?;
    let mut x = parameters.without_time();
    x[LEVEL] *= (expiry_years / parameters.expiry_years).sqrt();
    x.iter().all(|x| x.is_finite()).then_some(x)
}

/// Slices whose quotes do not give a shape get the nearest expiry's that have one (a usual one where none has), bent to their own quotes where
/// these have two volatilities or more, else at their level, or at that expiry's volatility where they have no quotes. Each is noted, with what it got.
fn borrow_shapes<S: Family, const N: usize>(
    works: &mut [Work<'_>],
    beta: f64,
    settings: &ModelSettings,
    notes: &mut Vec<Note>,
) {
    let with_shape: Vec<(f64, [f64; 4])> = works.iter().filter_map(|work| Some((work.expiry_years, work.x?))).collect();
    let borrowed = |years: f64, known: &[(f64, [f64; 4])]| {
        let (other, mut x) = nearest(known.iter().copied(), years)?;
        x[LEVEL] *= (years / other).sqrt();
        Some(x)
    };
    let shapeless = works.iter_mut().filter(|work| work.x.is_none() && !work.objective.points.is_empty());
    for work in shapeless {
        let start = guess(&work.objective, beta);
        let shape = borrowed(work.expiry_years, &with_shape);
        let drawn_to = if shape.is_some() { "the shape of the nearest expiry" } else { "a usual shape" };
        let usual = [start[LEVEL], TYPICAL[RHO], TYPICAL[VOL_OF_VOL], beta];
        if bend::<S, N>(work, shape.unwrap_or(usual), start[LEVEL], settings) {
            notes.push(remarks::of_shapeless(work, N + SPARE_STRIKES, &format!("{drawn_to}, bent to them,")));
            continue;
        }
        let found = shape.and_then(|mut shape| {
            shape[LEVEL] = start[LEVEL];
            work.start = shape;
            let found = solve::<S, N>(&work.objective, &work.conditions::<S>(settings, Floor::default()));
            found.normal.cost.is_finite().then(|| all(&found.parameters, shape))
        });
        let instead = match (shape, found) {
            (_, Some(_)) => "the shape of the nearest expiry at its own level",
            (Some(_), None) => "its own level without skew (the shape of the nearest expiry has no value there)",
            (None, None) => "its own level without skew",
        };
        work.x = Some(found.unwrap_or_else(|| level_alone::<S, N>(work, start[LEVEL], beta, settings)));
        notes.push(remarks::of_shapeless(work, N + SPARE_STRIKES, instead));
    }
    let with_level: Vec<(f64, [f64; 4])> = works.iter().filter_map(|work| Some((work.expiry_years, work.x?))).collect();
    for work in works.iter_mut().filter(|work| work.x.is_none()) {
        work.is_own = false;
        work.x = borrowed(work.expiry_years, &with_level);
        notes.push(remarks::of_shapeless(work, N + SPARE_STRIKES, "the volatility and shape of the nearest expiry"));
    }
}

/// Fits all parameters of a slice of few strikes, two at least, drawn to `shape` where its quotes leave them open; false where those are too
/// few, or have one volatility, or the model no value there, and the slice is as it was.
fn bend<S: Family, const N: usize>(work: &mut Work<'_>, shape: [f64; 4], level: f64, settings: &ModelSettings) -> bool {
    let points = &work.objective.points;
    let first = points.first().map_or(0.0, |point| point.total_variance[1]);
    let is_flat = points.iter().all(|point| (point.total_variance[1] - first).abs() <= ONE_VOLATILITY * first);
    if work.has_own_shape::<N>() || work.objective.strikes() < 2 || is_flat {
        return false;
    }
    let before = (work.start, work.pull);
    (work.start, work.is_own) = ([level, shape[RHO], shape[VOL_OF_VOL], shape[BETA]], true);
    if work.pull.is_none() {
        let mut towards = shape;
        towards[LEVEL] = f64::NAN;
        work.pull = Some(Pull { weight: FAINT_PULL, towards });
    }
    let found = solve::<S, N>(&work.objective, &work.conditions::<S>(settings, Floor::default()));
    if found.normal.cost.is_finite() {
        work.x = Some(all(&found.parameters, work.start));
        return true;
    }
    ((work.start, work.pull), work.is_own) = (before, false);
    false
}

/// A slice without skew or curvature of its own, at the level that meets its quotes best, else at `level`.
fn level_alone<S: Family, const N: usize>(
    work: &mut Work<'_>,
    level: f64,
    beta: f64,
    settings: &ModelSettings,
) -> [f64; 4] {
    let shape = [level, 0.0, 0.0, beta];
    work.start = shape;
    let found = solve::<S, N>(&work.objective, &work.conditions::<S>(settings, Floor::default()));
    if found.normal.cost.is_finite() { all(&found.parameters, shape) } else { shape }
}

/// How well a slice's quotes determine α, ρ, ν and, where it is fitted, β.
fn stability_of<S: Family, const N: usize>(work: &Work<'_>, estimator: Estimator) -> Stability {
    const NAMES: [&str; 4] = ["alpha", "rho", "nu", "beta"];
    let x = work.x.unwrap_or(work.start);
    let root = work.expiry_years.sqrt();
    let mut unit = [1.0; 4];
    (unit[LEVEL], unit[VOL_OF_VOL]) = (root, root);
    let natural: [f64; N] = std::array::from_fn(|i| x[i] / unit[i]);
    let mut values: Vec<(f64, [f64; N])> = Vec::new();
    let is_sound = S::evaluate(x, work.shift, work.objective.points.iter().map(|point| point.k), &mut values);
    if !is_sound {
        values.clear();
    }
    let of_variance = |(deviation, by): &(f64, [f64; N])| {
        (deviation * deviation, std::array::from_fn(|j| 2.0 * deviation * by[j] * unit[j]))
    };
    let rows: Vec<Row<N>> = work.objective.rows(values.iter().map(of_variance));
    // Squares have no scale to be found.
    let square_scale = if estimator.is_likelihood() {
        let squares: Vec<f64> = rows.iter().map(|row| row.miss * row.miss).collect();
        noise::square_scale_of(&squares, 1.0)
    } else {
        1.0
    };
    let evidence = Evidence::of(rows, estimator, square_scale);
    let expiry_years = Some(work.expiry_years);
    Stability { expiry_years, ..stability(NAMES.into_iter().take(N), &natural, &evidence) }
}
