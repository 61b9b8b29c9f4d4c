//! Greeks against differences of high_precision, and what must hold exactly.

use super::super::{greeks_batch, greeks_with};
use super::*;
use crate::black::{Greek, GreekColumns, Model, scalar};

/// Central difference of fourth order.
fn first(f: &dyn Fn(f64) -> f64, step: f64) -> f64 {
    (f(-2.0 * step) - f(2.0 * step) + 8.0 * (f(step) - f(-step))) / (12.0 * step)
}

fn second(f: &dyn Fn(f64) -> f64, step: f64) -> f64 {
    (16.0 * (f(step) + f(-step)) - f(2.0 * step) - f(-2.0 * step) - 30.0 * f(0.0)) / (12.0 * step * step)
}

fn mixed(f: &dyn Fn(f64, f64) -> f64, a: f64, b: f64) -> f64 {
    (f(a, b) - f(a, -b) - f(-a, b) + f(-a, -b)) / (4.0 * a * b)
}

#[test]
fn greeks_are_derivatives() {
    let high = Accuracy::high_precision();
    let options = [
        row(OptionType::Put, 100.0, 100.0, 1.0, [0.05, 0.02], 0.3),
        row(OptionType::Put, 104.0, 100.0, 0.25, [0.02, 0.06], 0.2),
        row(OptionType::Call, 103.0, 100.0, 1.0, [0.03, 0.05], 0.25),
        row(OptionType::Call, 95.0, 100.0, 0.5, [0.06, 0.01], 0.2),
    ];
    for o in options {
        let at = |s: f64, v: f64, r: f64, q: f64, t: f64, k: f64| {
            let bumped = Row {
                spot: o.spot * (1.0 + s),
                volatility: o.volatility * (1.0 + v),
                risk_free_rate: o.risk_free_rate + r,
                dividend_yield: o.dividend_yield + q,
                expiry_years: o.expiry_years * (1.0 + t),
                strike: o.strike * (1.0 + k),
                ..o
            };
            price_with(&bumped, high).unwrap()
        };
        let h = 2e-3;
        let (s, v, t, k) = (o.spot, o.volatility, o.expiry_years, o.strike);
        let want = [
            (Greek::Price, at(0.0, 0.0, 0.0, 0.0, 0.0, 0.0), s),
            (Greek::Delta, first(&|x| at(x, 0.0, 0.0, 0.0, 0.0, 0.0), h) / s, 1.0),
            (Greek::Gamma, second(&|x| at(x, 0.0, 0.0, 0.0, 0.0, 0.0), h) / (s * s), 1.0 / (s * v * t.sqrt())),
            (Greek::Vega, first(&|x| at(0.0, x, 0.0, 0.0, 0.0, 0.0), h) / v, s * t.sqrt()),
            (Greek::Theta, -first(&|x| at(0.0, 0.0, 0.0, 0.0, x, 0.0), h) / t, s * v / t.sqrt()),
            (Greek::Rho, first(&|x| at(0.0, 0.0, x, 0.0, 0.0, 0.0), 1e-4), s * t),
            (Greek::Phi, first(&|x| at(0.0, 0.0, 0.0, x, 0.0, 0.0), 1e-4), s * t),
            (Greek::Vanna, mixed(&|x, y| at(x, y, 0.0, 0.0, 0.0, 0.0), h, h) / (s * v), 1.0 / v),
            (Greek::Charm, -mixed(&|x, y| at(x, 0.0, 0.0, 0.0, y, 0.0), h, h) / (s * t), 1.0 / t),
            (Greek::Vomma, second(&|x| at(0.0, x, 0.0, 0.0, 0.0, 0.0), h) / (v * v), s * t.sqrt() / v),
            (Greek::Veta, -mixed(&|x, y| at(0.0, x, 0.0, 0.0, y, 0.0), h, h) / (v * t), s / t.sqrt()),
            (Greek::Vera, mixed(&|x, y| at(0.0, x, y, 0.0, 0.0, 0.0), h, 1e-4) / v, s * t.sqrt()),
            (Greek::DualDelta, first(&|x| at(0.0, 0.0, 0.0, 0.0, 0.0, x), h) / k, 1.0),
            (Greek::DualGamma, second(&|x| at(0.0, 0.0, 0.0, 0.0, 0.0, x), h) / (k * k), 1.0 / (s * v * t.sqrt())),
        ];
        let got = greeks_with(&o, Accuracy::accurate()).unwrap();
        for (greek, want, scale) in want {
            let error = (got[greek as usize] - want).abs() / scale;
            println!("{} {error:e}", greek.as_str());
            let allowed = match greek {
                Greek::Vanna | Greek::Charm | Greek::Veta | Greek::Vera => tolerance::AMERICAN_GREEKS_MIXED,
                _ => tolerance::AMERICAN_GREEKS,
            };
            assert!(error <= allowed, "{o:?} {}: {} is not {want}", greek.as_str(), got[greek as usize]);
        }
        // Scaling of time: T ∂/∂T = r ∂/∂r + q ∂/∂q + ½ σ ∂/∂σ.
        let of = |greek: Greek| got[greek as usize];
        let scaled = o.risk_free_rate * of(Greek::Rho) + o.dividend_yield * of(Greek::Phi) + 0.5 * v * of(Greek::Vega);
        assert!((scaled + t * of(Greek::Theta)).abs() < tolerance::AMERICAN_GREEKS * s, "{o:?}");
        let gamma = |v: f64, t: f64| second(&|x| at(x, v, 0.0, 0.0, t, 0.0), 4e-3) / (s * s);
        let spread = v * t.sqrt();
        let third =
            |f: &dyn Fn(f64) -> f64, h: f64| ((f(2.0 * h) - f(-2.0 * h)) - 2.0 * (f(h) - f(-h))) / (2.0 * h.powi(3));
        let of_gamma = 1.0 / (s * spread);
        let want = [
            (Greek::Speed, third(&|x| at(x, 0.0, 0.0, 0.0, 0.0, 0.0), 4e-3) / s.powi(3), of_gamma / (s * spread)),
            (Greek::Zomma, first(&|x| gamma(x, 0.0), 4e-3) / v, of_gamma / v),
            (Greek::Color, -first(&|x| gamma(0.0, x), 4e-3) / t, of_gamma / t),
            (Greek::Ultima, third(&|x| at(0.0, x, 0.0, 0.0, 0.0, 0.0), 4e-3) / v.powi(3), s * t.sqrt() / (v * v)),
        ];
        for (greek, want, scale) in want {
            let error = (of(greek) - want).abs() / scale;
            println!("{} {error:e}", greek.as_str());
            assert!(error <= tolerance::AMERICAN_GREEKS_THIRD, "{o:?} {}: {} is not {want}", greek.as_str(), of(greek));
        }
    }
}

