//! Prices that others have published.

use super::*;
use crate::tolerance::HESTON_STEP_BIAS;

/// Feller's condition holds by a hair less than not at all: 2κθ/σ² = 2.
const LEWIS: Heston = Heston { v0: 0.04, kappa: 4.0, theta_v: 0.25, sigma_v: 1.0, rho_v: -0.5 };

#[test]
fn heston_meets_lewis() {
    // A. L. Lewis, reference prices of 16 digits (Wilmott forum 2014; QuantLib's test suite, hestonmodel.cpp): S = 100, r = 1%, q = 2%.
    let payoffs = [put(80.0), put(90.0), call(100.0), call(110.0), call(120.0)];
    let wanted = [7.958878113256768, 12.017966707346304, 16.070154917028834, 12.132211516709845, 9.024913483457836];
    let market = market(0.01, 0.02);
    for sampling in [Sampling::Independent, Sampling::Antithetic, Sampling::Sobol { replications: 64 }] {
        let steps = 128;
        let plan = Plan::new(7, 1 << 18, steps).sampled(sampling);
        let estimates = prices(&market, &Model::Heston(LEWIS), &payoffs, &plan).unwrap();
        for (estimate, wanted) in estimates.iter().zip(wanted) {
            let off = (estimate.price - wanted).abs();
            let allowed = 3.5 * estimate.standard_error + HESTON_STEP_BIAS * market.spot / steps as f64;
            assert!(off <= allowed, "{sampling:?}: {estimate:?} for {wanted}");
        }
    }
}
