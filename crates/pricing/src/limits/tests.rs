use proptest::prelude::*;
use zomma_base::{OptionType, Status};

use super::{Formula, complete, greeks};
use crate::black::{self, Greek, Row, RowColumns};
use crate::displaced::{self, Distribution, Underlying};

const DISPLACEMENT: f64 = 10.0;
const FORMULAE: [Formula; 6] = [
    Formula::Black(black::Model::Bsm),
    Formula::Black(black::Model::Black76),
    Formula::Displaced(displaced::Model { distribution: Distribution::Displaced, underlying: Underlying::Spot }),
    Formula::Displaced(displaced::Model { distribution: Distribution::Displaced, underlying: Underlying::Forward }),
    Formula::Displaced(displaced::Model { distribution: Distribution::Normal, underlying: Underlying::Spot }),
    Formula::Displaced(displaced::Model { distribution: Distribution::Normal, underlying: Underlying::Forward }),
];
const TYPES: [OptionType; 2] = [OptionType::Call, OptionType::Put];
/// Rate and yield: both signs of the carry, none, and negative rates.
const RATES: [[f64; 2]; 5] = [[0.05, 0.01], [0.02, 0.07], [0.03, 0.03], [-0.02, -0.05], [0.0, 0.0]];

fn row(option_type: OptionType, strike: f64, rates: [f64; 2], formula: Formula) -> Row {
    let [risk_free_rate, dividend_yield] = rates;
    let volatility = if formula.is_normal() { 20.0 } else { 0.2 };
    Row { option_type, spot: 100.0, strike, expiry_years: 0.0, risk_free_rate, dividend_yield, volatility }
}

/// The formula's own, inside of its domain.
fn ordinary(row: &Row, formula: Formula) -> [f64; 19] {
    own(row, formula).unwrap()
}

fn own(row: &Row, formula: Formula) -> Result<[f64; 19], Status> {
    match formula {
        Formula::Black(model) => black::scalar::greeks(row, model),
        Formula::Displaced(model) => displaced::scalar::greeks(row, DISPLACEMENT, model),
    }
}

fn every_case() -> impl Iterator<Item = (OptionType, [f64; 2], Formula)> {
    let of_type = |option_type| RATES.into_iter().map(move |rates| (option_type, rates));
    TYPES.into_iter().flat_map(of_type).flat_map(|(t, rates)| FORMULAE.into_iter().map(move |f| (t, rates, f)))
}

#[test]
fn off_the_strike_greeks_tend_to_the_limits_with_time() {
    for (option_type, rates, formula) in every_case() {
        for strike in [60.0, 99.0, 101.0, 140.0] {
            let now = row(option_type, strike, rates, formula);
            let limit = greeks(&now, DISPLACEMENT, formula).unwrap();
            assert_eq!(formula.status_of(Greek::ALL, |greek| limit[greek as usize]), Status::Ok);
            for years in [1e-6, 1e-9, 1e-12] {
                let near = ordinary(&Row { expiry_years: years, ..now }, formula);
                for greek in Greek::ALL {
                    let (near, limit) = (near[greek as usize], limit[greek as usize]);
                    // The elasticity of what becomes worthless is not a quantity of a value of 0.
                    let absent = limit.is_nan() && (greek == Greek::Lambda || greek == Greek::Phi && near.is_nan());
                    // A rate's, a yield's and a carry's worth of the time that is left.
                    let scale = 200.0 * years * (1.0 + limit.abs()) + 1e-12 * limit.abs();
                    let met = (near - limit).abs() <= scale;
                    assert!(met || absent, "{formula:?} {now:?} {greek:?} at {years}: {near}, limit {limit}");
                }
            }
        }
    }
}

