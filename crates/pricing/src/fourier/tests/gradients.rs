//! Greeks and gradients against differences of the twin's price.

use super::super::{Columns, Model, Sensitivities, Slice, gradient_slice, greeks_batch, twin};
use super::{moved, usual};
use crate::black::Greek;
use crate::tolerance::FOURIER_DERIVATIVES;
use zomma_base::{OptionType, Status};

const STRIKES: [f64; 4] = [70.0, 95.0, 104.0, 140.0];

/// f′(0) from values at ±h, ±2h, ±3h: the error is of sixth order.
fn derivative(h: f64, f: impl Fn(f64) -> f64) -> f64 {
    let pair = |i: f64| f(i * h) - f(-i * h);
    (45.0 * pair(1.0) - 9.0 * pair(2.0) + pair(3.0)) / (60.0 * h)
}

fn slices() -> [Slice; 2] {
    [0.7, 2.0].map(|expiry_years| Slice { spot: 100.0, expiry_years, risk_free_rate: 0.03, dividend_yield: 0.01 })
}

fn close(got: f64, expected: f64, scale: f64, what: &str) {
    assert!(
        (got - expected).abs() < FOURIER_DERIVATIVES * scale.max(expected.abs()),
        "{what}: {got} is not {expected}"
    );
}

fn each(mut check: impl FnMut(&Model, &Slice, OptionType, f64)) {
    for model in usual() {
        for slice in slices() {
            for strike in STRIKES {
                for option_type in [OptionType::Call, OptionType::Put] {
                    check(&model, &slice, option_type, strike);
                }
            }
        }
    }
}

/// The twin's analytic derivatives against differences of its prices.
#[test]
fn twin_against_differences() {
    each(|model, slice, option_type, strike| {
        let price = |model: &Model, slice: &Slice, strike: f64| twin::price(model, slice, option_type, strike).unwrap();
        let found = twin::sensitivities(model, slice, option_type, strike).unwrap();
        let what = format!("{model:?} {slice:?} {option_type:?} {strike}");
        close(found.price, price(model, slice, strike), 1.0, &what);
        let at_spot = |h| price(model, &Slice { spot: slice.spot + h, ..*slice }, strike);
        close(found.delta, derivative(0.1, at_spot), 1.0, &what);
        let at_rate = |h| price(model, &Slice { risk_free_rate: slice.risk_free_rate + h, ..*slice }, strike);
        close(found.rho, derivative(2e-3, at_rate), 100.0, &what);
        let at_yield = |h| price(model, &Slice { dividend_yield: slice.dividend_yield + h, ..*slice }, strike);
        close(found.phi, derivative(2e-3, at_yield), 100.0, &what);
        let at_expiry = |h| price(model, &Slice { expiry_years: slice.expiry_years + h, ..*slice }, strike);
        close(found.theta, -derivative(1e-3, at_expiry), 100.0, &what);
        close(found.dual_delta, derivative(0.1, |h| price(model, slice, strike + h)), 1.0, &what);
        for (i, name) in model.parameter_names().iter().enumerate() {
            let size = model.parameters()[i].abs();
            let difference = derivative(3e-3 * size, |h| price(&moved(model, i, h), slice, strike));
            close(found.parameters[i], difference, 100.0, &format!("{name} {what}"));
        }
    });
}

