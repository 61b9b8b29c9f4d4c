//! Runs N ranks of a command across the GPUs: environment, affinity, topology, a preflight of what joins them.
//!
//! In the order in which a launch uses them: [`selection`] says which GPU each rank has, [`cpus`] and [`pinning`] on which CPUs it
//! runs, [`topology`] what lies between the GPUs, [`environment`] which variables it gets, [`preflight`] whether what joins the ranks
//! works, [`launch`] starts them and sees them to their end, with [`output`] for what they print, [`status`] for how they end, and
//! [`guard`] so that none outlives its launcher. [`collective`] is for ranks of our own programs.

pub mod collective;
pub mod cpus;
pub mod environment;
pub mod guard;
pub mod launch;
pub mod nccl;
pub mod output;
pub mod pinning;
pub mod preflight;
pub mod selection;
pub mod status;
pub mod topology;
