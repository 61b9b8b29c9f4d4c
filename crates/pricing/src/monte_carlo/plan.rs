//! How a simulation is done: seed, paths, steps, which numbers, which control.

use super::{Control, MonteCarloError};

/// Most paths of a plan.
pub const MOST_PATHS: usize = 1 << 32;
/// Most replications of a plan.
pub const MOST_REPLICATIONS: usize = 65_536;
/// Most steps of a path.
pub const MOST_STEPS: usize = 16_384;

/// Which random numbers paths take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Philox: independent paths.
    Independent,
    /// Philox: paths 2k and 2k + 1 have opposite numbers, and a pair is a sample.
    Antithetic,
    /// Sobol's points with a Brownian bridge, in so many independently scrambled and shifted replications of paths/replications points
    /// each (a power of two is best); their scatter gives the standard error.
    Sobol {
        /// 2 to 65,536; 16 is customary.
        replications: usize,
    },
}

/// How a simulation is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// The same seed gives the same numbers.
    pub seed: u64,
    /// Paths; where they do not divide into pairs or replications, the rest is not simulated.
    pub paths: usize,
    /// Equal steps to expiry.
    pub steps: usize,
    /// Which random numbers.
    pub sampling: Sampling,
    /// Which control variate.
    pub control: Control,
}

/// Paths of the pilot from which a control's coefficient comes.
const PILOT_PATHS: std::ops::RangeInclusive<usize> = 1024..=16_384;

impl Plan {
    /// Independent paths without control.
    pub fn new(seed: u64, paths: usize, steps: usize) -> Self {
        Self { seed, paths, steps, sampling: Sampling::Independent, control: Control::None }
    }

    /// The same with other numbers.
    pub fn sampled(self, sampling: Sampling) -> Self {
        Self { sampling, ..self }
    }

    /// The same with a control variate.
    pub fn controlled(self, control: Control) -> Self {
        Self { control, ..self }
    }

    /// Whether paths and steps are counts that can be simulated.
    pub fn check(&self) -> Result<(), MonteCarloError> {
        let least = match self.sampling {
            Sampling::Independent => 2,
            Sampling::Antithetic => 4,
            Sampling::Sobol { replications } if !(2..=MOST_REPLICATIONS).contains(&replications) => {
                return Err(MonteCarloError::Replications { replications, most: MOST_REPLICATIONS });
            }
            Sampling::Sobol { replications } => replications,
        };
        if self.paths < least {
            Err(MonteCarloError::TooFewPaths { paths: self.paths, least })
        } else if self.paths > MOST_PATHS {
            Err(MonteCarloError::TooManyPaths { paths: self.paths, most: MOST_PATHS })
        } else if !(1..=MOST_STEPS).contains(&self.steps) {
            Err(MonteCarloError::Steps { steps: self.steps, most: MOST_STEPS })
        } else {
            Ok(())
        }
    }

    pub(super) fn is_antithetic(&self) -> bool {
        self.sampling == Sampling::Antithetic
    }

    pub(super) fn is_quasi(&self) -> bool {
        matches!(self.sampling, Sampling::Sobol { .. })
    }

    /// Replications and the paths of each.
    pub(super) fn replications(&self) -> (usize, usize) {
        match self.sampling {
            Sampling::Independent => (1, self.paths),
            Sampling::Antithetic => (1, self.paths / 2 * 2),
            Sampling::Sobol { replications } => (replications, self.paths / replications),
        }
    }

    pub(super) fn pilot_paths(&self) -> usize {
        (self.paths / 8 / 2 * 2).clamp(*PILOT_PATHS.start(), *PILOT_PATHS.end())
    }
}
