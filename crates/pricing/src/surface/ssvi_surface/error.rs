//! Why parameters do not make a surface.

use thiserror::Error;

/// Why parameters do not make a surface free of arbitrage.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum ParameterError {
    /// Nothing to make it of.
    #[error("no expiry")]
    Empty,
    /// As many values as expiries are wanted.
    #[error("{expiries} expiries, but {values} values")]
    Lengths {
        /// Expiries.
        expiries: usize,
        /// Values.
        values: usize,
    },
    /// Expiries must rise from above zero.
    #[error("expiry_years {expiry_years} is not above the one before, or above zero, or finite")]
    Expiry {
        /// Years to expiry.
        expiry_years: f64,
    },
    /// A parameter is out of its domain.
    #[error("{parameter} {value} is out of its domain")]
    Domain {
        /// Its name.
        parameter: &'static str,
        /// Its value.
        value: f64,
    },
    /// The sufficient conditions against butterfly arbitrage are broken.
    #[error("butterfly arbitrage is not excluded: {what} of {share} of what is allowed at expiry_years {expiry_years}")]
    Butterfly {
        /// Years to expiry.
        expiry_years: f64,
        /// What is too great.
        what: &'static str,
        /// By how much, as a ratio.
        share: f64,
    },
    /// Total variance would fall somewhere.
    #[error("calendar arbitrage up to expiry_years {expiry_years}: {what} does not rise as it must")]
    Calendar {
        /// Years to the later expiry.
        expiry_years: f64,
        /// What does not.
        what: &'static str,
    },
}

/// Checks that expiries rise and that there is a value for each.
pub(super) fn check_expiries(expiry_years: &[f64], values: usize) -> Result<(), ParameterError> {
    if expiry_years.is_empty() {
        return Err(ParameterError::Empty);
    }
    if expiry_years.len() != values {
        return Err(ParameterError::Lengths { expiries: expiry_years.len(), values });
    }
    let mut before = 0.0;
    for &years in expiry_years {
        if !(years > before && years.is_finite()) {
            return Err(ParameterError::Expiry { expiry_years: years });
        }
        before = years;
    }
    Ok(())
}
