//! What can go wrong between a model and its numbers.

use std::path::PathBuf;

/// Why ONNX Runtime could not be had, or would not compute.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The library itself.
    #[error("{path}: {reason}")]
    Library {
        /// As it was looked for.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// What a provider needs beside it and this machine has not.
    #[error("{provider} cannot be had here; missing: {}", missing.join("; "))]
    Missing {
        /// The provider.
        provider: &'static str,
        /// Each library by its name, and whose it is.
        missing: Vec<String>,
    },
    /// The model is not one that can be computed this way.
    #[error("{0}")]
    Model(String),
    /// What ONNX Runtime said, and when.
    #[error("ONNX Runtime, {doing}: {said}")]
    Runtime {
        /// What was being done.
        doing: &'static str,
        /// Its words.
        said: String,
    },
}

impl OnnxError {
    /// Of one of its errors, whatever that would recover.
    pub(super) fn of<R>(doing: &'static str) -> impl Fn(ort::Error<R>) -> Self {
        move |error| Self::Runtime { doing, said: error.message().trim().to_owned() }
    }
}
