//! Values from the literature.

use super::super::{Heston, Model, Slice, price_slice, twin};
use zomma_base::{OptionType, Status};

fn prices(model: &Model, slice: &Slice, option_type: OptionType, strikes: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; strikes.len()];
    let mut status = vec![Status::NotConverged; strikes.len()];
    price_slice(model, slice, &vec![option_type; strikes.len()], strikes, &mut out, &mut status);
    assert!(status.iter().all(|status| status.is_ok()), "{status:?}");
    out
}

/// A. Lewis, "Option Valuation under Stochastic Volatility II" (2016), and the Wilmott forum: 15 digits.
#[test]
fn lewis() {
    let model = Model::Heston(Heston { v0: 0.04, kappa: 4.0, theta_v: 0.25, sigma_v: 1.0, rho_v: -0.5 });
    let slice = Slice { spot: 100.0, expiry_years: 1.0, risk_free_rate: 0.01, dividend_yield: 0.02 };
    let strikes = [80.0, 90.0, 100.0, 110.0, 120.0];
    let puts = [7.958878113256768, 12.017966707346304, 17.055270961270109, 23.017825898442800, 29.811026202682471];
    let calls = [26.774758743998854, 20.933349000596710, 16.070154917028834, 12.132211516709845, 9.024913483457836];
    for (option_type, values) in [(OptionType::Put, puts), (OptionType::Call, calls)] {
        let found = prices(&model, &slice, option_type, &strikes);
        for ((got, value), strike) in found.into_iter().zip(values).zip(strikes) {
            assert!((got - value).abs() < 1e-8);
            let exact = twin::price(&model, &slice, option_type, strike).unwrap();
            assert!((exact - value).abs() < 1e-12);
        }
    }
}
