//! Networks computed by others: Burn on CPUs, Vulkan and CUDA. A crate of its own, so that what trains and checks networks need not be
//! compiled with Burn's back ends.

mod burn;
mod choice;

pub use choice::engine;
