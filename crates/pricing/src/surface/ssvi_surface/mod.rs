//! SSVI and extended SSVI as surfaces of their own: a few parameters, free of arbitrage at every strike and time by their conditions.

mod arrow;
mod error;
mod essvi;
mod family;
mod market;
mod phi;
mod quality;
mod smile;
mod ssvi_fit;
mod surface;
mod track;

pub use error::ParameterError;
pub use essvi::{EssviParameters, EssviSurface};
pub use family::SsviLaw;
pub use phi::Phi;
pub use smile::SsviSmile;
pub use ssvi_fit::fit_ssvi;
pub use surface::{SsviParameters, SsviSurface};
