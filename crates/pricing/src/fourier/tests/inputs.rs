//! What is no option has a status, and whatever the bits, nothing panics and no NaN is called right.

use proptest::prelude::*;

use super::super::{
    Bates, Columns, Heston, Kou, Merton, Model, Sensitivities, Slice, VarianceGamma, gradient_slice, greeks_batch,
    price_batch, price_slice, twin,
};
use super::usual;
use crate::black::Greek;
use crate::tolerance::FOURIER_PRICE;
use zomma_base::{OptionType, Status};

fn price(model: &Model, slice: &Slice, strike: f64) -> Result<f64, Status> {
    let (mut out, mut status) = ([0.0], [Status::NotConverged]);
    price_slice(model, slice, &[OptionType::Call], &[strike], &mut out, &mut status);
    assert_eq!(out[0].is_nan(), !status[0].is_ok());
    if status[0].is_ok() { Ok(out[0]) } else { Err(status[0]) }
}

const SLICE: Slice = Slice { spot: 100.0, expiry_years: 0.5, risk_free_rate: 0.03, dividend_yield: 0.01 };

#[test]
fn statuses_name_the_field() {
    let heston = Heston { v0: 0.04, kappa: 1.0, theta_v: 0.04, sigma_v: 0.5, rho_v: -0.5 };
    let bates = Bates { heston, jump_intensity: 0.1, jump_mean: 0.0, jump_std: 0.1 };
    let merton = Merton { volatility: 0.2, jump_intensity: 0.1, jump_mean: 0.0, jump_std: 0.1 };
    let kou =
        Kou { volatility: 0.2, jump_intensity: 1.0, jump_up_probability: 0.4, jump_up_rate: 10.0, jump_down_rate: 5.0 };
    let vg = VarianceGamma { volatility: 0.2, vg_theta: -0.1, vg_nu: 0.2 };
    let nan = f64::NAN;
    let cases = [
        (Model::Heston(Heston { v0: -1e-9, ..heston }), Status::BadV0),
        (Model::Heston(Heston { kappa: 0.0, ..heston }), Status::BadKappa),
        (Model::Heston(Heston { theta_v: nan, ..heston }), Status::BadThetaV),
        (Model::Heston(Heston { sigma_v: f64::INFINITY, ..heston }), Status::BadSigmaV),
        (Model::Heston(Heston { rho_v: -1.01, ..heston }), Status::BadRhoV),
        (Model::Bates(Bates { heston: Heston { v0: nan, ..heston }, ..bates }), Status::BadV0),
        (Model::Bates(Bates { jump_intensity: -1.0, ..bates }), Status::BadJumpIntensity),
        (Model::Bates(Bates { jump_mean: nan, ..bates }), Status::BadJumpMean),
        (Model::Bates(Bates { jump_std: -0.1, ..bates }), Status::BadJumpStd),
        (Model::Merton(Merton { volatility: -0.1, ..merton }), Status::BadVolatility),
        (Model::Merton(Merton { jump_std: nan, ..merton }), Status::BadJumpStd),
        (Model::Kou(Kou { jump_up_probability: 1.1, ..kou }), Status::BadJumpUpProbability),
        (Model::Kou(Kou { jump_up_rate: 1.0, ..kou }), Status::BadJumpUpRate),
        (Model::Kou(Kou { jump_down_rate: 0.0, ..kou }), Status::BadJumpDownRate),
        (Model::VarianceGamma(VarianceGamma { vg_theta: 5.0, ..vg }), Status::BadVgTheta),
        (Model::VarianceGamma(VarianceGamma { vg_nu: -0.1, ..vg }), Status::BadVgNu),
    ];
    for (model, status) in cases {
        assert_eq!(price(&model, &SLICE, 100.0), Err(status), "{model:?}");
        assert_eq!(twin::price(&model, &SLICE, OptionType::Call, 100.0), Err(status));
    }
    let model = Model::Heston(heston);
    for (slice, status) in [
        (Slice { spot: 0.0, ..SLICE }, Status::BadSpot),
        (Slice { expiry_years: nan, ..SLICE }, Status::BadExpiry),
        (Slice { expiry_years: 0.0, ..SLICE }, Status::Expired),
        (Slice { risk_free_rate: nan, ..SLICE }, Status::BadRate),
        (Slice { dividend_yield: f64::INFINITY, ..SLICE }, Status::BadYield),
        (Slice { risk_free_rate: 1e9, ..SLICE }, Status::Overflow),
    ] {
        assert_eq!(price(&model, &slice, 100.0), Err(status));
    }
    for strike in [0.0, -1.0, nan, f64::INFINITY] {
        assert_eq!(price(&model, &SLICE, strike), Err(Status::BadStrike));
    }
}

