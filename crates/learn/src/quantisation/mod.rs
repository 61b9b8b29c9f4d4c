//! Post-training quantisation: hidden layers in 8-bit integers, what was lost measured.
//!
//! The layers between the first and the last hidden activations hold nearly all multiplications; they get int8 weights with a scale for
//! each unit and unsigned activations with one scale and zero point a layer. The first hidden layer, which reads the features, and the
//! last, which makes the number that becomes the price, stay f32: they cost little and their rounding would cost most.
//!
//! An exporter reads [`QuantisedNetwork::layers`] (integers, scales, zero points) and, for the rest, the parameters of
//! [`QuantisedNetwork::network`] in their layout. See docs/inference.md.

mod calibration;
mod compensation;
mod emulation;
mod file;
mod layer;
mod quantise;
mod twin;

pub use calibration::Calibration;
pub use file::QuantisedNetwork;
pub use layer::{ActivationScale, LayerErrors, QuantisationErrors, QuantisedLayer};
pub use quantise::{QuantisationOptions, quantise};
pub use twin::quantised_value;
