//! The parameters of a row as the engines' models take them.

use zomma_base::Status;

use super::{ModelName, Parameter, Table};
use crate::{
    fourier::{self, Bates, Heston, Kou, Merton, VarianceGamma},
    monte_carlo,
};

/// The parameters of Heston's model.
pub(super) fn heston(table: &Table, row: usize) -> Heston {
    let get = |parameter| table.parameter(parameter, row);
    Heston {
        v0: get(Parameter::V0),
        kappa: get(Parameter::Kappa),
        theta_v: get(Parameter::ThetaV),
        sigma_v: get(Parameter::SigmaV),
        rho_v: get(Parameter::RhoV),
    }
}

/// The model of a row that is known by its characteristic function.
///
/// # Panics
/// Where the row's model is none of them: [`super::Kind`] says which rows are.
pub(super) fn by_characteristic_function(table: &Table, row: usize) -> fourier::Model {
    let get = |parameter| table.parameter(parameter, row);
    let volatility = table.volatility[row];
    match table.model[row] {
        ModelName::Heston => fourier::Model::Heston(heston(table, row)),
        ModelName::Bates => fourier::Model::Bates(Bates {
            heston: heston(table, row),
            jump_intensity: get(Parameter::JumpIntensity),
            jump_mean: get(Parameter::JumpMean),
            jump_std: get(Parameter::JumpStd),
        }),
        ModelName::Merton => fourier::Model::Merton(Merton {
            volatility,
            jump_intensity: get(Parameter::JumpIntensity),
            jump_mean: get(Parameter::JumpMean),
            jump_std: get(Parameter::JumpStd),
        }),
        ModelName::Kou => fourier::Model::Kou(Kou {
            volatility,
            jump_intensity: get(Parameter::JumpIntensity),
            jump_up_probability: get(Parameter::JumpUpProbability),
            jump_up_rate: get(Parameter::JumpUpRate),
            jump_down_rate: get(Parameter::JumpDownRate),
        }),
        ModelName::VarianceGamma => fourier::Model::VarianceGamma(VarianceGamma {
            volatility,
            vg_theta: get(Parameter::VgTheta),
            vg_nu: get(Parameter::VgNu),
        }),
        ModelName::Bsm | ModelName::Black76 | ModelName::Bachelier | ModelName::Displaced => {
            unreachable!("a row whose model has no characteristic function here")
        }
    }
}

/// The model of a row that can be simulated; `BadMethod` where it cannot.
pub(super) fn simulated(table: &Table, row: usize) -> Result<monte_carlo::Model<'static>, Status> {
    let get = |parameter| table.parameter(parameter, row);
    let jumps = || monte_carlo::Jumps {
        jump_intensity: get(Parameter::JumpIntensity),
        jump_mean: get(Parameter::JumpMean),
        jump_std: get(Parameter::JumpStd),
    };
    let volatility = table.volatility[row];
    match table.model[row] {
        ModelName::Bsm | ModelName::Black76 => Ok(monte_carlo::Model::BlackScholes { volatility }),
        ModelName::Merton => Ok(monte_carlo::Model::Merton { volatility, jumps: jumps() }),
        ModelName::Heston => Ok(monte_carlo::Model::Heston(heston(table, row))),
        ModelName::Bates => Ok(monte_carlo::Model::Bates { heston: heston(table, row), jumps: jumps() }),
        ModelName::Bachelier | ModelName::Displaced | ModelName::Kou | ModelName::VarianceGamma => {
            Err(Status::BadMethod)
        }
    }
}
