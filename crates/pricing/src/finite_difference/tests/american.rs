use super::*;
use crate::tolerance::FINITE_DIFFERENCE_AMERICAN;

/// Geske and Johnson (1984), Table I: puts at spot 40, rate 4.88 %, no yield; months 1, 4, 7.
#[test]
fn published_puts() {
    let table = [
        (0.2, 35.0, [0.0062, 0.2000, 0.4328]),
        (0.2, 40.0, [0.8522, 1.5798, 1.9905]),
        (0.2, 45.0, [5.0000, 5.0883, 5.2670]),
        (0.3, 35.0, [0.0774, 0.6975, 1.2198]),
        (0.3, 40.0, [1.3099, 2.4825, 3.1696]),
        (0.3, 45.0, [5.0597, 5.7056, 6.2436]),
        (0.4, 35.0, [0.2466, 1.3460, 2.1549]),
        (0.4, 40.0, [1.7681, 3.3874, 4.3526]),
        (0.4, 45.0, [5.2868, 6.5099, 7.3830]),
    ];
    for (volatility, strike, values) in table {
        for (years, value) in [0.0833, 0.3333, 0.5833].into_iter().zip(values) {
            let row = row(OptionType::Put, 40.0, strike, years, [0.0488, 0.0], volatility);
            let got = solve(&Contract::american(row, &[]), &Settings::default()).unwrap();
            // The table's own values are off by up to 7e-4.
            assert!((got.value - value).abs() < 8e-4, "{volatility} {strike} {years}: {got:?} is not {value}");
        }
    }
}

/// Andersen, Lake and Offengenden (2016), section 6: one-year put at the money, rate and yield 5 %, volatility 25 %; the premium over
/// the European value.
#[test]
fn published_premium() {
    let row = row(OptionType::Put, 100.0, 100.0, 1.0, [0.05, 0.05], 0.25);
    let got = solve(&Contract::american(row, &[]), &fine()).unwrap();
    let european = crate::black::scalar::price(&row, crate::black::Model::Bsm).unwrap();
    assert!((got.value - european - 0.106952702747).abs() < 5e-5, "{}", got.value - european);
}

/// The three ways to exercise meet, with all schemes that damp.
#[test]
fn methods_agree() {
    for (option_type, strike, rates) in [
        (OptionType::Put, 100.0, [0.05, 0.0]),
        (OptionType::Put, 115.0, [0.05, 0.02]),
        (OptionType::Call, 95.0, [0.03, 0.07]),
    ] {
        let row = row(option_type, 100.0, strike, 0.75, rates, 0.3);
        let contract = Contract::american(row, &[]);
        let best = solve(&contract, &fine()).unwrap();
        for scheme in [Scheme::TrBdf2, Scheme::Rannacher] {
            for (american, allowed) in [
                (AmericanMethod::BrennanSchwartz, FINITE_DIFFERENCE_AMERICAN),
                (AmericanMethod::Penalty, FINITE_DIFFERENCE_AMERICAN),
                (AmericanMethod::Projection, 10.0 * FINITE_DIFFERENCE_AMERICAN),
            ] {
                // Crank–Nicolson's even steps converge more slowly: like the power 1.3 of the step.
                let time_steps = if scheme == Scheme::TrBdf2 { 40 } else { 160 };
                let settings = Settings { scheme, american, time_steps, ..Settings::default() };
                let got = solve(&contract, &settings).unwrap();
                let off = (got.value - best.value).abs() / best.value;
                assert!(off < allowed, "{row:?} {scheme:?} {american:?}: {got:?} is not {best:?}");
            }
        }
    }
}

/// Under negative rates a put is exercised between two boundaries: the penalty handles it. QuantLib 1.44, FdBlackScholesVanillaEngine:
/// 9.200230 on 1,000 × 1,000 and 9.200654 on 2,000 × 2,000, first order in the time step: 9.20108.
#[test]
fn two_boundaries() {
    let row = row(OptionType::Put, 100.0, 105.0, 2.0, [-0.01, -0.04], 0.15);
    let got = solve(&Contract::american(row, &[]), &fine()).unwrap();
    assert!((got.value - 9.20108).abs() < 5e-5, "{got:?}");
}

/// Bermudan dates from few to many lead from the European to the American value.
#[test]
fn bermudan_between() {
    let row = row(OptionType::Put, 100.0, 105.0, 1.0, [0.06, 0.0], 0.25);
    let value = |exercise| {
        let contract = Contract { exercise, ..Contract::european(row) };
        solve(&contract, &Settings::default()).unwrap().value
    };
    let dates = |n: usize| (1..n).map(|i| i as f64 / n as f64).collect::<Vec<_>>();
    let (four, many) = (dates(4), dates(100));
    let values = [
        value(Exercise::European),
        value(Exercise::Bermudan(&four)),
        value(Exercise::Bermudan(&many)),
        value(Exercise::American),
    ];
    assert!(values.windows(2).all(|v| v[0] < v[1]), "{values:?}");
    assert!(values[3] - values[2] < 0.01, "{values:?}");
}

