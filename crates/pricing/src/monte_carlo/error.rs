//! Why a simulation was refused: always by name, before any path is drawn but for what only the paths can tell.

use std::fmt;

use zomma_base::Status;

/// Why there is no estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum MonteCarloError {
    /// A field of the market, the model or the payoff is bad, or a result is not representable.
    Field(Status),
    /// Fewer paths than a standard error needs.
    TooFewPaths {
        /// Asked for.
        paths: usize,
        /// The least that will do.
        least: usize,
    },
    /// More paths than are counted.
    TooManyPaths {
        /// Asked for.
        paths: usize,
        /// The most.
        most: usize,
    },
    /// Steps are none, or more than are kept.
    Steps {
        /// Asked for.
        steps: usize,
        /// The most.
        most: usize,
    },
    /// Dates are none, or do not divide the steps.
    Dates {
        /// Asked for.
        dates: usize,
        /// Steps of the plan.
        steps: usize,
    },
    /// Randomised replications are fewer than a standard error needs, or more than are kept.
    Replications {
        /// Asked for.
        replications: usize,
        /// The most.
        most: usize,
    },
    /// More jumps are to be expected in a step than the table of counts holds.
    TooManyJumps {
        /// Expected in a step.
        per_step: f64,
        /// The most.
        most: f64,
    },
    /// A combination that has no unbiased estimator here.
    NotSupported(&'static str),
    /// Assets are none, too many, or the columns that describe them differ in length.
    Assets {
        /// Assets of the spots.
        assets: usize,
        /// The most.
        most: usize,
    },
    /// A column has another length than the spots.
    AssetColumn {
        /// Its name.
        column: &'static str,
        /// What it holds.
        length: usize,
        /// What it should.
        expected: usize,
    },
    /// An entry of a correlation matrix is not within −1 and 1, not its mirror, or not 1 on the diagonal.
    Correlation {
        /// Row.
        row: usize,
        /// Column.
        column: usize,
        /// What stands there.
        value: f64,
    },
    /// A correlation matrix is not positive definite.
    NotPositiveDefinite {
        /// Its smallest eigenvalue.
        smallest_eigenvalue: f64,
    },
}

impl From<Status> for MonteCarloError {
    fn from(status: Status) -> Self {
        Self::Field(status)
    }
}

impl fmt::Display for MonteCarloError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(status) => write!(f, "{status}"),
            Self::TooFewPaths { paths, least } => write!(f, "{paths} paths: at least {least} are needed"),
            Self::TooManyPaths { paths, most } => write!(f, "{paths} paths: at most {most} are counted"),
            Self::Steps { steps, most } => write!(f, "{steps} steps: 1 to {most} are allowed"),
            Self::Dates { dates, steps } => write!(f, "{dates} dates: they must divide the {steps} steps"),
            Self::Replications { replications, most } => {
                write!(f, "{replications} replications: 2 to {most} are allowed")
            }
            Self::TooManyJumps { per_step, most } => {
                write!(f, "{per_step} jumps a step are to be expected: at most {most}; take more steps")
            }
            Self::NotSupported(what) => write!(f, "not supported: {what}"),
            Self::Assets { assets, most } => write!(f, "{assets} assets: 1 to {most} are allowed"),
            Self::AssetColumn { column, length, expected } => {
                write!(f, "{column} holds {length} numbers where {expected} are expected")
            }
            Self::Correlation { row, column, value } => write!(
                f,
                "correlation {value} in row {row}, column {column}: it must be within -1 and 1, its mirror's value, and 1 on the diagonal"
            ),
            Self::NotPositiveDefinite { smallest_eigenvalue } => {
                write!(
                    f,
                    "the correlation matrix is not positive definite: its smallest eigenvalue is {smallest_eigenvalue:e}"
                )
            }
        }
    }
}

impl std::error::Error for MonteCarloError {}