/// The twin's Greeks against differences of its derivatives.
#[test]
fn higher_greeks_against_differences() {
    each(|model, slice, option_type, strike| {
        let at = |model: &Model, slice: &Slice, strike: f64| twin::greeks(model, slice, option_type, strike).unwrap();
        let found = at(model, slice, strike);
        let what = format!("{model:?} {slice:?} {option_type:?} {strike}");
        let check = |greek: Greek, expected: f64, scale: f64| {
            close(found[greek as usize], expected, scale, &format!("{} {what}", greek.as_str()));
        };
        let by_spot = |greek: Greek| {
            derivative(0.1, |h| at(model, &Slice { spot: slice.spot + h, ..*slice }, strike)[greek as usize])
        };
        let by_expiry = |greek: Greek| {
            derivative(1e-3, |h| {
                at(model, &Slice { expiry_years: slice.expiry_years + h, ..*slice }, strike)[greek as usize]
            })
        };
        check(Greek::Gamma, by_spot(Greek::Delta), 1.0);
        check(Greek::Speed, by_spot(Greek::Gamma), 1.0);
        check(Greek::Charm, -by_expiry(Greek::Delta), 1.0);
        check(Greek::Color, -by_expiry(Greek::Gamma), 1.0);
        check(Greek::Vanna, by_spot(Greek::Vega), 1.0);
        check(Greek::Zomma, by_spot(Greek::Vanna), 1.0);
        check(Greek::DualGamma, derivative(0.1, |h| at(model, slice, strike + h)[Greek::DualDelta as usize]), 1.0);
        let by_rate = |greek: Greek| {
            derivative(2e-3, |h| {
                at(model, &Slice { risk_free_rate: slice.risk_free_rate + h, ..*slice }, strike)[greek as usize]
            })
        };
        check(Greek::Vera, by_rate(Greek::Vega), 100.0);
        // ∂/∂√v₀ at √v₀ ± h, and ∂/∂σ.
        let root = matches!(model, Model::Heston(_) | Model::Bates(_));
        let first = model.parameters()[0];
        let vega = derivative(1e-3, |h| {
            let by = if root { (first.sqrt() + h).powi(2) - first } else { h };
            twin::price(&moved(model, 0, by), slice, option_type, strike).unwrap()
        });
        check(Greek::Vega, vega, 100.0);
        let elasticity = slice.spot * found[Greek::Delta as usize] / found[0];
        check(Greek::Lambda, elasticity, 1.0);
        for greek in [Greek::Vomma, Greek::Veta, Greek::Ultima] {
            assert!(found[greek as usize].is_nan());
        }
    });
}

/// The fast path's derivatives against the twin's.
#[test]
fn fast_path_against_twin() {
    for model in usual() {
        for slice in slices() {
            let types = [OptionType::Call, OptionType::Put, OptionType::Call, OptionType::Put];
            let mut found = [Sensitivities::default(); 4];
            let mut status = [Status::NotConverged; 4];
            gradient_slice(&model, &slice, &types, &STRIKES, &mut found, &mut status);
            assert_eq!(status, [Status::Ok; 4]);
            let columns = Columns {
                model: &[model; 4],
                option_type: &types,
                spot: &[slice.spot; 4],
                strike: &STRIKES,
                expiry_years: &[slice.expiry_years; 4],
                risk_free_rate: &[slice.risk_free_rate; 4],
                dividend_yield: &[slice.dividend_yield; 4],
            };
            let mut greeks = [[0.0; 4]; 19];
            greeks_batch(&columns, greeks.each_mut().map(|column| column.as_mut_slice()), &mut status);
            assert_eq!(status, [Status::Ok; 4]);
            for i in 0..4 {
                let what = format!("{model:?} {slice:?} {:?} {}", types[i], STRIKES[i]);
                let expected = twin::sensitivities(&model, &slice, types[i], STRIKES[i]).unwrap();
                let numbers = |s: &Sensitivities| {
                    let market = [s.price, s.delta, s.gamma, s.theta, s.rho, s.phi, s.dual_delta, s.dual_gamma];
                    market.into_iter().chain(s.parameters).collect::<Vec<f64>>()
                };
                for (got, expected) in numbers(&found[i]).into_iter().zip(numbers(&expected)) {
                    close(got, expected, 10.0, &what);
                }
                let expected = twin::greeks(&model, &slice, types[i], STRIKES[i]).unwrap();
                for greek in Greek::ALL {
                    let (got, expected) = (greeks[greek as usize][i], expected[greek as usize]);
                    assert_eq!(got.is_nan(), expected.is_nan());
                    if !got.is_nan() {
                        close(got, expected, 10.0, &format!("{} {what}", greek.as_str()));
                    }
                }
            }
        }
    }
}
