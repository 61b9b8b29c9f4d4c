//! How it is valued.

use zomma_base::Status;

/// The scheme in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Forward Euler: first order; refused with `BadMethod` where a step is longer than stability allows
    /// ([`Report::explicit_steps`](super::Report) says how many steps that takes).
    Explicit,
    /// Backward Euler: first order, monotone at any step.
    ImplicitEuler,
    /// Trapezoidal rule: second order on smooth data; its Greeks oscillate after a kink.
    CrankNicolson,
    /// Crank–Nicolson whose first steps after expiry and after every event are two half steps of backward Euler: second order.
    Rannacher,
    /// Trapezoidal rule to γ = 2 − √2 of the step, then the second backward difference: second order, damps every mode; with American
    /// exercise its steps grow with the root of the time from expiry or from the dividend that follows.
    #[default]
    TrBdf2,
}

/// How the early-exercise constraint is met in each step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AmericanMethod {
    /// Elimination towards the side that is exercised, then substitution with the maximum: exact for the discrete problem where one side
    /// is exercised (rate and yield not negative, vanilla), and elsewhere the penalty takes its place.
    #[default]
    BrennanSchwartz,
    /// A penalty of 10⁷ a step on being below the payoff, iterated until the exercised set stands still.
    Penalty,
    /// The European step, then the maximum: first order in the time step.
    Projection,
}

/// What holds at an end of the grid that is no barrier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FarBoundary {
    /// The value is affine in the spot (zero gamma) with the coefficients that the payoff, dividends and exercise give it: a Dirichlet
    /// condition without error but the gamma neglected.
    #[default]
    Affine,
    /// Zero gamma by leaving out the diffusion and differencing the drift to the inside.
    ZeroGamma,
}

/// Sizes and schemes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Cells of the finest grid in spot: 4 to 20,000.
    pub space_steps: usize,
    /// Steps of the finest grid in time: 1 to 1,000,000; every interval between two dates has at least one.
    pub time_steps: usize,
    /// Standard deviations of ln S between spot or strike and the ends of the grid: 1 to 20.
    pub deviations: f64,
    /// In time.
    pub scheme: Scheme,
    /// Early exercise.
    pub american: AmericanMethod,
    /// At the ends.
    pub far_boundary: FarBoundary,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            space_steps: 160,
            time_steps: 40,
            deviations: 5.0,
            scheme: Scheme::default(),
            american: AmericanMethod::default(),
            far_boundary: FarBoundary::default(),
        }
    }
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), Status> {
        let fine = (4..=20_000).contains(&self.space_steps)
            && (1..=1_000_000).contains(&self.time_steps)
            && (1.0..=20.0).contains(&self.deviations);
        if fine { Ok(()) } else { Err(Status::BadMethod) }
    }
}
