//! Radial basis functions: ln σ as a sum of multiquadrics about quotes, and a polynomial.
//!
//! s(y, τ) = Σ cᵢ φ(|x − xᵢ|) + p(y, τ), φ = −√(1 + r²) (R. Hardy, "Multiquadric equations of topography", 1971), p a polynomial of
//! degree two at most, Σ cᵢ q(xᵢ) = 0 for each of its monomials q. In the logarithm of volatility, so that volatility is above zero
//! everywhere. Thin plates r² ln r are not used: their second derivative is infinite at every centre, and so the density.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    dense,
    domain::{Domain, Sample, thinned},
    kernel::Kernel,
    knots::{Knots, are_finite, are_positive},
    remarks::{FEWEST_STRIKES, remarks},
};
use crate::surface::{
    SliceQuotes,
    calibration::{Fit, FitError, ModelSettings, Note, Reason},
    jet::Jet,
    smile::{Variance, VolatilitySurface},
    span::positive_years,
};

/// Most centres.
pub const CENTRES: usize = 400;
/// About how many centres the lengths are chosen on.
const CENTRES_FOR_LENGTHS: usize = 160;
/// Lengths of y and τ to choose from.
const LENGTHS: [f64; 4] = [0.2, 0.7, 2.0, 5.0];
/// λ to choose from where none is asked for.
const RIDGES: [f64; 6] = [0.0, 1.0, 10.0, 100.0, 1e3, 1e5];
/// Largest Σ|c|.
const MOST_CANCELLING: f64 = 1e5;
/// Sets of monomials (exponents of y and τ), the largest first, of which the first that the centres determine is used.
const MONOMIALS: [&[(i32, i32)]; 6] = [
    &[(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)],
    &[(0, 0), (1, 0), (0, 1), (2, 0), (1, 1)],
    &[(0, 0), (1, 0), (0, 1)],
    &[(0, 0), (1, 0), (2, 0)],
    &[(0, 0), (1, 0)],
    &[(0, 0)],
];

/// A surface of radial basis functions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RbfForm")]
pub struct Rbf {
    /// Where there are quotes.
    pub domain: Domain,
    /// Centres, as (y, τ).
    pub centres: Vec<[f64; 2]>,
    /// Their coefficients.
    pub coefficients: Vec<f64>,
    /// Lengths by which distances in y and τ are divided.
    pub lengths: [f64; 2],
    /// Coefficients of 1, y, τ, y², yτ, τ².
    pub polynomial: [f64; 6],
}

/// A surface as it is read.
#[derive(Deserialize)]
struct RbfForm {
    domain: Domain,
    centres: Vec<[f64; 2]>,
    coefficients: Vec<f64>,
    lengths: [f64; 2],
    polynomial: [f64; 6],
}

impl TryFrom<RbfForm> for Rbf {
    type Error = &'static str;

    fn try_from(form: RbfForm) -> Result<Self, Self::Error> {
        let RbfForm { domain, centres, coefficients, lengths, polynomial } = form;
        if centres.len() != coefficients.len() || !are_positive(&lengths) {
            return Err("rbf: centres and coefficients must be as many, and lengths above 0");
        }
        if are_finite(centres.as_flattened()) && are_finite(&coefficients) && are_finite(&polynomial) {
            Ok(Self { domain, centres, coefficients, lengths, polynomial })
        } else {
            Err("rbf: centres, coefficients and polynomial must be finite")
        }
    }
}

impl Rbf {
    /// Total variance inside the domain, as a series.
    fn series(&self, k: f64, time: f64) -> Jet {
        let [y, tau] = self.domain.coordinates(k, time);
        let at = [y.value(), tau.value()];
        let mut partials = Kernel::Multiquadric.sum(&self.centres, &self.coefficients, at, self.lengths);
        let [a, b, c, d, e, f] = self.polynomial;
        let [y0, t0] = at;
        let tail = [
            a + b * y0 + c * t0 + d * y0 * y0 + e * y0 * t0 + f * t0 * t0,
            b + 2.0 * d * y0 + e * t0,
            c + e * y0 + 2.0 * f * t0,
            2.0 * d,
            e,
            2.0 * f,
        ];
        for (partial, tail) in partials.iter_mut().zip(tail) {
            *partial += tail;
        }
        (Jet::of_two(&partials, &y, &tau) * 2.0).exp() * Jet::affine(time, 0.0, 1.0)
    }
}

