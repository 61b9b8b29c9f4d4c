//! Volatility surfaces (docs/surfaces.md).
//!
//! What every surface answers is in [`VolatilitySurface`], how any is fitted in [`calibration`], which models there are and how a surface
//! is saved in [`fitted`]. [`fit`] is the surface of an analysis: raw SVI slices, free of butterfly and calendar arbitrage, on an SSVI
//! backbone.

mod andreasen_huge;
pub mod batch;
pub mod calibration;
pub mod characteristic;
mod check;
mod clock;
mod clock_settings;
mod expiry_table;
mod extrapolation;
pub mod fitted;
mod forwards;
mod from_price;
pub mod interpolation;
mod jet;
mod linear;
mod local_volatility;
mod many;
mod maxima;
mod neighbours;
pub mod price_spline;
mod quality;
mod row_notes;
mod rows;
pub mod sabr;
mod scan;
mod slices;
mod smile;
mod span;
pub mod ssvi_surface;
mod svi;
#[cfg(test)]
mod test_quotes;
mod violations;

pub use andreasen_huge::{AndreasenHuge, AndreasenHugeParameters, AndreasenHugeStep, ParameterError};
pub use check::check;
pub use clock::{Clock, ClockError};
pub use clock_settings::{ClockSettings, VarianceEvent, VarianceEventError, event_days};
pub use forwards::Forwards;
pub use local_volatility::{LocalVolatilityError, LocalVolatilityGrid, LocalVolatilityStatus};
pub use maxima::{DensityMaxima, density_maxima};
pub use quality::{FitQuality, QualityCount, quality_of};
pub use row_notes::row_notes;
pub use rows::{VolatilityRows, slices_of};
pub use slices::Slices;
pub use smile::{Smile, Variance, VolatilitySurface, density, durrleman_g, probability_below};
pub use svi::{
    Butterfly, JumpWings, NaturalSvi, Ssvi, SsviButterfly, Svi, SviFormError, fit::fit, ssvi_butterfly,
    surface as svi_surface,
};
pub use violations::{Coverage, Violation, ViolationKind, coverage, violations};

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

    /// Whether any quote has a bid's or an ask's volatility: mids alone say nothing of how far a miss is.
    pub(crate) fn has_sides(&self) -> bool {
        (0..self.len()).any(|i| !(self.bid_volatility[i].is_nan() && self.ask_volatility[i].is_nan()))
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
