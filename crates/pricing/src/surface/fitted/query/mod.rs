//! A fitted surface made ready to be asked for one volatility at a time.
//!
//! Between two times at which something bends (an expiry, a known forward, a knot of the clock) the logarithm of the forward, and whatever
//! slices are joined by, are straight lines in time. A [`SurfaceQuery`] keeps a stretch for each such pair, with its forward and its slices
//! beside each other, and finds it by a table: a volatility by strike costs one logarithm and the model itself.

mod logarithm;
mod pieces;
mod smile;
mod stretch;
mod surface;
#[cfg(test)]
mod tests;

pub use smile::SmileQuery;
pub use surface::SurfaceQuery;
