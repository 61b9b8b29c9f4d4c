//! Features of an option chain on one day: skew, term structure, put-call ratios, dealers' exposure by strike, max pain.
//!
//! They take volatilities, Greeks, volume and open interest as columns; [`option_features`] puts those of an analysis in. A value that the day's
//! quotes do not give (a strike beyond the quoted ones, a tenor before the first expiry or after the last) is `None`.
//!
//! Units: volatilities are decimals per √year; exposures are currency of the underlying, delta being shares times spot.

mod exposure;
mod features;
mod max_pain;
mod put_call;
mod skew;
mod smile;
mod term;
mod zero_gamma;

pub use exposure::{DealerPosition, Exposure, ExposureColumns, StrikeExposure, exposure};
pub use features::{ExpiryFeatures, OptionFeatures, OptionFeaturesConfig, TenorFeatures, option_features};
pub use max_pain::{OpenStrike, max_pain};
pub use put_call::{PutCall, put_call};
pub use skew::{Skew, delta_log_moneyness, skew};
pub use smile::Smile;
pub use term::{TermPoint, at_tenor};
pub use zero_gamma::{GammaProfile, GammaRow, ZERO_GAMMA_REACH};
