//! What the GPUs are doing now: usage, memory, temperature, power, errors, as samples in which a failed read is absent.
