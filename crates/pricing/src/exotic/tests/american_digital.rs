use zomma_base::Status;

use super::*;
use crate::finite_difference::{Contract, Payoff, Settings, solve};
use crate::tolerance::EXOTIC_BARRIER;

/// What one unit at the first touch of the strike by expiry is worth: the integral of e^(−rt) over the first passage's density
/// |ln(K/S)| / (σ √(2π t³)) e^(−(ln(K/S) − (b − σ²/2) t)²/(2σ²t)), by the trapezoidal rule in ln t, which ends in next to nothing on both sides.
fn by_first_passage(row: &Row) -> f64 {
    let log = (row.strike / row.spot).ln();
    let variance = row.volatility * row.volatility;
    let drift = row.risk_free_rate - row.dividend_yield - 0.5 * variance;
    // In u = ln(T/t) ∈ [0, ∞) by u = s²: smooth at expiry, where the density does not end.
    let at = |s: f64| {
        let t = row.expiry_years * (-s * s).exp();
        let away = log - drift * t;
        let exponent = -row.risk_free_rate * t - 0.5 * away * away / (variance * t);
        let density = log.abs() / (row.volatility * (std::f64::consts::TAU * t * t * t).sqrt()) * exponent.exp();
        if density > 0.0 { density * t * 2.0 * s } else { 0.0 }
    };
    let (n, end) = (200_000, 7.0);
    let h = end / f64::from(n);
    // Simpson's rule.
    let inner: f64 = (1..n).map(|i| if i % 2 == 1 { 4.0 } else { 2.0 } * at(h * f64::from(i))).sum();
    h / 3.0 * (at(0.0) + inner + at(end))
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for option_type in BOTH {
        for away in [0.02, 0.4, 1.0, 2.5] {
            for years in [0.1, 1.0, 5.0] {
                for rates in [[0.05, 0.0], [0.0, 0.0], [0.02, 0.08], [0.09, 0.03]] {
                    for volatility in [0.08, 0.3, 0.8] {
                        let strike = 100.0 * (option_type.sign() * away * volatility * f64::sqrt(years)).exp();
                        rows.push(row(option_type, 100.0, strike, years, rates, volatility));
                    }
                }
            }
        }
    }
    rows
}

#[test]
fn out_of_the_money_they_are_the_first_passage_integral() {
    for row in rows() {
        let touch = by_first_passage(&row);
        let cash = american_cash_or_nothing(&row, 10.0).unwrap();
        assert!((cash - 10.0 * touch).abs() < 1e-10 * 10.0, "{row:?}: {cash} is not {}", 10.0 * touch);
        let asset = american_asset_or_nothing(&row).unwrap();
        assert!((asset - row.strike * touch).abs() < 1e-10 * row.strike, "{row:?}: {asset} {touch}");
        assert!(cash <= 10.0 * (1.0 + EXOTIC_BARRIER) && asset <= row.strike.max(row.spot) * (1.0 + EXOTIC_BARRIER));
        // And the rebate of an option that is worth nothing.
        let direction = if row.option_type == OptionType::Call { Direction::Up } else { Direction::Down };
        let terms = SingleBarrier { level: row.strike, direction, knock: Knock::Out, rebate: 10.0 };
        let rebate = barrier(&row, &terms).unwrap();
        assert!((cash - rebate).abs() < EXOTIC_BARRIER * 10.0, "{row:?}: {cash} is not {rebate}");
    }
}

#[test]
fn the_grid_agrees_and_states_its_error() {
    let mut seen = 0;
    for row in rows().into_iter().step_by(3) {
        let cash = american_cash_or_nothing(&row, 10.0).unwrap();
        let asset = american_asset_or_nothing(&row).unwrap();
        for (payoff, exact, size) in
            [(Payoff::CashOrNothing(10.0), cash, 10.0), (Payoff::AssetOrNothing, asset, row.strike)]
        {
            let contract = Contract { payoff, ..Contract::american(row, &[]) };
            let found = solve(&contract, &Settings::default()).unwrap();
            let off = (found.value - exact).abs();
            assert!(off <= found.error + 1e-7 * size, "{row:?} {payoff:?}: {found:?}, exact {exact}");
            // Of the second order now, not of the first.
            assert!(off < 2e-3 * size, "{row:?} {payoff:?}: {found:?}, exact {exact}");
            seen += usize::from(off < 1e-5 * size);
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn in_the_money_they_are_exercised_at_once() {
    for option_type in BOTH {
        let inside = 100.0 * (-0.1 * option_type.sign()).exp();
        for strike in [inside, 100.0] {
            let row = row(option_type, 100.0, strike, 1.0, [0.05, 0.01], 0.2);
            assert_eq!(american_cash_or_nothing(&row, 7.0), Ok(7.0));
            assert_eq!(american_asset_or_nothing(&row), Ok(100.0));
        }
    }
}

#[test]
fn where_waiting_may_pay_there_is_no_formula() {
    let negative = row(OptionType::Call, 100.0, 110.0, 1.0, [-0.01, 0.0], 0.2);
    assert_eq!(american_cash_or_nothing(&negative, 1.0), Err(Status::BadMethod));
    // The share does not care for the rate.
    let asset = american_asset_or_nothing(&negative).unwrap();
    assert!((asset - 110.0 * by_first_passage(&negative)).abs() < 1e-8, "{asset}");
    let paying = Row { risk_free_rate: 0.01, dividend_yield: -0.01, ..negative };
    assert_eq!(american_asset_or_nothing(&paying), Err(Status::BadMethod));
    assert!(american_cash_or_nothing(&paying, 1.0).is_ok());
    assert_eq!(american_cash_or_nothing(&paying, -1.0), Err(Status::BadPrice));
    assert_eq!(american_asset_or_nothing(&Row { volatility: 0.0, ..negative }), Err(Status::BadVolatility));
}

/// Volatilities at which μ and λ are all but one number: a touch that the carry all but ensures.
#[test]
fn a_rebate_where_the_carry_leads_is_right_at_any_volatility() {
    // The spot of certain drift r − q = −5 % meets 90 after ln(0.9)/(−0.05) years.
    let time = 0.9_f64.ln() / -0.05;
    let certain = 100.0 * (-0.01 * time).exp();
    let down = SingleBarrier { level: 90.0, direction: Direction::Down, knock: Knock::Out, rebate: 100.0 };
    for volatility in [1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8] {
        let row = row(OptionType::Call, 100.0, 1e6, 5.0, [0.01, 0.06], volatility);
        let value = barrier(&row, &down).unwrap();
        assert!((value / certain - 1.0).abs() < volatility * volatility + 1e-13, "{volatility}: {value} {certain}");
    }
}
