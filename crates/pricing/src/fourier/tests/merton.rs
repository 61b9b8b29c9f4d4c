//! Merton's own series, a Poisson-weighted sum of Black prices, as an exact oracle; and limits that are Black–Scholes.

use super::super::{Bates, Heston, Kou, Merton, Model, Slice, VarianceGamma, price_slice, twin};
use crate::black::{self, Row, scalar};
use crate::tolerance::{FOURIER_PRICE, FOURIER_TWIN};
use zomma_base::{OptionType, Status};

const TYPES: [OptionType; 2] = [OptionType::Call, OptionType::Put];

fn black_price(slice: &Slice, option_type: OptionType, strike: f64, forward_growth: f64, volatility: f64) -> f64 {
    let row = Row {
        option_type,
        spot: slice.spot * forward_growth,
        strike,
        expiry_years: slice.expiry_years,
        risk_free_rate: slice.risk_free_rate,
        dividend_yield: slice.dividend_yield,
        volatility,
    };
    scalar::price(&row, black::Model::Bsm).unwrap()
}

/// R. Merton (1976): given n jumps the spot is lognormal.
fn series(model: &Merton, slice: &Slice, option_type: OptionType, strike: f64) -> f64 {
    let Merton { volatility, jump_intensity, jump_mean, jump_std } = *model;
    let expected = jump_intensity * slice.expiry_years;
    let growth = (jump_mean + 0.5 * jump_std * jump_std).exp_m1();
    let mut probability = (-expected).exp();
    let mut sum = 0.0;
    for n in 0..400 {
        let n = f64::from(n);
        let mean = n * (jump_mean + 0.5 * jump_std * jump_std) - expected * growth;
        let variance = volatility * volatility + n * jump_std * jump_std / slice.expiry_years;
        sum += probability * black_price(slice, option_type, strike, mean.exp(), variance.sqrt());
        probability *= expected / (n + 1.0);
    }
    sum
}

#[test]
fn poisson_weighted_black() {
    let strikes = [60.0, 90.0, 99.0, 100.0, 115.0, 170.0];
    for volatility in [0.05, 0.2, 0.5] {
        for jump_intensity in [0.0, 0.1, 2.0, 20.0] {
            for (jump_mean, jump_std) in [(-0.3, 0.0), (-0.1, 0.15), (0.1, 0.02), (0.0, 0.4)] {
                let model = Merton { volatility, jump_intensity, jump_mean, jump_std };
                for expiry_years in [1.0 / 365.0, 0.1, 1.0, 5.0] {
                    let slice = Slice { spot: 100.0, expiry_years, risk_free_rate: 0.04, dividend_yield: 0.01 };
                    for option_type in TYPES {
                        let (mut out, mut status) = ([0.0; 6], [Status::NotConverged; 6]);
                        let any = Model::Merton(model);
                        price_slice(&any, &slice, &[option_type; 6], &strikes, &mut out, &mut status);
                        for i in 0..6 {
                            let exact = series(&model, &slice, option_type, strikes[i]);
                            let twin = twin::price(&any, &slice, option_type, strikes[i]).unwrap();
                            let what = format!("{model:?} {slice:?} {option_type:?} {}: {exact}", strikes[i]);
                            assert_eq!(status[i], Status::Ok, "{what}");
                            assert!((out[i] - exact).abs() < FOURIER_PRICE * slice.spot, "{what} fast {}", out[i]);
                            assert!((twin - exact).abs() < FOURIER_TWIN * slice.spot, "{what} twin {twin}");
                        }
                    }
                }
            }
        }
    }
}