/// Where early exercise is worth next to nothing, third derivatives are the European ones.
#[test]
fn third_order_greeks_without_a_premium_are_european() {
    let put = row(OptionType::Put, 180.0, 100.0, 0.25, [0.03, 0.01], 0.3);
    let (got, want) = (greeks_with(&put, Accuracy::accurate()).unwrap(), scalar::greeks(&put, Model::Bsm).unwrap());
    assert!(price_with(&put, Accuracy::accurate()).unwrap() > european_price(&put).unwrap());
    for greek in [Greek::Speed, Greek::Zomma, Greek::Color, Greek::Ultima] {
        let (got, want) = (got[greek as usize], want[greek as usize]);
        assert!((got - want).abs() < 0.02 * want.abs(), "{}: {got} {want}", greek.as_str());
    }
}

#[test]
fn exercised_and_european_options_are_exact() {
    let put = row(OptionType::Put, 60.0, 100.0, 1.0, [0.05, 0.01], 0.2);
    let greeks = greeks_with(&put, Accuracy::fast()).unwrap();
    let mut want = [0.0; 19];
    want[Greek::Price as usize] = 40.0;
    want[Greek::Delta as usize] = -1.0;
    want[Greek::DualDelta as usize] = 1.0;
    want[Greek::Lambda as usize] = -1.5;
    assert_eq!(greeks, want);
    let call = row(OptionType::Call, 100.0, 95.0, 1.0, [0.05, 0.0], 0.2);
    assert_eq!(greeks_with(&call, Accuracy::fast()), scalar::greeks(&call, Model::Bsm));
}

#[test]
fn a_batch_is_its_rows() {
    let mut rows = published_ranges(20);
    rows[4].strike = 0.0;
    let columns = Columns::of(&rows);
    let (mut out, mut status) = (GreekColumns::zeros(20), vec![Status::BadRow; 20]);
    greeks_batch(&columns.rows(), Accuracy::fast(), &mut out, &mut status);
    for (i, row) in rows.iter().enumerate() {
        let (want, code) = match greeks_with(row, Accuracy::fast()) {
            Ok(values) => (values, Status::Ok),
            Err(code) => ([f64::NAN; 19], code),
        };
        assert_eq!(status[i], code);
        for (greek, want) in Greek::ALL.into_iter().zip(want) {
            assert_eq!(out.column(greek)[i].to_bits(), want.to_bits(), "{row:?} {}", greek.as_str());
        }
    }
}
