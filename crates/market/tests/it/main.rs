//! The readers against whole files: real ones where they are there, damaged ones made here.

mod files;
mod real_bars;
mod real_chains;