/// Where nothing jumps and the variance is certain, every model is Black–Scholes.
#[test]
fn limits_are_black_scholes() {
    let slice = Slice { spot: 100.0, expiry_years: 0.7, risk_free_rate: 0.04, dividend_yield: 0.01 };
    // ∫ v over the expiry, by hand: v = θ + (v₀ − θ) e^(−κt).
    let (v0, kappa, theta_v): (f64, f64, f64) = (0.09, 2.0, 0.04);
    let decayed = -(-kappa * slice.expiry_years).exp_m1() / kappa;
    let mean_variance = theta_v + (v0 - theta_v) * decayed / slice.expiry_years;
    let heston = |sigma_v, rho_v| Heston { v0, kappa, theta_v, sigma_v, rho_v };
    let jumpless = (0.0, -0.1, 0.2);
    let (jump_intensity, jump_mean, jump_std) = jumpless;
    let kou = |jump_intensity, volatility| Kou {
        volatility,
        jump_intensity,
        jump_up_probability: 0.3,
        jump_up_rate: 12.0,
        jump_down_rate: 8.0,
    };
    let frozen = Heston { v0: 0.04, kappa: 1e-12, theta_v: 0.3, sigma_v: 0.0, rho_v: -0.5 };
    let models = [
        (Model::Heston(heston(0.0, -0.5)), mean_variance),
        (Model::Heston(heston(0.0, 1.0)), mean_variance),
        (Model::Heston(frozen), 0.04),
        (Model::Bates(Bates { heston: heston(0.0, 0.3), jump_intensity, jump_mean, jump_std }), mean_variance),
        (Model::Merton(Merton { volatility: 0.25, jump_intensity, jump_mean, jump_std }), 0.0625),
        (Model::Kou(kou(0.0, 0.25)), 0.0625),
        (Model::VarianceGamma(VarianceGamma { volatility: 0.25, vg_theta: 0.0, vg_nu: 0.0 }), 0.0625),
        (Model::VarianceGamma(VarianceGamma { volatility: 0.25, vg_theta: -0.3, vg_nu: 0.0 }), 0.0625),
    ];
    for (model, variance) in models {
        for strike in [70.0, 100.0, 130.0] {
            for option_type in TYPES {
                let exact = black_price(&slice, option_type, strike, 1.0, variance.sqrt());
                let (mut out, mut status) = ([0.0], [Status::NotConverged]);
                price_slice(&model, &slice, &[option_type], &[strike], &mut out, &mut status);
                assert!((out[0] - exact).abs() < FOURIER_PRICE * slice.spot, "{model:?} {} {exact}", out[0]);
                let twin = twin::price(&model, &slice, option_type, strike).unwrap();
                assert!((twin - exact).abs() < FOURIER_TWIN * slice.spot, "{model:?} {twin} {exact}");
                // Where κ and σ are both nearly 0 the gradient's digits are lost, and it says so.
                let gradient = twin::sensitivities(&model, &slice, option_type, strike);
                assert_eq!(gradient.err(), (model == Model::Heston(frozen)).then_some(Status::NotConverged));
            }
        }
    }
}

/// Nothing moves at all: the intrinsic value of the forward.
#[test]
fn certainty() {
    let slice = Slice { spot: 100.0, expiry_years: 1.0, risk_free_rate: 0.05, dividend_yield: 0.0 };
    let still = [
        Model::Heston(Heston { v0: 0.0, kappa: 1.0, theta_v: 0.0, sigma_v: 0.5, rho_v: -0.5 }),
        Model::Merton(Merton { volatility: 0.0, jump_intensity: 0.0, jump_mean: 0.1, jump_std: 0.1 }),
        Model::VarianceGamma(VarianceGamma { volatility: 0.0, vg_theta: 0.0, vg_nu: 0.2 }),
    ];
    for model in still {
        let (mut out, mut status) = ([0.0; 3], [Status::NotConverged; 3]);
        price_slice(&model, &slice, &[OptionType::Call; 3], &[90.0, 105.0, 110.0], &mut out, &mut status);
        assert_eq!(status, [Status::Ok; 3], "{model:?}");
        for (got, strike) in out.into_iter().zip([90.0, 105.0, 110.0_f64]) {
            let intrinsic = (100.0 - strike * (-0.05_f64).exp()).max(0.0);
            assert!((got - intrinsic).abs() < FOURIER_PRICE * 100.0, "{model:?}: {got} is not {intrinsic}");
        }
    }
}
