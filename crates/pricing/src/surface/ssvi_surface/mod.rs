//! SSVI and extended SSVI as surfaces of their own: a few parameters, free of arbitrage at every strike and time by their conditions.

mod arrow;
mod error;
mod essvi;
mod essvi_descent;
mod essvi_fit;
mod family;
mod joins;
mod market;
mod phi;
mod power;
mod smile;
mod ssvi_fit;
mod surface;
#[cfg(test)]
mod tests;
mod track;

pub use error::ParameterError;
pub use essvi::{EssviParameters, EssviSurface};
pub use essvi_fit::fit_essvi;
pub use family::SsviLaw;
pub use phi::Phi;
pub use smile::SsviSmile;
pub use ssvi_fit::fit_ssvi;
pub use surface::{SsviParameters, SsviSurface};