/// A bad strike, or one far away, leaves its neighbours alone.
#[test]
fn neighbours() {
    for model in usual() {
        let strikes = [100.0, f64::NAN, 1e-20, 1e20, -1.0, 90.0];
        let types = [OptionType::Put; 6];
        let (mut out, mut status) = ([0.0; 6], [Status::NotConverged; 6]);
        price_slice(&model, &SLICE, &types, &strikes, &mut out, &mut status);
        for i in [0, 2, 3, 5] {
            let alone = twin::price(&model, &SLICE, OptionType::Put, strikes[i]);
            let (forward, discount) = (100.0 * (-0.005_f64).exp(), (-0.015_f64).exp());
            let expected = alone.unwrap_or((strikes[i] * discount - forward).max(0.0));
            assert_eq!(status[i], Status::Ok, "{model:?} {}", strikes[i]);
            assert!((out[i] - expected).abs() < FOURIER_PRICE * 100.0_f64.max(strikes[i]), "{model:?} {}", strikes[i]);
        }
        assert_eq!((status[1], status[4]), (Status::BadStrike, Status::BadStrike));
    }
}

/// A batch in any order is what its rows are alone, within what is stated.
#[test]
fn batches() {
    let models = usual();
    let n = 300;
    let pick = |i: usize, of: &[f64]| of[(i * 7 + i / 11) % of.len()];
    let model: Vec<Model> = (0..n).map(|i| models[(i * 3 + i / 17) % 5]).collect();
    let types: Vec<OptionType> = (0..n).map(|i| if i % 3 == 0 { OptionType::Put } else { OptionType::Call }).collect();
    let strike: Vec<f64> = (0..n).map(|i| pick(i, &[70.0, 90.0, 100.0, 105.0, 130.0, -1.0])).collect();
    let expiry: Vec<f64> = (0..n).map(|i| pick(i + 5, &[0.1, 0.5, 2.0, 0.0])).collect();
    let columns = Columns {
        model: &model,
        option_type: &types,
        spot: &vec![100.0; n],
        strike: &strike,
        expiry_years: &expiry,
        risk_free_rate: &vec![0.03; n],
        dividend_yield: &vec![0.01; n],
    };
    let (mut out, mut status) = (vec![0.0; n], vec![Status::NotConverged; n]);
    price_batch(&columns, &mut out, &mut status);
    for i in 0..n {
        let slice = Slice { expiry_years: expiry[i], ..SLICE };
        match twin::price(&model[i], &slice, types[i], strike[i]) {
            Ok(exact) => assert!((out[i] - exact).abs() < FOURIER_PRICE * 100.0, "{i}: {} {exact}", out[i]),
            Err(expected) => assert!(status[i] == expected && out[i].is_nan(), "{i}"),
        }
    }
    let mut greeks = vec![vec![0.0; n]; 19];
    let mut each = greeks.iter_mut();
    let columns_out = std::array::from_fn(|_| each.next().map(Vec::as_mut_slice).unwrap_or_default());
    greeks_batch(&columns, columns_out, &mut status);
    for i in 0..n {
        let slice = Slice { expiry_years: expiry[i], ..SLICE };
        if let Ok(exact) = twin::greeks(&model[i], &slice, types[i], strike[i]) {
            let (got, exact) = (greeks[Greek::Vega as usize][i], exact[Greek::Vega as usize]);
            assert!((got - exact).abs() < 1e-6, "{i}: {got} {exact}");
        }
    }
}

