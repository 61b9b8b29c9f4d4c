//! Kriging: the logarithm of volatility over an SSVI backbone as a Gaussian process, with its uncertainty.
//!
//! ln σ = ln σ_SSVI + r, r a Gaussian process of mean zero over y and τ with Matérn's 5/2 covariance, seen through noise (Rasmussen and
//! Williams, "Gaussian Processes for Machine Learning", 2006, equations 2.23 to 2.26 and 5.8). Far from quotes the process is SSVI's, and
//! its standard deviation its own.

use std::sync::OnceLock;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    backbone::Backbone,
    dense::{Cholesky, dot},
    domain::{Domain, Sample, thinned},
    kernel::Kernel,
    knots::{Knots, are_finite, are_positive},
    remarks::{FEWEST_STRIKES, remarks},
};
use crate::surface::{
    SliceQuotes,
    calibration::{Fit, FitError, ModelSettings, Note, Reason, noise},
    jet::Jet,
    smile::{Variance, VolatilitySurface},
    span::positive_years,
};

/// Most quotes.
pub const POINTS: usize = 600;
/// Quotes on which the process's parameters are found.
const POINTS_FOR_PARAMETERS: usize = 200;
/// Least and greatest logarithms of the amplitude, the two lengths and the noise's multiple.
const LOW: [f64; 4] = [-7.0, -3.0, -3.0, -4.0];
const HIGH: [f64; 4] = [1.0, 3.5, 4.5, 3.5];
/// Where the search for them starts, and its first step; from yesterday's it takes a smaller one.
const START: [f64; 4] = [-2.5, 0.0, 0.5, -0.7];
const STEP: f64 = 0.8;
const STEP_FROM_PRIOR: f64 = 0.2;
/// Rounds in which quotes that the others contradict are weighted.
const ROUNDS: usize = 4;

/// A surface of a Gaussian process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "KrigingForm")]
pub struct Kriging {
    /// Where there are quotes.
    pub domain: Domain,
    /// What the process is added to.
    pub backbone: Backbone,
    /// The quotes it is conditioned on, as (y, τ).
    pub points: Vec<[f64; 2]>,
    /// Variance of the noise of each, in ln σ.
    pub noise: Vec<f64>,
    /// (K + noise)⁻¹ r.
    pub coefficients: Vec<f64>,
    /// Standard deviation of the process, in ln σ.
    pub amplitude: f64,
    /// Its lengths in y and in τ.
    pub lengths: [f64; 2],
    /// The noise as a multiple of the settings' unit, a half-spread by default.
    pub noise_multiple: f64,
    #[serde(skip)]
    factor: Factor,
}

/// A surface as it is read.
#[derive(Deserialize)]
struct KrigingForm {
    domain: Domain,
    backbone: Backbone,
    points: Vec<[f64; 2]>,
    noise: Vec<f64>,
    coefficients: Vec<f64>,
    amplitude: f64,
    lengths: [f64; 2],
    noise_multiple: f64,
}

impl TryFrom<KrigingForm> for Kriging {
    type Error = &'static str;

    fn try_from(form: KrigingForm) -> Result<Self, Self::Error> {
        let KrigingForm { domain, backbone, points, noise, coefficients, amplitude, lengths, noise_multiple } = form;
        if [noise.len(), coefficients.len()] != [points.len(); 2] {
            return Err("kriging: noise and coefficients must be as many as points");
        }
        if !are_positive(noise.iter().chain(&lengths).chain(&[amplitude, noise_multiple])) {
            return Err("kriging: noise, lengths, amplitude and noise_multiple must be above 0");
        }
        if !are_finite(points.as_flattened().iter().chain(&coefficients)) {
            return Err("kriging: points and coefficients must be finite");
        }
        let factor = Factor::default();
        Ok(Self { domain, backbone, points, noise, coefficients, amplitude, lengths, noise_multiple, factor })
    }
}

/// The factor of K + noise, made when first asked for; it follows from the rest.
#[derive(Clone, Debug, Default)]
struct Factor(OnceLock<Option<Cholesky>>);

impl PartialEq for Factor {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Kriging {
    /// Total variance inside the domain, as a series.
    fn series(&self, k: f64, time: f64) -> Jet {
        let [y, tau] = self.domain.coordinates(k, time);
        let at = [y.value(), tau.value()];
        let partials = Kernel::Matern.sum(&self.points, &self.coefficients, at, self.lengths);
        let square = 2.0 * self.amplitude * self.amplitude;
        self.backbone.series(k, time) * (Jet::of_two(&partials, &y, &tau) * square).exp()
    }

