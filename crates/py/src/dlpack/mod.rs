//! Exchange of arrays with other frameworks without a copy: <https://dmlc.github.io/dlpack/latest/python_spec.html>.

pub mod abi;
pub mod export;
pub mod import;
pub mod owned;
