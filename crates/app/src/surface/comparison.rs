//! Models side by side on the same quotes.

use std::time::Instant;

use serde::Serialize;
use zomma_pricing::surface::{
    FitQuality, coverage, density_maxima,
    fitted::{SurfaceModel, fit_model},
    quality_of, violations,
};

use super::{fit::FitOptions, quotes::Quotes};

/// What one model made of one day.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The model.
    pub model: SurfaceModel,
    /// Why it has no surface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// How well it meets the quotes.
    pub quality: FitQuality,
    /// How well it meets every third quote of each slice, when fitted to the others alone.
    pub held_out: FitQuality,
    /// Points of the check with butterfly or calendar arbitrage.
    pub violations: usize,
    /// Local maxima of the density within the quoted strikes: the median over the slices.
    pub density_maxima: usize,
    /// Slices not treated as asked.
    pub notes: usize,
    /// Milliseconds that the fit to all quotes took, without its check.
    pub fit_ms: f64,
}

impl Outcome {
    fn none(model: SurfaceModel, failed: String) -> Self {
        let quality = FitQuality::default();
        let failed = Some(failed);
        Self { model, failed, quality, held_out: quality, violations: 0, density_maxima: 0, notes: 0, fit_ms: 0.0 }
    }
}

/// Fits each model to a day, and again without every third quote; `done` is called after each.
pub fn compare(quotes: &Quotes, models: &[SurfaceModel], options: &FitOptions, done: impl Fn()) -> Vec<Outcome> {
    let (kept, held_out) = quotes.split();
    let covered = coverage(&quotes.quoted.slices);
    let one = |&model: &SurfaceModel| {
        let options = FitOptions { model, prior: None, ..options.clone() };
        let settings = match options.settings_of(quotes) {
            Ok(settings) => settings,
            Err(error) => return Outcome::none(model, format!("{error:#}")),
        };
        let started = Instant::now();
        let fitted = match fit_model(model, &quotes.quoted.slices, &settings, None) {
            Ok(fitted) => fitted,
            Err(error) => return Outcome::none(model, error.to_string()),
        };
        let fit_ms = started.elapsed().as_secs_f64() * 1e3;
        let held_out = match fit_model(model, &kept.quoted.slices, &settings, None) {
            Ok(without) => quality_of(&without.surface, &held_out).1,
            Err(_) => FitQuality::default(),
        };
        let mut maxima: Vec<usize> =
            density_maxima(&fitted.surface, &covered).iter().map(|slice| slice.log_moneyness.len()).collect();
        maxima.sort_unstable();
        let (_, found) = violations(&fitted.surface, &covered);
        Outcome {
            model,
            failed: None,
            quality: quality_of(&fitted.surface, &quotes.quoted.slices).1,
            held_out,
            violations: found.len(),
            density_maxima: maxima.get(maxima.len() / 2).copied().unwrap_or(0),
            notes: fitted.notes.len(),
            fit_ms,
        }
    };
    models.iter().map(one).inspect(|_| done()).collect()
}

/// One model over all days: sums, the error over all quotes, the median time and count of maxima.
pub fn pooled(model: SurfaceModel, days: &[Outcome]) -> Outcome {
    let fitted: Vec<&Outcome> = days.iter().filter(|day| day.failed.is_none()).collect();
    if fitted.is_empty() {
        let why = days.iter().find_map(|day| day.failed.clone()).unwrap_or_else(|| "no day".into());
        return Outcome::none(model, why);
    }
    let sum = |count: fn(&Outcome) -> usize| fitted.iter().map(|day| count(day)).sum::<usize>();
    let quality = |of: fn(&Outcome) -> FitQuality| FitQuality::pooled(fitted.iter().map(|day| of(day)));
    let mut maxima: Vec<usize> = fitted.iter().map(|day| day.density_maxima).collect();
    maxima.sort_unstable();
    let mut times: Vec<f64> = fitted.iter().map(|day| day.fit_ms).collect();
    times.sort_by(f64::total_cmp);
    Outcome {
        model,
        failed: None,
        quality: quality(|day| day.quality),
        held_out: quality(|day| day.held_out),
        violations: sum(|day| day.violations),
        density_maxima: maxima[maxima.len() / 2],
        notes: sum(|day| day.notes),
        fit_ms: times[times.len() / 2],
    }
}
