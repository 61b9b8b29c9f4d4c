//! A smile of cubics between knots, and a surface of such smiles.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    knots::{Knots, are_finite, are_positive, is_ascending},
    remarks::remarks,
};
use crate::surface::{
    SliceQuotes, Slices,
    calibration::{Fit, FitError, ModelSettings, Note, Reason},
    extrapolation::continued,
    neighbours::filled,
    smile::Smile,
    span::positive_years,
};

/// Total variance as cubics between knots with given values and slopes (Hermite's form), linear beyond them within Lee's bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "PiecewiseCubicForm")]
pub struct PiecewiseCubic {
    /// Log-moneyness of the knots, ascending; at least one.
    pub log_moneyness: Vec<f64>,
    /// Total variance at each.
    pub total_variance: Vec<f64>,
    /// Slope of total variance by log-moneyness at each.
    pub slope: Vec<f64>,
}

/// Cubics as they are read.
#[derive(Deserialize)]
struct PiecewiseCubicForm {
    log_moneyness: Vec<f64>,
    total_variance: Vec<f64>,
    slope: Vec<f64>,
}

impl TryFrom<PiecewiseCubicForm> for PiecewiseCubic {
    type Error = &'static str;

    fn try_from(form: PiecewiseCubicForm) -> Result<Self, Self::Error> {
        let PiecewiseCubicForm { log_moneyness, total_variance, slope } = form;
        let n = log_moneyness.len();
        let is_whole = n > 0 && total_variance.len() == n && slope.len() == n;
        if is_whole && is_ascending(&log_moneyness) && are_positive(&total_variance) && are_finite(&slope) {
            Ok(Self { log_moneyness, total_variance, slope })
        } else {
            Err(
                "a spline of total variance has knots of ascending log_moneyness, at each a total_variance above 0 and a slope",
            )
        }
    }
}

impl PiecewiseCubic {
    /// w, w′ and w″ between knots `i` and `i + 1`.
    fn inside(&self, i: usize, k: f64) -> [f64; 3] {
        let ends = |column: &[f64]| [column[i], column[i + 1]];
        hermite(ends(&self.log_moneyness), ends(&self.total_variance), ends(&self.slope), k)
    }

    /// Whether w is above zero between all knots.
    pub(super) fn is_positive(&self) -> bool {
        const STEPS: u32 = 16;
        (1..self.log_moneyness.len()).all(|i| {
            let (low, high) = (self.log_moneyness[i - 1], self.log_moneyness[i]);
            (0..=STEPS).all(|step| self.inside(i - 1, low + (high - low) * f64::from(step) / f64::from(STEPS))[0] > 0.0)
        })
    }

    /// (1 − share)·low + share·high, exactly: both are cubics between the knots of either.
    fn between(low: &Self, high: &Self, share: f64) -> Self {
        let mut log_moneyness: Vec<f64> = low.log_moneyness.iter().chain(&high.log_moneyness).copied().collect();
        log_moneyness.sort_by(f64::total_cmp);
        log_moneyness.dedup();
        let (total_variance, slope) = log_moneyness
            .iter()
            .map(|&k| {
                let (low, high) = (low.derivatives(k), high.derivatives(k));
                (low[0] + share * (high[0] - low[0]), low[1] + share * (high[1] - low[1]))
            })
            .unzip();
        Self { log_moneyness, total_variance, slope }
    }

    /// This smile times `factor`, its outermost slopes kept within Lee's bound.
    fn scaled(&self, factor: f64) -> Self {
        let times = |column: &[f64]| column.iter().map(|x| x * factor).collect();
        Self {
            log_moneyness: self.log_moneyness.clone(),
            total_variance: times(&self.total_variance),
            slope: times(&self.slope),
        }
    }
}

/// The value and two derivatives at `x` of the cubic with these values and slopes at two places.
pub(super) fn hermite([low, high]: [f64; 2], values: [f64; 2], [a, b]: [f64; 2], x: f64) -> [f64; 3] {
    let h = high - low;
    let s = (x - low) / h;
    let chord = (values[1] - values[0]) / h;
    // values₀ + h s (a + s (c₂ + s c₃)).
    let (c2, c3) = (3.0 * chord - 2.0 * a - b, a + b - 2.0 * chord);
    [values[0] + h * s * (a + s * (c2 + s * c3)), a + s * (2.0 * c2 + 3.0 * s * c3), (2.0 * c2 + 6.0 * s * c3) / h]
}

impl Smile for PiecewiseCubic {
    fn derivatives(&self, k: f64) -> [f64; 3] {
        let n = self.log_moneyness.len();
        let after = self.log_moneyness.partition_point(|&knot| knot < k);
        match (after.checked_sub(1), self.log_moneyness.get(after)) {
            (Some(before), Some(_)) => self.inside(before, k),
            (None, Some(&first)) => {
                let [w, slope, bend] = continued([self.total_variance[0], -self.slope[0]], first - k);
                [w, -slope, bend]
            }
            (Some(_), None) => {
                continued([self.total_variance[n - 1], self.slope[n - 1]], k - self.log_moneyness[n - 1])
            }
            (None, None) => [f64::NAN; 3],
        }
    }
}

/// One smile a slice by `join`, which also says what it could not do as asked. A single strike gives a flat smile. A slice without quotes
/// takes its shape from its neighbours: linear in variance time between two, of the same volatilities beside one.
pub(super) fn fit(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    join: impl Fn(&Knots) -> (PiecewiseCubic, Option<Reason>) + Sync,
) -> Result<Fit<Slices<PiecewiseCubic>>, FitError> {
    let expiry_years: Vec<f64> = slices.iter().map(|quotes| positive_years(quotes.expiry_years)).collect();
    let knots: Vec<Knots> = slices.par_iter().map(|quotes| Knots::new(quotes, &settings.calibration)).collect();
    if knots.iter().all(|knots| knots.len() == 0) {
        return Err(FitError::NoQuotes);
    }
    let mut notes = remarks(slices, &expiry_years, &knots, 2, "");
    let fitted: Vec<Option<(PiecewiseCubic, Option<Reason>)>> =
        knots.par_iter().map(|knots| (knots.len() > 0).then(|| join(knots))).collect();
    for (fitted, &expiry) in fitted.iter().zip(&expiry_years) {
        let reason = fitted.as_ref().and_then(|(_, reason)| reason.clone());
        notes.extend(reason.map(|reason| Note { expiry_years: Some(expiry), reason }));
    }
    let known: Vec<Option<PiecewiseCubic>> = fitted.into_iter().map(|it| it.map(|(smile, _)| smile)).collect();
    let times: Vec<f64> = expiry_years.iter().map(|&years| settings.clock.at(years)[0]).collect();
    let smiles = filled(&known, &times, PiecewiseCubic::between, PiecewiseCubic::scaled).ok_or(FitError::NoQuotes)?;
    Ok(Fit { notes, ..Fit::of(Slices { expiry_years, smiles, clock: settings.clock.clone() }) })
}