    /// Root of the expected square by which the volatility of the process, given the quotes, differs from the surface's at `k` and
    /// `expiry_years`, per square root of a year; without the noise of a further quote. Between the quotes the surface is the process's mean,
    /// and this its standard deviation. Beyond the quoted strikes and expiries the surface is a continuation, and how far that is from the
    /// mean counts too. NaN where there is no volatility.
    pub fn standard_error(&self, k: f64, expiry_years: f64) -> f64 {
        let volatility = self.implied_vol(k, expiry_years);
        if !volatility.is_finite() {
            return f64::NAN;
        }
        let time = self.domain.clock.at(expiry_years)[0];
        let mean = (self.series(k, time).value() / expiry_years).sqrt();
        let at = self.domain.place(k, time);
        let covariances: Vec<f64> = self.points.iter().map(|&point| self.covariance(point, at)).collect();
        let factor = self.factor.0.get_or_init(|| {
            let entry = |i: usize, j: usize| {
                self.covariance(self.points[i], self.points[j]) + if i == j { self.noise[i] } else { 0.0 }
            };
            Cholesky::new(self.points.len(), entry)
        });
        let explained = factor.as_ref().map_or(0.0, |factor| {
            let half = factor.forward(&covariances);
            dot(&half, &half)
        });
        (mean * (self.amplitude * self.amplitude - explained).max(0.0).sqrt()).hypot(volatility - mean)
    }

    fn covariance(&self, x: [f64; 2], y: [f64; 2]) -> f64 {
        self.amplitude * self.amplitude * Kernel::Matern.value(x, y, self.lengths)
    }
}

impl VolatilitySurface for Kriging {
    fn variance(&self, k: f64, expiry_years: f64) -> Variance {
        self.domain.variance(k, expiry_years, |k, time| self.series(k, time))
    }
}

/// Conditions the process on the mids of at most [`POINTS`] quotes, each with the noise that one unit of the settings' miss stands for (by
/// default its half-spread), times one multiple. That, the amplitude and the lengths are those of greatest marginal likelihood, on a part
/// of the quotes; the search starts from the prior's. Maximum likelihood widens the noise of quotes that the others
/// contradict, as Student's t with four degrees of freedom does. Tikhonov's λ has no part: the process is its own prior.
///
/// # Errors
/// Where no quote is usable.
pub fn fit(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    prior: Option<&Kriging>,
) -> Result<Fit<Kriging>, FitError> {
    let expiry_years: Vec<f64> = slices.iter().map(|quotes| positive_years(quotes.expiry_years)).collect();
    let knots: Vec<Knots> = slices.par_iter().map(|quotes| Knots::new(quotes, &settings.calibration)).collect();
    if knots.iter().all(|knots| knots.len() == 0) {
        return Err(FitError::NoQuotes);
    }
    let domain = Domain::new(&expiry_years, &knots, &settings.clock);
    let backbone = Backbone::new(slices, &knots, &domain);
    let process = |most: usize| Process::new(&thinned(&domain, &expiry_years, &knots, most), &backbone);
    let (start, step) = prior.map_or((START, STEP), |prior| (prior.logarithms(), STEP_FROM_PRIOR));
    let few = process(POINTS_FOR_PARAMETERS);
    let found = highest(start, step, |x| few.log_likelihood(x));
    let mut all = process(POINTS);
    let mut notes =
        remarks(slices, &expiry_years, &knots, FEWEST_STRIKES, "the shape of the backbone between and beyond them");
    for (name, i) in [("amplitude", 0), ("length of moneyness", 1), ("length of time", 2), ("noise", 3)] {
        if found[i] <= LOW[i] || found[i] >= HIGH[i] {
            let reason = Reason::AtBound { parameter: name.into(), value: found[i].exp() };
            notes.push(Note { expiry_years: None, reason });
        }
    }
    if settings.calibration.estimator.is_likelihood() {
        all.widen_contradicted(&found);
    }
    let noise: Vec<f64> = all.noise.iter().map(|noise| noise * (2.0 * found[3]).exp()).collect();
    let coefficients = all.factor(&found).map(|factor| factor.solve(&all.values)).unwrap_or_else(|| {
        let why = "the covariance of the quotes is singular; the backbone alone".into();
        notes.push(Note { expiry_years: None, reason: Reason::Failed { why } });
        vec![0.0; all.values.len()]
    });
    let surface = Kriging {
        domain,
        backbone,
        points: all.points,
        noise,
        coefficients,
        amplitude: found[0].exp(),
        lengths: [found[1].exp(), found[2].exp()],
        noise_multiple: found[3].exp(),
        factor: Factor::default(),
    };
    Ok(Fit { notes, ..Fit::of(surface) })
}

impl Kriging {
    fn logarithms(&self) -> [f64; 4] {
        [self.amplitude.ln(), self.lengths[0].ln(), self.lengths[1].ln(), self.noise_multiple.ln()]
    }
}

/// What the process is conditioned on.
struct Process {
    points: Vec<[f64; 2]>,
    /// ln(σ/σ_SSVI).
    values: Vec<f64>,
    /// Variance of the noise, but for its multiple.
    noise: Vec<f64>,
}

impl Process {
    fn new(samples: &[Sample], backbone: &Backbone) -> Self {
        let value = |it: &Sample| 0.5 * (it.w / backbone.total_variance(it.k, it.time)).ln();
        Self {
            points: samples.iter().map(|it| it.at).collect(),
            values: samples.iter().map(value).collect(),
            noise: samples.iter().map(|it| it.noise * it.noise).collect(),
        }
    }

