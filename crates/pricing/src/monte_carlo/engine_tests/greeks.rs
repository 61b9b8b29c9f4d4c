//! Greeks against Black and Scholes, and against differences of closed forms.

use super::*;
use crate::math::Target;
use crate::monte_carlo::closed_form::Lognormal;

const VOLATILITY: f64 = 0.3;

/// Price, delta, gamma, vega and rho by central differences of a closed form of spot, volatility and rate.
fn differences(price: impl Fn(f64, f64, f64) -> f64) -> [f64; 5] {
    let (s, v, r) = (100.0, VOLATILITY, 0.04);
    let [ds, dv, dr] = [1e-2, 1e-5, 1e-5];
    [
        price(s, v, r),
        (price(s + ds, v, r) - price(s - ds, v, r)) / (2.0 * ds),
        (price(s + ds, v, r) - 2.0 * price(s, v, r) + price(s - ds, v, r)) / (ds * ds),
        (price(s, v + dv, r) - price(s, v - dv, r)) / (2.0 * dv),
        (price(s, v, r + dr) - price(s, v, r - dr)) / (2.0 * dr),
    ]
}

fn wanted(payoff: &Payoff) -> [f64; 5] {
    differences(|spot, volatility, risk_free_rate| {
        let market = Market { spot, risk_free_rate, ..market(0.0, 0.01) };
        let end = Lognormal::spot(&market, volatility);
        market.discount_factor()
            * match *payoff {
                Payoff::European { option_type, strike } => end.option(option_type, strike),
                Payoff::Digital { option_type, strike } => end.digital(option_type, strike),
                Payoff::Asian { option_type, strike, dates, .. } => {
                    Lognormal::geometric_average(&market, volatility, dates).option(option_type, strike)
                }
                _ => unreachable!("no closed form here"),
            }
    })
}

fn quantities(greeks: &GreekEstimates) -> [Estimate; 5] {
    [greeks.price, greeks.delta, greeks.gamma, greeks.vega, greeks.rho]
}

#[test]
fn greeks_meet_closed_forms() {
    let market = market(0.04, 0.01);
    let geometric = |option_type| Payoff::Asian { option_type, strike: 102.0, average: Average::Geometric, dates: 4 };
    let digital = |option_type| Payoff::Digital { option_type, strike: 102.0 };
    for payoff in [
        call(105.0),
        put(105.0),
        digital(OptionType::Call),
        digital(OptionType::Put),
        geometric(OptionType::Call),
        geometric(OptionType::Put),
    ] {
        let wanted = wanted(&payoff);
        for method in [GreekMethod::Pathwise, GreekMethod::LikelihoodRatio] {
            if matches!(payoff, Payoff::Digital { .. }) && method == GreekMethod::Pathwise {
                continue;
            }
            for sampling in [Sampling::Independent, Sampling::Antithetic, Sampling::Sobol { replications: 16 }] {
                let plan = Plan::new(17, 1 << 17, 1).sampled(sampling);
                let got = greeks(&market, VOLATILITY, &payoff, method, &plan).unwrap();
                for (k, (estimate, wanted)) in quantities(&got).into_iter().zip(wanted).enumerate() {
                    // The differences of closed forms are good to 1e-6.
                    let off = (estimate.price - wanted).abs();
                    let allowed = 3.6 * estimate.standard_error + 1e-6 * wanted.abs().max(1e-3);
                    assert!(off <= allowed, "{payoff:?} {method:?} {sampling:?} {k}: {estimate:?} for {wanted}");
                }
            }
        }
    }
}