#[test]
fn at_the_strike_greeks_tend_to_the_limits_or_grow() {
    let mut seen = [[0, 0]; 19];
    for (option_type, rates, formula) in every_case() {
        let now = row(option_type, 100.0, rates, formula);
        let limit = greeks(&now, DISPLACEMENT, formula).unwrap();
        assert_eq!(formula.status_of(Greek::ALL, |greek| limit[greek as usize]), Status::Diverges);
        // Sooner still the forward's rounding is seen.
        let [soon, sooner] = [1e-8, 1e-10].map(|years| ordinary(&Row { expiry_years: years, ..now }, formula));
        for greek in Greek::ALL.into_iter().filter(|greek| *greek != Greek::Lambda) {
            let (soon, sooner, limit) = (soon[greek as usize], sooner[greek as usize], limit[greek as usize]);
            if greek == Greek::Phi && !formula.on_spot() {
                assert!(soon.is_nan() && limit.is_nan());
            } else if limit.is_nan() {
                // By the root of a hundredth of the time, at least.
                assert!((sooner / soon - 10.0).abs() < 0.01 || sooner / soon > 900.0, "{formula:?} {now:?} {greek:?}");
                seen[greek as usize][0] += 1;
            } else {
                let scale = 300.0 * (1e-10_f64).sqrt();
                assert!((sooner - limit).abs() <= scale, "{formula:?} {now:?} {greek:?}: {sooner}, limit {limit}");
                seen[greek as usize][1] += 1;
            }
        }
    }
    assert!(seen[Greek::Charm as usize].iter().all(|n| *n > 0), "charm both ways");
    assert!(seen[Greek::Speed as usize].iter().all(|n| *n > 0), "speed both ways");
}

#[test]
fn without_volatility_the_forward_passes_the_strike() {
    let mut seen = 0;
    for (option_type, rates, formula) in every_case() {
        let now = Row { volatility: 0.0, ..row(option_type, 100.0, rates, formula) };
        let limit = greeks(&now, DISPLACEMENT, formula).unwrap();
        // Infinite terms of two signs have no sum (displaced, a negative rate).
        let Ok(near) = own(&Row { expiry_years: 1e-10, ..now }, formula) else { continue };
        seen += 1;
        for greek in Greek::ALL.into_iter().filter(|greek| *greek != Greek::Lambda) {
            let (near, limit) = (near[greek as usize], limit[greek as usize]);
            if limit.is_nan() {
                let absent = greek == Greek::Phi && !formula.on_spot();
                assert!(near.is_infinite() || near.abs() > 1e4 || absent, "{formula:?} {now:?} {greek:?}: {near}");
            } else {
                assert!((near - limit).abs() < 1e-3, "{formula:?} {now:?} {greek:?}: {near}, limit {limit}");
            }
        }
    }
    assert!(seen >= 56, "{seen} of 60");
}

#[test]
fn greeks_tend_to_the_limits_as_the_strike_does() {
    for (option_type, rates, formula) in every_case().filter(|(.., formula)| !formula.is_normal()) {
        let is_moved = formula.shift(DISPLACEMENT) != 0.0;
        let (least, strike) = if is_moved { (-DISPLACEMENT, -DISPLACEMENT + 2e-15) } else { (0.0, 1e-300) };
        for (years, volatility) in [(0.5, 0.2), (3.0, 0.3), (0.25, 0.0), (1e-9, 0.2)] {
            let base = Row { expiry_years: years, volatility, ..row(option_type, least, rates, formula) };
            let limit = greeks(&base, DISPLACEMENT, formula).unwrap();
            assert_eq!(formula.status_of(Greek::ALL, |greek| limit[greek as usize]), Status::Ok);
            let near = ordinary(&Row { strike, ..base }, formula);
            for greek in Greek::ALL {
                let (near, limit) = (near[greek as usize], limit[greek as usize]);
                let absent = limit.is_nan() && (greek == Greek::Lambda || near.is_nan());
                let met = (near - limit).abs() <= 1e-12 * limit.abs().max(1.0);
                assert!(met || absent, "{formula:?} {base:?} {greek:?}: {near}, limit {limit}");
            }
        }
    }
}

#[test]
fn a_call_of_strike_zero_is_the_discounted_forward_even_now() {
    let bsm = FORMULAE[0];
    for years in [0.0, 2.0] {
        let call = Row { expiry_years: years, ..row(OptionType::Call, 0.0, [0.05, 0.02], bsm) };
        let found = greeks(&call, f64::NAN, bsm).unwrap();
        let of = |greek: Greek| found[greek as usize];
        let income = (-0.02 * years).exp();
        assert_eq!(of(Greek::Price), 100.0 * income);
        assert_eq!((of(Greek::Delta), of(Greek::Lambda)), (income, 1.0));
        assert_eq!(of(Greek::DualDelta), -(-0.05 * years).exp());
        assert_eq!((of(Greek::Rho), of(Greek::Phi)), (0.0, -100.0 * years * income));
        let put = greeks(&Row { option_type: OptionType::Put, ..call }, f64::NAN, bsm).unwrap();
        assert!(Greek::ALL.into_iter().all(|greek| greek == Greek::Lambda || put[greek as usize] == 0.0), "{put:?}");
    }
}

