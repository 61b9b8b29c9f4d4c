//! How rows are valued.

use crate::{
    american,
    finite_difference::{self, HestonSettings},
    monte_carlo::Sampling,
};

/// How rows are valued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// The best that there is for the row's model and style.
    #[default]
    Auto,
    /// A formula: European options under bsm, black76, bachelier and displaced; barriers, digitals, geometric Asians and lookbacks under bsm
    /// and black76.
    ClosedForm,
    /// The Fourier series of the characteristic function: heston, bates, merton, kou, variance_gamma.
    Series,
    /// The contour integral of the characteristic function: the same.
    Integral,
    /// Spectral collocation of the exercise boundary: American options under bsm and black76.
    Collocation,
    /// A Leisen–Reimer tree: the same, prices alone.
    Tree,
    /// Finite differences: any style under bsm, black76 and heston, with cash dividends, barriers and digital payoffs.
    FiniteDifference,
    /// Simulation: European options, barriers, digitals, Asians and lookbacks under bsm, black76, heston, bates and merton.
    MonteCarlo,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 8] = [
        Self::Auto,
        Self::ClosedForm,
        Self::Series,
        Self::Integral,
        Self::Collocation,
        Self::Tree,
        Self::FiniteDifference,
        Self::MonteCarlo,
    ];

    /// The name that users give.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::ClosedForm => "closed_form",
            Self::Series => "series",
            Self::Integral => "integral",
            Self::Collocation => "collocation",
            Self::Tree => "tree",
            Self::FiniteDifference => "finite_difference",
            Self::MonteCarlo => "monte_carlo",
        }
    }

    /// The column in which it states how far off its prices may be, where it does.
    pub fn error_column(self) -> Option<&'static str> {
        match self {
            Self::FiniteDifference => Some("error_estimate"),
            Self::MonteCarlo => Some("standard_error"),
            _ => None,
        }
    }
}

/// How exact American prices are; each also sets the steps of the tree and of the grid. The figures hold for terms up to three years, volatilities of
/// 5 to 100 % and rates of 0 to 12 %; over all that the method takes `Quick` was off by up to 5e-5 of the strike, `Fast` by 3e-6, `Accurate` by 2e-9.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accuracy {
    /// 1e-6 of strike and better; tree and grid as for `Fast`.
    Quick,
    /// 1e-8 of strike and better.
    #[default]
    Fast,
    /// 1e-10 of strike and better.
    Accurate,
    /// 1e-12 of strike and better.
    HighPrecision,
}

impl Accuracy {
    /// Every accuracy.
    pub const ALL: [Self; 4] = [Self::Quick, Self::Fast, Self::Accurate, Self::HighPrecision];

    /// The name that users give.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Fast => "fast",
            Self::Accurate => "accurate",
            Self::HighPrecision => "high_precision",
        }
    }

    /// What the engine takes.
    pub(super) fn scheme(self) -> &'static american::Accuracy {
        match self {
            Self::Quick => american::Accuracy::quick(),
            Self::Fast => american::Accuracy::fast(),
            Self::Accurate => american::Accuracy::accurate(),
            Self::HighPrecision => american::Accuracy::high_precision(),
        }
    }

    /// The grid in spot and time: twice the cells and steps from one accuracy to the next, and a quarter of the error.
    pub(super) fn grid(self) -> finite_difference::Settings {
        let plain = finite_difference::Settings::default();
        let finer = self.finer();
        finite_difference::Settings {
            space_steps: plain.space_steps * finer,
            time_steps: plain.time_steps * finer,
            ..plain
        }
    }

    /// The same with a variance.
    pub(super) fn heston_grid(self) -> HestonSettings {
        let (plain, finer) = (HestonSettings::default(), self.finer());
        HestonSettings {
            space_steps: plain.space_steps * finer,
            variance_steps: plain.variance_steps * finer,
            time_steps: plain.time_steps * finer,
            ..plain
        }
    }

    fn finer(self) -> usize {
        match self {
            Self::Quick | Self::Fast => 1,
            Self::Accurate => 2,
            Self::HighPrecision => 4,
        }
    }

    /// Steps of the tree: odd.
    pub(super) fn tree_steps(self) -> usize {
        match self {
            Self::Quick | Self::Fast => 101,
            Self::Accurate => 501,
            Self::HighPrecision => 2001,
        }
    }
}

/// What holds for all rows of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How rows are valued.
    pub method: Method,
    /// Of American prices.
    pub accuracy: Accuracy,
    /// Of a simulation.
    pub paths: usize,
    /// Steps a year of a simulation of a model that needs steps; an expiry nearer than 0.32 years has as many as one in 0.32.
    pub steps_per_year: f64,
    /// Of a simulation.
    pub seed: u64,
    /// Of a simulation.
    pub sampling: Sampling,
    /// Whether closed forms value rows whose expiry or strike is exactly 0 by their limits ([`crate::limits`]), which are `Expired` and
    /// `BadStrike` else.
    pub limits: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            method: Method::Auto,
            accuracy: Accuracy::Fast,
            paths: 65_536,
            steps_per_year: 100.0,
            seed: 1,
            sampling: Sampling::Sobol { replications: 16 },
            limits: false,
        }
    }
}
