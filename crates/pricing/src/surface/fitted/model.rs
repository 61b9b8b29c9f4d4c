//! Which models there are, and how each is fitted.

use serde::{Deserialize, Serialize};

use crate::fourier::{Bates, Heston, Kou, Merton};
use crate::surface::{
    SliceQuotes, SliceSource, Slices, Svi,
    calibration::{Fit, FitError, ModelSettings, Note, Reason},
    characteristic, fit,
    smile::{Variance, VolatilitySurface},
};

/// A model of a surface, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurfaceModel {
    /// Raw SVI slices, free of arbitrage.
    #[default]
    Svi,
    /// Heston's stochastic volatility, one set of parameters.
    Heston,
    /// Heston with normal jumps.
    Bates,
    /// Black–Scholes with normal jumps.
    Merton,
    /// Black–Scholes with double exponential jumps.
    Kou,
}

impl SurfaceModel {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Svi, Self::Heston, Self::Bates, Self::Merton, Self::Kou];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Svi => "svi",
            Self::Heston => "heston",
            Self::Bates => "bates",
            Self::Merton => "merton",
            Self::Kou => "kou",
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
    /// Heston's parameters.
    Heston(Heston),
    /// Bates' parameters.
    Bates(Bates),
    /// Merton's parameters.
    Merton(Merton),
    /// Kou's parameters.
    Kou(Kou),
}

impl FittedSurface {
    /// Its model.
    pub fn model(&self) -> SurfaceModel {
        match self {
            Self::Svi(_) => SurfaceModel::Svi,
            Self::Heston(_) => SurfaceModel::Heston,
            Self::Bates(_) => SurfaceModel::Bates,
            Self::Merton(_) => SurfaceModel::Merton,
            Self::Kou(_) => SurfaceModel::Kou,
        }
    }

    fn surface(&self) -> &dyn VolatilitySurface {
        match self {
            Self::Svi(surface) => surface,
            Self::Heston(surface) => surface,
            Self::Bates(surface) => surface,
            Self::Merton(surface) => surface,
            Self::Kou(surface) => surface,
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
        SurfaceModel::Heston => {
            let prior = prior.and_then(|it| if let FittedSurface::Heston(it) = it { Some(it) } else { None });
            Ok(characteristic::heston(slices, settings, prior)?.map(FittedSurface::Heston))
        }
        SurfaceModel::Bates => {
            let prior = prior.and_then(|it| if let FittedSurface::Bates(it) = it { Some(it) } else { None });
            Ok(characteristic::bates(slices, settings, prior)?.map(FittedSurface::Bates))
        }
        SurfaceModel::Merton => {
            let prior = prior.and_then(|it| if let FittedSurface::Merton(it) = it { Some(it) } else { None });
            Ok(characteristic::merton(slices, settings, prior)?.map(FittedSurface::Merton))
        }
        SurfaceModel::Kou => {
            let prior = prior.and_then(|it| if let FittedSurface::Kou(it) = it { Some(it) } else { None });
            Ok(characteristic::kou(slices, settings, prior)?.map(FittedSurface::Kou))
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
