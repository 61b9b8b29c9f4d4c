mod cosines;
mod gradients;
mod grid;
mod inputs;
mod merton;
mod published;
mod shortest;
mod tilted;

use super::{Bates, Heston, Kou, Merton, Model, VarianceGamma};

/// One usual set of parameters of each model.
fn usual() -> [Model; 5] {
    let heston = Heston { v0: 0.05, kappa: 1.5, theta_v: 0.04, sigma_v: 0.6, rho_v: -0.7 };
    let jumps = (0.8, -0.1, 0.15);
    let (jump_intensity, jump_mean, jump_std) = jumps;
    [
        Model::Heston(heston),
        Model::Bates(Bates { heston, jump_intensity, jump_mean, jump_std }),
        Model::Merton(Merton { volatility: 0.2, jump_intensity, jump_mean, jump_std }),
        Model::Kou(Kou {
            volatility: 0.16,
            jump_intensity: 1.0,
            jump_up_probability: 0.4,
            jump_up_rate: 10.0,
            jump_down_rate: 5.0,
        }),
        Model::VarianceGamma(VarianceGamma { volatility: 0.12, vg_theta: -0.14, vg_nu: 0.2 }),
    ]
}

/// The model with its i-th parameter moved.
fn moved(model: &Model, i: usize, by: f64) -> Model {
    let mut p = model.parameters();
    p[i] += by;
    let heston = Heston { v0: p[0], kappa: p[1], theta_v: p[2], sigma_v: p[3], rho_v: p[4] };
    match model {
        Model::Heston(_) => Model::Heston(heston),
        Model::Bates(_) => Model::Bates(Bates { heston, jump_intensity: p[5], jump_mean: p[6], jump_std: p[7] }),
        Model::Merton(_) => {
            Model::Merton(Merton { volatility: p[0], jump_intensity: p[1], jump_mean: p[2], jump_std: p[3] })
        }
        Model::Kou(_) => Model::Kou(Kou {
            volatility: p[0],
            jump_intensity: p[1],
            jump_up_probability: p[2],
            jump_up_rate: p[3],
            jump_down_rate: p[4],
        }),
        Model::VarianceGamma(_) => {
            Model::VarianceGamma(VarianceGamma { volatility: p[0], vg_theta: p[1], vg_nu: p[2] })
        }
    }
}
