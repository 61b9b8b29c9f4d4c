//! Networks computed by others: Burn on CPUs, Vulkan and CUDA, and ONNX Runtime where its library is found. A crate of its own, so that what trains and checks networks need not be
//! compiled with Burn's back ends.

mod burn;
mod choice;
pub mod onnx;

pub use choice::engine;
