use proptest::prelude::*;
use zomma_base::{OptionType, Status};

use super::{Distribution, Model, Underlying, batch, scalar};
use crate::black::{self, Greek, Row, RowColumns};
use crate::tolerance::{BACHELIER_LIMIT, DISPLACED_CONDITION_EPSILONS, GREEK_OF_GREEK};

const NORMAL: Model = Model { distribution: Distribution::Normal, underlying: Underlying::Forward };
const MODELS: [Model; 4] = [
    NORMAL,
    Model { distribution: Distribution::Normal, underlying: Underlying::Spot },
    Model { distribution: Distribution::Displaced, underlying: Underlying::Forward },
    Model { distribution: Distribution::Displaced, underlying: Underlying::Spot },
];

fn row(option_type: OptionType, spot: f64, strike: f64, expiry_years: f64, rates: [f64; 2], volatility: f64) -> Row {
    let [risk_free_rate, dividend_yield] = rates;
    Row { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility }
}

fn get(row: &Row, displacement: f64, model: Model, greek: Greek) -> f64 {
    scalar::greeks(row, displacement, model).unwrap()[greek as usize]
}

/// mpmath 1.3, 50 digits: e^(−rT) ∫ max(ω(F + s z − K), 0) n(z) dz for the doubles given.
#[test]
fn bachelier_meets_fifty_digits_deep_in_both_tails() {
    for (option_type, forward, strike, wanted) in GOLDEN {
        let option = row(option_type, forward, strike, 0.5, [0.03, 0.0], 20.0);
        let got = get(&option, 0.0, NORMAL, Greek::Price);
        assert!((got / wanted - 1.0).abs() < 4e-15 * (1.0 + (forward - strike).powi(2) / 200.0), "{option:?}: {got}");
    }
}

const GOLDEN: [(OptionType, f64, f64, f64); 6] = [
    (OptionType::Call, 100.0, 100.0, 5.557_898_949_525_744),
    (OptionType::Call, 100.0, 110.0, 1.966_689_577_084_911_4),
    (OptionType::Put, 100.0, 110.0, 11.817_808_973_115_538),
    (OptionType::Call, -5.0, 10.0, 1.032_715_108_217_283_1),
    (OptionType::Call, 100.0, 180.0, 1.795_013_601_664_663_4e-8),
    (OptionType::Put, 3.0, -2.0, 3.438_914_091_429_483),
];

/// With no displacement the chain rule over options on the forward must give what `black` derives by itself.
#[test]
fn without_a_displacement_it_is_black() {
    for (underlying, black_model) in
        [(Underlying::Spot, black::Model::Bsm), (Underlying::Forward, black::Model::Black76)]
    {
        let model = Model { distribution: Distribution::Displaced, underlying };
        for option_type in [OptionType::Call, OptionType::Put] {
            for strike in [60.0, 95.0, 100.0, 104.0, 150.0] {
                for rates in [[0.05, 0.0], [0.02, 0.07], [-0.01, 0.01], [0.03, 0.03]] {
                    let option = row(option_type, 100.0, strike, 0.7, rates, 0.3);
                    let ours = scalar::greeks(&option, 0.0, model).unwrap();
                    let theirs = black::scalar::greeks(&option, black_model).unwrap();
                    for greek in Greek::ALL {
                        let (a, b) = (ours[greek as usize], theirs[greek as usize]);
                        let scale = b.abs().max(1e-3);
                        let close = (a - b).abs() <= DISPLACED_CONDITION_EPSILONS * f64::EPSILON * scale;
                        assert!(close || a.is_nan() && b.is_nan(), "{option:?} {greek:?}: {a}, not {b}");
                    }
                }
            }
        }
    }
}

/// (F + δ) σ/δ with a great δ is normal with volatility σ: two formulae that share nothing but the chain rule.
#[test]
fn a_great_displacement_is_bachelier() {
    let displacement = 1e7;
    for underlying in [Underlying::Spot, Underlying::Forward] {
        for option_type in [OptionType::Call, OptionType::Put] {
            for strike in [-20.0, 4.0, 10.0, 30.0] {
                let option = row(option_type, 10.0, strike, 0.8, [0.04, 0.01], 15.0);
                let moved = Row { volatility: option.volatility / displacement, ..option };
                let by = |distribution| Model { distribution, underlying };
                for (greek, scale) in [
                    (Greek::Price, 1.0),
                    (Greek::Delta, 1.0),
                    (Greek::Gamma, 1.0),
                    (Greek::Theta, 1.0),
                    (Greek::Charm, 1.0),
                ] {
                    let a = get(&option, 0.0, by(Distribution::Normal), greek);
                    let b = get(&moved, displacement, by(Distribution::Displaced), greek);
                    assert!((a - b).abs() < BACHELIER_LIMIT * scale, "{option:?} {greek:?}: {a} and {b}");
                }
            }
        }
    }
}

/// A field of a row.
type Field = fn(&mut Row) -> &mut f64;

