//! Fast prices by a trained network on CPUs: f32 inside, a status a row.
//!
//! Blocks of 64 rows go through features, layers and output transform while their numbers stay in the first cache; every loop is plain and
//! vectorised by the compiler, once for each instruction set. The f64 twin ([`crate::network::value`]) is the specification: prices are
//! within 2·10⁻⁶ of it (tests). See docs/inference.md.

mod block;
mod dense;
mod domain;
mod dot;
mod integer;
mod lanes;
mod moments;
mod pricer;

pub use domain::Domain;
pub use pricer::Pricer;
