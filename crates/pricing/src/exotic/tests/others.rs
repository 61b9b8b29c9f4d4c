use super::*;
use crate::finite_difference::{Contract, Payoff, Settings, solve};
use crate::tolerance::EXOTIC_LOOKBACK;

/// Haug (2007), sections 4.19.1 and 4.19.2 (pages 174 and 175): cash-or-nothing and asset-or-nothing puts.
#[test]
fn published_digitals() {
    let cash = row(OptionType::Put, 100.0, 80.0, 0.75, [0.06, 0.06], 0.35);
    assert!((cash_or_nothing(&cash, 10.0).unwrap() - 2.6710).abs() < 5e-5);
    let asset = row(OptionType::Put, 70.0, 65.0, 0.5, [0.07, 0.05], 0.27);
    assert!((asset_or_nothing(&asset).unwrap() - 20.2069).abs() < 5e-5);
    for payoff in [Payoff::CashOrNothing(10.0), Payoff::AssetOrNothing] {
        let exact = match payoff {
            Payoff::CashOrNothing(amount) => cash_or_nothing(&asset, amount),
            _ => asset_or_nothing(&asset),
        };
        let got = solve(&Contract { payoff, ..Contract::european(asset) }, &Settings::default()).unwrap();
        assert!((got.value - exact.unwrap()).abs() < 1e-4 * got.value, "{got:?} {exact:?}");
    }
}

/// Haug (2007), section 4.20.1 (page 183): S = 80, K = 85, T = 0.25, r = 5 %, b = 8 %, σ = 20 %; and Clewlow and Strickland (1998), pages 118 to
/// 123: ten dates in a year, r = 6 %, q = 3 %.
#[test]
fn published_asians() {
    let put = row(OptionType::Put, 80.0, 85.0, 0.25, [0.05, -0.03], 0.2);
    assert!((geometric_asian(&put).unwrap() - 4.6922).abs() < 5e-5);
    let call = row(OptionType::Call, 100.0, 100.0, 1.0, [0.06, 0.03], 0.2);
    let times: Vec<f64> = (1..=10).map(|i| f64::from(i) / 10.0).collect();
    assert!((geometric_asian_at(&call, &times).unwrap() - 5.3425606635).abs() < 1e-8);
    // One date at expiry is the vanilla option; many dates are the continuous average.
    let vanilla = crate::black::scalar::price(&call, crate::black::Model::Bsm).unwrap();
    assert!((geometric_asian_at(&call, &[1.0]).unwrap() - vanilla).abs() < 1e-12);
    let times: Vec<f64> = (0..100_000).map(|i| (f64::from(i) + 0.5) / 1e5).collect();
    let many = geometric_asian_at(&call, &times).unwrap();
    assert!((many - geometric_asian(&call).unwrap()).abs() < 1e-8);
}

/// Haug (1998), pages 61 to 64 (2007: tables of section 4.15), and Broadie, Glasserman and Kou (1999), pages 70 to 74.
#[test]
fn published_lookbacks() {
    let (c, p) = (OptionType::Call, OptionType::Put);
    for (option_type, extreme, spot, rates, years, value) in [
        (c, 100.0, 120.0, [0.10, 0.06], 0.50, 25.3533),
        (c, 100.0, 100.0, [0.05, 0.0], 1.00, 23.7884),
        (c, 100.0, 100.0, [0.05, 0.0], 0.20, 10.7190),
        (c, 100.0, 110.0, [0.05, 0.0], 0.20, 14.4597),
        (p, 100.0, 100.0, [0.10, 0.0], 0.50, 15.3526),
        (p, 110.0, 100.0, [0.10, 0.0], 0.50, 16.8468),
        (p, 120.0, 100.0, [0.10, 0.0], 0.50, 21.0645),
    ] {
        let row = row(option_type, spot, 1.0, years, rates, 0.3);
        let got = floating_lookback(&row, extreme).unwrap();
        assert!((got - value).abs() < 6e-5, "{row:?} {extreme}: {got} is not {value}");
    }
    for (option_type, strike, years, values) in [
        (c, 95.0, 0.5, [13.2687, 18.9263, 24.9857]),
        (c, 100.0, 0.5, [8.5126, 14.1702, 20.2296]),
        (c, 105.0, 0.5, [4.3908, 9.8905, 15.8512]),
        (c, 95.0, 1.0, [18.3241, 26.0731, 34.7116]),
        (c, 105.0, 1.0, [9.5445, 17.2965, 25.9002]),
        (p, 95.0, 0.5, [0.6899, 4.4448, 8.9213]),
        (p, 100.0, 0.5, [3.3917, 8.3177, 13.1579]),
        (p, 105.0, 0.5, [8.1478, 13.0739, 17.9140]),
        (p, 95.0, 1.0, [1.0534, 6.2813, 12.2376]),
        (p, 105.0, 1.0, [8.3321, 14.6536, 20.9130]),
    ] {
        for (volatility, value) in [0.1, 0.2, 0.3].into_iter().zip(values) {
            let row = row(option_type, 100.0, strike, years, [0.1, 0.0], volatility);
            let got = fixed_lookback(&row, 100.0).unwrap();
            assert!((got - value).abs() < 1e-4, "{row:?}: {got} is not {value}");
        }
    }
}

