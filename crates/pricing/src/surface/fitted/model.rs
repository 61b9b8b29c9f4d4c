//! Which models there are, and how each is fitted.

use serde::{Deserialize, Serialize};

use crate::surface::{
    SliceQuotes, Slices, Svi,
    calibration::{Fit, FitError, ModelSettings},
    smile::{Variance, VolatilitySurface},
    svi_surface,
};

/// A model of a surface, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurfaceModel {
    /// Raw SVI slices, free of arbitrage.
    #[default]
    Svi,
}

impl SurfaceModel {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Svi];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Svi => "svi",
        }
    }

    /// The model of a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.as_str() == text)
    }
}

/// A surface of any model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model", rename_all = "snake_case")]
pub enum FittedSurface {
    /// Raw SVI slices.
    Svi(Slices<Svi>),
}

impl FittedSurface {
    /// Its model.
    pub fn model(&self) -> SurfaceModel {
        match self {
            Self::Svi(_) => SurfaceModel::Svi,
        }
    }

    fn surface(&self) -> &dyn VolatilitySurface {
        match self {
            Self::Svi(surface) => surface,
        }
    }
}

impl VolatilitySurface for FittedSurface {
    fn variance(&self, k: f64, expiry_years: f64) -> Variance {
        self.surface().variance(k, expiry_years)
    }

    fn total_variance(&self, k: f64, expiry_years: f64) -> f64 {
        self.surface().total_variance(k, expiry_years)
    }

    fn local_vol(&self, k: f64, expiry_years: f64) -> f64 {
        self.surface().local_vol(k, expiry_years)
    }
}

/// Fits `model` to slices of distinct, ascending expiry. `prior` is yesterday's surface of the same model, where there is one.
///
/// # Errors
/// Where no slice has a usable quote, or the model none that it can be fitted to.
pub fn fit_model(
    model: SurfaceModel,
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    prior: Option<&FittedSurface>,
) -> Result<Fit<FittedSurface>, FitError> {
    if slices.iter().all(|slice| slice.mid_volatility.iter().all(|vol| !(*vol > 0.0 && vol.is_finite()))) {
        return Err(FitError::NoQuotes);
    }
    match model {
        SurfaceModel::Svi => {
            let prior = prior.map(|FittedSurface::Svi(surface)| surface);
            svi_surface::fit(slices, settings, prior).map(|fit| fit.map(FittedSurface::Svi))
        }
    }
}
