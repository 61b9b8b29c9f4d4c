//! Values from the literature.

use super::super::{Heston, Kou, Model, Slice, VarianceGamma, price_slice, twin};
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

/// F. Fang and C. Oosterlee (2008), section 5.2, Heston: the call at the money. The reference value at one year is itself off by 1.6e-8.
#[test]
fn fang_and_oosterlee_heston() {
    let model = Model::Heston(Heston { v0: 0.0175, kappa: 1.5768, theta_v: 0.0398, sigma_v: 0.5751, rho_v: -0.5711 });
    for (expiry_years, value, error) in [(1.0, 5.785_155_450, 2e-8), (10.0, 22.318_945_791, 1e-9)] {
        let slice = Slice { spot: 100.0, expiry_years, risk_free_rate: 0.0, dividend_yield: 0.0 };
        let exact = twin::price(&model, &slice, OptionType::Call, 100.0).unwrap();
        assert!((exact - value).abs() < error, "{exact}");
        assert!((prices(&model, &slice, OptionType::Call, &[100.0])[0] - exact).abs() < 1e-8);
    }
}

/// The same, section 5.4, variance gamma: the call struck at 90.
#[test]
fn fang_and_oosterlee_variance_gamma() {
    let model = Model::VarianceGamma(VarianceGamma { volatility: 0.12, vg_theta: -0.14, vg_nu: 0.2 });
    for (expiry_years, value) in [(0.1, 10.993_703_187), (1.0, 19.099_354_724)] {
        let slice = Slice { spot: 100.0, expiry_years, risk_free_rate: 0.1, dividend_yield: 0.0 };
        let exact = twin::price(&model, &slice, OptionType::Call, 90.0).unwrap();
        assert!((exact - value).abs() < 1e-9, "{exact}");
        assert!((prices(&model, &slice, OptionType::Call, &[90.0])[0] - exact).abs() < 1e-8);
    }
}

/// S. Kou (2002), "A jump-diffusion model for option pricing", section 5.2: a call at 9.14732.
#[test]
fn kou() {
    let model = Model::Kou(Kou {
        volatility: 0.16,
        jump_intensity: 1.0,
        jump_up_probability: 0.4,
        jump_up_rate: 10.0,
        jump_down_rate: 5.0,
    });
    let slice = Slice { spot: 100.0, expiry_years: 0.5, risk_free_rate: 0.05, dividend_yield: 0.0 };
    let exact = twin::price(&model, &slice, OptionType::Call, 98.0).unwrap();
    assert!((exact - 9.147_32).abs() < 5e-6, "{exact}");
    assert!((prices(&model, &slice, OptionType::Call, &[98.0])[0] - exact).abs() < 1e-8);
}
