//! Every model of a surface behind one door: fitted by its name, asked by one trait, saved and read back.

mod model;
mod saved;

pub use model::{FittedSurface, SurfaceModel, fit_model};
pub use saved::{SavedSlice, SavedSurface, VERSION, quotes_hash};