/// Without carry: QuantLib's test suite, limits in 50-digit arithmetic (r = q = 5 %, σ = 30 %, T = 1).
#[test]
fn published_lookbacks_without_carry() {
    let (c, p) = (OptionType::Call, OptionType::Put);
    for (option_type, extreme, value) in [(c, 90.0, 21.817_075_601_551_58), (p, 110.0, 26.407_720_137_984_15)] {
        let got = floating_lookback(&row(option_type, 100.0, 1.0, 1.0, [0.05, 0.05], 0.3), extreme).unwrap();
        assert!((got - value).abs() < EXOTIC_LOOKBACK * 100.0, "{got} is not {value}");
    }
    for (option_type, strike, extreme, value) in [
        (c, 95.0, 110.0, 31.163_867_260_487_72),
        (c, 105.0, 100.0, 20.604_933_499_041_01),
        (p, 105.0, 90.0, 26.573_222_724_055_15),
        (p, 95.0, 100.0, 16.226_584_162_874_66),
    ] {
        let got = fixed_lookback(&row(option_type, 100.0, strike, 1.0, [0.05, 0.05], 0.3), extreme).unwrap();
        assert!((got - value).abs() < EXOTIC_LOOKBACK * 100.0, "{got} is not {value}");
    }
}

/// E max(extreme − level, 0) as the integral of the extreme's distribution, by the reflection principle; carries around zero included.
#[test]
fn lookbacks_by_quadrature() {
    use crate::math::{Plain, normal_cdf};
    for carry in [0.05, 1e-3, 4e-5, 1e-5, 1e-9, 0.0, -1e-7, -4e-5, -0.02] {
        for (option_type, strike) in [(OptionType::Call, 105.0), (OptionType::Put, 95.0)] {
            let volatility: f64 = 0.3;
            let row = row(option_type, 100.0, strike, 0.7, [0.03, 0.03 - carry], volatility);
            let got = fixed_lookback(&row, 100.0).unwrap();
            let sign = option_type.sign();
            // The extreme of ω ln(S/S₀) has drift ων.
            let drift = sign * (carry - 0.5 * volatility * volatility);
            let deviation = volatility * row.expiry_years.sqrt();
            let beyond = |x: f64| {
                let reach = normal_cdf::<Plain>((drift * row.expiry_years - x) / deviation);
                let back = normal_cdf::<Plain>((-drift * row.expiry_years - x) / deviation);
                reach + (2.0 * drift * x / (volatility * volatility)).exp() * back
            };
            let from = sign * (strike / 100.0_f64).ln();
            let (to, n) = (from + 10.0 * deviation, 20_000);
            let h = (to - from) / f64::from(n);
            // Simpson's rule in x, dm = S e^(±x) dx.
            let at = |i: i32| {
                let x = from + h * f64::from(i);
                let weight = if i == 0 || i == n {
                    1.0
                } else if i % 2 == 1 {
                    4.0
                } else {
                    2.0
                };
                weight * beyond(x) * 100.0 * (sign * x).exp()
            };
            let value = (0..=n).map(at).sum::<f64>() * h / 3.0 * (-0.03_f64 * 0.7).exp();
            assert!((got - value).abs() < EXOTIC_LOOKBACK * 100.0, "{carry} {option_type:?}: {got} is not {value}");
        }
    }
}

/// A geometric mean of two dates as the integral over both normals.
#[test]
fn asian_by_quadrature() {
    let row = row(OptionType::Put, 100.0, 103.0, 1.0, [0.04, 0.01], 0.35);
    let (first, second) = (0.3_f64, 0.9_f64);
    let drift = 0.03 - 0.5 * 0.35 * 0.35;
    let h = 0.01;
    let density = |z: f64| (-0.5 * z * z).exp() * h / (2.0 * std::f64::consts::PI).sqrt();
    let mut value = 0.0;
    for i in -800..=800 {
        let x = f64::from(i) * h;
        let at_first = drift * first + 0.35 * first.sqrt() * x;
        let mut inner = 0.0;
        for j in -800..=800 {
            let y = f64::from(j) * h;
            let at_second = at_first + drift * (second - first) + 0.35 * (second - first).sqrt() * y;
            inner += density(y) * (103.0 - 100.0 * (0.5 * (at_first + at_second)).exp()).max(0.0);
        }
        value += density(x) * inner;
    }
    value *= (-0.04_f64).exp();
    let got = geometric_asian_at(&row, &[second, first]).unwrap();
    assert!((got - value).abs() < 1e-4, "{got} is not {value}");
}
