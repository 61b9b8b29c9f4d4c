//! Rows that are no option, and options at the edge of being one.

use super::*;

const USUAL: Row = Row {
    option_type: OptionType::Call,
    spot: 100.0,
    strike: 95.0,
    expiry_years: 0.5,
    risk_free_rate: 0.03,
    dividend_yield: 0.01,
    volatility: 0.2,
};

/// The quantities of one row, from the twin and, the same, from every target in the middle of a block of usual rows.
fn everywhere(row: Row, model: Model) -> Result<scalar::Quantities, Status> {
    let twin = scalar::greeks(&row, model);
    let mut table = Table::default();
    for i in 0..130 {
        table.push(if i == 70 { row } else { USUAL });
    }
    for target in available() {
        let (out, status) = on(target, &table.rows(), model);
        assert_eq!(status[70], twin.err().unwrap_or(Status::Ok), "{target:?}: {row:?}");
        for greek in Greek::ALL {
            let got = out.column(greek)[70];
            let want = twin.map_or(f64::NAN, |q| q[greek as usize]);
            let same = (got - want).abs() <= 1e-13 * want.abs() || got == want || got.is_nan() && want.is_nan();
            assert!(same, "{target:?}: {row:?} {greek:?} is {got}, not {want}");
        }
        for i in (0..130).filter(|i| *i != 70) {
            assert_eq!(status[i], Status::Ok);
            let (neighbour, want) = (out.column(Greek::Price)[i], scalar::price(&USUAL, model).expect("a usual row"));
            assert!((neighbour - want).abs() <= 1e-13 * want, "{neighbour}, not {want}");
        }
    }
    twin
}

#[test]
fn the_first_bad_field_names_the_status() {
    let bad = |change: fn(&mut Row), want: Status, model: Model| {
        let mut row = USUAL;
        change(&mut row);
        assert_eq!(everywhere(row, model), Err(want), "{row:?}");
    };
    bad(|r| r.spot = 0.0, Status::BadSpot, Model::Bsm);
    bad(|r| r.spot = -1.0, Status::BadSpot, Model::Bsm);
    bad(|r| r.spot = f64::NAN, Status::BadSpot, Model::Bsm);
    bad(|r| r.spot = f64::INFINITY, Status::BadForward, Model::Black76);
    bad(|r| r.strike = -5.0, Status::BadStrike, Model::Bsm);
    bad(|r| r.strike = f64::INFINITY, Status::BadStrike, Model::Black76);
    bad(|r| r.expiry_years = f64::NAN, Status::BadExpiry, Model::Bsm);
    bad(|r| r.expiry_years = f64::INFINITY, Status::BadExpiry, Model::Bsm);
    bad(|r| r.expiry_years = 0.0, Status::Expired, Model::Bsm);
    bad(|r| r.expiry_years = -0.1, Status::Expired, Model::Black76);
    bad(|r| r.risk_free_rate = f64::NAN, Status::BadRate, Model::Bsm);
    bad(|r| r.dividend_yield = f64::NEG_INFINITY, Status::BadYield, Model::Bsm);
    bad(|r| r.volatility = -0.2, Status::BadVolatility, Model::Bsm);
    bad(|r| r.volatility = f64::NAN, Status::BadVolatility, Model::Black76);
    bad(|r| (r.spot, r.volatility) = (f64::NAN, f64::NAN), Status::BadSpot, Model::Bsm);
    bad(|r| (r.expiry_years, r.volatility) = (-1.0, f64::NAN), Status::Expired, Model::Bsm);
    bad(|r| (r.spot, r.dividend_yield) = (1e300, -1e3), Status::Overflow, Model::Bsm);
}

#[test]
fn black_76_ignores_the_yield() {
    let mut row = USUAL;
    row.dividend_yield = f64::NAN;
    let with_nan = everywhere(row, Model::Black76).expect("the yield plays no part");
    let without = everywhere(USUAL, Model::Black76).expect("a usual row");
    for greek in Greek::ALL.into_iter().filter(|greek| *greek != Greek::Phi) {
        let (a, b) = (with_nan[greek as usize], without[greek as usize]);
        assert!((a - b).abs() <= 1e-13 * b.abs(), "{greek:?}: {a} {b}");
    }
    assert!(with_nan[Greek::Phi as usize].is_nan());
}