#[test]
fn inside_of_the_domain_nothing_changes_but_what_is_infinite() {
    for (option_type, rates, formula) in every_case() {
        let inside = Row { expiry_years: 0.5, ..row(option_type, 90.0, rates, formula) };
        let (ours, theirs) = (greeks(&inside, DISPLACEMENT, formula).unwrap(), ordinary(&inside, formula));
        assert!(ours.iter().zip(theirs).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
    let formula = FORMULAE[1];
    let met = Row { expiry_years: 0.5, volatility: 0.0, ..row(OptionType::Call, 100.0, [0.03, 0.0], formula) };
    let (ours, theirs) = (greeks(&met, f64::NAN, formula).unwrap(), ordinary(&met, formula));
    assert!(theirs[Greek::Gamma as usize].is_infinite() && ours[Greek::Gamma as usize].is_nan());
    assert_eq!(ours[Greek::Delta as usize], theirs[Greek::Delta as usize]);
    let status = |wanted: &[Greek]| formula.status_of(wanted.iter().copied(), |greek| ours[greek as usize]);
    assert_eq!(status(&[Greek::Price, Greek::Delta, Greek::Phi]), Status::Ok);
    assert_eq!(status(&[Greek::Price, Greek::Gamma]), Status::Diverges);
}

#[test]
fn what_is_no_limit_keeps_its_status() {
    let bad = |change: fn(&mut Row), formula: Formula, want: Status| {
        let mut row = row(OptionType::Call, 100.0, [0.05, 0.01], formula);
        change(&mut row);
        assert_eq!(greeks(&row, DISPLACEMENT, formula), Err(want), "{row:?}");
    };
    let [bsm, black76, displaced, _, normal, _] = FORMULAE;
    bad(|r| r.expiry_years = -1e-300, bsm, Status::Expired);
    bad(|r| r.expiry_years = f64::NAN, bsm, Status::BadExpiry);
    bad(|r| r.strike = -1.0, bsm, Status::BadStrike);
    bad(|r| r.strike = f64::NAN, normal, Status::BadStrike);
    bad(|r| r.spot = 0.0, black76, Status::BadForward);
    bad(|r| r.volatility = -0.1, bsm, Status::BadVolatility);
    bad(|r| r.risk_free_rate = f64::INFINITY, displaced, Status::BadRate);
    bad(|r| r.dividend_yield = f64::NAN, normal, Status::BadYield);
    bad(|r| r.strike = -11.0, displaced, Status::BadDisplacement);
    bad(|r| (r.spot, r.strike) = (-10.0, 5.0), displaced, Status::BadDisplacement);
    bad(|r| (r.strike, r.expiry_years, r.dividend_yield) = (0.0, 1e3, -1.0), bsm, Status::Overflow);
}

/// Columns of a batch.
fn columns(rows: &[Row]) -> (Vec<OptionType>, [Vec<f64>; 6]) {
    let of = |field: fn(&Row) -> f64| rows.iter().map(field).collect::<Vec<_>>();
    let numbers = [
        of(|r| r.spot),
        of(|r| r.strike),
        of(|r| r.expiry_years),
        of(|r| r.risk_free_rate),
        of(|r| r.dividend_yield),
        of(|r| r.volatility),
    ];
    (rows.iter().map(|row| row.option_type).collect(), numbers)
}

#[test]
fn a_batch_has_the_limits_and_its_other_rows_as_they_were() {
    let bsm = FORMULAE[0];
    let usual = Row { expiry_years: 0.5, ..row(OptionType::Put, 95.0, [0.04, 0.01], bsm) };
    let rows = [
        usual,
        row(OptionType::Call, 90.0, [0.04, 0.01], bsm),
        row(OptionType::Put, 100.0, [0.04, 0.01], bsm),
        Row { strike: 0.0, ..usual },
        Row { expiry_years: -0.1, ..usual },
        Row { volatility: f64::NAN, expiry_years: 0.0, ..usual },
        usual,
    ];
    let (option_type, [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility]) = columns(&rows);
    let columns = RowColumns {
        option_type: &option_type,
        spot: &spot,
        strike: &strike,
        expiry_years: &expiry_years,
        risk_free_rate: &risk_free_rate,
        dividend_yield: &dividend_yield,
        volatility: &volatility,
    };
    let mut made = black::GreekColumns::zeros(rows.len());
    let mut status = vec![Status::Ok; rows.len()];
    black::greeks(&columns, black::Model::Bsm, &mut made, &mut status);
    let before = made.clone();
    let mut out = made.columns_mut().each_mut().map(Vec::as_mut_slice);
    complete(&columns, &[], bsm, &Greek::ALL, &mut out, &mut status);
    use Status::{BadVolatility, Diverges, Expired, Ok};
    assert_eq!(status, [Ok, Ok, Diverges, Ok, Expired, BadVolatility, Ok]);
    for (i, row) in rows.iter().enumerate() {
        for greek in Greek::ALL {
            let got = made.column(greek)[i];
            let want = match i {
                0 | 6 => before.column(greek)[i],
                _ => greeks(row, f64::NAN, bsm).map_or(f64::NAN, |q| q[greek as usize]),
            };
            assert_eq!(got.to_bits(), want.to_bits(), "row {i} {greek:?}");
        }
    }
    // Whoever wants what has a limit is told of nothing.
    let (mut price, mut delta) = (vec![0.0; rows.len()], vec![0.0; rows.len()]);
    let mut status = vec![Status::Expired; rows.len()];
    let wanted = [Greek::Price, Greek::Delta];
    complete(&columns, &[], bsm, &wanted, &mut [price.as_mut_slice(), delta.as_mut_slice()], &mut status);
    assert_eq!((status[2], price[2], delta[2]), (Ok, 0.0, -0.5));
}

/// A batch of the formula with one row, and the limits in it.
fn one_row_batch(row: &Row, displacement: f64, formula: Formula) -> ([f64; 19], Status) {
    let (option_type, [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility]) = columns(&[*row]);
    let columns = RowColumns {
        option_type: &option_type,
        spot: &spot,
        strike: &strike,
        expiry_years: &expiry_years,
        risk_free_rate: &risk_free_rate,
        dividend_yield: &dividend_yield,
        volatility: &volatility,
    };
    let mut made = black::GreekColumns::zeros(1);
    let mut status = [Status::Ok];
    let mut out = made.columns_mut().each_mut().map(Vec::as_mut_slice);
    let into = out.each_mut().map(|column| &mut **column);
    match formula {
        Formula::Black(model) => black::greeks_into(&columns, model, into, &mut status),
        Formula::Displaced(model) => displaced::greeks_into(&columns, &[displacement], model, into, &mut status),
    }
    complete(&columns, &[displacement], formula, &Greek::ALL, &mut out, &mut status);
    (Greek::ALL.map(|greek| made.column(greek)[0]), status[0])
}

proptest! {
    #[test]
    fn no_bits_leave_as_infinite_or_without_a_status(
        (bits, displacement, is_put) in (any::<[u64; 6]>(), any::<u64>(), any::<bool>()),
        edges in 0..16_u32,
        which in 0..FORMULAE.len(),
    ) {
        let [mut spot, mut strike, mut expiry_years, rate, dividend, volatility] = bits.map(f64::from_bits);
        let displacement = f64::from_bits(displacement);
        if edges & 1 != 0 { expiry_years = 0.0; }
        if edges & 2 != 0 { strike = 0.0; }
        if edges & 4 != 0 { strike = spot; }
        if edges & 8 != 0 { spot = 100.0; }
        let option_type = TYPES[usize::from(is_put)];
        let row = Row { option_type, spot, strike, expiry_years, risk_free_rate: rate, dividend_yield: dividend, volatility };
        if let Ok(found) = greeks(&row, displacement, FORMULAE[which]) {
            prop_assert!(found.iter().all(|x| !x.is_infinite()), "{row:?}: {found:?}");
            prop_assert!(found[Greek::Price as usize].is_finite() && found[Greek::Delta as usize].is_finite());
        }
        let (quantities, status) = one_row_batch(&row, displacement, FORMULAE[which]);
        let empty = |greek: &Greek| quantities[*greek as usize].is_nan();
        prop_assert!(quantities.iter().all(|x| !x.is_infinite()), "{row:?}: {quantities:?}");
        let absent = |greek: &Greek| *greek == Greek::Lambda || *greek == Greek::Phi && !FORMULAE[which].on_spot();
        match status {
            Status::Ok => prop_assert!(!Greek::ALL.iter().any(|greek| empty(greek) && !absent(greek)), "{row:?}"),
            Status::Diverges => prop_assert!(!empty(&Greek::Price) && !empty(&Greek::Delta), "{row:?}"),
            other => prop_assert!(Greek::ALL.iter().all(empty), "{row:?}: {other}"),
        }
    }
}
