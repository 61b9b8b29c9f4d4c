//! Why a feature cannot be had as asked.

use thiserror::Error;

/// Why a feature, a model or a fit cannot be had as asked.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum FeatureError {
    /// A parameter outside its range.
    #[error("{field} {value}; allowed: {allowed}")]
    BadParameter {
        /// Its name.
        field: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A name that no feature has.
    #[error("unknown feature {name:?}; allowed: {allowed}")]
    UnknownFeature {
        /// What was asked for.
        name: String,
        /// The features that there are.
        allowed: String,
    },
    /// What is wrong with one of several features.
    #[error("feature {feature}: {problem}")]
    InFeature {
        /// The feature as it was written.
        feature: String,
        /// What is wrong.
        problem: Box<FeatureError>,
    },
    /// A fit with too little to fit from.
    #[error("{what}: {found} observations; allowed: {needed} or more")]
    TooFew {
        /// What was to be fitted.
        what: &'static str,
        /// How many observations there are.
        found: usize,
        /// How many it needs.
        needed: usize,
    },
    /// Observations of one kind that are not as many as those of another.
    #[error("{field}: {found} values; allowed: {expected}, one for each of the others")]
    LengthMismatch {
        /// The column.
        field: &'static str,
        /// How many values it has.
        found: usize,
        /// How many it must have.
        expected: usize,
    },
    /// An observation that is no finite number.
    #[error("{field}: row {row}: {value}; allowed: finite numbers")]
    NotFinite {
        /// The column.
        field: &'static str,
        /// Its row, from 0.
        row: usize,
        /// What stands there.
        value: f64,
    },
    /// A fit whose observations do not tell its answer: all alike, or one a multiple of another.
    #[error("{what}: {problem}")]
    Degenerate {
        /// What was to be fitted.
        what: &'static str,
        /// What the observations lack.
        problem: &'static str,
    },
    /// A fit that did not come to rest.
    #[error(
        "{what}: not converged after {iterations} iterations: the last still changed the answer by {change:e}; allowed: {tolerance:e}"
    )]
    NotConverged {
        /// What was to be fitted.
        what: &'static str,
        /// How many iterations were made.
        iterations: usize,
        /// By how much the last changed the answer.
        change: f64,
        /// By how much it may.
        tolerance: f64,
    },
}

/// The error of a parameter outside its range.
pub(super) fn bad(field: &'static str, value: impl ToString, allowed: &'static str) -> FeatureError {
    FeatureError::BadParameter { field, value: value.to_string(), allowed }
}

/// A window, interval or horizon in nanoseconds: 1 ns to a day.
pub(super) fn duration(field: &'static str, value_ns: u64) -> Result<u64, FeatureError> {
    const DAY_NS: u64 = 86_400_000_000_000;
    if (1..=DAY_NS).contains(&value_ns) {
        Ok(value_ns)
    } else {
        Err(bad(field, value_ns, "1 ns to one day (86,400,000,000,000 ns)"))
    }
}

/// A finite number above 0.
pub(super) fn positive(field: &'static str, value: f64) -> Result<f64, FeatureError> {
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err(bad(field, value, "a finite number above 0")) }
}

/// A column of finite numbers, at least `needed` of them.
pub(super) fn column(what: &'static str, values: &[f64], needed: usize) -> Result<(), FeatureError> {
    if values.len() < needed {
        return Err(FeatureError::TooFew { what, found: values.len(), needed });
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(row) => Err(FeatureError::NotFinite { field: what, row, value: values[row] }),
        None => Ok(()),
    }
}

/// Two columns of one length.
pub(super) fn same_length(field: &'static str, found: usize, expected: usize) -> Result<(), FeatureError> {
    if found == expected { Ok(()) } else { Err(FeatureError::LengthMismatch { field, found, expected }) }
}
