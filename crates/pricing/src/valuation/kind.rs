//! Which engine values a row.

use zomma_base::{ExerciseStyle, Status};

use super::{ModelName, Table};
use crate::{
    black,
    displaced::{self, Distribution, Underlying},
};

/// How rows are valued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// The best that there is for the row's model and style.
    #[default]
    Auto,
    /// A formula: European options under bsm, black76, bachelier and displaced.
    ClosedForm,
    /// A Leisen–Reimer tree: American options, prices alone.
    Tree,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 3] = [Self::Auto, Self::ClosedForm, Self::Tree];

    /// The name that users give.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::ClosedForm => "closed_form",
            Self::Tree => "tree",
        }
    }
}

/// What holds for all rows of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// How rows are valued.
    pub method: Method,
}

/// The engine that values a row, and which form of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Black's formula.
    Black(black::Model),
    /// Black's formula with another distribution.
    Displaced(displaced::Model),
    /// American exercise of an option on a spot, or on a forward.
    American(Underlying),
}

impl Kind {
    /// The engine of a row under some settings.
    ///
    /// Errors: `BadExerciseStyle` where the model has no American options, `BadMethod` where the method does not value the row.
    pub fn of(table: &Table, row: usize, settings: &Settings) -> Result<Self, Status> {
        let underlying = if table.on_forward[row] { Underlying::Forward } else { Underlying::Spot };
        let american = table.exercise[row] == ExerciseStyle::American;
        let kind = match table.model[row] {
            ModelName::Bsm | ModelName::Black76 if american => Self::American(underlying),
            _ if american => return Err(Status::BadExerciseStyle),
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
            _ => return Err(Status::BadModel),
        };
        let fits = match settings.method {
            Method::Auto => true,
            Method::ClosedForm => matches!(kind, Self::Black(_) | Self::Displaced(_)),
            Method::Tree => matches!(kind, Self::American(_)),
        };
        if fits { Ok(kind) } else { Err(Status::BadMethod) }
    }
}