impl VolatilitySurface for Rbf {
    fn variance(&self, k: f64, expiry_years: f64) -> Variance {
        self.domain.variance(k, expiry_years, |k, time| self.series(k, time))
    }
}

/// Fits the mids of at most [`CENTRES`] quotes: with σᵢ the noise of ln σ that one unit of the settings' miss stands for (by default its
/// half-spread), Σ (s(xᵢ) − ln σᵢ)²/σᵢ² + λ cᵀφc is least. λ is Tikhonov's of the settings; where that is zero, the one of a few, zero among
/// them, that foretells each quote best from the others (Rippa's leave-one-out, "An algorithm for selecting a good value for the parameter c
/// in radial basis function interpolation", 1999), as the lengths are, on a part of the quotes. At zero the surface passes through its
/// centres. A prior has no part.
///
/// # Errors
/// Where no quote is usable.
pub fn fit(slices: &[SliceQuotes], settings: &ModelSettings, _prior: Option<&Rbf>) -> Result<Fit<Rbf>, FitError> {
    let expiry_years: Vec<f64> = slices.iter().map(|quotes| positive_years(quotes.expiry_years)).collect();
    let knots: Vec<Knots> = slices.par_iter().map(|quotes| Knots::new(quotes, &settings.calibration)).collect();
    if knots.iter().all(|knots| knots.len() == 0) {
        return Err(FitError::NoQuotes);
    }
    let domain = Domain::new(&expiry_years, &knots, &settings.clock);
    let asked = [settings.calibration.tikhonov];
    let ridges = if asked[0] > 0.0 { &asked[..] } else { &RIDGES[..] };
    let samples = thinned(&domain, &expiry_years, &knots, CENTRES);
    let few = of_some_expiries(&samples);
    let choices: Vec<Choice> = ridges
        .iter()
        .flat_map(|&ridge| LENGTHS.map(|y| LENGTHS.map(|tau| Choice { lengths: [y, tau], ridge })))
        .flatten()
        .collect();
    let errors: Vec<f64> =
        choices.par_iter().map(|&choice| leave_one_out(&few, choice).unwrap_or(f64::INFINITY)).collect();
    let mut order: Vec<usize> = (0..choices.len()).collect();
    order.sort_by(|&x, &y| errors[x].total_cmp(&errors[y]));
    let mut notes =
        remarks(slices, &expiry_years, &knots, FEWEST_STRIKES, "the functions of all expiries between and beyond them");
    let found = order.iter().find_map(|&i| Some((choices[i].lengths, solve(&samples, choices[i])?)));
    let (lengths, (coefficients, polynomial)) = found.unwrap_or_else(|| {
        let why = "the quotes do not determine the functions; one volatility instead".into();
        notes.push(Note { expiry_years: None, reason: Reason::Failed { why } });
        let mean = samples.iter().map(log_volatility).sum::<f64>() / samples.len() as f64;
        ([1.0; 2], (vec![0.0; samples.len()], [mean, 0.0, 0.0, 0.0, 0.0, 0.0]))
    });
    let centres = samples.iter().map(|sample| sample.at).collect();
    Ok(Fit { notes, ..Fit::of(Rbf { domain, centres, coefficients, lengths, polynomial }) })
}

/// What is chosen by its errors.
#[derive(Clone, Copy)]
struct Choice {
    lengths: [f64; 2],
    ridge: f64,
}