/// Those that follow path by path from others, against closed forms moved in yield, time and strike.
#[test]
fn phi_theta_and_dual_delta_meet_closed_forms() {
    let market = market(0.04, 0.01);
    for option_type in [OptionType::Call, OptionType::Put] {
        let geometric = |strike: f64| Payoff::Asian { option_type, strike, average: Average::Geometric, dates: 4 };
        let european = |strike: f64| Payoff::European { option_type, strike };
        let digital = |strike: f64| Payoff::Digital { option_type, strike };
        let makers: [&dyn Fn(f64) -> Payoff; 3] = [&european, &geometric, &digital];
        for (which, make) in makers.into_iter().enumerate() {
            let exact = |market: &Market, strike: f64| {
                let end = Lognormal::spot(market, VOLATILITY);
                market.discount_factor()
                    * match which {
                        0 => end.option(option_type, strike),
                        1 => Lognormal::geometric_average(market, VOLATILITY, 4).option(option_type, strike),
                        _ => end.digital(option_type, strike),
                    }
            };
            let (strike, h) = (102.0, 1e-4);
            let of_yield = |by: f64| exact(&Market { dividend_yield: market.dividend_yield + by, ..market }, strike);
            let of_time = |by: f64| exact(&Market { expiry_years: market.expiry_years + by, ..market }, strike);
            let of_strike = |by: f64| exact(&market, strike + by);
            let wanted = [
                (of_yield(h) - of_yield(-h)) / (2.0 * h),
                -(of_time(h) - of_time(-h)) / (2.0 * h),
                (of_strike(1e-2) - of_strike(-1e-2)) / 2e-2,
            ];
            for method in [GreekMethod::Pathwise, GreekMethod::LikelihoodRatio] {
                if which == 2 && method == GreekMethod::Pathwise {
                    continue;
                }
                let plan = Plan::new(31, 1 << 17, 1).sampled(Sampling::Sobol { replications: 16 });
                let got = greeks(&market, VOLATILITY, &make(strike), method, &plan).unwrap();
                for (estimate, wanted) in [got.phi, got.theta, got.dual_delta].into_iter().zip(wanted) {
                    let allowed = 4.0 * estimate.standard_error + 1e-5 * wanted.abs().max(1e-2);
                    let off = (estimate.price - wanted).abs();
                    assert!(off <= allowed, "{option_type:?} {which} {method:?}: {estimate:?} for {wanted}");
                    assert!(estimate.standard_error > 0.0 && estimate.standard_error < 0.05 * wanted.abs().max(1.0));
                }
            }
        }
    }
}

fn knock(kind: BarrierKind, barrier: f64, monitoring: Monitoring) -> Payoff {
    Payoff::Barrier { option_type: OptionType::Call, strike: 98.0, barrier, kind, rebate: 3.0, monitoring }
}

/// All Greeks of a payoff, and each by central differences of a value of market, volatility and strike.
fn by_differences(value: &dyn Fn(&Market, f64, f64) -> f64, market: &Market, strike: f64, h: [f64; 6]) -> [f64; 8] {
    let slope = |h: f64, at: &dyn Fn(f64) -> f64| (at(h) - at(-h)) / (2.0 * h);
    let spot = |by: f64| value(&Market { spot: market.spot + by, ..*market }, VOLATILITY, strike);
    let here = spot(0.0);
    [
        here,
        slope(h[0], &spot),
        (spot(h[0]) - 2.0 * here + spot(-h[0])) / (h[0] * h[0]),
        slope(h[1], &|by| value(market, VOLATILITY + by, strike)),
        -slope(h[2], &|by| value(&Market { expiry_years: market.expiry_years + by, ..*market }, VOLATILITY, strike)),
        slope(h[3], &|by| value(&Market { risk_free_rate: market.risk_free_rate + by, ..*market }, VOLATILITY, strike)),
        slope(h[4], &|by| value(&Market { dividend_yield: market.dividend_yield + by, ..*market }, VOLATILITY, strike)),
        slope(h[5], &|by| value(market, VOLATILITY, strike + by)),
    ]
}

fn all_of(greeks: &GreekEstimates) -> [Estimate; 8] {
    let GreekEstimates { price, delta, gamma, vega, theta, rho, phi, dual_delta } = *greeks;
    [price, delta, gamma, vega, theta, rho, phi, dual_delta]
}

