//! One fit: the model chosen, the quotes fitted, the result checked and described.

use anyhow::{Context, bail};
use zomma_pricing::surface::{
    Svi,
    calibration::{ModelSettings, Weights},
    fitted::{FittedSurface, SavedSurface, SurfaceModel},
    svi_surface,
};

use super::{quotes::Quotes, variance_clock::ClockOptions};

/// What is fitted, and how.
#[derive(Clone, Debug, Default)]
pub struct FitOptions {
    /// The model.
    pub model: SurfaceModel,
    /// What it is told.
    pub settings: ModelSettings,
    /// How variance passes between expiries; of each day its own, so the settings' is replaced.
    pub clock: ClockOptions,
    /// A surface to stay near to.
    pub prior: Option<FittedSurface>,
}

impl FitOptions {
    /// What the model is told of one day.
    pub fn settings_of(&self, quotes: &Quotes) -> anyhow::Result<ModelSettings> {
        let mut interest = quotes.quoted.slices.iter().flat_map(|slice| &slice.open_interest);
        if self.settings.calibration.weights == Weights::OpenInterest && !interest.any(|lots| *lots > 0.0) {
            bail!("--weights open-interest: no quote has an open_interest above 0");
        }
        Ok(ModelSettings { clock: self.clock.clock(quotes)?, ..self.settings.clone() })
    }
}

/// Fits a surface to quotes.
pub fn fit(quotes: &Quotes, options: &FitOptions) -> anyhow::Result<SavedSurface> {
    let settings = options.settings_of(quotes)?;
    let fitted = quotes.quoted.fit(options.model, &settings, options.prior.as_ref());
    fitted.with_context(|| format!("{}: {}", quotes.source, options.model.as_str()))
}

/// Fits SVI to quotes, the fits of the slices alone from `starts`, one a slice where there is one.
pub fn fit_svi_from(quotes: &Quotes, options: &FitOptions, starts: &[Option<Svi>]) -> anyhow::Result<SavedSurface> {
    let settings = options.settings_of(quotes)?;
    let prior = if let Some(FittedSurface::Svi(prior)) = &options.prior { Some(prior) } else { None };
    let fitted = svi_surface::fit_from(&quotes.quoted.slices, &settings, prior, starts)
        .with_context(|| format!("{}: {}", quotes.source, SurfaceModel::Svi.as_str()))?;
    Ok(quotes.quoted.describe(fitted.map(FittedSurface::Svi), &settings))
}
