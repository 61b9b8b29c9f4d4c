//! Which models there are, and how each is fitted.

use serde::{Deserialize, Serialize};

use crate::surface::{
    SliceQuotes, SliceSource, Slices, Svi,
    calibration::{Fit, FitError, ModelSettings, Note, Reason},
    fit,
    price_spline::{self, PriceSplines},
    smile::{Variance, VolatilitySurface},
};

/// A model of a surface, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurfaceModel {
    /// Raw SVI slices, free of arbitrage.
    #[default]
    Svi,
    /// Splines of the price inside bid and ask, free of arbitrage.
    PriceSpline,
}

impl SurfaceModel {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Svi, Self::PriceSpline];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Svi => "svi",
            Self::PriceSpline => "price_spline",
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
    /// Splines of the price.
    PriceSpline(PriceSplines),
}

impl FittedSurface {
    /// Its model.
    pub fn model(&self) -> SurfaceModel {
        match self {
            Self::Svi(_) => SurfaceModel::Svi,
            Self::PriceSpline(_) => SurfaceModel::PriceSpline,
        }
    }

    fn surface(&self) -> &dyn VolatilitySurface {
        match self {
            Self::Svi(surface) => surface,
            Self::PriceSpline(surface) => surface,
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
        SurfaceModel::Svi => Ok(svi(slices, settings).map(FittedSurface::Svi)),
        SurfaceModel::PriceSpline => {
            let prior = match prior {
                Some(FittedSurface::PriceSpline(surface)) => Some(surface),
                _ => None,
            };
            Ok(price_spline::fit(slices, settings, prior)?.map(FittedSurface::PriceSpline))
        }
    }
}

fn svi(slices: &[SliceQuotes], settings: &ModelSettings) -> Fit<Slices<Svi>> {
    let fitted = fit(slices);
    let notes = fitted
        .slices
        .iter()
        .filter(|slice| slice.source != SliceSource::Svi)
        .map(|slice| Note {
            expiry_years: Some(slice.expiry_years),
            reason: Reason::TooFewQuotes {
                quotes: slice.quality.quotes,
                needed: 5,
                instead: if slice.source == SliceSource::Flat { "one volatility" } else { "the backbone's shape" }
                    .into(),
            },
        })
        .collect();
    let surface = Slices {
        expiry_years: fitted.slices.iter().map(|slice| slice.expiry_years).collect(),
        smiles: fitted.slices.iter().map(|slice| slice.svi).collect(),
        clock: settings.clock.clone(),
    };
    Fit { notes, unconstrained: Some(fitted.unconstrained), ..Fit::of(surface) }
}