fn any_model() -> impl Strategy<Value = Model> {
    let number = || {
        prop_oneof![
            1 => any::<u64>().prop_map(f64::from_bits),
            9 => (-9.0..3.0f64).prop_map(|power| 10.0_f64.powf(power)),
            3 => -1.0..1.0f64,
            1 => Just(0.0),
            1 => Just(1.0),
        ]
    };
    (0..5, proptest::array::uniform8(number())).prop_map(|(kind, p)| {
        let heston = Heston { v0: p[0], kappa: p[1], theta_v: p[2], sigma_v: p[3], rho_v: p[4] };
        match kind {
            0 => Model::Heston(heston),
            1 => Model::Bates(Bates { heston, jump_intensity: p[5], jump_mean: p[6], jump_std: p[7] }),
            2 => Model::Merton(Merton { volatility: p[0], jump_intensity: p[5], jump_mean: p[6], jump_std: p[7] }),
            3 => Model::Kou(Kou {
                volatility: p[0],
                jump_intensity: p[5],
                jump_up_probability: p[4],
                jump_up_rate: p[6],
                jump_down_rate: p[7],
            }),
            _ => Model::VarianceGamma(VarianceGamma { volatility: p[0], vg_theta: p[4], vg_nu: p[7] }),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bits(
        model in any_model(),
        market in proptest::array::uniform4(prop_oneof![1 => any::<u64>().prop_map(f64::from_bits), 9 => 0.001..5.0f64]),
        strikes in proptest::array::uniform4(prop_oneof![1 => any::<u64>().prop_map(f64::from_bits), 9 => 0.1..5.0f64]),
    ) {
        let [spot, expiry_years, risk_free_rate, dividend_yield] = market;
        let slice = Slice { spot, expiry_years, risk_free_rate, dividend_yield };
        let types = [OptionType::Call, OptionType::Put, OptionType::Call, OptionType::Put];
        let (mut out, mut status) = ([0.0; 4], [Status::NotConverged; 4]);
        price_slice(&model, &slice, &types, &strikes, &mut out, &mut status);
        for i in 0..4 {
            prop_assert_eq!(out[i].is_finite(), status[i].is_ok(), "{:?} {:?} {}", model, slice, strikes[i]);
            prop_assert!(!status[i].is_ok() || out[i] >= 0.0);
            if let (Ok(exact), true) = (twin::price(&model, &slice, types[i], strikes[i]), status[i].is_ok()) {
                let scale = (spot * (-dividend_yield * expiry_years).exp())
                    .max(strikes[i] * (-risk_free_rate * expiry_years).exp());
                let error = (out[i] - exact).abs();
                prop_assert!(error <= FOURIER_PRICE * scale, "{:?} {:?} {}: {} {exact}", model, slice, strikes[i], out[i]);
            }
        }
        let mut found = [Sensitivities::default(); 4];
        gradient_slice(&model, &slice, &types, &strikes, &mut found, &mut status);
        for i in 0..4 {
            let numbers = found[i].parameters.iter().chain([&found[i].gamma, &found[i].theta]);
            prop_assert!(!status[i].is_ok() || numbers.into_iter().all(|x| x.is_finite()));
        }
        let columns = Columns {
            model: &[model; 4],
            option_type: &types,
            spot: &[spot; 4],
            strike: &strikes,
            expiry_years: &[expiry_years; 4],
            risk_free_rate: &[risk_free_rate; 4],
            dividend_yield: &[dividend_yield; 4],
        };
        let mut greeks = [[0.0; 4]; 19];
        greeks_batch(&columns, greeks.each_mut().map(|column| column.as_mut_slice()), &mut status);
        for i in 0..4 {
            prop_assert!(!status[i].is_ok() || greeks[Greek::Color as usize][i].is_finite());
        }
    }
}
