//! The engine against its twin.

use super::*;
use crate::tolerance::ENGINE_TWIN;

#[test]
fn the_engine_pays_what_the_twin_pays() {
    let function = |spot: f64, years: f64| 0.2 + 0.1 * (-spot / 100.0).exp() + 0.02 * years;
    let (spots, years) = ([60.0, 80.0, 100.0, 125.0, 170.0], [0.1, 0.5, 0.9]);
    let volatilities: Vec<f64> = years.iter().flat_map(|t| spots.iter().map(move |s| function(*s, *t))).collect();
    let [function, grid] = [
        LocalVolatility::Function(&function),
        LocalVolatility::Grid(VolatilityGrid::new(&years, &spots, &volatilities).unwrap()),
    ];
    let positive = Heston { rho_v: 0.9, sigma_v: 1.5, ..HESTON };
    let models = [
        Model::BlackScholes { volatility: 0.25 },
        Model::Merton { volatility: 0.2, jumps: JUMPS },
        Model::Heston(HESTON),
        // The correction does not exist everywhere.
        Model::Heston(positive),
        Model::Bates { heston: HESTON, jumps: JUMPS },
        Model::LocalVolatility(&function),
        Model::LocalVolatility(&grid),
    ];
    let market = market(0.03, 0.01);
    for model in models {
        let payoffs = payoffs(matches!(model, Model::Merton { .. } | Model::Bates { .. }));
        for sampling in [Sampling::Independent, Sampling::Antithetic, Sampling::Sobol { replications: 3 }] {
            let plan = Plan::new(0x1234_5678_9abc, 3 * 700, 12).sampled(sampling);
            let estimates = prices(&market, &model, &payoffs, &plan).unwrap();
            for (payoff, estimate) in payoffs.iter().zip(estimates) {
                let twin = twin::mean(&market, &model, payoff, &plan).unwrap();
                let off = (estimate.price - twin).abs() / market.spot;
                assert!(
                    off <= ENGINE_TWIN,
                    "{model:?} {sampling:?} {payoff:?}: {} for {twin}, {off:e}",
                    estimate.price
                );
            }
        }
    }
}

#[test]
fn coordinates_beyond_the_table_are_drawn() {
    // 600 steps of two factors: 176 coordinates are Philox's.
    let plan = Plan::new(5, 64, 600).sampled(Sampling::Sobol { replications: 2 });
    let market = market(0.03, 0.01);
    let estimate = price(&market, &Model::Heston(HESTON), &call(100.0), &plan).unwrap();
    let twin = twin::mean(&market, &Model::Heston(HESTON), &call(100.0), &plan).unwrap();
    assert!((estimate.price - twin).abs() / market.spot <= ENGINE_TWIN, "{} for {twin}", estimate.price);
}
