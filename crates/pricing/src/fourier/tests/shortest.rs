//! Gradients under jumps of all sizes at the shortest expiries, an hour to a week, against the twin.

use super::super::{Kou, Merton, Model, Sensitivities, Slice, gradient_slice, twin};
use crate::tolerance::FOURIER_DERIVATIVES;
use zomma_base::{OptionType, Status};

const STRIKES: [f64; 11] = [60.0, 80.0, 92.0, 97.0, 99.5, 100.0, 100.4, 103.0, 108.0, 125.0, 170.0];

fn models() -> Vec<Model> {
    let mut models = Vec::new();
    for volatility in [0.05, 0.2, 0.6] {
        for jump_intensity in [0.05, 1.0, 20.0] {
            for (jump_mean, jump_std) in [(-0.1, 0.15), (0.02, 0.03), (-0.4, 0.01), (0.0, 0.4)] {
                models.push(Model::Merton(Merton { volatility, jump_intensity, jump_mean, jump_std }));
            }
            for (jump_up_probability, jump_up_rate, jump_down_rate) in
                [(0.4, 10.0, 5.0), (0.4, 50.0, 40.0), (1.0, 2.0, 1.0), (0.0, 10.0, 1.0)]
            {
                models.push(Model::Kou(Kou {
                    volatility,
                    jump_intensity,
                    jump_up_probability,
                    jump_up_rate,
                    jump_down_rate,
                }));
            }
        }
    }
    models
}

#[test]
fn gradients_are_the_twins() {
    let hour = 1.0 / (365.0 * 24.0);
    for model in models() {
        for expiry_years in [hour, 24.0 * hour, 72.0 * hour, 168.0 * hour] {
            let slice = Slice { spot: 100.0, expiry_years, risk_free_rate: 0.03, dividend_yield: 0.01 };
            let types: [_; STRIKES.len()] =
                std::array::from_fn(|i| if i % 2 == 0 { OptionType::Call } else { OptionType::Put });
            let mut found = [Sensitivities::default(); STRIKES.len()];
            let mut status = [Status::NotConverged; STRIKES.len()];
            gradient_slice(&model, &slice, &types, &STRIKES, &mut found, &mut status);
            assert_eq!(status, [Status::Ok; STRIKES.len()], "{model:?} {expiry_years}");
            for i in 0..STRIKES.len() {
                let exact = twin::sensitivities(&model, &slice, types[i], STRIKES[i]).unwrap();
                // Per spot: delta is, and gamma times the spot.
                let numbers = |it: &Sensitivities| {
                    let market = [it.price, it.delta * slice.spot, it.gamma * slice.spot * slice.spot, it.theta];
                    let derived = [it.dual_delta * slice.spot, it.rho, it.phi];
                    market.into_iter().chain(derived).chain(it.parameters).map(|x| x / slice.spot).collect::<Vec<f64>>()
                };
                for (place, (got, exact)) in numbers(&found[i]).into_iter().zip(numbers(&exact)).enumerate() {
                    let error = (got - exact).abs();
                    assert!(
                        error < FOURIER_DERIVATIVES * exact.abs().max(1.0),
                        "{model:?} {expiry_years} {:?} {}: number {place}: {got} is not {exact}",
                        types[i],
                        STRIKES[i]
                    );
                }
            }
        }
    }
}
