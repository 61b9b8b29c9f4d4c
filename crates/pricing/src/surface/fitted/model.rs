//! Which models there are.

use serde::{Deserialize, Serialize};

/// A model of a surface, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurfaceModel {
    /// Raw SVI slices, free of arbitrage.
    #[default]
    Svi,
    /// SSVI with a power-law smile function.
    Ssvi,
    /// SSVI with Heston's smile function.
    SsviHeston,
    /// Extended SSVI: slices of three parameters.
    Essvi,
    /// SABR slices under Hagan's lognormal expansion, β = 1.
    Sabr,
    /// The same with β fitted.
    SabrFreeBeta,
    /// SABR slices under Hagan's normal expansion, β = 0.
    SabrNormal,
    /// SABR slices whose density is not negative, β = 1.
    SabrNoArbitrage,
    /// Heston's stochastic volatility, one set of parameters.
    Heston,
    /// Heston with normal jumps.
    Bates,
    /// Black–Scholes with normal jumps.
    Merton,
    /// Black–Scholes with double exponential jumps.
    Kou,
    /// One implicit step of Dupire's equation an expiry (Andreasen and Huge 2011).
    AndreasenHuge,
    /// Splines of the price inside bid and ask, free of arbitrage.
    PriceSpline,
    /// Fengler's arbitrage-free smoothing spline of prices.
    SmoothingSpline,
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
}

impl SurfaceModel {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Svi,
        Self::Ssvi,
        Self::SsviHeston,
        Self::Essvi,
        Self::Sabr,
        Self::SabrFreeBeta,
        Self::SabrNormal,
        Self::SabrNoArbitrage,
        Self::Heston,
        Self::Bates,
        Self::Merton,
        Self::Kou,
        Self::AndreasenHuge,
        Self::PriceSpline,
        Self::SmoothingSpline,
        Self::CubicSpline,
        Self::MonotoneSpline,
        Self::Rbf,
        Self::Kriging,
        Self::Neural,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Svi => "svi",
            Self::Ssvi => "ssvi",
            Self::SsviHeston => "ssvi_heston",
            Self::Essvi => "essvi",
            Self::Sabr => "sabr",
            Self::SabrFreeBeta => "sabr_free_beta",
            Self::SabrNormal => "sabr_normal",
            Self::SabrNoArbitrage => "sabr_no_arbitrage",
            Self::Heston => "heston",
            Self::Bates => "bates",
            Self::Merton => "merton",
            Self::Kou => "kou",
            Self::AndreasenHuge => "andreasen_huge",
            Self::PriceSpline => "price_spline",
            Self::SmoothingSpline => "smoothing_spline",
            Self::CubicSpline => "cubic_spline",
            Self::MonotoneSpline => "monotone_spline",
            Self::Rbf => "rbf",
            Self::Kriging => "kriging",
            Self::Neural => "neural",
        }
    }

    /// Tikhonov's λ towards a prior surface that a day of many quotes does not feel, and one of few does: 1, where a parameter that is off by
    /// its scale costs what a quote does that is missed by one unit; a tenth of it for `andreasen_huge`, whose scales are narrower; 0 for
    /// models that no λ pulls to a prior.
    pub fn usual_pull(self) -> f64 {
        match self {
            Self::SmoothingSpline | Self::CubicSpline | Self::MonotoneSpline | Self::Rbf | Self::Kriging => 0.0,
            Self::AndreasenHuge => 0.1,
            _ => 1.0,
        }
    }

    /// The model of a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_a_saved_surface_and_each_its_own() {
        for (i, model) in SurfaceModel::ALL.into_iter().enumerate() {
            assert_eq!(serde_json::to_value(model).expect("it is a word"), model.as_str());
            assert_eq!(SurfaceModel::parse(model.as_str()), Some(model));
            assert_eq!(model as usize, i, "the list has every model once, in the order of the type");
        }
        assert_eq!(SurfaceModel::parse("SVI"), None);
    }
}