/// The grid against the integral equation of `american`, which shares nothing with it: strikes, expiries, volatilities, rates and yields.
#[test]
fn the_integral_equation_agrees() {
    let mut worst = 0.0_f64;
    for option_type in BOTH {
        for rates in [[0.05, 0.02], [0.03, 0.07], [0.08, 0.0]] {
            for (strike, years, volatility) in
                [(85.0, 0.25, 0.3), (100.0, 1.0, 0.2), (115.0, 0.5, 0.45), (95.0, 2.0, 0.15), (130.0, 1.5, 0.6)]
            {
                let row = row(option_type, 100.0, strike, years, rates, volatility);
                let exact = crate::american::price(&row).unwrap();
                let got = solve(&Contract::american(row, &[]), &Settings::default()).unwrap();
                let off = (got.value - exact).abs() / exact;
                worst = worst.max(off);
                assert!(off < FINITE_DIFFERENCE_AMERICAN, "{row:?}: {got:?} is not {exact}");
            }
        }
    }
    println!("integral equation: {worst:.1e}");
}

/// The penalty's iteration ends also where volatility stretches the grid over many orders of size.
#[test]
fn the_penalty_ends() {
    let dividends = [cash(0.15, 2.0), cash(0.9, 20.0)];
    for volatility in [0.5, 1.2, 1.5, 2.0, 3.0] {
        for rate in [-0.013, 0.03] {
            let row = row(OptionType::Call, 81.3, 100.0, 1.0, [rate, 0.0], volatility);
            let settings = Settings { american: AmericanMethod::Penalty, ..Settings::default() };
            assert!(american_with_dividends(&row, &dividends, &settings).is_ok(), "{row:?}");
        }
    }
}

/// A digital that is paid at the strike's touch: just outside the strike, where no node fits between, and at it.
#[test]
fn a_digital_is_paid_at_the_strike_and_all_but_paid_beside_it() {
    use crate::exotic::{american_asset_or_nothing, american_cash_or_nothing};
    for (option_type, side) in [(OptionType::Put, 1.0), (OptionType::Call, -1.0)] {
        for payoff in [Payoff::CashOrNothing(1.0), Payoff::AssetOrNothing] {
            let at = |spot: f64, rates: [f64; 2]| {
                let row = row(option_type, spot, 100.0, 0.5, rates, 0.2);
                let contract = Contract { payoff, ..Contract::american(row, &[]) };
                (row, solve(&contract, &Settings::default()).unwrap())
            };
            let is_cash = payoff != Payoff::AssetOrNothing;
            let unit = if is_cash { 1.0 } else { 100.0 };
            for away in [1e-9, 5e-6, 1e-3, 5e-3, 0.01, 0.05] {
                let (row, got) = at(100.0 + side * away, [0.05, 0.02]);
                let exact = |row: &Row| {
                    if is_cash { american_cash_or_nothing(row, 1.0) } else { american_asset_or_nothing(row) }.unwrap()
                };
                let wanted = exact(&row);
                assert!((got.value - wanted).abs() < 1e-5 * unit, "{payoff:?} {away}: {got:?} is not {wanted}");
                let h = side * 1e-4;
                let moved = |by: f64| exact(&Row { spot: row.spot + by, ..row });
                let slope = (-3.0 * wanted + 4.0 * moved(h) - moved(2.0 * h)) / (2.0 * h);
                assert!((got.delta - slope).abs() < 0.01 * slope.abs(), "{payoff:?} {away}: {got:?} is not {slope}");
                assert!(got.theta.abs() < 0.01 * unit, "{payoff:?} {away}: {got:?}");
            }
            // Where waiting inside the money pays there is no formula; beside the strike the holder is all but paid the same.
            let (_, got) = at(100.0 + side * 5e-4, [-0.01, -0.01]);
            assert!((got.value - unit).abs() < 1e-4 * unit && got.error < 1e-3 * unit, "{payoff:?}: {got:?}");
            let (_, paid) = at(100.0, [0.05, 0.02]);
            let slope = if is_cash { 0.0 } else { 1.0 };
            assert_eq!([paid.value, paid.delta, paid.gamma, paid.theta], [unit, slope, 0.0, 0.0], "{payoff:?}");
        }
    }
}
