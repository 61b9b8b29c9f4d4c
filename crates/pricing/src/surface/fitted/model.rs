//! Which models there are, and how each is fitted.

use serde::{Deserialize, Serialize};

use crate::surface::{
    SliceQuotes, SliceSource, Slices, Svi,
    calibration::{Fit, FitError, ModelSettings, Note, Reason},
    fit,
    interpolation::{
        Kriging, Neural, PiecewiseCubic, Rbf, cubic_spline, kriging, monotone_spline, neural, rbf,
        smoothing_spline::{self, SmoothedSmile},
    },
    smile::{Variance, VolatilitySurface},
};

/// A model of a surface, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurfaceModel {
    /// Raw SVI slices, free of arbitrage.
    #[default]
    Svi,
    /// The C² cubic spline of total variance through the mids.
    CubicSpline,
    /// The monotone cubic spline of total variance through the mids.
    MonotoneSpline,
    /// Radial basis functions of the logarithm of volatility.
    Rbf,
    /// A Gaussian process over an SSVI backbone.
    Kriging,
    /// A neural network over an SSVI backbone.
    Neural,
    /// Fengler's arbitrage-free smoothing spline of prices.
    SmoothingSpline,
}

impl SurfaceModel {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Svi,
        Self::CubicSpline,
        Self::MonotoneSpline,
        Self::Rbf,
        Self::Kriging,
        Self::Neural,
        Self::SmoothingSpline,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Svi => "svi",
            Self::CubicSpline => "cubic_spline",
            Self::MonotoneSpline => "monotone_spline",
            Self::Rbf => "rbf",
            Self::Kriging => "kriging",
            Self::Neural => "neural",
            Self::SmoothingSpline => "smoothing_spline",
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
    /// The C² cubic spline of total variance through the mids.
    CubicSpline(Slices<PiecewiseCubic>),
    /// The monotone cubic spline of total variance through the mids.
    MonotoneSpline(Slices<PiecewiseCubic>),
    /// Radial basis functions of the logarithm of volatility.
    Rbf(Rbf),
    /// A Gaussian process over an SSVI backbone.
    Kriging(Kriging),
    /// A neural network over an SSVI backbone.
    Neural(Neural),
    /// Fengler's arbitrage-free smoothing spline of prices.
    SmoothingSpline(Slices<SmoothedSmile>),
}

impl FittedSurface {
    /// Its model.
    pub fn model(&self) -> SurfaceModel {
        match self {
            Self::Svi(_) => SurfaceModel::Svi,
            Self::CubicSpline(_) => SurfaceModel::CubicSpline,
            Self::MonotoneSpline(_) => SurfaceModel::MonotoneSpline,
            Self::Rbf(_) => SurfaceModel::Rbf,
            Self::Kriging(_) => SurfaceModel::Kriging,
            Self::Neural(_) => SurfaceModel::Neural,
            Self::SmoothingSpline(_) => SurfaceModel::SmoothingSpline,
        }
    }

    fn surface(&self) -> &dyn VolatilitySurface {
        match self {
            Self::Svi(surface) => surface,
            Self::CubicSpline(surface) | Self::MonotoneSpline(surface) => surface,
            Self::Rbf(surface) => surface,
            Self::Kriging(surface) => surface,
            Self::Neural(surface) => surface,
            Self::SmoothingSpline(surface) => surface,
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
        SurfaceModel::CubicSpline => Ok(cubic_spline::fit(slices, settings, None)?.map(FittedSurface::CubicSpline)),
        SurfaceModel::MonotoneSpline => {
            Ok(monotone_spline::fit(slices, settings, None)?.map(FittedSurface::MonotoneSpline))
        }
        SurfaceModel::Rbf => Ok(rbf::fit(slices, settings, None)?.map(FittedSurface::Rbf)),
        SurfaceModel::Kriging => {
            let prior = prior.and_then(|it| if let FittedSurface::Kriging(it) = it { Some(it) } else { None });
            Ok(kriging::fit(slices, settings, prior)?.map(FittedSurface::Kriging))
        }
        SurfaceModel::Neural => {
            let prior = prior.and_then(|it| if let FittedSurface::Neural(it) = it { Some(it) } else { None });
            Ok(neural::fit(slices, settings, prior)?.map(FittedSurface::Neural))
        }
        SurfaceModel::SmoothingSpline => {
            Ok(smoothing_spline::fit(slices, settings, None)?.map(FittedSurface::SmoothingSpline))
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