    /// The factor of K + noise under these logarithms of the parameters.
    fn factor(&self, x: &[f64; 4]) -> Option<Cholesky> {
        let [square, multiple] = [(2.0 * x[0]).exp(), (2.0 * x[3]).exp()];
        let lengths = [x[1].exp(), x[2].exp()];
        Cholesky::new(self.points.len(), |i, j| {
            let covariance = square * Kernel::Matern.value(self.points[i], self.points[j], lengths);
            if i == j { covariance + multiple * self.noise[i] } else { covariance }
        })
    }

    /// ln of the density of the values, but for a constant.
    fn log_likelihood(&self, x: &[f64; 4]) -> f64 {
        let Some(factor) = self.factor(x) else { return f64::NEG_INFINITY };
        let half = factor.forward(&self.values);
        // A weak hold on the noise's multiple, which few quotes say nothing about.
        -0.5 * (dot(&half, &half) + factor.log_determinant()) - 0.5 * ((x[3] - START[3]) / 2.0).powi(2)
    }

    /// Divides the noise's precision by what the miss of each quote, foretold from all others, says of it.
    fn widen_contradicted(&mut self, x: &[f64; 4]) {
        let plain = self.noise.clone();
        for _ in 0..ROUNDS {
            let Some(factor) = self.factor(x) else { return };
            let solved = factor.solve(&self.values);
            let diagonal: Vec<f64> = (0..self.values.len())
                .into_par_iter()
                .map(|i| {
                    let mut unit = vec![0.0; self.values.len()];
                    unit[i] = 1.0;
                    let half = factor.forward(&unit);
                    dot(&half, &half)
                })
                .collect();
            for i in 0..plain.len() {
                let miss = solved[i] / diagonal[i];
                // What of the foretold miss is not this quote's own noise is the process's uncertainty there.
                let own = (2.0 * x[3]).exp() * self.noise[i];
                let other = (1.0 / diagonal[i] - own).max(0.0);
                let square = (miss * miss - other).max(0.0) / ((2.0 * x[3]).exp() * plain[i]);
                self.noise[i] = plain[i] / noise::weight(square, 1.0);
            }
        }
    }
}

/// The point of greatest value that a search along the coordinates finds, steps halved where none rises.
fn highest(start: [f64; 4], first_step: f64, value: impl Fn(&[f64; 4]) -> f64 + Sync) -> [f64; 4] {
    const LEAST_STEP: f64 = 0.04;
    let clamped = |x: [f64; 4]| -> [f64; 4] { std::array::from_fn(|i| x[i].clamp(LOW[i], HIGH[i])) };
    let mut x = clamped(start);
    let mut best = value(&x);
    let mut step = first_step;
    while step > LEAST_STEP {
        let trials: Vec<[f64; 4]> = (0..8)
            .map(|j| {
                let mut trial = x;
                trial[j / 2] += if j % 2 == 0 { step } else { -step };
                clamped(trial)
            })
            .collect();
        let values: Vec<f64> = trials.par_iter().map(&value).collect();
        // Along all coordinates that gain at once; else along the one that gains most.
        let mut joint = x;
        for i in 0..4 {
            let j = if values[2 * i] >= values[2 * i + 1] { 2 * i } else { 2 * i + 1 };
            if values[j] > best {
                joint[i] = trials[j][i];
            }
        }
        let top = (0..8).max_by(|&x, &y| values[x].total_cmp(&values[y])).unwrap_or(0);
        let together = value(&joint);
        if together > best && together >= values[top] {
            (x, best) = (joint, together);
        } else if values[top] > best {
            (x, best) = (trials[top], values[top]);
        } else {
            step *= 0.5;
        }
    }
    x
}