#[test]
fn a_zero_volatility_with_a_sign_is_the_same_zero() {
    for (spot, strike) in [(100.0, 90.0), (100.0, 110.0), (100.0, 100.0)] {
        for option_type in [OptionType::Call, OptionType::Put] {
            for model in [Model::Bsm, Model::Black76] {
                let plain = Row { option_type, spot, strike, volatility: 0.0, ..USUAL };
                let signed = everywhere(Row { volatility: -0.0, ..plain }, model).unwrap();
                let plain = everywhere(plain, model).unwrap();
                for greek in Greek::ALL {
                    let (signed, plain) = (signed[greek as usize], plain[greek as usize]);
                    assert!(
                        signed == plain || signed.is_nan() && plain.is_nan(),
                        "{greek:?} of {strike}: {signed} {plain}"
                    );
                }
                assert!(signed[Greek::Price as usize] >= 0.0);
            }
        }
    }
}

#[test]
fn zero_volatility_gives_the_forward_intrinsic_value_and_its_greeks() {
    let mut row = USUAL;
    row.volatility = 0.0;
    let (a, b) = (100.0 * (-0.005_f64).exp(), 95.0 * (-0.015_f64).exp());
    let q = everywhere(row, Model::Bsm).expect("σ = 0 is an option");
    let close = |greek: Greek, want: f64| {
        let got = q[greek as usize];
        assert!((got - want).abs() <= 1e-14 * want.abs().max(1.0), "{greek:?} is {got}, not {want}");
    };
    close(Greek::Price, a - b);
    close(Greek::Delta, a / 100.0);
    close(Greek::Theta, 0.01 * a - 0.03 * b);
    close(Greek::Rho, 0.5 * b);
    close(Greek::Phi, -0.5 * a);
    close(Greek::Charm, 0.01 * a / 100.0);
    close(Greek::DualDelta, -b / 95.0);
    close(Greek::Lambda, a / (a - b));
    for greek in [Greek::Gamma, Greek::Vega, Greek::Vanna, Greek::Vomma, Greek::Speed, Greek::Color, Greek::Ultima] {
        close(greek, 0.0);
    }

    row.option_type = OptionType::Put;
    let q = everywhere(row, Model::Bsm).expect("σ = 0 is an option");
    for greek in Greek::ALL {
        let got = q[greek as usize];
        assert!(got == 0.0 || greek == Greek::Lambda && got.is_nan(), "{greek:?} of a put out of the money is {got}");
    }

    // At the strike the density does not vanish: vega is that of any small σ, and what has σ below it is infinite.
    row.strike = 100.0;
    row.risk_free_rate = row.dividend_yield;
    let q = everywhere(row, Model::Bsm).expect("σ = 0 is an option");
    row.volatility = 1e-7;
    let near = scalar::greeks(&row, Model::Bsm).expect("a small σ is an option");
    for greek in
        [Greek::Price, Greek::Vega, Greek::Delta, Greek::Vanna, Greek::Vera, Greek::Ultima, Greek::Veta, Greek::Charm]
    {
        let (at, near) = (q[greek as usize], near[greek as usize]);
        assert!((at - near).abs() <= 1e-5 * near.abs().max(1.0), "{greek:?}: {at} at σ = 0, {near} beside it");
    }
    assert_eq!(q[Greek::Gamma as usize], f64::INFINITY);
    assert!(Greek::ALL.into_iter().all(|greek| greek == Greek::Lambda || !q[greek as usize].is_nan()), "{q:?}");
}

#[test]
fn an_option_never_has_nan_but_where_a_quantity_is_absent() {
    let extremes = [f64::MIN_POSITIVE, 1e-310, 1e-100, 1e-9, 0.01, 1.0, 100.0, 1e4, 1e60, 1e200, f64::MAX];
    let rates = [-1e300, -700.0, -0.05, 0.0, 0.03, 5.0, 1e5, f64::MAX];
    let (mut ok, mut overflow) = (0, 0);
    for spot in extremes {
        for strike in extremes {
            for expiry_years in [1e-320, 1e-12, 1e-4, 1.0, 50.0, 1e6, 1e300] {
                for (rate, volatility) in
                    rates.into_iter().flat_map(|r| [0.0, 1e-310, 1e-9, 0.2, 3.0, 1e4, 1e300].map(|v| (r, v)))
                {
                    for (option_type, model) in [(OptionType::Call, Model::Bsm), (OptionType::Put, Model::Black76)] {
                        let (risk_free_rate, dividend_yield) = (rate, 0.02);
                        let row =
                            Row { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility };
                        match scalar::greeks(&row, model) {
                            Err(status) => {
                                assert_eq!(status, Status::Overflow, "{row:?}");
                                overflow += 1;
                            }
                            Ok(q) => {
                                ok += 1;
                                for greek in Greek::ALL {
                                    let absent = match greek {
                                        Greek::Phi => model == Model::Black76,
                                        Greek::Lambda => q[Greek::Price as usize] == 0.0,
                                        _ => false,
                                    };
                                    assert!(absent || !q[greek as usize].is_nan(), "{row:?}: {greek:?} is NaN");
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(ok > 10_000 && overflow > 100, "{ok} {overflow}");
}
