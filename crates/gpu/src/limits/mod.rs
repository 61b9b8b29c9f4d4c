//! Runs a command within limits of memory and compute, and says which of them are hard.
