//! What a fit of any model gives.

use thiserror::Error;

use super::{note::Note, stability::Stability};
use crate::surface::{FitQuality, andreasen_huge, ssvi_surface};

/// A fitted surface, and all that there is to say of it.
#[derive(Clone, Debug)]
pub struct Fit<S> {
    /// The surface.
    pub surface: S,
    /// Slices that were not treated as asked, and why.
    pub notes: Vec<Note>,
    /// How well the quotes determine the parameters: of each slice where it has its own, else of the whole surface.
    pub stability: Vec<Stability>,
    /// Where the model has constraints: the quality of its own fit without them.
    pub unconstrained: Option<FitQuality>,
}

impl<S> Fit<S> {
    /// A fit with nothing to remark.
    pub fn of(surface: S) -> Self {
        Self { surface, notes: Vec::new(), stability: Vec::new(), unconstrained: None }
    }

    /// The same fit of the surface as another type.
    pub fn map<T>(self, into: impl FnOnce(S) -> T) -> Fit<T> {
        Fit {
            surface: into(self.surface),
            notes: self.notes,
            stability: self.stability,
            unconstrained: self.unconstrained,
        }
    }
}

/// Why there is no surface at all. What is wrong with one slice is a [`Note`] of a fit.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum FitError {
    /// Nothing to fit to.
    #[error("no quote of any expiry has a volatility")]
    NoQuotes,
    /// Fewer quotes over all expiries than the model has parameters.
    #[error("{quotes} usable quotes, {needed} needed")]
    TooFewQuotes {
        /// Usable quotes.
        quotes: usize,
        /// What the model wants.
        needed: usize,
    },
    /// The model has no smile at the quotes of an expiry, whatever its parameters.
    #[error("the model has no smile at the quotes of expiry_years {expiry_years}")]
    NoSmile {
        /// The expiry.
        expiry_years: f64,
    },
    /// No start came to an end.
    #[error("not settled from any of {starts} starts")]
    NotConverged {
        /// Starts tried.
        starts: usize,
    },
    /// The parameters found make no surface of SSVI, or of extended SSVI.
    #[error("the parameters found make no surface: {0}")]
    Ssvi(#[from] ssvi_surface::ParameterError),
    /// The parameters found make no surface of implicit steps.
    #[error("the parameters found make no surface: {0}")]
    AndreasenHuge(#[from] andreasen_huge::ParameterError),
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn parameters_that_make_no_surface_say_why() {
        let ssvi = ssvi_surface::ParameterError::Domain { parameter: "rho", value: 1.5 };
        let steps = andreasen_huge::ParameterError::Expiry { expiry_years: 0.5 };
        for (error, cause) in
            [(FitError::from(ssvi.clone()), ssvi.to_string()), (FitError::from(steps.clone()), steps.to_string())]
        {
            assert_eq!(error.to_string(), format!("the parameters found make no surface: {cause}"));
            assert_eq!(error.source().expect("it has a cause").to_string(), cause);
        }
    }
}
