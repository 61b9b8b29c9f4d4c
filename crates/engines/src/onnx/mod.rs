//! Networks in ONNX's format, computed by ONNX Runtime: a library that is found and loaded when the program runs, on the CPU, through CUDA
//! or through TensorRT.

mod error;
mod library;
mod profile;
mod provider;
mod session;

pub use error::OnnxError;
pub use library::OnnxRuntime;
pub use profile::{NodeTime, node_times};
pub use provider::{BatchSizes, Provider, TensorRt};
pub use session::{OnnxSession, SessionOptions};
