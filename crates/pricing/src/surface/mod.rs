//! Volatility surfaces (docs/surfaces.md).
//!
//! What every surface answers is in [`VolatilitySurface`], how any is fitted in [`calibration`], which models there are and how a surface
//! is saved in [`fitted`]. [`fit`] is the surface of an analysis: raw SVI slices, free of butterfly and calendar arbitrage, on an SSVI
//! backbone.

mod andreasen_huge;
mod barrier;
pub mod batch;
pub mod calibration;
pub mod characteristic;
mod check;
mod clock;
mod clock_settings;
mod constraints;
mod extrapolation;
mod fit;
pub mod fitted;
mod forwards;
mod from_price;
pub mod interpolation;
mod jet;
mod joint;
mod lanes;
mod linear;
mod local_volatility;
mod loss;
mod maxima;
pub mod price_spline;
mod query;
mod repair;
mod rows;
pub mod sabr;
mod slice;
mod slices;
mod smile;
mod ssvi;
pub mod ssvi_surface;
mod svi;
mod svi_domain;
mod svi_forms;
pub mod svi_surface;
#[cfg(test)]
mod svi_surface_tests;
mod target;
#[cfg(test)]
mod test_quotes;
#[cfg(test)]
mod tests;
mod violations;
mod wings;

pub use andreasen_huge::{AndreasenHuge, AndreasenHugeParameters, AndreasenHugeStep, ParameterError};
pub use check::check;
pub use clock::{Clock, ClockError};
pub use clock_settings::{ClockSettings, VarianceEvent, VarianceEventError, event_days};
pub use fit::fit;
pub use forwards::Forwards;
pub use local_volatility::{LocalVolatilityError, LocalVolatilityGrid, LocalVolatilityStatus};
pub use maxima::{DensityMaxima, density_maxima};
pub use rows::{VolatilityRows, slices_of};
pub use slices::Slices;
pub use smile::{Smile, Variance, VolatilitySurface, density, durrleman_g, probability_below};
pub use ssvi::Ssvi;
pub use svi::Svi;
pub use svi_domain::{Butterfly, SsviButterfly, ssvi_butterfly};
pub use svi_forms::{JumpWings, NaturalSvi, SviFormError};
pub use violations::{Coverage, Violation, ViolationKind, coverage, quality_of, violations};

use serde::{Deserialize, Serialize};

/// The out-of-the-money quotes of one expiry, by ascending log-moneyness k = ln(strike/forward). Vectors have one length.
#[derive(Clone, Debug, Default)]
pub struct SliceQuotes {
    /// Years to expiry.
    pub expiry_years: f64,
    /// Forward to expiry.
    pub forward: f64,
    /// ln(strike/forward).
    pub log_moneyness: Vec<f64>,
    /// Volatility of the bid, NaN where it has none.
    pub bid_volatility: Vec<f64>,
    /// Volatility of the mid.
    pub mid_volatility: Vec<f64>,
    /// Volatility of the ask, NaN where it has none.
    pub ask_volatility: Vec<f64>,
    /// Open interest, in contracts; empty where it is not known.
    pub open_interest: Vec<f64>,
}

impl SliceQuotes {
    /// Quotes: the length of the shortest column of log-moneyness and volatilities.
    pub fn len(&self) -> usize {
        let columns = [&self.bid_volatility, &self.mid_volatility, &self.ask_volatility];
        columns.into_iter().fold(self.log_moneyness.len(), |least, column| least.min(column.len()))
    }

    /// Whether quote `i` takes part in a fit: its log-moneyness is finite, and its mid volatility above zero and below 1000 %, above which a
    /// volatility says only that the quote is worth about its bound.
    pub(crate) fn is_usable(&self, i: usize) -> bool {
        let (k, mid) = (self.log_moneyness[i], self.mid_volatility[i]);
        k.is_finite() && k.abs() < 20.0 && mid > 0.0 && mid < 10.0
    }

    /// Whether there is no quote.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a slice came to its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SliceSource {
    /// Five-parameter SVI fitted to the slice's own quotes under the arbitrage constraints.
    Svi,
    /// Too few quotes, or no feasible SVI: the shape is the SSVI backbone's.
    Ssvi,
    /// Nothing to take a shape from: one volatility for all strikes.
    Flat,
}

/// Fit quality over the quotes of a slice or a surface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FitQuality {
    /// Quotes counted.
    pub quotes: usize,
    /// Quotes whose model vol lies between bid vol and ask vol (a bid without a vol counts as no lower bound).
    pub inside: usize,
    /// Root mean square of model vol − mid vol, in vol points (0.01), over the quotes that have a mid vol.
    pub rmse_vol_points: f64,
}

/// One expiry of a fitted surface.
#[derive(Clone, Debug, Serialize)]
pub struct SurfaceSlice {
    /// Years to expiry.
    pub expiry_years: f64,
    /// Forward to expiry.
    pub forward: f64,
    /// Parameters (SSVI and flat slices are written as raw SVI too).
    pub svi: Svi,
    /// Where the shape came from.
    pub source: SliceSource,
    /// Lowest and highest quoted log-moneyness.
    pub log_moneyness_range: [f64; 2],
    /// Quality of this slice.
    pub quality: FitQuality,
    /// Quality of the unconstrained five-parameter fit to the same quotes, reported beside it.
    pub unconstrained: FitQuality,
}

/// What was checked for static arbitrage, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ArbitrageReport {
    /// Grid points where Durrleman's g is below −1e-9, plus wing slopes outside [0, 2].
    pub butterfly_violations: usize,
    /// Grid points where total variance falls with expiry.
    pub calendar_violations: usize,
    /// Least g found.
    pub least_g: f64,
    /// Points checked.
    pub points: usize,
    /// Lowest and highest log-moneyness checked.
    pub log_moneyness_range: [f64; 2],
}

/// A fitted surface; slices by ascending expiry.
#[derive(Clone, Debug, Serialize)]
pub struct Surface {
    /// One slice an expiry.
    pub slices: Vec<SurfaceSlice>,
    /// The backbone, where there were quotes enough to fit one.
    pub ssvi: Option<Ssvi>,
    /// The check over all slices.
    pub arbitrage: ArbitrageReport,
    /// Quality over all slices.
    pub quality: FitQuality,
    /// Quality of SSVI alone over all slices.
    pub ssvi_quality: FitQuality,
    /// Quality of the unconstrained slices.
    pub unconstrained: FitQuality,
}