/// About [`CENTRES_FOR_LENGTHS`] of the centres: those of every n-th expiry, as close along each smile as all of them are; of long smiles
/// every n-th.
fn of_some_expiries(samples: &[Sample]) -> Vec<Sample> {
    let smiles: Vec<&[Sample]> = samples.chunk_by(|x, y| x.time == y.time).collect();
    let step = samples.len().div_ceil(CENTRES_FOR_LENGTHS).clamp(1, smiles.len().max(1));
    let some: Vec<Sample> = smiles.into_iter().skip((step - 1) / 2).step_by(step).flatten().copied().collect();
    let step = some.len().div_ceil(2 * CENTRES_FOR_LENGTHS).max(1);
    some.into_iter().step_by(step).collect()
}

fn log_volatility(sample: &Sample) -> f64 {
    0.5 * (sample.w / sample.time).ln()
}

/// The bordered matrix of the functions and `monomials`.
fn matrix(samples: &[Sample], Choice { lengths, ridge }: Choice, monomials: &[(i32, i32)]) -> Vec<Vec<f64>> {
    let n = samples.len();
    let monomial = |i: usize, (a, b): (i32, i32)| samples[i].at[0].powi(a) * samples[i].at[1].powi(b);
    let rows = (0..n).map(|i| {
        let mut row: Vec<f64> =
            samples.iter().map(|sample| Kernel::Multiquadric.value(samples[i].at, sample.at, lengths)).collect();
        row[i] += ridge * samples[i].noise * samples[i].noise;
        row.extend(monomials.iter().map(|&powers| monomial(i, powers)));
        row
    });
    let border = monomials.iter().map(|&powers| {
        let mut row: Vec<f64> = (0..n).map(|i| monomial(i, powers)).collect();
        row.resize(n + monomials.len(), 0.0);
        row
    });
    rows.chain(border).collect()
}

/// Coefficients of the functions and of the polynomial.
fn solve(samples: &[Sample], choice: Choice) -> Option<(Vec<f64>, [f64; 6])> {
    let n = samples.len();
    MONOMIALS.iter().filter(|monomials| monomials.len() <= n).find_map(|monomials| {
        let mut right: Vec<Vec<f64>> = samples.iter().map(|sample| vec![log_volatility(sample)]).collect();
        right.resize(n + monomials.len(), vec![0.0]);
        let solution = dense::solve(matrix(samples, choice, monomials), right)?;
        let mut polynomial = [0.0; 6];
        for (value, powers) in solution[n..].iter().zip(*monomials) {
            let place = MONOMIALS[0].iter().position(|it| it == powers)?;
            polynomial[place] = value[0];
        }
        let coefficients: Vec<f64> = solution[..n].iter().map(|row| row[0]).collect();
        // Large terms that cancel would leave their rounding in the derivatives.
        let size: f64 = coefficients.iter().map(|c| c.abs()).sum();
        (size < MOST_CANCELLING).then_some((coefficients, polynomial))
    })
}

/// Mean of ln(1 + e²/0.01²) over the errors e of each quote foretold from all others, which far outliers do not decide: eᵢ = cᵢ/(A⁻¹)ᵢᵢ.
fn leave_one_out(samples: &[Sample], choice: Choice) -> Option<f64> {
    let n = samples.len();
    // The identity beside the values: the inverse's diagonal and the coefficients from one elimination.
    let solution = MONOMIALS.iter().filter(|monomials| monomials.len() < n).find_map(|monomials| {
        let right = (0..n + monomials.len())
            .map(|i| {
                let mut row = vec![0.0; n + 1];
                if i < n {
                    row[i] = 1.0;
                    row[n] = log_volatility(&samples[i]);
                }
                row
            })
            .collect();
        dense::solve(matrix(samples, choice, monomials), right)
    })?;
    let error = |i: usize| solution[i][n] / solution[i][i];
    let mean = (0..n).map(|i| (1e4 * error(i).powi(2)).ln_1p()).sum::<f64>() / n as f64;
    mean.is_finite().then_some(mean)
}