/// What each Greek is the derivative of, by which field, and with which sign.
const CHAIN: [(Greek, Greek, Field, f64); 17] = [
    (Greek::Delta, Greek::Price, |r| &mut r.spot, 1.0),
    (Greek::Gamma, Greek::Delta, |r| &mut r.spot, 1.0),
    (Greek::Speed, Greek::Gamma, |r| &mut r.spot, 1.0),
    (Greek::Vega, Greek::Price, |r| &mut r.volatility, 1.0),
    (Greek::Vanna, Greek::Delta, |r| &mut r.volatility, 1.0),
    (Greek::Zomma, Greek::Gamma, |r| &mut r.volatility, 1.0),
    (Greek::Vomma, Greek::Vega, |r| &mut r.volatility, 1.0),
    (Greek::Ultima, Greek::Vomma, |r| &mut r.volatility, 1.0),
    (Greek::Theta, Greek::Price, |r| &mut r.expiry_years, -1.0),
    (Greek::Charm, Greek::Delta, |r| &mut r.expiry_years, -1.0),
    (Greek::Color, Greek::Gamma, |r| &mut r.expiry_years, -1.0),
    (Greek::Veta, Greek::Vega, |r| &mut r.expiry_years, -1.0),
    (Greek::Rho, Greek::Price, |r| &mut r.risk_free_rate, 1.0),
    (Greek::Vera, Greek::Vega, |r| &mut r.risk_free_rate, 1.0),
    (Greek::Phi, Greek::Price, |r| &mut r.dividend_yield, 1.0),
    (Greek::DualDelta, Greek::Price, |r| &mut r.strike, 1.0),
    (Greek::DualGamma, Greek::DualDelta, |r| &mut r.strike, 1.0),
];

/// A five-point difference of `greek`.
fn difference(option: &Row, displacement: f64, model: Model, greek: Greek, field: Field) -> f64 {
    let h = 5e-4 * field(&mut option.clone()).abs().max(0.1);
    let at = |steps: f64| {
        let mut moved = *option;
        *field(&mut moved) += steps * h;
        get(&moved, displacement, model, greek)
    };
    (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * h)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_greek_is_the_derivative_of_the_one_before(
        put in any::<bool>(), which in 0..4usize, money in -0.3..0.3f64, years in 0.2..2.0f64, rate in -0.03..0.1f64,
        dividend in -0.03..0.1f64, volatility in 0.15..0.6f64, displacement in -20.0..40.0f64,
    ) {
        let model = MODELS[which];
        let option_type = if put { OptionType::Put } else { OptionType::Call };
        let scale = if model.distribution == Distribution::Normal { 100.0 } else { 1.0 };
        let option = row(option_type, 100.0, 100.0 * money.exp(), years, [rate, dividend], volatility * scale);
        for (greek, of, field, sign) in CHAIN {
            if greek == Greek::Phi && model.underlying == Underlying::Forward {
                continue;
            }
            let got = get(&option, displacement, model, greek);
            let wanted = sign * difference(&option, displacement, model, of, field);
            let size = wanted.abs().max(get(&option, displacement, model, of).abs());
            prop_assert!((got - wanted).abs() <= GREEK_OF_GREEK * size, "{model:?} {option:?} {greek:?}: {got}, not {wanted}");
        }
    }

    /// C − P = D (F − K), whatever the signs of forward and strike.
    #[test]
    fn parity(which in 0..4usize, spot in -50.0..150.0f64, strike in -50.0..150.0f64, years in 0.01..3.0f64, rate in -0.05..0.1f64) {
        let model = MODELS[which];
        let call = row(OptionType::Call, spot, strike, years, [rate, 0.01], 0.4);
        let put = Row { option_type: OptionType::Put, ..call };
        let growth = if model.underlying == Underlying::Spot { ((rate - 0.01) * years).exp() } else { 1.0 };
        let wanted = (-rate * years).exp() * (spot * growth - strike);
        let got = get(&call, 80.0, model, Greek::Price) - get(&put, 80.0, model, Greek::Price);
        prop_assert!((got - wanted).abs() < 1e-12 * (spot.abs() + strike.abs() + 80.0), "{got}, not {wanted}");
    }

    /// Nothing panics, and no number that is not one leaves with `Ok` but those that are absent.
    #[test]
    fn any_bits(bits in prop::array::uniform7(any::<u64>()), put in any::<bool>(), which in 0..4usize) {
        let [spot, strike, years, rate, dividend, volatility, displacement] = bits.map(f64::from_bits);
        let option_type = if put { OptionType::Put } else { OptionType::Call };
        let model = MODELS[which];
        if let Ok(q) = scalar::greeks(&row(option_type, spot, strike, years, [rate, dividend], volatility), displacement, model) {
            for greek in Greek::ALL.into_iter().filter(|greek| !matches!(greek, Greek::Phi | Greek::Lambda)) {
                prop_assert!(!q[greek as usize].is_nan(), "{greek:?}");
            }
        }
    }
}

