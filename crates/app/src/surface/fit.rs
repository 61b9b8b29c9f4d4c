//! One fit: the model chosen, the quotes fitted, the result checked and described.

use anyhow::Context;
use zomma_pricing::surface::{
    calibration::ModelSettings,
    fitted::{FittedSurface, SavedSurface, SurfaceModel},
};

use super::quotes::Quotes;

/// What is fitted, and how.
#[derive(Clone, Debug, Default)]
pub struct FitOptions {
    /// The model.
    pub model: SurfaceModel,
    /// What it is told.
    pub settings: ModelSettings,
    /// A surface to stay near to.
    pub prior: Option<FittedSurface>,
}

/// Fits a surface to quotes.
pub fn fit(quotes: &Quotes, options: &FitOptions) -> anyhow::Result<SavedSurface> {
    let fitted = quotes.quoted.fit(options.model, &options.settings, options.prior.as_ref());
    fitted.with_context(|| format!("{}: {}", quotes.source, options.model.as_str()))
}