/// Looked at once, at expiry, they have closed forms.
#[test]
fn barriers_and_lookbacks_of_one_date_meet_closed_forms() {
    let market = market(0.04, 0.01);
    let (strike, level, rebate) = (98.0, 120.0, 3.0);
    let out = |market: &Market, volatility: f64, strike: f64| {
        let end = Lognormal::spot(market, volatility);
        let call = |strike: f64| end.option(OptionType::Call, strike);
        let beyond = end.digital(OptionType::Call, level);
        market.discount_factor() * (call(strike) - call(level) - (level - strike) * beyond + rebate * beyond)
    };
    let back_in = |market: &Market, volatility: f64, strike: f64| {
        let end = Lognormal::spot(market, volatility);
        let both = end.option(OptionType::Call, strike) + rebate;
        market.discount_factor() * both - out(market, volatility, strike)
    };
    let lookback = |market: &Market, volatility: f64, strike: f64| {
        let end = Lognormal::spot(market, volatility);
        let least = market.spot.max(strike);
        market.discount_factor() * (least - strike + end.option(OptionType::Call, least))
    };
    let fixed = |strike: f64| Payoff::Lookback { option_type: OptionType::Call, strike: Some(strike), dates: 1 };
    let once = |kind| knock(kind, level, Monitoring::Dates(1));
    let (ratio, path) = (GreekMethod::LikelihoodRatio, GreekMethod::Pathwise);
    type Value<'a> = &'a dyn Fn(&Market, f64, f64) -> f64;
    let cases: [(Payoff, GreekMethod, Value<'_>, f64); 4] = [
        (once(BarrierKind::UpAndOut), ratio, &out, strike),
        (once(BarrierKind::UpAndIn), ratio, &back_in, strike),
        (fixed(90.0), path, &lookback, 90.0),
        (fixed(110.0), path, &lookback, 110.0),
    ];
    for (payoff, method, value, strike) in cases {
        let wanted = by_differences(value, &market, strike, [1e-2, 1e-5, 1e-5, 1e-5, 1e-5, 1e-3]);
        for sampling in [Sampling::Independent, Sampling::Sobol { replications: 64 }] {
            let plan = Plan::new(19, 1 << 17, 1).sampled(sampling);
            let got = greeks(&market, VOLATILITY, &payoff, method, &plan).unwrap();
            for (k, (estimate, wanted)) in all_of(&got).into_iter().zip(wanted).enumerate() {
                let allowed = 4.0 * estimate.standard_error + 1e-5 * wanted.abs().max(1e-2);
                let off = (estimate.price - wanted).abs();
                assert!(off <= allowed, "{payoff:?} {sampling:?} {k}: {estimate:?} for {wanted}");
            }
        }
    }
}

/// Looked at on four dates: the price is the engine's, and the Greeks are differences of it on the same points.
#[test]
fn barriers_and_lookbacks_of_dates_meet_differences_of_prices() {
    let market = market(0.04, 0.01);
    let four = |kind, level| knock(kind, level, Monitoring::Dates(4));
    let lookback = |option_type| Payoff::Lookback { option_type, strike: Some(98.0), dates: 4 };
    for (payoff, method) in [
        (four(BarrierKind::UpAndOut, 130.0), GreekMethod::LikelihoodRatio),
        (four(BarrierKind::DownAndIn, 85.0), GreekMethod::LikelihoodRatio),
        (lookback(OptionType::Call), GreekMethod::Pathwise),
        (lookback(OptionType::Put), GreekMethod::Pathwise),
    ] {
        let plan = Plan::new(37, 1 << 19, 4).sampled(Sampling::Sobol { replications: 16 });
        let moved = |strike: f64| match payoff {
            Payoff::Barrier { option_type, barrier, kind, rebate, monitoring, .. } => {
                Payoff::Barrier { option_type, strike, barrier, kind, rebate, monitoring }
            }
            Payoff::Lookback { option_type, dates, .. } => {
                Payoff::Lookback { option_type, strike: Some(strike), dates }
            }
            other => other,
        };
        let value = |market: &Market, volatility: f64, strike: f64| {
            price(market, &Model::BlackScholes { volatility }, &moved(strike), &plan).unwrap().price
        };
        let steps = [1.0, 0.01, 0.02, 0.01, 0.01, 0.5];
        let wanted = by_differences(&value, &market, 98.0, steps);
        let got = all_of(&greeks(&market, VOLATILITY, &payoff, method, &plan).unwrap());
        assert!((got[0].price - wanted[0]).abs() <= 1e-10, "{payoff:?}: {} for {}", got[0].price, wanted[0]);
        for (k, (estimate, wanted)) in got.into_iter().zip(wanted).enumerate().skip(1) {
            // The differences' own scatter, and 2 % for what their steps leave.
            let scatter = 3.0 * got[0].standard_error / [1.0, 1.0, 0.5, 0.01, 0.02, 0.01, 0.01, 0.5][k];
            let allowed = 4.0 * estimate.standard_error + scatter + 0.02 * wanted.abs();
            let off = (estimate.price - wanted).abs();
            assert!(off <= allowed, "{payoff:?} {k}: {estimate:?} for {wanted}");
        }
    }
}

#[test]
fn arithmetic_asians_have_one_set_of_greeks_by_both_methods() {
    let market = market(0.04, 0.01);
    let payoff = Payoff::Asian { option_type: OptionType::Call, strike: 100.0, average: Average::Arithmetic, dates: 6 };
    let plan = Plan::new(23, 1 << 17, 1);
    let pathwise = quantities(&greeks(&market, VOLATILITY, &payoff, GreekMethod::Pathwise, &plan).unwrap());
    let plan = Plan::new(29, 1 << 17, 1);
    let ratio = quantities(&greeks(&market, VOLATILITY, &payoff, GreekMethod::LikelihoodRatio, &plan).unwrap());
    for (k, (a, b)) in pathwise.into_iter().zip(ratio).enumerate() {
        let error = a.standard_error.hypot(b.standard_error);
        assert!((a.price - b.price).abs() <= 3.6 * error, "{k}: {a:?} {b:?}");
        assert!(k == 0 || a.standard_error < b.standard_error, "{k}: the path's derivative is the sharper one");
    }
    // The price is the engine's own.
    let engine = price(&market, &Model::BlackScholes { volatility: VOLATILITY }, &payoff, &Plan::new(23, 1 << 17, 6));
    assert!((pathwise[0].price - engine.unwrap().price).abs() <= 1e-10);
}

#[test]
fn threads_and_targets_leave_greeks_alone() {
    let market = market(0.04, 0.01);
    let plan = Plan::new(1, 9000, 1).sampled(Sampling::Antithetic);
    let on = |threads: usize, target| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| greeks_on(target, &market, VOLATILITY, &call(95.0), GreekMethod::LikelihoodRatio, &plan))
            .unwrap()
    };
    let one = on(1, Target::best());
    for threads in [2, 3, 7] {
        assert_eq!(one, on(threads, Target::best()));
    }
    let baseline = quantities(&on(2, Target::Baseline));
    for (a, b) in quantities(&one).iter().zip(baseline) {
        assert!((a.price / b.price - 1.0).abs() <= 1e-10, "{a:?} {b:?}");
    }
}