#[test]
fn without_volatility_the_limits_come() {
    let put = row(OptionType::Put, 90.0, 100.0, 0.5, [0.02, 0.0], 0.0);
    let q = scalar::greeks(&put, 0.0, NORMAL).unwrap();
    let signed = scalar::greeks(&Row { volatility: -0.0, ..put }, 0.0, NORMAL).unwrap();
    assert!(signed.iter().zip(&q).all(|(signed, q)| signed == q || signed.is_nan() && q.is_nan()), "{signed:?}");
    let discount = (-0.01f64).exp();
    assert_eq!(q[Greek::Price as usize], discount * 10.0);
    assert_eq!(q[Greek::Delta as usize], -discount);
    for greek in [Greek::Gamma, Greek::Vega, Greek::Vanna, Greek::Vomma, Greek::Ultima, Greek::Speed, Greek::Zomma] {
        assert_eq!(q[greek as usize], 0.0, "{greek:?}");
    }
    let at_the_money = Row { spot: 100.0, ..put };
    let q = scalar::greeks(&at_the_money, 0.0, NORMAL).unwrap();
    assert_eq!(q[Greek::Price as usize], 0.0);
    assert!((q[Greek::Delta as usize] + 0.5 * discount).abs() < 1e-15);
    assert_eq!(q[Greek::Gamma as usize], f64::INFINITY);
    assert!((q[Greek::Vega as usize] - discount * 0.5f64.sqrt() * 0.398_942_280_401_432_7).abs() < 1e-15);
}

#[test]
fn the_first_bad_field_names_the_status() {
    let usual = row(OptionType::Call, 100.0, 95.0, 0.5, [0.03, 0.01], 0.2);
    let status = |change: fn(&mut Row), displacement: f64, model: Model| {
        let mut changed = usual;
        change(&mut changed);
        scalar::greeks(&changed, displacement, model).err().unwrap_or(Status::Ok)
    };
    for model in MODELS {
        let on_spot = model.underlying == Underlying::Spot;
        let bad_underlying = if on_spot { Status::BadSpot } else { Status::BadForward };
        assert_eq!(status(|r| r.spot = f64::NAN, 10.0, model), bad_underlying);
        assert_eq!(status(|r| r.strike = f64::INFINITY, 10.0, model), Status::BadStrike);
        assert_eq!(status(|r| r.expiry_years = f64::NAN, 10.0, model), Status::BadExpiry);
        assert_eq!(status(|r| r.expiry_years = 0.0, 10.0, model), Status::Expired);
        assert_eq!(status(|r| r.risk_free_rate = f64::NAN, 10.0, model), Status::BadRate);
        assert_eq!(
            status(|r| r.dividend_yield = f64::NAN, 10.0, model),
            if on_spot { Status::BadYield } else { Status::Ok }
        );
        assert_eq!(status(|r| r.volatility = -0.1, 10.0, model), Status::BadVolatility);
        let normal = model.distribution == Distribution::Normal;
        let of_displacement = if normal { Status::Ok } else { Status::BadDisplacement };
        assert_eq!(status(|_| {}, f64::NAN, model), of_displacement);
        assert_eq!(status(|_| {}, -96.0, model), of_displacement);
        assert_eq!(status(|r| r.spot = -100.0, -1.0, model), of_displacement);
        assert_eq!(status(|r| (r.spot, r.risk_free_rate) = (1e300, -2e3), 10.0, model), Status::Overflow);
    }
}

#[test]
fn a_batch_is_its_rows() {
    let n = 10_000;
    let strike: Vec<f64> = (0..n).map(|i| 50.0 + i as f64 * 0.01).collect();
    let volatility: Vec<f64> = (0..n).map(|i| if i % 97 == 5 { -1.0 } else { 0.2 + (i % 7) as f64 * 0.05 }).collect();
    let option_type = vec![OptionType::Put; n];
    let same = |x: f64| vec![x; n];
    let (spot, years, rate, dividend, displacement) = (same(100.0), same(0.75), same(0.03), same(0.01), same(25.0));
    let rows = RowColumns {
        option_type: &option_type,
        spot: &spot,
        strike: &strike,
        expiry_years: &years,
        risk_free_rate: &rate,
        dividend_yield: &dividend,
        volatility: &volatility,
    };
    for model in MODELS {
        let (mut out, mut status) = (black::GreekColumns::zeros(n), vec![Status::Ok; n]);
        let columns = out.columns_mut().each_mut().map(Vec::as_mut_slice);
        batch::greeks_into(&rows, &displacement, model, columns, &mut status);
        for i in (0..n).step_by(13) {
            let wanted = scalar::greeks(&rows.row(i), 25.0, model);
            assert_eq!(status[i], wanted.err().unwrap_or(Status::Ok));
            let wanted = wanted.unwrap_or([f64::NAN; 19]);
            for greek in Greek::ALL {
                assert_eq!(out.column(greek)[i].to_bits(), wanted[greek as usize].to_bits(), "{i} {greek:?}");
            }
        }
    }
}
