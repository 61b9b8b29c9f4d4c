//! Values from the literature.

use super::super::{Bates, Heston, Kou, Model, Slice, VarianceGamma, price_slice, twin};
use crate::tolerance::{FOURIER_PRICE, FOURIER_TWIN};
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
#[allow(clippy::excessive_precision)]
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

/// Calls by the textbook formulae, integrated with mpmath at 30 digits along the real line (variance gamma at short expiries: over the
/// gamma clock, with Black's formula inside); spot 100, rate 3 %, yield 1 %. Rows are (years, strike, value).
#[test]
fn thirty_digits() {
    let heston = |v0, theta_v, sigma_v, rho_v, kappa| Heston { v0, kappa, theta_v, sigma_v, rho_v };
    let bates =
        Bates { heston: heston(0.04, 0.04, 0.6, -0.7, 1.5), jump_intensity: 0.8, jump_mean: -0.1, jump_std: 0.15 };
    let kou = Kou {
        volatility: 0.16,
        jump_intensity: 1.0,
        jump_up_probability: 0.4,
        jump_up_rate: 10.0,
        jump_down_rate: 5.0,
    };
    let vg = VarianceGamma { volatility: 0.12, vg_theta: -0.14, vg_nu: 0.2 };
    type Rows = &'static [(f64, f64, f64)];
    let cases: [(Model, Rows); 6] = [
        (
            Model::Heston(heston(0.0001, 0.04, 2.0, -0.9, 2.0)),
            &[
                (0.02, 90.0, 10.034046690982102),
                (0.02, 100.0, 0.11274843731026761),
                (0.02, 105.0, 4.649751431596114e-10),
                (1.0, 90.0, 13.134644283648885),
                (1.0, 100.0, 4.496060905675019),
                (1.0, 105.0, 1.0353048358050514),
            ],
        ),
        (
            Model::Heston(heston(0.04, 0.04, 0.5, -1.0, 1.5)),
            &[(1.0, 90.0, 15.082409134598148), (1.0, 100.0, 7.9816378080614285), (1.0, 120.0, 0.07011559604761579)],
        ),
        (Model::Heston(heston(0.04, 0.04, 1e-3, -0.7, 1.5)), &[(0.5, 110.0, 2.459000713790629)]),
        (
            Model::Bates(bates),
            &[
                (0.25, 80.0, 20.894994343897643),
                (0.25, 100.0, 4.883515144430784),
                (0.25, 125.0, 0.07122042381892095),
                (5.0, 80.0, 34.21454835463749),
                (5.0, 100.0, 24.033328501686267),
                (5.0, 125.0, 14.68676719462053),
            ],
        ),
        (
            Model::Kou(kou),
            &[
                (0.1, 80.0, 20.40481884762782),
                (0.1, 100.0, 2.6830313495965514),
                (0.1, 125.0, 0.07198452374832469),
                (1.0, 80.0, 24.109530081607993),
                (1.0, 100.0, 10.710346005052418),
                (1.0, 125.0, 2.7312196429225564),
            ],
        ),
        (
            Model::VarianceGamma(vg),
            &[
                (1.0, 80.0, 21.697776989924392),
                (1.0, 100.0, 6.198854323550069),
                (1.0, 125.0, 0.21374003749701673),
                (0.02, 100.0, 0.4529225080726486),
                (0.02, 105.0, 0.0157438587636073),
                (0.1, 90.0, 10.286356819796614),
            ],
        ),
    ];
    for (model, rows) in cases {
        for &(expiry_years, strike, value) in rows {
            let slice = Slice { spot: 100.0, expiry_years, risk_free_rate: 0.03, dividend_yield: 0.01 };
            let what = format!("{model:?} {expiry_years} {strike}: {value}");
            let twin = twin::price(&model, &slice, OptionType::Call, strike).unwrap();
            assert!((twin - value).abs() < FOURIER_TWIN * 100.0, "{what} twin {twin}");
            let fast = prices(&model, &slice, OptionType::Call, &[strike])[0];
            assert!((fast - value).abs() < FOURIER_PRICE * 100.0, "{what} fast {fast}");
        }
    }
}
