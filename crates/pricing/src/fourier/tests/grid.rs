//! The fast path against the twin over a broad grid of parameters, hard ones included.

use super::super::series::Depth;
use super::super::slice::Task;
use super::super::{Bates, Heston, Kou, Merton, Model, Slice, VarianceGamma, price_slice, twin};
use super::usual;
use crate::math::Target;
use crate::tolerance::{FOURIER_PRICE, FOURIER_TWIN};
use zomma_base::{OptionType, Status};

const STRIKES: [f64; 9] = [55.0, 75.0, 90.0, 98.0, 100.0, 103.0, 112.0, 135.0, 180.0];

/// Asserts agreement in every slice; the worst difference as a share of spot.
fn check(model: &Model) {
    for expiry_years in [1.0 / 365.0, 1.0 / 52.0, 0.25, 1.0, 5.0, 30.0] {
        let slice = Slice { spot: 100.0, expiry_years, risk_free_rate: 0.03, dividend_yield: 0.01 };
        let types = std::array::from_fn::<_, 9, _>(|i| if i % 2 == 0 { OptionType::Call } else { OptionType::Put });
        let (mut out, mut status) = ([0.0; 9], [Status::NotConverged; 9]);
        price_slice(model, &slice, &types, &STRIKES, &mut out, &mut status);
        assert_eq!(status, [Status::Ok; 9], "{model:?} {expiry_years}");
        for i in 0..9 {
            // Many jumps of an otherwise nearly certain spot are beyond the twin.
            let Ok(exact) = twin::price(model, &slice, types[i], STRIKES[i]) else { continue };
            let error = (out[i] - exact).abs() / slice.spot;
            assert!(
                error < FOURIER_PRICE,
                "{model:?} {expiry_years} {:?} {}: {} is not {exact}",
                types[i],
                STRIKES[i],
                out[i]
            );
        }
    }
}

#[test]
fn heston() {
    for v0 in [1e-6, 1e-3, 0.04, 0.25] {
        for kappa in [0.01, 1.0, 8.0] {
            for theta_v in [0.0, 0.02, 0.2] {
                for sigma_v in [0.0, 0.01, 0.4, 1.0, 3.0] {
                    for rho_v in [-1.0, -0.9, -0.4, 0.0, 0.7] {
                        check(&Model::Heston(Heston { v0, kappa, theta_v, sigma_v, rho_v }));
                    }
                }
            }
        }
    }
}

#[test]
fn bates() {
    for (v0, sigma_v) in [(1e-4, 0.3), (0.04, 0.5), (0.04, 1.5)] {
        for jump_intensity in [0.1, 3.0] {
            for jump_mean in [-0.3, 0.05] {
                for jump_std in [0.0, 0.03, 0.3] {
                    let heston = Heston { v0, kappa: 1.5, theta_v: 0.03, sigma_v, rho_v: -0.7 };
                    check(&Model::Bates(Bates { heston, jump_intensity, jump_mean, jump_std }));
                }
            }
        }
    }
}

#[test]
fn merton() {
    for volatility in [0.02, 0.2, 0.6] {
        for jump_intensity in [0.1, 4.0] {
            for jump_mean in [-0.3, 0.0, 0.05] {
                for jump_std in [0.0, 0.03, 0.3] {
                    check(&Model::Merton(Merton { volatility, jump_intensity, jump_mean, jump_std }));
                }
            }
        }
    }
}

#[test]
fn kou() {
    for volatility in [0.0, 0.02, 0.2, 0.6] {
        for jump_intensity in [0.1, 4.0] {
            for jump_up_probability in [0.0, 0.4, 1.0] {
                for (jump_up_rate, jump_down_rate) in [(1.01, 0.5), (10.0, 5.0), (50.0, 40.0), (3.0, 50.0)] {
                    check(&Model::Kou(Kou {
                        volatility,
                        jump_intensity,
                        jump_up_probability,
                        jump_up_rate,
                        jump_down_rate,
                    }));
                }
            }
        }
    }
}

#[test]
fn variance_gamma() {
    for volatility in [0.0, 0.05, 0.12, 0.4] {
        for vg_theta in [-0.4, -0.14, 0.0, 0.1] {
            for vg_nu in [0.0, 0.01, 0.2, 1.0, 3.0] {
                check(&Model::VarianceGamma(VarianceGamma { volatility, vg_theta, vg_nu }));
            }
        }
    }
}

/// Every instruction set gives the same numbers, but for rounding.
#[test]
fn targets() {
    let short = VarianceGamma { volatility: 0.12, vg_theta: -0.14, vg_nu: 0.2 };
    let models = usual().into_iter().chain([Model::VarianceGamma(short)]);
    for (model, expiry_years) in models.zip([0.5, 0.5, 0.5, 0.5, 0.5, 0.02]) {
        let slice = Slice { spot: 100.0, expiry_years, risk_free_rate: 0.03, dividend_yield: 0.01 };
        let prices = Target::ALL.map(|target| {
            let mut out = [0.0; 9];
            let (depth, model, slice, strikes) = (Depth::Greeks, &model, &slice, &STRIKES);
            Task { target, model, slice, strikes, depth }.run(&mut |i, covered| {
                out[i] = covered.unwrap().finite_greeks(OptionType::Put, model).unwrap()[0];
            });
            out
        });
        for i in 0..9 {
            let spread = prices.map(|other| (other[i] - prices[0][i]).abs()).into_iter().fold(0.0, f64::max);
            assert!(spread < FOURIER_TWIN * slice.spot, "{model:?} {}: {spread:e}", STRIKES[i]);
        }
    }
}
