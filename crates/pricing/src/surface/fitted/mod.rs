//! Every model of a surface behind one door: fitted by its name, asked by one trait, saved and read back.

mod model;
mod places;
mod point;
mod query;
mod quoted;
mod saved;
mod surface;
mod svi_parameters;

pub use model::SurfaceModel;
pub use places::Places;
pub use point::{Answer, Place};
pub use query::{SmileQuery, SurfaceQuery};
pub use quoted::Quoted;
pub use saved::{ReadError, SavedSlice, SavedSurface, VERSION, quotes_hash};
pub use surface::{FittedSurface, fit_model};
pub use svi_parameters::SviParameters;
