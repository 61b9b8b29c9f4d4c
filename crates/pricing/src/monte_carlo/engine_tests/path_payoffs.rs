//! Payoffs on the path against closed forms.

use super::*;
use crate::math::{Plain, normal_cdf};
use crate::monte_carlo::closed_form::Lognormal;

const SAMPLINGS: [Sampling; 3] = [Sampling::Independent, Sampling::Antithetic, Sampling::Sobol { replications: 16 }];

/// Asserts that estimates are within 3.5 standard errors (and what the wanted number was rounded by).
fn meets(estimate: Estimate, wanted: f64, rounded: f64, what: &str) {
    let off = (estimate.price - wanted).abs();
    assert!(off <= 3.5 * estimate.standard_error + rounded, "{what}: {estimate:?} for {wanted}");
}

#[test]
fn geometric_asians_meet_kemna_and_vorst() {
    let market = market(0.05, 0.02);
    let model = Model::BlackScholes { volatility: 0.3 };
    for (dates, steps, option_type, strike) in
        [(1, 1, OptionType::Call, 100.0), (4, 12, OptionType::Put, 105.0), (12, 12, OptionType::Call, 95.0)]
    {
        let payoff = Payoff::Asian { option_type, strike, average: Average::Geometric, dates };
        let wanted =
            market.discount_factor() * Lognormal::geometric_average(&market, 0.3, dates).option(option_type, strike);
        for sampling in SAMPLINGS {
            let estimate = price(&market, &model, &payoff, &Plan::new(8, 1 << 16, steps).sampled(sampling)).unwrap();
            meets(estimate, wanted, 0.0, &format!("{dates} dates, {sampling:?}"));
        }
    }
}

/// Reiner and Rubinstein (1991): the down-and-in call with a strike above the barrier, and no rebate.
fn down_and_in_call(market: &Market, volatility: f64, strike: f64, barrier: f64) -> f64 {
    let Market { spot, expiry_years, risk_free_rate, dividend_yield } = *market;
    let deviation = volatility * expiry_years.sqrt();
    let lambda = (risk_free_rate - dividend_yield) / (volatility * volatility) + 0.5;
    let y = (barrier * barrier / (spot * strike)).ln() / deviation + lambda * deviation;
    let ratio = barrier / spot;
    spot * (-dividend_yield * expiry_years).exp() * ratio.powf(2.0 * lambda) * normal_cdf::<Plain>(y)
        - strike
            * (-risk_free_rate * expiry_years).exp()
            * ratio.powf(2.0 * lambda - 2.0)
            * normal_cdf::<Plain>(y - deviation)
}

#[test]
fn barriers_looked_at_all_the_time_meet_reiner_and_rubinstein_whatever_the_step() {
    let market = market(0.05, 0.02);
    let (option_type, strike, barrier, volatility) = (OptionType::Call, 100.0, 90.0, 0.25);
    let model = Model::BlackScholes { volatility };
    let knocked = down_and_in_call(&market, volatility, strike, barrier);
    let whole = european(&market, option_type, strike, volatility);
    for steps in [1, 7, 24] {
        for sampling in SAMPLINGS {
            for (kind, wanted) in [(BarrierKind::DownAndIn, knocked), (BarrierKind::DownAndOut, whole - knocked)] {
                let monitoring = Monitoring::Continuous;
                let payoff = Payoff::Barrier { option_type, strike, barrier, kind, rebate: 0.0, monitoring };
                let plan = Plan::new(31, 1 << 16, steps).sampled(sampling);
                meets(
                    price(&market, &model, &payoff, &plan).unwrap(),
                    wanted,
                    0.0,
                    &format!("{kind:?} {steps} {sampling:?}"),
                );
            }
        }
    }
}

#[test]
fn barriers_with_rebate_meet_haugs_table() {
    // E. G. Haug, The Complete Guide to Option Pricing Formulas (2007), table 4-13: S = 100, T = 0.5, r = 8%, b = 4%, rebate 3 (paid at
    // expiry where the option was not knocked in); volatilities 25% and 30%.
    let market = Market { spot: 100.0, expiry_years: 0.5, risk_free_rate: 0.08, dividend_yield: 0.04 };
    let (down, up) = (BarrierKind::DownAndIn, BarrierKind::UpAndIn);
    for (kind, option_type, strike, barrier, wanted) in [
        (down, OptionType::Call, 90.0, 95.0, [7.7627, 9.0093]),
        (down, OptionType::Call, 100.0, 95.0, [4.0109, 5.1370]),
        (down, OptionType::Call, 110.0, 95.0, [2.0576, 2.8517]),
        (up, OptionType::Put, 90.0, 105.0, [1.4653, 2.0658]),
        (up, OptionType::Put, 100.0, 105.0, [3.3721, 4.4226]),
        (up, OptionType::Put, 110.0, 105.0, [7.0846, 8.3686]),
    ] {
        let payoff =
            Payoff::Barrier { option_type, strike, barrier, kind, rebate: 3.0, monitoring: Monitoring::Continuous };
        for (volatility, wanted) in [0.25, 0.3].into_iter().zip(wanted) {
            let plan = Plan::new(4, 1 << 16, 4).sampled(Sampling::Sobol { replications: 16 });
            let estimate = price(&market, &Model::BlackScholes { volatility }, &payoff, &plan).unwrap();
            meets(estimate, wanted, 5e-5, &format!("{kind:?} {strike} {volatility}"));
        }
    }
}

#[test]
fn barriers_on_dates_meet_the_continuity_correction() {
    // M. Broadie, P. Glasserman and S. Kou (1997): the barrier moved away by e^(0.5826 σ√(T/m)); good to a thousandth of a price here.
    let market = market(0.05, 0.02);
    let (option_type, strike, volatility, dates) = (OptionType::Call, 100.0, 0.25, 50);
    let barrier = 88.0;
    let moved = barrier * (-0.5826 * volatility * (1.0 / f64::from(dates)).sqrt()).exp();
    let wanted =
        european(&market, option_type, strike, volatility) - down_and_in_call(&market, volatility, strike, moved);
    let kind = BarrierKind::DownAndOut;
    let payoff = Payoff::Barrier { option_type, strike, barrier, kind, rebate: 0.0, monitoring: Monitoring::Dates(50) };
    let plan =
        Plan::new(12, 1 << 17, 50).sampled(Sampling::Antithetic).controlled(Control::BlackScholes { volatility });
    let estimate = price(&market, &Model::BlackScholes { volatility }, &payoff, &plan).unwrap();
    meets(estimate, wanted, 1e-3 * wanted, "on dates");
}

#[test]
fn lookbacks_on_one_date_are_european() {
    let market = market(0.05, 0.02);
    let model = Model::BlackScholes { volatility: 0.3 };
    let plan = Plan::new(6, 1 << 16, 3).sampled(Sampling::Sobol { replications: 16 });
    for (option_type, strike, of) in [
        (OptionType::Call, Some(105.0), 105.0),
        (OptionType::Put, Some(95.0), 95.0),
        (OptionType::Call, None, 100.0),
        (OptionType::Put, None, 100.0),
    ] {
        let payoff = Payoff::Lookback { option_type, strike, dates: 1 };
        let wanted = european(&market, option_type, of, 0.3);
        meets(price(&market, &model, &payoff, &plan).unwrap(), wanted, 0.0, &format!("{payoff:?}"));
    }
}
