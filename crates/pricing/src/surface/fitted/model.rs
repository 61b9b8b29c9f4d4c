//! Which models there are, and how each is fitted.

use serde::{Deserialize, Serialize};

use crate::surface::{
    SliceQuotes, SliceSource, Slices, Svi,
    calibration::{Fit, FitError, ModelSettings, Note, Reason},
    fit,
    sabr::{self, NoArbitrageSabrSmile, NormalSabrSmile, SabrSmile},
    smile::{Variance, VolatilitySurface},
};

/// A model of a surface, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurfaceModel {
    /// Raw SVI slices, free of arbitrage.
    #[default]
    Svi,
    /// SABR slices under Hagan's lognormal expansion, β = 1.
    Sabr,
    /// The same with β fitted.
    SabrFreeBeta,
    /// SABR slices under Hagan's normal expansion, β = 0.
    SabrNormal,
    /// SABR slices whose density is not negative, β = 1.
    SabrNoArbitrage,
}

impl SurfaceModel {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Svi, Self::Sabr, Self::SabrFreeBeta, Self::SabrNormal, Self::SabrNoArbitrage];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Svi => "svi",
            Self::Sabr => "sabr",
            Self::SabrFreeBeta => "sabr_free_beta",
            Self::SabrNormal => "sabr_normal",
            Self::SabrNoArbitrage => "sabr_no_arbitrage",
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
    /// SABR slices, β = 1.
    Sabr(Slices<SabrSmile>),
    /// SABR slices with β fitted.
    SabrFreeBeta(Slices<SabrSmile>),
    /// Normal SABR slices.
    SabrNormal(Slices<NormalSabrSmile>),
    /// SABR slices whose density is not negative.
    SabrNoArbitrage(Slices<NoArbitrageSabrSmile>),
}

impl FittedSurface {
    /// Its model.
    pub fn model(&self) -> SurfaceModel {
        match self {
            Self::Svi(_) => SurfaceModel::Svi,
            Self::Sabr(_) => SurfaceModel::Sabr,
            Self::SabrFreeBeta(_) => SurfaceModel::SabrFreeBeta,
            Self::SabrNormal(_) => SurfaceModel::SabrNormal,
            Self::SabrNoArbitrage(_) => SurfaceModel::SabrNoArbitrage,
        }
    }

    fn surface(&self) -> &dyn VolatilitySurface {
        match self {
            Self::Svi(surface) => surface,
            Self::Sabr(surface) | Self::SabrFreeBeta(surface) => surface,
            Self::SabrNormal(surface) => surface,
            Self::SabrNoArbitrage(surface) => surface,
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
        SurfaceModel::Sabr => {
            let prior = prior.and_then(|prior| if let FittedSurface::Sabr(prior) = prior { Some(prior) } else { None });
            sabr::fit(slices, settings, prior).map(|fit| fit.map(FittedSurface::Sabr))
        }
        SurfaceModel::SabrFreeBeta => {
            let prior =
                prior.and_then(|prior| if let FittedSurface::SabrFreeBeta(prior) = prior { Some(prior) } else { None });
            sabr::fit_free_beta(slices, settings, prior).map(|fit| fit.map(FittedSurface::SabrFreeBeta))
        }
        SurfaceModel::SabrNormal => {
            let prior =
                prior.and_then(|prior| if let FittedSurface::SabrNormal(prior) = prior { Some(prior) } else { None });
            sabr::fit_normal(slices, settings, prior).map(|fit| fit.map(FittedSurface::SabrNormal))
        }
        SurfaceModel::SabrNoArbitrage => {
            let prior = prior
                .and_then(|prior| if let FittedSurface::SabrNoArbitrage(prior) = prior { Some(prior) } else { None });
            sabr::fit_no_arbitrage(slices, settings, prior).map(|fit| fit.map(FittedSurface::SabrNoArbitrage))
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
