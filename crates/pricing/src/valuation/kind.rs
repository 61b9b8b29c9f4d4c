//! Which engine values a row.

use zomma_base::{ExerciseStyle, Status};

use super::{ContractEngine, Method, ModelName, Settings, Table, route::kind_of};
use crate::{
    black,
    displaced::{self, Distribution, Underlying},
};

/// The engine that values a row, and which form of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Black's formula.
    Black(black::Model),
    /// Black's formula with another distribution.
    Displaced(displaced::Model),
    /// A model that is known by its characteristic function.
    Fourier(Underlying),
    /// American exercise under Black–Scholes.
    American(Underlying),
    /// Finite differences under Black–Scholes.
    FiniteDifference(ExerciseStyle, Underlying),
    /// Simulation of a European option.
    MonteCarlo(Underlying),
    /// Finite differences under Black–Scholes on a spot that pays cash dividends.
    CashDividends(ExerciseStyle),
    /// A contract that is not vanilla, or whose early exercise has an engine of its own.
    Contract(ContractEngine, Underlying),
}

impl Kind {
    /// Whether its results say how far off they may be.
    pub fn states_error(self) -> bool {
        matches!(self, Self::FiniteDifference(..) | Self::MonteCarlo(_) | Self::CashDividends(_) | Self::Contract(..))
    }

    /// The engine of a row under some settings.
    ///
    /// Errors: `BadExerciseStyle` where the model has no American options, `BadMethod` where the method does not value the row; of a row
    /// with [`Terms`](super::Terms) the status of the one that has no engine.
    pub fn of(table: &Table, row: usize, settings: &Settings) -> Result<Self, Status> {
        let underlying = if table.on_forward[row] { Underlying::Forward } else { Underlying::Spot };
        let (model, exercise) = (table.model[row], table.exercise[row]);
        if let Some(terms) = table.terms_of(row).filter(|terms| !terms.is_plain()) {
            return kind_of(table, row, terms, settings);
        }
        let lognormal = matches!(model, ModelName::Bsm | ModelName::Black76);
        if exercise == ExerciseStyle::American && !lognormal {
            // Heston's has the grid alone.
            return match (model, settings.method) {
                (ModelName::Heston, Method::Auto | Method::FiniteDifference) => {
                    Ok(Self::Contract(ContractEngine::FiniteDifference, underlying))
                }
                (ModelName::Heston, _) => Err(Status::BadMethod),
                _ => Err(Status::BadExerciseStyle),
            };
        }
        let best = match model {
            ModelName::Bsm | ModelName::Black76 if exercise == ExerciseStyle::American => Self::American(underlying),
            ModelName::Bsm | ModelName::Black76 => Self::Black(match underlying {
                Underlying::Spot => black::Model::Bsm,
                Underlying::Forward => black::Model::Black76,
            }),
            ModelName::Bachelier => {
                Self::Displaced(displaced::Model { distribution: Distribution::Normal, underlying })
            }
            ModelName::Displaced => {
                Self::Displaced(displaced::Model { distribution: Distribution::Displaced, underlying })
            }
            ModelName::Heston | ModelName::Bates | ModelName::Merton | ModelName::Kou | ModelName::VarianceGamma => {
                Self::Fourier(underlying)
            }
        };
        let simulated = matches!(best, Self::Black(_) | Self::Fourier(_))
            && !matches!(model, ModelName::Kou | ModelName::VarianceGamma);
        let fits = match settings.method {
            Method::Auto => true,
            Method::ClosedForm => matches!(best, Self::Black(_) | Self::Displaced(_)),
            Method::Series | Method::Integral => matches!(best, Self::Fourier(_)),
            Method::Collocation | Method::Tree => matches!(best, Self::American(_)),
            Method::FiniteDifference if model == ModelName::Heston => {
                return Ok(Self::Contract(ContractEngine::FiniteDifference, underlying));
            }
            Method::FiniteDifference if lognormal => return Ok(Self::FiniteDifference(exercise, underlying)),
            Method::MonteCarlo if simulated => return Ok(Self::MonteCarlo(underlying)),
            Method::FiniteDifference | Method::MonteCarlo => false,
        };
        if fits { Ok(best) } else { Err(Status::BadMethod) }
    }
}
