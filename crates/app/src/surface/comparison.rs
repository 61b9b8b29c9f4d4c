//! Models side by side on the same quotes.

use std::time::Instant;

use serde::Serialize;
use zomma_pricing::surface::{FitQuality, fitted::SurfaceModel, quality_of};

use super::{
    fit::{FitOptions, fit},
    quotes::Quotes,
};

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
    /// Slices not treated as asked.
    pub notes: usize,
    /// Milliseconds that the fit to all quotes took.
    pub fit_ms: f64,
}

impl Outcome {
    fn none(model: SurfaceModel, failed: String) -> Self {
        let quality = FitQuality::default();
        Self { model, failed: Some(failed), quality, held_out: quality, violations: 0, notes: 0, fit_ms: 0.0 }
    }
}

/// Fits each model to a day, and again without every third quote.
pub fn compare(quotes: &Quotes, models: &[SurfaceModel], options: &FitOptions) -> Vec<Outcome> {
    let (kept, held_out) = quotes.split();
    let one = |&model: &SurfaceModel| {
        let options = FitOptions { model, prior: None, ..options.clone() };
        let started = Instant::now();
        let fitted = match fit(quotes, &options) {
            Ok(fitted) => fitted,
            Err(error) => return Outcome::none(model, format!("{error:#}")),
        };
        let fit_ms = started.elapsed().as_secs_f64() * 1e3;
        let held_out = match fit(&kept, &options) {
            Ok(without) => quality_of(&without.surface, &held_out).1,
            Err(_) => FitQuality::default(),
        };
        Outcome {
            model,
            failed: None,
            quality: fitted.quality,
            held_out,
            violations: fitted.arbitrage.butterfly_violations + fitted.arbitrage.calendar_violations,
            notes: fitted.notes.len(),
            fit_ms,
        }
    };
    models.iter().map(one).collect()
}

/// One model over all days: sums, the error over all quotes, the median time.
pub fn pooled(model: SurfaceModel, days: &[Outcome]) -> Outcome {
    let fitted: Vec<&Outcome> = days.iter().filter(|day| day.failed.is_none()).collect();
    if fitted.is_empty() {
        let why = days.iter().find_map(|day| day.failed.clone()).unwrap_or_else(|| "no day".into());
        return Outcome::none(model, why);
    }
    let sum = |count: fn(&Outcome) -> usize| fitted.iter().map(|day| count(day)).sum::<usize>();
    let quality = |of: fn(&Outcome) -> FitQuality| {
        let mut all = FitQuality::default();
        let mut squares = 0.0;
        for part in fitted.iter().map(|day| of(day)) {
            all.quotes += part.quotes;
            all.inside += part.inside;
            squares += part.rmse_vol_points * part.rmse_vol_points * part.quotes as f64;
        }
        FitQuality { rmse_vol_points: (squares / all.quotes.max(1) as f64).sqrt(), ..all }
    };
    let mut times: Vec<f64> = fitted.iter().map(|day| day.fit_ms).collect();
    times.sort_by(f64::total_cmp);
    Outcome {
        model,
        failed: None,
        quality: quality(|day| day.quality),
        held_out: quality(|day| day.held_out),
        violations: sum(|day| day.violations),
        notes: sum(|day| day.notes),
        fit_ms: times[times.len() / 2],
    }
}
