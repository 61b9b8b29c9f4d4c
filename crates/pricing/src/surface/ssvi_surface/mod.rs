//! SSVI and extended SSVI as surfaces of their own: a few parameters, free of arbitrage at every strike and time by their conditions.

mod error;
mod essvi;
mod phi;
mod smile;
mod surface;
mod track;

pub use error::ParameterError;
pub use essvi::{EssviParameters, EssviSurface};
pub use phi::Phi;
pub use smile::SsviSmile;
pub use surface::{SsviParameters, SsviSurface};
