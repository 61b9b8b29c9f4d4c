//! Burn: every network of a config, on any of its back ends.

mod engine;
mod network;

pub(crate) use engine::BurnEngine;
