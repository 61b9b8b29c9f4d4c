//! Runs N ranks of a command across the GPUs: environment, affinity, topology, a preflight of what joins them.
