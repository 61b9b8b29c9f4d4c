//! The Python package `zomma`: the only crate that knows Python.

use pyo3::prelude::*;

/// The compiled half of the package; `python/zomma` is what a user imports.
#[pymodule]
mod _zomma {}
