//! Networks that price: trained, checked, shrunk and exported.
//!
//! One config ([`config::TrainConfig`]) says what is learned, on which domain and for how long. [`data`] makes labels with `pricing`,
//! [`network`] holds the network with its input scaling and its output transform, [`training`] the loop. The network's parameters are one
//! flat vector whose places [`network::Layout`] names, so that the engines (our own on CPUs, Burn on everything else), checkpoints and
//! exports read the same numbers. See docs/learning.md.

pub mod config;
pub mod data;
mod error;
pub mod inference;
pub mod network;
pub mod onnx;
pub mod parallel;
pub mod physics;
pub mod profiling;
pub mod quantisation;
pub mod search;
pub mod table;
pub mod tracking;
pub mod training;

pub use error::LearnError;