#[test]
fn what_has_no_greeks_is_refused() {
    let market = market(0.04, 0.01);
    let plan = Plan::new(1, 1000, 1);
    let ask = |payoff: Payoff, volatility: f64, plan: Plan| {
        greeks(&market, volatility, &payoff, GreekMethod::Pathwise, &plan).unwrap_err().to_string()
    };
    assert_eq!(ask(call(100.0), 0.0, plan), "bad_volatility");
    assert_eq!(ask(call(100.0), f64::NAN, plan), "bad_volatility");
    let digital = Payoff::Digital { option_type: OptionType::Call, strike: 100.0 };
    assert_eq!(ask(digital, 0.2, plan), "not supported: pathwise Greeks of a digital");
    let lookback = Payoff::Lookback { option_type: OptionType::Call, strike: None, dates: 3 };
    assert_eq!(ask(lookback, 0.2, plan), "not supported: Greeks of a lookback of floating strike");
    let barrier = |monitoring| knock(BarrierKind::UpAndOut, 120.0, monitoring);
    assert_eq!(ask(barrier(Monitoring::Dates(3)), 0.2, plan), "not supported: pathwise Greeks of a barrier");
    let watched = "not supported: Greeks of a barrier that is looked at all the time";
    assert_eq!(ask(barrier(Monitoring::Continuous), 0.2, plan), watched);
    let lookback = Payoff::Lookback { option_type: OptionType::Call, strike: Some(100.0), dates: 3 };
    let refused = greeks(&market, 0.2, &lookback, GreekMethod::LikelihoodRatio, &plan).unwrap_err();
    assert_eq!(refused.to_string(), "not supported: likelihood-ratio Greeks of a lookback");
    assert_eq!(ask(call(100.0), 0.2, plan.controlled(Control::Spot)), "not supported: Greeks with a control");
}
