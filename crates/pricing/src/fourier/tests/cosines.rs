//! The cosine series of F. Fang and C. Oosterlee (2008) as a third method, on an interval that is wide enough by far.

use super::super::{Model, Slice, price_slice, twin};
use super::usual;
use crate::tolerance::FOURIER_COSINES;
use zomma_base::{OptionType, Status};

/// An undiscounted put in forwards struck at k, from the density's cosine series on −half..half.
fn put(model: &Model, expiry_years: f64, k: f64, half: f64, terms: usize) -> f64 {
    let y = k.ln() + half;
    let mut sum = 0.0;
    for i in 0..terms {
        let u = i as f64 * std::f64::consts::PI / (2.0 * half);
        let [re, im] = twin::characteristic_function(model, expiry_years, u).unwrap();
        // The coefficient of the density, and those of 1 and e^x up to ln k.
        let (sin, cos) = (u * half).sin_cos();
        let density = (re * cos - im * sin) / if i == 0 { 2.0 * half } else { half };
        let one = if i == 0 { y } else { (u * y).sin() / u };
        let growth = (k * ((u * y).cos() + u * (u * y).sin()) - (-half).exp()) / (1.0 + u * u);
        sum += density * (k * one - growth);
    }
    sum
}

#[test]
fn cosines() {
    for model in usual() {
        for (expiry_years, half, terms) in [(0.5, 9.0, 3000), (2.0, 18.0, 3000)] {
            let slice = Slice { spot: 1.0, expiry_years, risk_free_rate: 0.0, dividend_yield: 0.0 };
            let strikes = [0.7, 0.95, 1.0, 1.2, 1.5];
            let (mut out, mut status) = ([0.0; 5], [Status::NotConverged; 5]);
            price_slice(&model, &slice, &[OptionType::Put; 5], &strikes, &mut out, &mut status);
            for (got, strike) in out.into_iter().zip(strikes) {
                let other = put(&model, expiry_years, strike, half, terms);
                assert!((got - other).abs() < FOURIER_COSINES, "{model:?} {expiry_years} {strike}: {got} {other}");
            }
        }
    }
}

/// φ(0) = 1, |φ| ≤ 1, and φ(−u) is the conjugate.
#[test]
fn characteristic_functions() {
    for model in usual() {
        for expiry_years in [0.01, 1.0, 30.0] {
            assert_eq!(twin::characteristic_function(&model, expiry_years, 0.0), Ok([1.0, 0.0]));
            for u in [0.1, 3.0, 70.0, 1e4] {
                let [re, im] = twin::characteristic_function(&model, expiry_years, u).unwrap();
                assert!(re.hypot(im) <= 1.0 + 1e-14);
                let [re_back, im_back] = twin::characteristic_function(&model, expiry_years, -u).unwrap();
                assert!((re - re_back).abs() < 1e-12 && (im + im_back).abs() < 1e-12);
            }
        }
        assert_eq!(twin::characteristic_function(&model, 0.0, 1.0), Err(Status::Expired));
    }
}
