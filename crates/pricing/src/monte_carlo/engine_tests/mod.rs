//! The engine against published values, closed forms and its own laws.

mod baskets;
mod exercise;
mod greeks;
mod laws;
mod path_payoffs;
mod published;
mod refusals;
mod twins;
mod variance;

use zomma_base::OptionType;

use super::*;
use crate::black;

/// Feller's condition is broken: 2κθ/σ² = 0.5.
const HESTON: Heston = Heston { v0: 0.05, kappa: 1.5, theta_v: 0.06, sigma_v: 0.6, rho_v: -0.7 };

const JUMPS: Jumps = Jumps { jump_intensity: 0.8, jump_mean: -0.1, jump_std: 0.15 };

/// Spot 100, a year.
fn market(risk_free_rate: f64, dividend_yield: f64) -> Market {
    Market { spot: 100.0, expiry_years: 1.0, risk_free_rate, dividend_yield }
}

fn call(strike: f64) -> Payoff {
    Payoff::European { option_type: OptionType::Call, strike }
}

fn put(strike: f64) -> Payoff {
    Payoff::European { option_type: OptionType::Put, strike }
}

/// One of each kind, twelve steps dividing into their dates; with jumps no barrier is looked at all the time.
fn payoffs(jumps: bool) -> Vec<Payoff> {
    let (option_type, strike, dates) = (OptionType::Call, 98.0, 6);
    let monitoring = if jumps { Monitoring::Dates(12) } else { Monitoring::Continuous };
    let barrier =
        |kind, barrier, monitoring| Payoff::Barrier { option_type, strike, barrier, kind, rebate: 2.0, monitoring };
    vec![
        call(105.0),
        put(95.0),
        Payoff::Digital { option_type, strike },
        Payoff::Asian { option_type, strike, average: Average::Arithmetic, dates },
        Payoff::Asian { option_type: OptionType::Put, strike, average: Average::Geometric, dates },
        barrier(BarrierKind::UpAndOut, 130.0, monitoring),
        barrier(BarrierKind::DownAndIn, 80.0, monitoring),
        barrier(BarrierKind::UpAndIn, 120.0, Monitoring::Dates(4)),
        barrier(BarrierKind::DownAndOut, 85.0, Monitoring::Dates(12)),
        Payoff::Lookback { option_type, strike: Some(strike), dates },
        Payoff::Lookback { option_type: OptionType::Put, strike: None, dates },
    ]
}

/// Black and Scholes.
fn european(market: &Market, option_type: OptionType, strike: f64, volatility: f64) -> f64 {
    let row = black::Row {
        option_type,
        spot: market.spot,
        strike,
        expiry_years: market.expiry_years,
        risk_free_rate: market.risk_free_rate,
        dividend_yield: market.dividend_yield,
        volatility,
    };
    black::scalar::price(&row, black::Model::Bsm).unwrap()
}
